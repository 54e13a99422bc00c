"""The rounding of one operation itself, in units of u: |y| for a sum or a product, 2·|y| for a function.

    ROUNDED[name](arithmetic, eqn, x, y) -> (extra error to seed on each input, rounding of each output)

A sum's roundings are seeded on its terms (backward error: `depth` of their number, times each term), so that one
product spreads them together with the errors that arrived (`rounding_propagation`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import jax.numpy as jnp
from jax.extend import core

from crosscheck.rounding.planes import is_float
from crosscheck.rounding.propagation import ELEMENTWISE


class Arithmetic(Protocol):
    """The unit roundoff, and what one operation loses by underflow in units of it."""

    unit: float
    eta: float


Rounded = Callable[[Arithmetic, core.JaxprEqn, list[Any], list[Any]], tuple[list[Any], list[Any]]]


def depth(n: float) -> float:
    """How many roundings a sum of n terms counts for: 1 + √n."""
    return 1.0 + math.sqrt(max(n, 1.0))


def no_rounding(a: Arithmetic, eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> tuple[list[Any], list[Any]]:
    return [None] * len(x), [None] * len(y)


def once(a: Arithmetic, eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> tuple[list[Any], list[Any]]:
    return [None] * len(x), [jnp.abs(y[0])]


def once_underflowing(a: Arithmetic, eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> tuple[list[Any], list[Any]]:
    return [None] * len(x), [jnp.abs(y[0]) + a.eta]


def twice_underflowing(a: Arithmetic, eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> tuple[list[Any], list[Any]]:
    return [None] * len(x), [2.0 * jnp.abs(y[0]) + a.eta]


def narrowed(a: Arithmetic, eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> tuple[list[Any], list[Any]]:
    """A conversion rounds where the new format is coarser than the arithmetic of the walk."""
    if is_float(x[0]) and is_float(y[0]):
        coarse = float(jnp.finfo(y[0].dtype).eps) / 2
        if coarse > float(jnp.finfo(jnp.result_type(x[0])).eps) / 2:
            return [None], [jnp.abs(y[0]) * (coarse / a.unit)]
    return [None], [None]


def summed(a: Arithmetic, eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> tuple[list[Any], list[Any]]:
    p = eqn.params
    if "window_dimensions" in p:
        n = math.prod(p["window_dimensions"])
    elif "axes" in p:
        n = math.prod(x[0].shape[i] for i in p["axes"])
    else:
        n = x[0].shape[p["axis"]]
    return [depth(n) * jnp.abs(x[0]) if n > 1 else None], [None]


def contracted(a: Arithmetic, eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> tuple[list[Any], list[Any]]:
    p = eqn.params
    if eqn.primitive.name == "dot_general":
        n = math.prod(x[0].shape[i] for i in p["dimension_numbers"][0][0])
    else:
        n = math.prod(x[1].shape[i] for i in p["dimension_numbers"].rhs_spec[1:])
    return [None, depth(n) * jnp.abs(x[1])], [float(n) * a.eta]


def scattered(a: Arithmetic, eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> tuple[list[Any], list[Any]]:
    return [jnp.abs(x[0]), None, 2.0 * jnp.abs(x[2])], [None]


def scattered_to_winner(a: Arithmetic, eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> tuple[list[Any], list[Any]]:
    return [depth(math.prod(eqn.params["window_dimensions"])) * jnp.abs(x[0]), None], [None]


ROUNDED: dict[str, Rounded] = {
    **dict.fromkeys(ELEMENTWISE, twice_underflowing),
    "add": once,
    "add_any": once,
    "sub": once,
    "mul": once_underflowing,
    "div": once_underflowing,
    "convert_element_type": narrowed,
    "reduce_sum": summed,
    "cumsum": summed,
    "reduce_window_sum": summed,
    "dot_general": contracted,
    "conv_general_dilated": contracted,
    "scatter-add": scattered,
    "scatter_add": scattered,
    "select_and_scatter_add": scattered_to_winner,
}
