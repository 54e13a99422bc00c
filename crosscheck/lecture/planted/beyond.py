"""Mistakes in the layers beyond the lecture's: those that fit any layer, and for each layer one of its own kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from crosscheck.doors.layers import from_layer
from crosscheck.lecture.layer_row import LayerRow
from crosscheck.lecture.losses import from_loss
from crosscheck.lecture.nonzero import nonzero
from crosscheck.lecture.planted.changes import Array, Backward, Wrong, argument, cotangent, ones, result
from crosscheck.lecture.planted.healthy import Healthy, Rng
from crosscheck.lecture.planted.passes import elementwise, logistic, softmax
from crosscheck.lecture.rows import LOSSES, ROWS, LossRow
from crosscheck.operation import Arrays, Operation

Planted = tuple[str, str, Healthy, Wrong]  # name, kind, what it is planted in, the mistake


def of_row(row: LayerRow, name: str) -> Healthy:
    """The layer at a named point of its row, on normal inputs."""

    def healthy(rng: Rng) -> Operation:
        made = nonzero(row.layer(name, rng), rng)
        return from_layer(made, row.input(row.point(name), rng))

    return healthy


def of_loss(row: LossRow, name: str) -> Healthy:
    """The loss at a named point of its row, on a normal prediction."""

    def healthy(rng: Rng) -> Operation:
        point = row.point(name)
        return from_loss(row.make(point), rng.normal(size=point["shape"]), row.target(rng, point))

    return healthy


def made(gradient: Callable[[Array, Arrays], Array], name: str = "x") -> Wrong:
    """One gradient computed in another way."""

    def wrong(base: Operation) -> Backward:
        def backward(g: Array, values: Arrays) -> Any:
            return {**base.backward(g.copy(), values), name: gradient(g, values)}

        return backward

    return wrong


def changed(name: str, change: Callable[[Array, Array, Arrays], Array]) -> Wrong:
    """One gradient changed by what arrives and by the inputs: (gradient, g, inputs)."""

    def wrong(base: Operation) -> Backward:
        def backward(g: Array, values: Arrays) -> Any:
            found = {k: np.array(a) for k, a in base.backward(g.copy(), values).items()}
            return {**found, name: change(found[name], g, values)}

        return backward

    return wrong


# ---------------------------------------------------------------------- normalization by hand, and wrong


def scaled(x: Array, axes: tuple[int, ...], eps: float = 1e-5) -> tuple[Array, Array]:
    """x standardized over the axes, and one over its standard deviation."""
    inverse = 1 / np.sqrt(x.var(axes, keepdims=True) + eps)
    return (x - x.mean(axes, keepdims=True)) * inverse, inverse


def constant_statistics(axes: tuple[int, ...], along: Callable[[Arrays], Array] = lambda v: np.ones(1)) -> Wrong:
    """Mean and variance taken as constants."""
    return made(lambda g, v: g * along(v) * scaled(v["x"], axes)[1])


def constant_variance(axes: tuple[int, ...], along: Callable[[Arrays], Array] = lambda v: np.ones(1)) -> Wrong:
    """The variance taken as a constant."""

    def gradient(g: Array, v: Arrays) -> Array:
        h = g * along(v)
        return scaled(v["x"], axes)[1] * (h - h.mean(axes, keepdims=True))

    return made(gradient)


def per_channel(values: Arrays) -> Array:
    return values["scales"].reshape(1, -1, *(1,) * (values["x"].ndim - 2))


def grouped(g: Array, v: Arrays) -> Array:
    """Two groups whose statistics are taken as constants."""
    x = v["x"].reshape(len(v["x"]), 2, -1)
    return ((g * per_channel(v)).reshape(x.shape) * scaled(x, (2,))[1]).reshape(v["x"].shape)


def root_mean_square(g: Array, v: Arrays) -> Array:
    return g * v["scales"] / np.sqrt((v["x"] ** 2).mean(-1, keepdims=True) + 1e-5)


def unscaled_directions(found: Array, g: Array, v: Arrays) -> Array:
    """Without the part along the direction."""
    grad_weights = v["x"].T @ g
    return v["lengths"] / np.sqrt((v["directions"] ** 2).sum(0)) * grad_weights


def overwritten(g: Array, v: Arrays) -> Array:
    """Of a row that is looked up again, only the last place counts."""
    table = np.zeros_like(v["table"])
    table[v["x"]] = g
    return table


# ---------------------------------------------------------------------- the table


# operation -> (which mistake, its kind, how)
OWN: dict[str, tuple[str, str, Wrong]] = {
    "convolution": ("x with filters not flipped", "flipped", argument("filters", lambda w: w[..., ::-1], "x")),
    "transposed_convolution": ("x with filters flipped", "flipped", argument(
        "filters", lambda w: w[:, :, ::-1, ::-1], "x")),
    "embedding": ("repeated rows overwritten", "overwritten", made(overwritten, "table")),
    "add": ("the input's own path forgotten", "missing-terms", changed("x", lambda a, g, v: a - g)),
    "concatenation": ("the second branch lost", "missing-terms", cotangent(lambda g, v: np.concatenate(
        [g[:, :3], np.zeros_like(g[:, 3:])], axis=1))),
    "multiply": ("the gate taken as constant 1", "missing-terms", made(lambda g, v: g.copy())),
    "dropout": ("the mask forgotten", "missing-mask", made(lambda g, v: 2 * g)),
    "pad": ("cropped one off", "shifted", result("x", lambda a: np.roll(a, (1, 1), (2, 3)))),
    "pixel_shuffle": ("rows and columns of a block swapped", "permuted", result("x", lambda a: a[:, [0, 2, 1, 3]])),
    "attention": ("the scale forgotten for the queries", "scaled", result("queries_weights", lambda a: 2 * a)),
    "projection": ("weights transposed", "transposed", result("values_weights", lambda a: a.T)),
    "standardization": ("statistics as constants", "missing-terms", constant_statistics((1,))),
    "batch_norm": ("statistics as constants", "missing-terms", constant_statistics((0, 2, 3), per_channel)),
    "layer_norm": ("the variance as a constant", "missing-terms", constant_variance((-1,), lambda v: v["scales"])),
    "group_norm": ("statistics as constants", "missing-terms", made(grouped)),
    "rms_norm": ("the mean square as a constant", "missing-terms", made(root_mean_square)),
    "weight_norm": ("the norm as a constant", "missing-terms", changed("directions", unscaled_directions)),
    "max_pooling": ("the padding not cropped off", "shifted", result("x", lambda a: np.roll(a, (1, 1), (2, 3)))),
    "average_pooling": ("not divided by the window", "scaled", result("x", lambda a: 4 * a)),
    "lp_pooling": ("the sign forgotten", "missing-terms", result("x", np.abs)),
    "resampling": ("one column off", "shifted", result("x", lambda a: np.roll(a, 1, 3))),
    "leaky_relu": ("a ReLU's mask", "wrong-mask", elementwise(lambda x: x > 0)),
    "prelu": ("the share forgotten", "missing-terms", made(lambda g, v: g.copy())),
    "elu": ("the slope below 0 forgotten", "missing-terms", elementwise(np.ones_like)),
    "selu": ("a ReLU's mask", "wrong-mask", elementwise(lambda x: x > 0)),
    "silu": ("only the sigmoid", "missing-terms", elementwise(logistic)),
    "hard_swish": ("X taken as constant", "missing-terms", elementwise(lambda x: np.clip(x + 3, 0, 6) / 6)),
    "gelu": ("the derivative forgotten", "missing-terms", elementwise(np.ones_like)),
    "softmax": ("only the diagonal", "missing-terms", made(lambda g, v: g * softmax(v["x"]))),
    "log_softmax": ("the sum forgotten", "missing-terms", made(lambda g, v: g.copy())),
    "maxout": ("spread over the pieces", "spread", made(lambda g, v: np.repeat(g, 2, axis=1) / 2)),
}  # fmt: skip

# operation, the named point -> (which mistake, its kind, how): in what a layer does beside its first case
FURTHER: dict[tuple[str, str], tuple[str, str, Wrong]] = {
    ("max_pooling", "volumes, 2×3×2"): ("one plane off", "shifted", result("x", lambda a: np.roll(a, 1, 2))),
    ("average_pooling", "volumes, 2×3×2, ceil"): ("one plane off", "shifted", result("x", lambda a: np.roll(a, 1, 2))),
    ("lp_pooling", "2×2, dilation 2, order 2"): ("one column off", "shifted", result("x", lambda a: np.roll(a, 1, 3))),
    ("lp_pooling", "sequences, 3, order 3"): ("summed, not weighted", "scaled", result("x", lambda a: 3 * a)),
    ("resampling", "bilinear by corners, to 8×9"): ("one row off", "shifted", result("x", lambda a: np.roll(a, 1, 2))),
    ("pad", "the border again"): ("one row off", "shifted", result("x", lambda a: np.roll(a, 1, 2))),
    ("pixel_shuffle", "the inverse"): ("one column off", "shifted", result("x", lambda a: np.roll(a, 1, 3))),
    ("attention", "scale 0.1"): (
        "the scale forgotten for the keys",
        "scaled",
        result("keys_weights", lambda a: 10 * a),
    ),
}

OWN_LOSS: dict[str, tuple[str, str, Wrong]] = {
    "mean_absolute_error": ("mean forgotten", "scaled", result("prediction", lambda a: a * 12)),
    "huber": ("not cut off", "missing-mask", made(
        lambda g, v: g * (v["prediction"] - v["target"]) / v["target"].size, "prediction")),
    "binary_cross_entropy": ("the target forgotten", "missing-terms", made(
        lambda g, v: g * logistic(v["prediction"]) / v["target"].size, "prediction")),
    "softmax_cross_entropy": ("divided by the samples", "scaled", result("prediction", lambda a: a * 1.25)),
}  # fmt: skip


def planted_beyond() -> Iterator[Planted]:
    """For every layer and loss: its own mistake, a sign, and a gradient that ignores what arrives."""
    for row in ROWS:
        first = next(iter(row.cases))
        healthy = of_row(row, first)
        said, kind, wrong = OWN[row.operation]
        title = f"{row.operation} {first}" if row.operation == "convolution" else row.operation  # along other axes
        yield f"{title}: {said}", kind, healthy, wrong
        moved = "x" if row.indices is None else "table"
        yield f"{title}: {moved} negated", "sign", healthy, result(moved, np.negative)
        # A sum of softmax's shares, and of standardized numbers, is a constant: the gradient for ones is 0.
        if row.operation not in ("softmax", "standardization"):
            yield f"{title}: G taken as ones", "ignores-upstream", healthy, cotangent(ones)
    rows = {row.operation: row for row in ROWS}
    for (operation, name), (said, kind, wrong) in FURTHER.items():
        yield f"{operation}, {name}: {said}", kind, of_row(rows[operation], name), wrong
    for row in LOSSES:
        healthy = of_loss(row, next(iter(row.cases)))
        said, kind, wrong = OWN_LOSS[row.operation]
        yield f"{row.operation} beyond: {said}", kind, healthy, wrong
        negated = result("prediction", np.negative)
        yield f"{row.operation} beyond: prediction negated", "sign", healthy, negated
