"""Sets that an input stays on: symmetric and positive definite matrices, rotations, probabilities, unit vectors.

A set is a retraction, a smooth π from arrays onto it that leaves its points where they are. It is written in operators
and methods that NumPy and JAX both have; one in jax.numpy alone will do where there is a reference. The last axis, or
the last two, are the vector or the matrix; those before it count samples.

    symmetric    π(a) = (a + aᵀ) / 2
    spd          the same, which is positive definite near a positive definite matrix; further away, the least multiple
                 of 1 is added that makes it so
    unit         π(a) = a / |a|
    simplex      π(a) = |a| / Σ|a|, of positive numbers
    rotation     π(a): the columns of a, one after another made orthogonal to those before and of length 1 (Gram and
                 Schmidt, twice); the last with the sign that makes the determinant 1
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from crosscheck.doors.charts import Chart, named
from crosscheck.operation import Array, Operation
from crosscheck.traces.precision import double_precision

Retraction = Callable[[Any], Any]

# A point that is further from its set than this share of its largest entry is not meant to be on it.
NEAR = 1e-3
# How far beside the point a retraction is tried, of the largest entry: what it moves its own points by is rounding
# then, or of this order, and the line is drawn between.
BESIDE = 2.0**-13


def symmetric(a: Any) -> Any:
    """The symmetric matrix that is nearest."""
    return (a + a.swapaxes(-1, -2)) / 2


def spd(a: Any) -> Any:
    """The symmetric matrix that is nearest, if it is positive definite; else one that is."""
    s = symmetric(a)
    if type(s) is np.ndarray and s.dtype.kind == "f":
        # Only far from where the check is, at points that nobody's gradient is asked at.
        low = np.linalg.eigvalsh(s.astype(np.float64)).min(-1)
        size = np.abs(s).max(axis=(-1, -2), initial=0.0)
        more = np.where(low <= 0, size * 2.0**-10 - low, 0.0)
        return s + (more[..., None, None] * np.eye(s.shape[-1])).astype(s.dtype) if more.any() else s
    return s


def unit(a: Any) -> Any:
    """The vector of length 1 in the same direction."""
    return a / (a * a).sum(-1, keepdims=True) ** 0.5


def simplex(a: Any) -> Any:
    """The numbers as shares of their sum."""
    return abs(a) / abs(a).sum(-1, keepdims=True)


def rotation(a: Any) -> Any:
    """The rotation that Gram and Schmidt make of the columns."""
    n, columns = a.shape[-1], []
    for j in range(n):
        q = a[..., :, j]
        for _ in range(2):
            for p in columns:
                q = q - p * (p * q).sum(-1, keepdims=True)
        columns.append(unit(q))
    xp = np if isinstance(a, np.ndarray) or not isinstance(a, jax.Array) else jnp
    turned = xp.stack(columns, axis=-1)
    if type(turned) is np.ndarray and turned.dtype.kind == "f":
        sign = np.sign(np.linalg.det(turned.astype(np.float64)))
        if (sign < 0).any():  # far away: at the point and near it the determinant is 1
            turned[..., -1] *= sign[..., None].astype(turned.dtype)
    return turned


def on_set(name: str, x: Array, retraction: Retraction) -> Chart:
    """The chart of one input that stays on a set.

    Raises:
        TypeError: no function of one array to one of its shape.
        ValueError: x is not on the set.
    """
    who = getattr(retraction, "__name__", type(retraction).__name__)

    def point(a: Any) -> Any:
        return as_numpy(retraction, a)

    def with_jax(a: Any) -> Any:
        return jnp.asarray(retraction(a), a.dtype)

    @jax.jit
    def pulled_back(a: Any, g: Any) -> Any:
        return jax.vjp(with_jax, a)[1](g)[0]

    def pull(a: Array, g: Array) -> Array:
        with double_precision():
            return np.asarray(pulled_back(a.astype(np.float64), g.astype(np.float64))).astype(g.dtype)

    try:
        there = np.asarray(point(x.astype(np.float64)))
    except Exception as error:
        raise TypeError(f"on of {name} refuses its own input: {type(error).__name__}: {error}") from error
    if there.shape != x.shape or there.dtype.kind != "f":
        raise TypeError(f"on of {name} gives {there.dtype} {there.shape} for an array of shape {x.shape}")
    size = float(np.max(np.abs(x), initial=0.0))
    off = float(np.max(np.abs(there - x), initial=0.0))
    if not off <= NEAR * size:
        raise ValueError(f"on: {name} is not on {who}: the nearest of its points is {off:.2g} away at one entry")
    beside = np.asarray(point(x + BESIDE * size * np.random.default_rng(0).normal(size=x.shape)))
    if x.size and (beside == there).all():
        raise ValueError(f"on of {name}: {who} gives one point whatever it is given: nothing would be compared")
    if not np.abs(np.asarray(point(beside)) - beside).max(initial=0.0) <= BESIDE**2 * size:
        raise ValueError(f"on of {name}: {who} is no retraction: it moves a point that it has itself put on the set")
    if (there == 0).any() and retraction is simplex:
        raise ValueError(f"on: {name} has a zero: on the edge of the simplex there is no way out, and no derivative")
    return Chart(x, point, with_jax, pull)


def as_numpy(retraction: Retraction, a: Any) -> Any:
    """The retraction of a NumPy array, or of what stands for one; written in jax.numpy, it gives an array of JAX's."""
    with double_precision():
        found = retraction(a)
    return np.asarray(found).astype(a.dtype) if isinstance(found, jax.Array) else found


def charts_on(
    operation: Operation, on: Mapping[str, Any] | None, fixed: Mapping[str, Any] | None = None
) -> dict[str, Chart]:
    """`on=` as the doors take it."""
    found: dict[str, Chart] = {}
    for name, retraction in named(operation, on, "on").items():
        if name in (fixed or {}):
            raise ValueError(f"{name} is in both fixed and on: what is held by entries does not stay on a set")
        if isinstance(retraction, type) or not callable(retraction):
            kind = getattr(retraction, "__name__", type(retraction).__name__)
            raise TypeError(f"on of {name} is {kind}; it must be a retraction: a function of an array onto the set")
        found[name] = on_set(name, operation.inputs[name], retraction)
    return found


def names_of_sets(on: Mapping[str, Any] | None) -> str:
    """What stays on which set, for the report."""
    return ", ".join(f"{k} on {getattr(r, '__name__', type(r).__name__)}" for k, r in (on or {}).items())
