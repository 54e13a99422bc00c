"""`crosscheck demo`: a known mistake, planted into a real layer, and everything that the judge says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from crosscheck.doors.layers import from_layer
from crosscheck.evidence.result import Result
from crosscheck.judge import judge
from crosscheck.operation import Arrays, Operation
from manual import ConvolutionalLayer, MaxPoolingLayer, ReLUActivation, convolution, max_pooling, relu

Array = np.ndarray
NAMES = ("x", "filters", "biases")
HYPER = {"stride": (1, 1), "padding": (1, 1)}


def healthy(rng: np.random.Generator) -> Operation:
    """Convolution 2→3, 3×3, padding 1, and a ReLU, on four images of 6×7."""
    layer = ConvolutionalLayer(2, 3, 3, padding=1, activation=ReLUActivation(), rng=rng)
    layer.biases = rng.normal(size=3) / 4
    return from_layer(layer, rng.normal(size=(4, 2, 6, 7)))


def parts(values: Arrays) -> tuple[Array, convolution.Saved]:
    """The pre-activation and what the convolution saved."""
    z, saved = convolution.forward(*(values[k] for k in NAMES), **HYPER)
    return z, saved


def gradients(g: Array, saved: convolution.Saved) -> Arrays:
    return dict(zip(NAMES, convolution.backward(g, saved), strict=True))


def masked(g: Array, values: Arrays) -> tuple[Array, convolution.Saved]:
    z, saved = parts(values)
    return relu.backward(g, relu.forward(z)[1])[0], saved


def sign(g: Array, values: Arrays) -> Arrays:
    found = gradients(*masked(g, values))
    return {**found, "filters": -found["filters"]}


def mean_over_batch(g: Array, values: Arrays) -> Arrays:
    found = gradients(*masked(g, values))
    return {**found, "biases": found["biases"] / len(values["x"])}


def unflipped(g: Array, values: Arrays) -> Arrays:
    g_z, saved = masked(g, values)
    turned = {**values, "filters": np.ascontiguousarray(values["filters"][:, :, ::-1, ::-1])}
    return {**gradients(g_z, saved), "x": gradients(g_z, parts(turned)[1])["x"]}


def missing_mask(g: Array, values: Arrays) -> Arrays:
    return gradients(g, parts(values)[1])


def border_dropped(g: Array, values: Arrays) -> Arrays:
    found = gradients(*masked(g, values))
    x = found["x"].copy()
    x[:, :, [0, -1], :] = 0
    x[:, :, :, [0, -1]] = 0
    return {**found, "x": x}


def first_sample(g: Array, values: Arrays) -> Arrays:
    g_z, saved = masked(g, values)
    return {**gradients(g_z, saved), "biases": g_z[0].sum((1, 2))}


def ones(g: Array, values: Arrays) -> Arrays:
    return gradients(*masked(np.ones_like(g), values))


def one_entry(g: Array, values: Arrays) -> Arrays:
    found = gradients(*masked(g, values))
    filters = found["filters"].copy()
    filters[1, 0, 2, 1] *= 1 + 1e-9
    return {**found, "filters": filters}


def writes(g: Array, values: Arrays) -> Arrays:
    g_z, saved = masked(g, values)
    g *= 2
    return gradients(g_z, saved)


def pool(rng: np.random.Generator) -> Operation:
    return from_layer(MaxPoolingLayer(3, 1), rng.normal(size=(2, 3, 6, 7)))


def overwritten(g: Array, values: Arrays) -> Arrays:
    x = values["x"]
    y, _ = max_pooling.forward(x, pool_size=(3, 3), stride=(1, 1))
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    winner = windows.reshape(*y.shape, 9).argmax(-1)
    b, c, h, w = np.indices(y.shape)
    grad_x = np.zeros_like(x)
    grad_x[b, c, h + winner // 3, w + winner % 3] = g
    return {"x": grad_x}


class Demonstration(NamedTuple):
    """A mistake in words, the backward pass that makes it, and the operation whose backward it is."""

    sentence: str
    backward: Callable[[Array, Arrays], Arrays]
    operation: Callable[[np.random.Generator], Operation] = healthy


MISTAKES = {
    "sign": Demonstration("the filters' gradient with the wrong sign", sign),
    "mean": Demonstration("the biases' gradient averaged over the batch instead of summed", mean_over_batch),
    "unflipped": Demonstration("the input gradient with the filters the wrong way round", unflipped),
    "missing-mask": Demonstration("the ReLU's mask forgotten on the way back", missing_mask),
    "border": Demonstration("the input gradient's border left at zero", border_dropped),
    "first-sample": Demonstration("the biases' gradient from the first image only", first_sample),
    "ones": Demonstration("the gradient that arrives ignored, as if it were ones", ones),
    "one-entry": Demonstration("one filter entry wrong in its ninth digit", one_entry),
    "overwritten": Demonstration("overlapping pool windows overwritten instead of added", overwritten, pool),
    "writes": Demonstration("right numbers, but grad_output is written to", writes),
}


def demonstrate(mistake: str, seed: int, budget: float | None = None) -> Result:
    """The judge's result on what was planted."""
    shown = MISTAKES[mistake]
    operation = shown.operation(np.random.default_rng(seed))
    return judge(replace(operation, backward=shown.backward), seed=seed, budget=budget)
