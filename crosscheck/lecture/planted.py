"""Planted mistakes: a row each, with the kind that should be named.

A mutant is a healthy operation whose backward is replaced by one with a mistake that people make. `forward` is never
touched. Sizes are pairwise different unless the mistake needs two of them equal to survive the shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np

from crosscheck.doors.layers import from_layer
from crosscheck.lecture.losses import from_loss, with_loss
from crosscheck.operation import Arrays, Operation
from manual import (
    ConvolutionalLayer,
    FlattenLayer,
    FullyConnectedLayer,
    Layer,
    LayeredNeuralNetwork,
    LinearLayer,
    MaxPoolingLayer,
    MeanSquaredError,
    ReLUActivation,
    SigmoidActivation,
    SoftmaxCrossEntropy,
    SoftReLUActivation,
    TanhActivation,
)

Array = np.ndarray
Rng = np.random.Generator
Healthy = Callable[[Rng], Operation]
Wrong = Callable[[Operation, Array, Arrays], Arrays]


@dataclass(frozen=True)
class Mutant:
    """One planted mistake."""

    name: str
    kind: str
    healthy: Healthy
    wrong: Callable[[Operation], Callable[[Array, Arrays], Any]]
    also: tuple[str, ...] = ()  # other kinds that are true of it, too

    def operation(self, seed: int) -> Operation:
        base = self.healthy(np.random.default_rng(seed))
        return replace(base, backward=self.wrong(base))


# ---------------------------------------------------------------------- healthy operations


def layer(make: Callable[[Rng], Layer], *shape: int, dtype: type = np.float64) -> Healthy:
    """A layer with every parameter nonzero, on normal inputs."""

    def healthy(rng: Rng) -> Operation:
        made = make(rng)
        made.parameters = made.parameters + rng.choice([-1, 1], made.parameters.size) * rng.uniform(
            0.1, 0.4, made.parameters.size
        )
        return from_layer(made.astype(dtype), rng.normal(size=shape).astype(dtype))

    return healthy


conv = layer(lambda rng: ConvolutionalLayer(2, 3, (3, 2), rng=rng), 4, 2, 6, 7)
padded = layer(lambda rng: ConvolutionalLayer(2, 3, 3, padding=1, rng=rng), 4, 2, 6, 7)
strided = layer(lambda rng: ConvolutionalLayer(2, 3, 3, stride=2, padding=1, rng=rng), 5, 2, 7, 9)
square = layer(lambda rng: ConvolutionalLayer(3, 3, 3, padding=1, rng=rng), 4, 3, 6, 7)
even_batch = layer(lambda rng: ConvolutionalLayer(2, 4, (3, 2), rng=rng), 4, 2, 6, 7)
single = layer(lambda rng: ConvolutionalLayer(2, 3, (3, 2), rng=rng), 4, 2, 6, 7, dtype=np.float32)
conv_relu = layer(lambda rng: ConvolutionalLayer(2, 3, 3, padding=1, activation=ReLUActivation(), rng=rng), 4, 2, 6, 7)
same_relu = layer(lambda rng: ConvolutionalLayer(3, 3, 3, padding=1, activation=ReLUActivation(), rng=rng), 4, 3, 6, 7)
pool = layer(lambda rng: MaxPoolingLayer(2), 3, 2, 6, 8)
overlapping = layer(lambda rng: MaxPoolingLayer(3, 1), 2, 3, 6, 7)
wide_pool = layer(lambda rng: MaxPoolingLayer((2, 3)), 2, 3, 8, 9)
dense = layer(lambda rng: LinearLayer(5, 3, rng=rng), 4, 5)
square_dense = layer(lambda rng: LinearLayer(4, 4, rng=rng), 3, 4)
batch_dense = layer(lambda rng: LinearLayer(5, 4, rng=rng), 4, 5)
flat = layer(lambda rng: FlattenLayer(), 3, 2, 4, 5)
relu = layer(lambda rng: ReLUActivation(), 4, 7)
sigmoid = layer(lambda rng: SigmoidActivation(), 4, 7)
tanh = layer(lambda rng: TanhActivation(), 4, 7)
soft = layer(lambda rng: SoftReLUActivation(), 4, 7)


def mse(rng: Rng) -> Operation:
    return from_loss(MeanSquaredError(), rng.normal(size=(5, 3)), rng.normal(size=(5, 3)))


def cross_entropy(rng: Rng) -> Operation:
    return from_loss(SoftmaxCrossEntropy(), rng.normal(size=(5, 4)), rng.integers(0, 4, 5))


def network_layers(rng: Rng) -> list[Layer]:
    return [
        ConvolutionalLayer(1, 3, 3, padding=1, activation=ReLUActivation(), rng=rng),
        MaxPoolingLayer(2),
        FlattenLayer(),
        FullyConnectedLayer(18, 5, ReLUActivation(), rng=rng),
        LinearLayer(5, 4, rng=rng),
    ]


def network(rng: Rng) -> Operation:
    made = LayeredNeuralNetwork(network_layers(rng))
    made.parameters = made.parameters + rng.normal(size=made.parameters.size) / 5
    return with_loss(from_layer(made, rng.normal(size=(7, 1, 4, 6))), SoftmaxCrossEntropy(), rng.integers(0, 4, 7))


# ---------------------------------------------------------------------- ways of being wrong


def result(name: str, change: Callable[[Array], Array]) -> Callable[[Operation], Callable[[Array, Arrays], Any]]:
    """One gradient changed after it was computed."""

    def wrong(base: Operation) -> Callable[[Array, Arrays], Any]:
        def backward(g: Array, values: Arrays) -> Arrays:
            found = dict(base.backward(g, values))
            found[name] = change(np.array(found[name]))
            return found

        return backward

    return wrong


def cotangent(
    change: Callable[[Array, Arrays], Array], *only: str
) -> Callable[[Operation], Callable[[Array, Arrays], Any]]:
    """The gradient that arrives changed first, for all gradients or the named ones."""

    def wrong(base: Operation) -> Callable[[Array, Arrays], Any]:
        def backward(g: Array, values: Arrays) -> Arrays:
            right = dict(base.backward(g.copy(), values))
            other = {k: np.array(a) for k, a in right.items()}
            changed = dict(base.backward(np.asarray(change(g, values), g.dtype), values))
            return {k: np.array(changed[k]) if not only or k in only else other[k] for k in right}

        return backward

    return wrong


def argument(
    name: str, change: Callable[[Array], Array], *only: str
) -> Callable[[Operation], Callable[[Array, Arrays], Any]]:
    """The backward reads one array changed; for the named gradients."""

    def wrong(base: Operation) -> Callable[[Array, Arrays], Any]:
        def backward(g: Array, values: Arrays) -> Arrays:
            right = {k: np.array(a) for k, a in base.backward(g, values).items()}
            moved = {**values, name: np.ascontiguousarray(change(values[name]))}
            changed = base.backward(g, moved)
            return {k: np.array(changed[k]) if k in only else right[k] for k in right}

        return backward

    return wrong


def only_channel(axis: int, index: int) -> Callable[[Array], Array]:
    def change(a: Array) -> Array:
        a[(slice(None),) * axis + (index,)] = 0
        return a

    return change


def rolled(axis: int) -> Callable[[Array], Array]:
    return lambda a: np.roll(a, 1, axis)


def border(a: Array) -> Array:
    a[:, :, [0, -1], :] = 0
    a[:, :, :, [0, -1]] = 0
    return a


def single_entry(a: Array) -> Array:
    a.flat[np.argmax(np.abs(a))] *= 1 + 1e-6
    return a


def every_second_column(a: Array) -> Array:
    a[..., 1::2] = 0
    return a


def to_single(a: Array) -> Array:
    return a.astype(np.float32).astype(np.float64)


def first(g: Array, _: Arrays) -> Array:
    kept = np.zeros_like(g)
    kept[0] = g[0]
    return kept


def all_but_last(g: Array, _: Arrays) -> Array:
    kept = g.copy()
    kept[-1] = 0
    return kept


def ones(g: Array, _: Arrays) -> Array:
    return np.ones_like(g)


def axes_sum(*axes: int) -> Callable[[Operation], Callable[[Array, Arrays], Any]]:
    """The biases summed over these axes of G."""

    def wrong(base: Operation) -> Callable[[Array, Arrays], Any]:
        return lambda g, values: {**base.backward(g, values), "biases": g.sum(axes)}

    return wrong


# ---------------------------------------------------------------------- masks and windows


def module(name: str) -> Any:
    return import_module(f"manual.{name}")


def convolved(values: Arrays) -> tuple[Array, Any]:
    arrays = [values[k] for k in ("x", "filters", "biases")]
    return module("convolution").forward(*arrays, padding=(1, 1))


def masked(
    mask: Callable[[Array, Arrays, Array], Array], *only: str
) -> Callable[[Operation], Callable[[Array, Arrays], Any]]:
    """A convolution and ReLU whose mask is mask(z, values, g), for all gradients or the named ones."""

    def wrong(base: Operation) -> Callable[[Array, Arrays], Any]:
        def backward(g: Array, values: Arrays) -> Arrays:
            z, saved = convolved(values)
            changed = dict(
                zip(
                    ("x", "filters", "biases"),
                    module("convolution").backward(g * mask(z, values, g), saved),
                    strict=True,
                )
            )
            right = base.backward(g, values)
            return {k: changed[k] if not only or k in only else right[k] for k in changed}

        return backward

    return wrong


def windows(
    choose: Callable[[Array], Array], size: tuple[int, int], stride: tuple[int, int], *, overwrite: bool = False
) -> Callable[[Operation], Callable[[Array, Arrays], Any]]:
    """Max pooling whose backward gives G to the entries of each window that `choose(window entries)` weighs."""

    def wrong(base: Operation) -> Callable[[Array, Arrays], Any]:
        def backward(g: Array, values: Arrays) -> Arrays:
            x, (p, q), (s, t) = values["x"], size, stride
            view = np.lib.stride_tricks.sliding_window_view(x, size, axis=(2, 3))[:, :, ::s, ::t]
            weights = choose(view.reshape(*g.shape, p * q))
            grad = np.zeros_like(x)
            rows, columns = g.shape[2:]
            for i in range(p):
                for j in range(q):
                    at = (slice(None), slice(None), slice(i, i + s * rows, s), slice(j, j + t * columns, t))
                    weight = weights[..., i * q + j]
                    if overwrite:
                        grad[at] = np.where(weight != 0, weight * g, grad[at])
                    else:
                        grad[at] += weight * g
            return {"x": grad}

        return backward

    return wrong


def winner(entries: Array, place: Array) -> Array:
    weights = np.zeros(entries.shape)
    np.put_along_axis(weights, place[..., None], 1.0, -1)
    return weights


def swapped_winner(entries: Array) -> Array:
    i, j = np.divmod(entries.argmax(-1), 2)
    return winner(entries, j * 2 + i)


# ---------------------------------------------------------------------- state


def writes_cotangent(base: Operation) -> Callable[[Array, Arrays], Any]:
    def backward(g: Array, values: Arrays) -> Any:
        found = {k: np.array(a) for k, a in base.backward(g.copy(), values).items()}
        g *= 0.5
        return found

    return backward


def writes_input(base: Operation) -> Callable[[Array, Arrays], Any]:
    def backward(g: Array, values: Arrays) -> Any:
        found = {k: np.array(a) for k, a in base.backward(g, values).items()}
        values["x"] += 1
        return found

    return backward


def accumulates(base: Operation) -> Callable[[Array, Arrays], Any]:
    total: dict[str, Array] = {}

    def backward(g: Array, values: Arrays) -> Any:
        for k, a in base.backward(g, values).items():
            total[k] = total[k] + a if k in total else np.array(a)
        return dict(total)

    return backward


def buffers(base: Operation) -> Callable[[Array, Arrays], Any]:
    kept: dict[str, Array] = {}

    def backward(g: Array, values: Arrays) -> Any:
        for k, a in base.backward(g, values).items():
            kept.setdefault(k, np.empty_like(a))[...] = a
        return dict(kept)

    return backward


def dice(base: Operation) -> Callable[[Array, Arrays], Any]:
    rng = np.random.default_rng()

    def backward(g: Array, values: Arrays) -> Any:
        found = {k: np.array(a) for k, a in base.backward(g, values).items()}
        found["filters"] = found["filters"] * (1 + 1e-3 * rng.random())
        return found

    return backward


def stale(base: Operation) -> Callable[[Array, Arrays], Any]:
    seen: dict[str, Array] = {}

    def backward(g: Array, values: Arrays) -> Any:
        seen.setdefault("x", values["x"].copy())
        right = {k: np.array(a) for k, a in base.backward(g, values).items()}
        old = base.backward(g, {**values, "x": seen["x"]})
        return {**right, "filters": np.array(old["filters"])}

    return backward


def memo(base: Operation) -> Callable[[Array, Arrays], Any]:
    kept: dict[str, Array] = {}

    def backward(g: Array, values: Arrays) -> Any:
        if not kept:
            kept.update({k: np.array(a) for k, a in base.backward(g, values).items()})
        return {k: a.copy() for k, a in kept.items()}

    return backward


def promoted(base: Operation) -> Callable[[Array, Arrays], Any]:
    return lambda g, values: {k: np.asarray(a, np.float64) for k, a in base.backward(g, values).items()}


def half_precision(base: Operation) -> Callable[[Array, Arrays], Any]:
    def backward(g: Array, values: Arrays) -> Any:
        narrow = {k: to_single(a) for k, a in values.items()}
        return {k: to_single(np.array(a)) for k, a in base.backward(to_single(g), narrow).items()}

    return backward


def elementwise(slope: Callable[[Array], Array]) -> Callable[[Operation], Callable[[Array, Arrays], Any]]:
    return lambda base: lambda g, values: {"x": g * slope(values["x"])}


def logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def one_hot(values: Arrays) -> Array:
    return np.eye(values["prediction"].shape[1])[values["target"]]


# ---------------------------------------------------------------------- inside the network


def in_network(
    change: Callable[[Array, Layer, Arrays], Array], place: int
) -> Callable[[Operation], Callable[[Array, Arrays], Any]]:
    """The network's own backward, with the gradient that leaves layer `place` changed."""

    def wrong(base: Operation) -> Callable[[Array, Arrays], Any]:
        made = LayeredNeuralNetwork(network_layers(np.random.default_rng(0)))

        def backward(g: Array, values: Arrays) -> Arrays:
            names = list(made.named_parameters())
            made.parameters = np.concatenate([values[k].ravel() for k in names])
            prediction = made.forward(values["x"])
            flow = g * SoftmaxCrossEntropy().gradient(prediction, values["target"])
            for i in reversed(range(len(made.layers))):
                flow = made.layers[i].backward(flow)
                if i == place:
                    flow = change(flow, made.layers[i], values)
            return {"x": flow, **{k: np.array(a) for k, a in made.named_gradients().items()}}

        return backward

    return wrong


def table() -> list[Mutant]:
    """All of them."""
    rows: list[Mutant] = []

    def add(name: str, kind: str, healthy: Healthy, wrong: Any, *also: str) -> None:
        rows.append(Mutant(name, kind, healthy, wrong, also))

    for name in ("x", "filters", "biases"):
        add(f"convolution: {name} negated", "sign", conv, result(name, np.negative))
    add("convolution: filters divided by the batch", "scaled", conv, result("filters", lambda a: a / 4))
    add("convolution: biases averaged over the batch", "scaled", conv, result("biases", lambda a: a / 4))
    add("convolution: biases averaged over positions", "scaled", conv, result("biases", lambda a: a / 24))
    add("convolution: filters doubled", "scaled", conv, result("filters", lambda a: 2 * a))
    add("convolution: x divided by the kernel area", "scaled", conv, result("x", lambda a: a / 6))
    add("convolution: x scaled by 1 + 1e-9", "scaled", conv, result("x", lambda a: a * (1 + 1e-9)), "precision")
    add(
        "convolution: x with filters not flipped",
        "flipped",
        conv,
        argument("filters", lambda w: w[:, :, ::-1, ::-1], "x"),
    )
    add("convolution: filters flipped", "flipped", conv, result("filters", lambda a: a[:, :, ::-1, ::-1]))
    add("convolution: filters flipped along rows", "flipped", conv, result("filters", lambda a: a[:, :, ::-1]))
    add("convolution: x mirrored", "flipped", conv, result("x", lambda a: a[..., ::-1]))
    add("convolution: batch reversed", "flipped", conv, result("x", lambda a: a[::-1]))
    add(
        "convolution: kernel rows and columns swapped",
        "transposed",
        square,
        result("filters", lambda a: a.swapaxes(2, 3)),
    )
    add("convolution: filter channels swapped", "transposed", square, result("filters", lambda a: a.swapaxes(0, 1)))
    add(
        "convolution: x by filters with channels swapped",
        "transposed",
        square,
        argument("filters", lambda w: w.swapaxes(0, 1), "x"),
    )
    add("convolution: filters in Fortran order", "permuted", conv, result("filters", lambda a: a.T.reshape(a.shape)))
    add("convolution: x one row off", "shifted", conv, result("x", rolled(2)))
    add("convolution: x one column off", "shifted", conv, result("x", rolled(3)))
    add("convolution: padding cropped one off", "shifted", padded, result("x", lambda a: np.roll(a, (1, 1), (2, 3))))
    add("convolution: biases summed over channels", "summed", even_batch, axes_sum(1, 2, 3))
    add("convolution: x is zero", "zero", conv, result("x", np.zeros_like))
    add("convolution: filters are zero", "zero", conv, result("filters", np.zeros_like))
    add("convolution: computed at float32", "precision", conv, half_precision)
    add("convolution: filters stored at float32", "precision", conv, result("filters", to_single))
    add("convolution: x's border left out", "border", padded, result("x", border), "localized")
    add("convolution: G's border left out", "border", padded, cotangent(lambda g, _: border(g.copy())), "localized")
    add("convolution: biases of the first image", "batch", conv, cotangent(first, "biases"))
    add("convolution: filters of the first image", "batch", conv, cotangent(first, "filters"))
    add("convolution: last image left out", "batch", conv, cotangent(all_but_last, "filters"))
    add("convolution: G taken as ones", "ignores-upstream", conv, cotangent(ones))
    add("convolution: biases ignore G", "ignores-upstream", conv, cotangent(ones, "biases"))
    add("convolution: one entry of the filters", "localized", conv, result("filters", single_entry))
    add("convolution: one filter's gradient lost", "localized", conv, result("filters", only_channel(0, 2)))
    add("convolution: one input channel lost", "localized", conv, result("x", only_channel(1, 1)))
    add("convolution: every second column lost", "localized", strided, result("x", every_second_column), "border")
    add("convolution: grad_output halved in place", "mutated-argument", conv, writes_cotangent)
    add("convolution: x written to", "mutated-argument", conv, writes_input)
    add("convolution: gradients accumulate", "accumulates", conv, accumulates)
    add("convolution: one buffer for every call", "aliased", conv, buffers)
    add("convolution: random factor", "nondeterministic", conv, dice)
    add("convolution: x of the first call", "stale", conv, stale)
    add("convolution: the first answer for ever", "stale", conv, memo)
    add("convolution: biases as a column", "shape", conv, result("biases", lambda a: a[:, None]))
    add("convolution: filters flat", "shape", conv, result("filters", np.ravel))
    add("convolution: float32 promoted", "dtype", single, promoted)

    add("convolution and ReLU: mask forgotten", "missing-mask", conv_relu, masked(lambda z, v, g: np.ones_like(z)))
    for name in ("x", "filters", "biases"):
        forgotten = masked(lambda z, v, g: np.ones_like(z), name)
        # The biases' gradient without its mask is also G summed over the batch and positions.
        also = ("summed",) if name == "biases" else ()
        add(f"convolution and ReLU: mask forgotten for {name}", "missing-mask", conv_relu, forgotten, *also)
    add("convolution and ReLU: mask inverted", "wrong-mask", conv_relu, masked(lambda z, v, g: z <= 0))
    add("convolution and ReLU: mask of the input", "wrong-mask", same_relu, masked(lambda z, v, g: v["x"] > 0))
    add("convolution and ReLU: mask of G", "wrong-mask", conv_relu, masked(lambda z, v, g: g > 0))

    add("pool: G spread over the window", "spread", pool, windows(lambda e: np.full(e.shape, 0.25), (2, 2), (2, 2)))
    add("pool: G to every entry", "spread", pool, windows(lambda e: np.ones(e.shape), (2, 2), (2, 2)))
    add("pool: to the minimum", "wrong-winner", pool, windows(lambda e: winner(e, e.argmin(-1)), (2, 2), (2, 2)))
    add("pool: row and column swapped", "wrong-winner", pool, windows(swapped_winner, (2, 2), (2, 2)))
    add(
        "pool: to the window's first entry",
        "wrong-winner",
        wide_pool,
        windows(lambda e: winner(e, np.zeros(e.shape[:-1], int)), (2, 3), (2, 3)),
        "localized",
    )
    add(
        "pool: overlaps overwritten",
        "overwritten",
        overlapping,
        windows(lambda e: winner(e, e.argmax(-1)), (3, 3), (1, 1), overwrite=True),
    )
    add("pool: negated", "sign", overlapping, result("x", np.negative))
    add("pool: divided by the window", "scaled", wide_pool, result("x", lambda a: a / 6))
    add("pool: G taken as ones", "ignores-upstream", overlapping, cotangent(ones))
    add("pool: one channel lost", "localized", overlapping, result("x", only_channel(1, 0)))

    add("linear: weights not transposed", "transposed", square_dense, argument("weights", lambda w: w.T, "x"))
    add("linear: weights' gradient transposed", "transposed", square_dense, result("weights", lambda a: a.T))
    add("linear: weights' gradient reshaped", "permuted", dense, result("weights", lambda a: a.T.reshape(a.shape)))
    add("linear: biases averaged", "scaled", dense, result("biases", lambda a: a / 4))
    add("linear: weights averaged", "scaled", dense, result("weights", lambda a: a / 4))
    add("linear: biases summed over outputs", "summed", batch_dense, axes_sum(1))
    add("linear: weights of the first sample", "batch", dense, cotangent(first, "weights"))
    add("linear: x negated", "sign", dense, result("x", np.negative))
    add("linear: G taken as ones", "ignores-upstream", dense, cotangent(ones, "weights"))
    add("linear: biases one off", "shifted", dense, result("biases", rolled(0)))

    add(
        "flatten: read by columns",
        "permuted",
        flat,
        result("x", lambda a: a.reshape(a.shape, order="C").T.reshape(a.shape)),
    )
    add("flatten: batch reversed", "flipped", flat, result("x", lambda a: a[::-1]))
    add("flatten: doubled", "scaled", flat, result("x", lambda a: 2 * a))

    add("relu: mask forgotten", "missing-mask", relu, elementwise(np.ones_like))
    add("relu: mask inverted", "wrong-mask", relu, elementwise(lambda x: x <= 0))
    add("relu: mask of G", "wrong-mask", relu, cotangent(lambda g, v: np.where(g > 0, g, 0)))
    add("relu: negated", "sign", relu, result("x", np.negative))
    add("sigmoid: derivative forgotten", "missing-terms", sigmoid, elementwise(np.ones_like))
    add("sigmoid: 1 - y forgotten", "missing-terms", sigmoid, elementwise(logistic), "wrong-derivative")
    add("tanh: derivative forgotten", "missing-terms", tanh, elementwise(np.ones_like))
    add("tanh: negated", "sign", tanh, result("x", np.negative))
    add("soft ReLU: derivative forgotten", "missing-terms", soft, elementwise(np.ones_like))
    add("soft ReLU: doubled", "scaled", soft, result("x", lambda a: 2 * a))

    add("mean squared error: factor 2 forgotten", "scaled", mse, result("prediction", lambda a: a / 2))
    add("mean squared error: mean forgotten", "scaled", mse, result("prediction", lambda a: a * 15))
    add("mean squared error: mean over the batch only", "scaled", mse, result("prediction", lambda a: a * 3))
    add("mean squared error: target minus prediction", "sign", mse, result("prediction", np.negative))
    add(
        "mean squared error: G forgotten",
        "ignores-upstream",
        mse,
        lambda base: lambda g, v: base.backward(np.ones_like(g), v),
    )
    add("cross-entropy: mean forgotten", "scaled", cross_entropy, result("prediction", lambda a: a * 5))
    add("cross-entropy: negated", "sign", cross_entropy, result("prediction", np.negative))
    add(
        "cross-entropy: labels not subtracted",
        "missing-terms",
        cross_entropy,
        lambda base: lambda g, v: {"prediction": g * softmax(v["prediction"]) / 5},
    )
    add(
        "cross-entropy: softmax forgotten",
        "missing-terms",
        cross_entropy,
        lambda base: lambda g, v: {"prediction": -g * one_hot(v) / 5},
    )
    add(
        "cross-entropy: G forgotten",
        "ignores-upstream",
        cross_entropy,
        lambda base: lambda g, v: base.backward(np.ones_like(g), v),
    )

    add("network: first filters negated", "sign", network, result("0.filters", np.negative))
    add("network: dense weights averaged", "scaled", network, result("3.weights", lambda a: a / 7))
    add("network: last biases doubled", "scaled", network, result("4.biases", lambda a: 2 * a))
    add("network: first filters get nothing", "zero", network, result("0.filters", np.zeros_like))
    add("network: first filters flipped", "flipped", network, result("0.filters", lambda a: a[:, :, ::-1, ::-1]))
    add(
        "network: the flow stops before the dense layer",
        "zero",
        network,
        in_network(lambda g, l, v: np.zeros_like(g), 3),
    )
    add("network: the flow negated at the pool", "sign", network, in_network(lambda g, l, v: -g, 1))
    add("network: gradients accumulate", "accumulates", network, accumulates)
    return rows
