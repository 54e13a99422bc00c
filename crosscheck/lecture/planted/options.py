"""Mistakes in what a layer or a loss can be configured to: the backward of another configuration.

Each option is planted by itself: the forward keeps it, the backward is that of the same layer without it, or with
another choice of it. So somebody errs who derived the gradient of the common case and forgot the uncommon one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from crosscheck.lecture.planted.beyond import Planted, changed, made, of_loss, of_row, per_channel, scaled
from crosscheck.lecture.planted.changes import Array, Backward, Wrong, result
from crosscheck.lecture.rows import LOSSES, ROWS
from crosscheck.operation import Arrays, Operation

ROW = {row.operation: row for row in ROWS}
LOSS = {row.operation: row for row in LOSSES}


def as_if(operation: str, name: str, **choices: Any) -> Wrong:
    """The backward of the layer with other choices, at the same inputs."""
    row = ROW[operation]
    point = {**row.point(name), **choices}

    def wrong(base: Operation) -> Backward:
        def backward(g: Array, values: Arrays) -> Arrays:
            layer = row.make(np.random.default_rng(0), point)
            for parameter in layer.named_parameters():
                setattr(layer, parameter, values[parameter])
            layer.forward(values["x"])
            return {"x": layer.backward(g), **{k: np.array(a) for k, a in layer.named_gradients().items()}}

        return backward

    return wrong


def as_if_loss(operation: str, name: str, **choices: Any) -> Wrong:
    """The same of a loss."""
    row = LOSS[operation]
    loss = row.make({**row.point(name), **choices})

    def wrong(base: Operation) -> Backward:
        return lambda g, values: {"prediction": loss.gradient(values["prediction"], values["target"], g)}

    return wrong


# (operation, the named point) -> what is forgotten, its kind, the choices that the backward is of
FORGOTTEN: dict[tuple[str, str], tuple[tuple[str, str, dict[str, Any]], ...]] = {
    ("resampling", "bilinear by corners, to 8×9"): (("by centres", "other-option", {"placing": "centres"}),),
    ("resampling", "bilinear, to 8×9"): (
        ("by corners", "other-option", {"placing": "corners"}),
        ("the nearest alone", "other-option", {"rule": "nearest"}),
    ),
    ("resampling", "nearest, to 8×9"): (("by origins", "other-option", {"placing": "origins"}),),
    ("resampling", "nearest by origins, down"): (("rounded up", "other-option", {"rounding": "up"}),),
    ("resampling", "bilinear antialiased, to 3×2"): (("not antialiased", "other-option", {"antialias": False}),),
    ("resampling", "adaptive average to 3×2"): (("the nearest", "other-option", {"rule": "nearest"}),),
    ("pad", "reflection, per side"): (
        ("the border for the mirror", "other-option", {"mode": "edge"}),
        ("mirrored entries forgotten", "other-option", {"mode": "zeros"}),
    ),
    ("pad", "the other side again"): (("the border for the other side", "other-option", {"mode": "edge"}),),
    ("pixel_shuffle", "scale 2, blocks first"): (("blocks last", "other-option", {"depth_first": False}),),
    ("average_pooling", "3×3, padding 1, ceil, not counting"): (
        ("padding counted", "other-option", {"counting": True}),
    ),
    ("average_pooling", "3×3, padding 1, counting it"): (("padding not counted", "other-option", {"counting": False}),),
    ("lp_pooling", "3×3, stride 2, order 3, padding 1"): (("order 2", "other-option", {"order": 2.0}),),
    ("group_norm", "2 groups"): (("one group", "other-option", {"groups": 1}),),
    ("group_norm", "instance"): (("one group", "other-option", {"groups": 1}),),
    ("standardization", "eps 0.1"): (("eps forgotten", "other-option", {"eps": 1e-5}),),
    ("layer_norm", "eps 0.1"): (("eps forgotten", "other-option", {"eps": 1e-5}),),
    ("attention", "2 heads, causal"): (("the mask forgotten", "other-option", {"causal": False}),),
    ("attention", "scale 0.1"): (("the scale forgotten", "other-option", {"scale": None}),),
    ("gelu", "by tanh"): (("the exact one's", "other-option", {"by_tanh": False}),),
    ("softmax", "axis 0"): (("along the last axis", "other-option", {"axis": -1}),),
    ("log_softmax", "axis 0"): (("along the last axis", "other-option", {"axis": -1}),),
    ("elu", "depth 1"): (("another depth", "scaled", {"depth": 0.5}),),
}

FORGOTTEN_BY_LOSSES: dict[tuple[str, str], tuple[tuple[str, str, dict[str, Any]], ...]] = {
    ("softmax_cross_entropy", "class weights"): (("class weights forgotten", "other-option", {"weighted": False}),),
    ("softmax_cross_entropy", "an ignored label, smoothing"): (
        ("smoothing forgotten", "other-option", {"smoothing": 0.0}),
        ("ignored labels counted", "other-option", {"ignoring": False}),
    ),
    ("softmax_cross_entropy", "weights, smoothing, probabilities, sum"): (
        ("the mean's", "scaled", {"reduction": "mean"}),
    ),
    ("binary_cross_entropy", "weight 3, sum, probabilities"): (("the weight forgotten", "scaled", {"weight": 1.0}),),
    ("huber", "width 0.5, each"): (("width 1", "other-option", {"width": 1.0}),),
    ("mean_absolute_error", "sum"): (("the mean's", "scaled", {"reduction": "mean"}),),
}


# ---------------------------------------------------------------------- what no other choice would make


def whole_windows(x: Array, g: Array, v: Arrays) -> Array:
    """2×2 windows of 5×4 images that hang over the end, divided by 4: by as many places as a whole one has."""
    counts = np.ones((3, 2))
    counts[-1] = 2 / 4
    return np.repeat(np.repeat(g * counts / counts, 2, 2), 2, 3)[:, :, : x.shape[2], : x.shape[3]] / 4


def evaluated_by_batch(x: Array, g: Array, v: Arrays) -> Array:
    """In evaluation the statistics are constants; here the gradient goes through the batch's."""
    h, axes = g * per_channel(v), (0, 2, 3)
    z, inverse = scaled(v["x"], axes)
    return inverse * (h - h.mean(axes, keepdims=True) - z * (h * z).mean(axes, keepdims=True))


def unbiased(x: Array, g: Array, v: Arrays) -> Array:
    """The batch's unbiased variance, which moves the running one, in the gradient too."""
    count = v["x"].size // v["x"].shape[1]
    h, axes = g * per_channel(v), (0, 2, 3)
    z, inverse = scaled(v["x"], axes)
    return inverse * (h - h.mean(axes, keepdims=True) - z * (h * z).sum(axes, keepdims=True) / (count - 1))


def of_weights(v: Arrays, g: Array) -> Array:
    return v["x"].T @ g


def not_of_length_one(lengths: Array, g: Array, v: Arrays) -> Array:
    """Along the direction as it is, not of length 1."""
    return (of_weights(v, g) * v["directions"]).sum(0)


def length_forgotten(directions: Array, g: Array, v: Arrays) -> Array:
    return directions / v["lengths"]


def scale_forgotten(g: Array, v: Arrays) -> Array:
    inverse = 1 / np.sqrt((v["x"] ** 2).mean(-1, keepdims=True) + 1e-5)
    y = v["x"] * inverse
    return inverse * (g - y * (y * g).mean(-1, keepdims=True))


def divided_by_samples(prediction: Array, g: Array, v: Arrays) -> Array:
    """By how many samples there are, not by their weights."""
    counted = (0.5 + np.arange(prediction.shape[1]))[v["target"]]
    return prediction * counted.sum() / len(counted)


def shared(shares: Array, g: Array, v: Arrays) -> Array:
    """A share per channel, and every one gets what all get together."""
    return np.full_like(shares, shares.sum())


BY_HAND: tuple[tuple[str, str, str, str, Wrong], ...] = (
    ("average_pooling", "2×2, ceil", "a hanging window as a whole one", "missing-terms", changed("x", whole_windows)),
    ("batch_norm", "evaluation", "through the batch's statistics", "other-option", changed("x", evaluated_by_batch)),
    ("batch_norm", "training, 2 channels", "the unbiased variance", "scaled", changed("x", unbiased)),
    ("weight_norm", "linear 4→3", "directions not of length 1", "missing-terms", changed("lengths", not_of_length_one)),
    ("weight_norm", "linear 4→3", "the length forgotten", "wrong-factor", changed("directions", length_forgotten)),
    ("prelu", "a share per channel", "summed over channels", "summed", changed("shares", shared)),
    ("dropout", "evaluation", "still scaled", "scaled", result("x", lambda a: 2 * a)),
    ("rms_norm", "last axis", "the scale forgotten", "missing-terms", made(scale_forgotten)),
)


def planted_options() -> Iterator[Planted]:
    """All of them."""
    for (operation, name), several in FORGOTTEN.items():
        for said, kind, choices in several:
            yield f"{operation}, {name}: {said}", kind, of_row(ROW[operation], name), as_if(operation, name, **choices)
    for (operation, name), several in FORGOTTEN_BY_LOSSES.items():
        for said, kind, choices in several:
            healthy = of_loss(LOSS[operation], name)
            yield f"{operation}, {name}: {said}", kind, healthy, as_if_loss(operation, name, **choices)
    for operation, name, said, kind, wrong in BY_HAND:
        yield f"{operation}, {name}: {said}", kind, of_row(ROW[operation], name), wrong
    name = "class weights"
    by_samples = changed("prediction", divided_by_samples)
    healthy = of_loss(LOSS["softmax_cross_entropy"], name)
    yield f"softmax_cross_entropy, {name}: divided by the samples", "scaled", healthy, by_samples
