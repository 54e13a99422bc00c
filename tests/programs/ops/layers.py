"""What networks are made of: softmax, normalisations, attention, cross-entropy."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.programs.ops.reductions import mean, variance
from tests.programs.ops.row import Drawn, Op, along

EPS = 1e-5


def softmax(xp: Any, x: Any, axis: int) -> Any:
    e = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    return e / xp.sum(e, axis=axis, keepdims=True)


def softmax_vjp(xp: Any, g: Any, y: Any, x: Any, axis: int) -> Any:
    return (y * (g - xp.sum(g * y, axis=axis, keepdims=True)),)


def log_softmax(xp: Any, x: Any, axis: int) -> Any:
    z = x - xp.max(x, axis=axis, keepdims=True)
    return z - xp.log(xp.sum(xp.exp(z), axis=axis, keepdims=True))


def log_softmax_vjp(xp: Any, g: Any, y: Any, x: Any, axis: int) -> Any:
    return (g - xp.exp(y) * xp.sum(g, axis=axis, keepdims=True),)


def normalised(xp: Any, x: Any, axis: int) -> Any:
    """(x - mean) / √(variance + ε) along an axis."""
    return (x - mean(xp, x, (axis,))) / xp.sqrt(variance(xp, x, (axis,), True) + EPS)


def normalised_vjp(xp: Any, g: Any, y: Any, x: Any, axis: int) -> Any:
    root = xp.sqrt(variance(xp, x, (axis,), True) + EPS)
    return ((g - mean(xp, g, (axis,)) - y * mean(xp, g * y, (axis,))) / root,)


def layer_norm(xp: Any, x: Any, scale: Any, shift: Any, axis: int) -> Any:
    return normalised(xp, x, axis) * scale + shift


def layer_norm_vjp(xp: Any, g: Any, y: Any, x: Any, scale: Any, shift: Any, axis: int) -> Any:
    z = normalised(xp, x, axis)
    return *normalised_vjp(xp, g * scale, z, x, axis), g * z, g


def drawn_norm(axis: int) -> Any:
    """Scale and shift lie along the columns: the normalised axis of a layer norm (1), the other of a batch norm (0)."""

    def draw(sketch: Any, x: str) -> Drawn:
        shape = sketch.shape(x)
        if len(shape) != 2 or shape[axis] < 2:
            return None
        return (x, sketch.partner(shape[1:]), sketch.partner(shape[1:])), {"axis": axis}

    return draw


def rms_norm(xp: Any, x: Any, axis: int) -> Any:
    return x / xp.sqrt(mean(xp, x * x, (axis,)) + EPS)


def rms_norm_vjp(xp: Any, g: Any, y: Any, x: Any, axis: int) -> Any:
    root = xp.sqrt(mean(xp, x * x, (axis,)) + EPS)
    return ((g - y * mean(xp, g * y, (axis,))) / root,)


def attention(xp: Any, q: Any, k: Any, v: Any) -> Any:
    return softmax(xp, scores(xp, q, k), 1) @ v


def scores(xp: Any, q: Any, k: Any) -> Any:
    return q @ k.T / depth(xp, q)


def depth(xp: Any, q: Any) -> Any:
    return xp.sqrt(xp.constant(q.shape[1])) if xp.name == "exact" else q.shape[1] ** 0.5


def attention_vjp(xp: Any, g: Any, y: Any, q: Any, k: Any, v: Any) -> Any:
    weights = softmax(xp, scores(xp, q, k), 1)
    (s,) = softmax_vjp(xp, g @ v.T, weights, None, 1)
    s = s / depth(xp, q)
    return s @ k, s.T @ q, weights.T @ g


def drawn_attention(sketch: Any, x: str) -> Drawn:
    shape = sketch.shape(x)
    if len(shape) != 2:
        return None
    length = sketch.integer(1, 4)
    return (x, sketch.partner((length, shape[1])), sketch.partner((length, sketch.integer(1, 3)))), {}


def cross_entropy(xp: Any, x: Any, labels: tuple[int, ...]) -> Any:
    """The mean over the rows that have a label; -1 is none."""
    rows, counted = rows_of(labels)
    return -xp.sum(log_softmax(xp, x, 1)[rows, counted]) / len(rows)


def rows_of(labels: tuple[int, ...]) -> tuple[Any, Any]:
    rows = np.asarray([i for i, label in enumerate(labels) if label >= 0])
    return rows, np.asarray(labels)[rows]


def cross_entropy_vjp(xp: Any, g: Any, y: Any, x: Any, labels: tuple[int, ...]) -> Any:
    rows, counted = rows_of(labels)
    grad = 0 * x
    grad[rows] = softmax(xp, x, 1)[rows]
    grad[rows, counted] = grad[rows, counted] - 1
    return (grad * g / len(rows),)


def drawn_cross_entropy(sketch: Any, x: str) -> Drawn:
    shape = sketch.shape(x)
    if len(shape) != 2 or shape[1] < 2:
        return None
    labels = sketch.integers(-1, shape[1] - 1, shape[0])
    return ((x,), {"labels": labels}) if max(labels) >= 0 else None


OPS = [
    Op("softmax", "layer", softmax, softmax_vjp, along(), jax=lambda xp, x, axis: xp.nn.softmax(x, axis=axis)),
    Op(
        "log_softmax",
        "layer",
        log_softmax,
        log_softmax_vjp,
        along(),
        jax=lambda xp, x, axis: xp.nn.log_softmax(x, axis=axis),
    ),
    Op("layer_norm", "layer", layer_norm, layer_norm_vjp, drawn_norm(1)),
    Op("batch_norm", "layer", layer_norm, layer_norm_vjp, drawn_norm(0)),
    Op("rms_norm", "layer", rms_norm, rms_norm_vjp, along()),
    Op("attention", "layer", attention, attention_vjp, drawn_attention),
    Op("cross_entropy", "layer", cross_entropy, cross_entropy_vjp, drawn_cross_entropy),
]
