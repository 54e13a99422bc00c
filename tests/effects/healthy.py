"""Healthy operations, as plain functions of their arrays, and the audit of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from crosscheck.doors.functions import from_functions
from crosscheck.effects.audit import Audit, audit
from crosscheck.effects.calls import Site
from crosscheck.operation import Operation

Array = np.ndarray
Arrays = dict[str, Array]
Rng = np.random.Generator


def operation(forward: Callable[..., Any], backward: Callable[..., Any], inputs: Arrays) -> Operation:
    """`from_functions`, for ufuncs too."""
    return from_functions(
        lambda **values: forward(*values.values()),
        lambda grad_output, **values: backward(grad_output, *values.values()),
        inputs,
    )


def watched(subject: Operation, rng: Rng) -> Audit:
    """The audit at the operation's point and a second one drawn beside it, with random cotangents."""
    shape = np.shape(subject.forward({k: a.copy() for k, a in subject.inputs.items()}))
    other = {
        k: rng.normal(size=a.shape).astype(a.dtype) if a.dtype.kind == "f" else np.roll(a, 1)
        for k, a in subject.inputs.items()
    }
    v, w = (np.asarray(rng.normal(size=shape), subject.dtype) for _ in range(2))
    return audit(subject, v, Site(other, w), {})


def windows(x: Array, size: int, stride: int) -> Array:
    return sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]


def convolution(x: Array, filters: Array, biases: Array) -> Array:
    y = np.einsum("bkhwij,ckij->bchw", windows(x, filters.shape[2], 1), filters)
    return y + biases[:, None, None]


def convolution_backward(g: Array, x: Array, filters: Array, biases: Array) -> Arrays:
    size, (_, _, rows, columns) = filters.shape[2], g.shape
    grad_x = np.zeros_like(x)
    for i in range(size):
        for j in range(size):
            grad_x[:, :, i : i + rows, j : j + columns] += np.einsum("bchw,ck->bkhw", g, filters[:, :, i, j])
    grad_filters = np.einsum("bkhwij,bchw->ckij", windows(x, size, 1), g)
    return {"x": grad_x, "filters": grad_filters, "biases": g.sum((0, 2, 3))}


def dense(x: Array, w: Array, b: Array) -> Array:
    return x @ w + b


def dense_backward(g: Array, x: Array, w: Array, b: Array) -> Arrays:
    return {"x": g @ w.T, "w": x.T @ g, "b": g.sum(0)}


def pool_backward(g: Array, x: Array) -> Arrays:
    b, c, h, w = np.indices(g.shape)
    winner = windows(x, 2, 1).reshape(*g.shape, 4).argmax(-1)
    grad_x = np.zeros_like(x)
    np.add.at(grad_x, (b, c, h + winner // 2, w + winner % 2), g)
    return {"x": grad_x}


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def softmax_backward(g: Array, x: Array) -> Arrays:
    y = softmax(x)
    return {"x": y * (g - (g * y).sum(-1, keepdims=True))}


def cross_entropy(x: Array, labels: Array) -> Array:
    return np.mean(-np.log(softmax(x)[np.arange(len(x)), labels]), dtype=x.dtype)


def cross_entropy_backward(g: Array, x: Array, labels: Array) -> Arrays:
    y = softmax(x)
    y[np.arange(len(x)), labels] -= 1
    return {"x": g * y / x.dtype.type(len(x))}


def normalise(x: Array) -> tuple[Array, Array]:
    centred = x - x.mean(0)
    inverse = 1 / np.sqrt((centred**2).mean(0) + x.dtype.type(1e-3))
    return centred * inverse, inverse


def batch_norm(x: Array, gamma: Array, beta: Array) -> Array:
    return normalise(x)[0] * gamma + beta


def batch_norm_backward(g: Array, x: Array, gamma: Array, beta: Array) -> Arrays:
    unit, inverse = normalise(x)
    h = g * gamma
    grad_x = inverse * (h - h.mean(0) - unit * (h * unit).mean(0))
    return {"x": grad_x, "gamma": (g * unit).sum(0), "beta": g.sum(0)}


def mean_square(p: Array, t: Array) -> Array:
    return np.mean((p - t) ** 2, dtype=p.dtype)


def mean_square_backward(g: Array, p: Array, t: Array) -> Arrays:
    d = g * 2 * (p - t) / p.dtype.type(p.size)
    return {"p": d, "t": -d}


def images(rng: Rng) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.integers(1, 4, 2)) + tuple(int(n) for n in rng.integers(3, 9, 2))


def matrix(rng: Rng) -> tuple[int, int]:
    return int(rng.integers(1, 12)), int(rng.integers(1, 30))


def convolution_shapes(rng: Rng) -> dict[str, tuple[int, ...]]:
    x, size, out = images(rng), int(rng.integers(1, 4)), int(rng.integers(1, 5))
    return {"x": x, "filters": (out, x[1], size, size), "biases": (out,)}


def dense_shapes(rng: Rng) -> dict[str, tuple[int, ...]]:
    (n, d), o = matrix(rng), int(rng.integers(1, 9))
    return {"x": (n, d), "w": (d, o), "b": (o,)}


def norm_shapes(rng: Rng) -> dict[str, tuple[int, ...]]:
    n, d = matrix(rng)
    return {"x": (n + 1, d), "gamma": (d,), "beta": (d,)}


def pair_shapes(rng: Rng) -> dict[str, tuple[int, ...]]:
    shape = matrix(rng)
    return {"p": shape, "t": shape}


HEALTHY: dict[str, tuple[Callable[..., Any], Callable[..., Arrays], Callable[[Rng], Any]]] = {
    "convolution": (convolution, convolution_backward, convolution_shapes),
    "dense": (dense, dense_backward, dense_shapes),
    "relu": (
        lambda x: np.where(x > 0, x, 0 * x),
        lambda g, x: {"x": np.where(x > 0, g, 0 * g)},
        lambda rng: {"x": matrix(rng)},
    ),
    "max pooling": (
        lambda x: windows(x, 2, 1).max((4, 5)),
        pool_backward,
        lambda rng: {"x": images(rng)},
    ),
    "flatten": (  # a view out and a view back is how it is done
        lambda x: x.reshape(len(x), -1),
        lambda g, x: {"x": g.reshape(x.shape)},
        lambda rng: {"x": images(rng)},
    ),
    "softmax": (softmax, softmax_backward, lambda rng: {"x": matrix(rng)}),
    "cross-entropy": (cross_entropy, cross_entropy_backward, lambda rng: {"x": matrix(rng)}),
    "batch norm": (batch_norm, batch_norm_backward, norm_shapes),
    "mean square": (mean_square, mean_square_backward, pair_shapes),
    "tanh": (
        np.tanh,
        lambda g, x: {"x": g * (1 - np.tanh(x) ** 2)},
        lambda rng: {"x": matrix(rng)},
    ),
}
