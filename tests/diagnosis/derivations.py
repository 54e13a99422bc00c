"""Derivations in plain NumPy, each with arguments that make one mistake in it; and the operations they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tests.diagnosis import references
from tests.oracles import forward_by_windows

Array = np.ndarray
Arrays = dict[str, Array]


# ---------------------------------------------------------------------- right derivations


def windows(size: int, kernel: int, stride: int) -> range:
    return range((size - kernel) // stride + 1)


def conv_forward(x: Array, filters: Array, biases: Array, *, stride: int, padding: int) -> Array:
    return forward_by_windows(x, filters, biases, (stride, stride), ((padding, padding), (padding, padding)))


def conv_backward(
    g: Array,
    x: Array,
    filters: Array,
    biases: Array,
    *,
    stride: int,
    padding: int,
    step: int | None = None,
    crop: int | None = None,
    add: bool = True,
) -> Arrays:
    """`step` and `crop` are stride and padding as the backward has them; `add` whether overlaps add up."""
    step, crop = step or stride, padding if crop is None else crop
    i, j = filters.shape[2:]
    p = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    grad_p, grad_filters = np.zeros(p.shape), np.zeros(filters.shape)
    for h in range(g.shape[2]):
        for w in range(g.shape[3]):
            at = np.s_[:, :, h * step : h * step + i, w * step : w * step + j]
            part = np.einsum("bc,ckij->bkij", g[:, :, h, w], filters)
            grad_p[at] = grad_p[at] + part if add else part
            grad_filters += np.einsum("bkij,bc->ckij", p[at], g[:, :, h, w])
    grad_x = grad_p[:, :, crop : crop + x.shape[2], crop : crop + x.shape[3]]
    return {"x": grad_x, "filters": grad_filters, "biases": g.sum((0, 2, 3))}


def pool_forward(x: Array, *, size: int, stride: int) -> Array:
    rows, columns = windows(x.shape[2], size, stride), windows(x.shape[3], size, stride)
    y = np.zeros((*x.shape[:2], len(rows), len(columns)), x.dtype)
    for h in rows:
        for w in columns:
            part = x[:, :, h * stride : h * stride + size, w * stride : w * stride + size]
            y[:, :, h, w] = part.max((2, 3))
    return y


def pool_backward(g: Array, x: Array, *, size: int, stride: int, mistake: str = "") -> Arrays:
    grad = np.zeros(x.shape)
    for b, c, h, w in np.ndindex(*g.shape):
        at = np.s_[b, c, h * stride : h * stride + size, w * stride : w * stride + size]
        part, v = x[at], g[b, c, h, w]
        i, j = np.unravel_index(part.argmax(), part.shape)
        if mistake == "swapped":
            i, j = j, i
        if mistake == "smallest":
            i, j = np.unravel_index(part.argmin(), part.shape)
        place = (b, c, h * stride + i, w * stride + j)
        if mistake == "shared":
            grad[at] += v / size**2
        elif mistake == "everyone":
            grad[at] += v
        elif mistake == "overwritten":
            grad[place] = v
        elif mistake == "block":
            grad[at] = v * (part == part.max())
        else:
            grad[place] += v
    return {"x": grad}


def dense_forward(x: Array, weights: Array, biases: Array) -> Array:
    return x @ weights + biases


def dense_backward(g: Array, x: Array, weights: Array, biases: Array) -> Arrays:
    return {"x": g @ weights.T, "weights": x.T @ g, "biases": g.sum(0)}


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def entropy_forward(x: Array, labels: Array) -> Any:
    return -np.mean(np.log(softmax(x))[np.arange(len(x)), labels])


def entropy_backward(g: Array, x: Array, labels: Array) -> Arrays:
    return {"x": g * (softmax(x) - np.eye(x.shape[1])[labels]) / len(x)}


def norm_parts(x: Array) -> tuple[Array, Array]:
    centred = x - x.mean(0)
    scale = 1 / np.sqrt((centred**2).mean(0) + 1e-5)
    return centred * scale, scale


def norm_backward(g: Array, x: Array, gamma: Array, beta: Array, mean: float = 1, variance: float = 1) -> Arrays:
    normal, scale = norm_parts(x)
    h = g * gamma
    grad = scale * (h - mean * h.mean(0) - variance * normal * (h * normal).mean(0))
    return {"x": grad, "gamma": (g * normal).sum(0), "beta": g.sum(0)}


def norm_reference(x: Any, gamma: Any, beta: Any) -> Any:
    centred = x - jnp.mean(x, 0)
    return centred / jnp.sqrt(jnp.mean(centred**2, 0) + 1e-5) * gamma + beta


def chain_forward(x: Array, filters: Array, biases: Array, weights: Array) -> Array:
    z = conv_forward(x, filters, biases, stride=1, padding=1)
    pooled = pool_forward(np.maximum(z, 0), size=2, stride=2)
    return pooled.reshape(len(x), -1) @ weights


def chain_backward(g: Array, x: Array, filters: Array, biases: Array, weights: Array, mistake: str = "") -> Arrays:
    z = conv_forward(x, filters, biases, stride=1, padding=1)
    a = np.maximum(z, 0)
    pooled = pool_forward(a, size=2, stride=2)
    flat = g @ weights.T
    if mistake == "flatten":
        b, c, h, w = pooled.shape
        arrived = flat.reshape(b, h, w, c).transpose(0, 3, 1, 2)
    else:
        arrived = flat.reshape(pooled.shape)
    wrong_pool = mistake if mistake in ("swapped", "shared") else ""
    back = pool_backward(arrived, a, size=2, stride=2, mistake=wrong_pool)["x"]
    masks = {"no mask": z > -np.inf, "inverted": z <= 0}
    back = back * masks.get(mistake, z > 0)
    read = filters[:, :, ::-1, ::-1] if mistake == "unflipped" else filters
    grads = conv_backward(back, x, read, biases, stride=1, padding=1)
    return {**grads, "weights": pooled.reshape(len(x), -1).T @ g}


def chain_reference(x: Any, filters: Any, biases: Any, weights: Any) -> Any:
    z = references.convolution(x, filters, biases, padding=(1, 1))
    pooled = references.max_pooling(jax.nn.relu(z), pool_size=(2, 2))
    return pooled.reshape(x.shape[0], -1) @ weights


# ---------------------------------------------------------------------- operations


class Base(NamedTuple):
    forward: Callable[..., Any]
    backward: Callable[..., Arrays]
    reference: Callable[..., Any]
    shapes: dict[str, tuple[int, ...]]
    constants: dict[str, Array] = {}  # noqa: RUF012


def convolution(stride: int = 1, padding: int = 1, shapes: Any = None) -> Base:
    def jax_forward(x: Any, filters: Any, biases: Any) -> Any:
        return references.convolution(x, filters, biases, stride=(stride, stride), padding=(padding, padding))

    sizes = {"stride": stride, "padding": padding}
    return Base(
        partial(conv_forward, **sizes),
        partial(conv_backward, **sizes),
        jax_forward,
        shapes or {"x": (2, 3, 6, 7), "filters": (4, 3, 3, 3), "biases": (4,)},
    )


def pooling(size: int, stride: int) -> Base:
    def jax_forward(x: Any) -> Any:
        return references.max_pooling(x, pool_size=(size, size), stride=(stride, stride))

    return Base(
        partial(pool_forward, size=size, stride=stride),
        partial(pool_backward, size=size, stride=stride),
        jax_forward,
        {"x": (2, 3, 7, 6)},
    )


def elementwise(forward: Any, derivative: Any, jax_forward: Any) -> Base:
    return Base(lambda x: forward(x), lambda g, x: {"x": g * derivative(x)}, jax_forward, {"x": (4, 5)})


CONV, STRIDED = convolution(), convolution(2, 1)
SQUARE_CONV = convolution(1, 1, {"x": (2, 4, 6, 6), "filters": (4, 4, 3, 3), "biases": (4,)})
POOL, OVERLAP = pooling(2, 2), pooling(3, 1)
DENSE = Base(
    dense_forward,
    dense_backward,
    references.linear,
    {"x": (5, 6), "weights": (6, 4), "biases": (4,)},
)
SQUARE_DENSE = DENSE._replace(shapes={"x": (4, 4), "weights": (4, 4), "biases": (4,)})
RELU = elementwise(lambda x: np.maximum(x, 0), lambda x: x > 0, jax.nn.relu)
TANH = elementwise(np.tanh, lambda x: 1 - np.tanh(x) ** 2, jnp.tanh)
LABELS = {"labels": np.array([1, 0, 3, 3, 2])}
ENTROPY = Base(
    entropy_forward,
    entropy_backward,
    lambda x, labels: references.softmax_cross_entropy(x, labels),
    {"x": (5, 4)},
    LABELS,
)
SQUARED = Base(
    lambda prediction, target: np.mean((prediction - target) ** 2),
    lambda g, prediction, target: {
        "prediction": g * 2 * (prediction - target) / prediction.size,
        "target": -g * 2 * (prediction - target) / prediction.size,
    },
    lambda prediction, target: references.mean_squared_error(prediction, target),
    {"prediction": (4, 6), "target": (4, 6)},
)
SOFTMAX = Base(
    softmax,
    lambda g, x: {"x": softmax(x) * (g - (g * softmax(x)).sum(-1, keepdims=True))},
    lambda x: jax.nn.softmax(x, -1),
    {"x": (4, 6)},
)
NORM = Base(
    lambda x, gamma, beta: norm_parts(x)[0] * gamma + beta,
    norm_backward,
    norm_reference,
    {"x": (5, 3), "gamma": (3,), "beta": (3,)},
)
CHAIN = Base(
    chain_forward,
    chain_backward,
    chain_reference,
    {"x": (2, 2, 6, 6), "filters": (3, 2, 3, 3), "biases": (3,), "weights": (27, 4)},
)
