"""Ways of being wrong that belong to one layer: its mask, its winners, its slope, the flow through a network."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from crosscheck.lecture.planted.changes import Array, Backward, Wrong
from crosscheck.lecture.planted.healthy import network_layers
from crosscheck.operation import Arrays, Operation
from manual import Layer, LayeredNeuralNetwork, SoftmaxCrossEntropy

# ---------------------------------------------------------------------- masks and windows


def module(name: str) -> Any:
    return import_module(f"manual.{name}")


def convolved(values: Arrays) -> tuple[Array, Any]:
    arrays = [values[k] for k in ("x", "filters", "biases")]
    return module("convolution").forward(*arrays, padding=(1, 1))


def masked(mask: Callable[[Array, Arrays, Array], Array], *only: str) -> Wrong:
    """A convolution and ReLU whose mask is mask(z, values, g), for all gradients or the named ones."""

    def wrong(base: Operation) -> Backward:
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
) -> Wrong:
    """Max pooling whose backward gives G to the entries of each window that `choose(window entries)` weighs."""

    def wrong(base: Operation) -> Backward:
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


# ---------------------------------------------------------------------- entry by entry


def elementwise(slope: Callable[[Array], Array]) -> Wrong:
    return lambda base: lambda g, values: {"x": g * slope(values["x"])}


def logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def one_hot(values: Arrays) -> Array:
    return np.eye(values["prediction"].shape[1])[values["target"]]


# ---------------------------------------------------------------------- inside the network


def in_network(change: Callable[[Array, Layer, Arrays], Array], place: int) -> Wrong:
    """The network's own backward, with the gradient that leaves layer `place` changed."""

    def wrong(base: Operation) -> Backward:
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
