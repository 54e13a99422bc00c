"""Plain functions as operations, and a table of those on which arithmetic can be exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from crosscheck.doors.functions import from_functions
from crosscheck.operation import Operation

Array = np.ndarray


def one(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    reference: Callable[..., Any] | None,
    *shapes: tuple[int, ...],
    dtype: type = np.float64,
) -> Operation:
    """An operation on x (and y, z): backward(g, x, ...) -> a tuple in order."""
    rng = np.random.default_rng(0)
    inputs = {k: rng.normal(size=s).astype(dtype) for k, s in zip("xyz", shapes, strict=False)}
    return from_functions(
        lambda **d: forward(*d.values()),
        lambda grad_output, **d: dict(zip(d, backward(grad_output, *d.values()), strict=True)),
        inputs,
        None if reference is None else lambda **d: reference(*d.values()),
    )


def winners(g: Array, x: Array, last: bool = False) -> Array:
    """The gradient of the maximum over axis 1."""
    at = x.shape[1] - 1 - x[:, ::-1].argmax(1) if last else x.argmax(1)
    return np.where(np.arange(x.shape[1]) == at[:, None], g[:, None], 0.0)


def square_backward(g: Array, x: Array) -> tuple[Array]:
    return (2 * g * x,)


SQUARE = (lambda x: x * x, square_backward, lambda x: x * x, (4, 5))

APPLIES: dict[str, Operation] = {
    "square": one(*SQUARE),
    "square, float32": one(*SQUARE, dtype=np.float32),
    "cube": one(lambda x: x**3, lambda g, x: (3 * g * x**2,), lambda x: x**3, (4, 5)),
    "a number": one(lambda x: x * x, square_backward, lambda x: x * x, ()),
    "nothing": one(lambda x: x * x, square_backward, lambda x: x * x, (0, 3)),
    "absolute": one(np.abs, lambda g, x: (g * np.sign(x),), jnp.abs, (4, 5)),
    "halves": one(lambda x: x / 2 + 0.25, lambda g, x: (g / 2,), lambda x: x / 2 + 0.25, (4, 5)),
    "maximum": one(lambda x: x.max(1), lambda g, x: (winners(g, x),), lambda x: jnp.max(x, 1), (4, 5)),
    "sorted": one(
        lambda x: np.sort(x, 1),
        lambda g, x: (np.take_along_axis(g, np.argsort(np.argsort(x, 1), 1), 1),),
        lambda x: jnp.sort(x, 1),
        (4, 5),
    ),
    "sums": one(
        lambda x: np.cumsum(x, 1),
        lambda g, x: (np.cumsum(g[:, ::-1], 1)[:, ::-1],),
        lambda x: jnp.cumsum(x, 1),
        (4, 5),
    ),
    "mean square": one(
        lambda x, y: np.mean((x - y) ** 2),
        lambda g, x, y: (g * 2 * (x - y) / x.size, g * 2 * (y - x) / x.size),
        lambda x, y: jnp.mean((x - y) ** 2),
        (3, 7),
        (3, 7),
    ),
    "product": one(lambda x, y: x @ y, lambda g, x, y: (g @ y.T, x.T @ g), lambda x, y: x @ y, (4, 7), (7, 3)),
    "average pooling": one(
        lambda x: (x[:, :-2] + x[:, 1:-1] + x[:, 2:]) / 3,
        lambda g, x: (sum(np.pad(g / 3, ((0, 0), (i, 2 - i))) for i in range(3)),),
        lambda x: lax.reduce_window(x, 0.0, lax.add, (1, 3), (1, 1), "VALID") / 3,
        (2, 6),
    ),
}
