"""An input as the judge moves it, and as the code gets it: entries that never move, arrays that stay on a set.

    x = π(a),     y = f(π(a)),     ∂L/∂a = Dπ(a)ᵀ ∂L/∂x                                                          (1)

The judge knows a alone, and moves it as it likes: the code only ever sees π(a). At the caller's point a = x. What the
hand-derived backward says is pulled back by (1), as autodiff pulls back what the reference says: both are compared as
functionals on what can move. Where π is a retraction onto a set (`sets`), Dπ has the tangents of the set for its range,
and Dπᵀ g is zero for a g that is zero on every tangent, and for no other: nothing is compared that is not a question of
the set, and all that is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from crosscheck.operation import Array, Arrays, Operation


class Chart(NamedTuple):
    """One input's π.

    Args:
        start: a, for the caller's x.
        point: π in NumPy.
        traced: π in JAX.
        pull: (a, g) -> Dπ(a)ᵀ g.
    """

    start: Array
    point: Callable[[Any], Any]
    traced: Callable[[Any], Any]
    pull: Callable[[Array, Array], Array]


def through(operation: Operation, charts: Mapping[str, Chart]) -> Operation:
    """The operation as a function of what can move."""
    if not charts:
        return operation
    inner = operation

    def given(values: Mapping[str, Any]) -> dict[str, Any]:
        return {k: charts[k].point(a) if k in charts else a for k, a in values.items()}

    def backward(grad_output: Array, values: Arrays) -> Any:
        found = inner.gradients_of(inner.backward(grad_output, given(values)))
        return {k: pulled(charts[k], values[k], g) if k in charts else g for k, g in found.items()}

    reference, widen, quick = operation.reference, operation.widen, operation.moving_forward
    return replace(
        operation,
        forward=lambda values: inner.forward(given(values)),
        backward=backward,
        inputs={k: charts[k].start.astype(a.dtype) if k in charts else a for k, a in operation.inputs.items()},
        reference=None if reference is None else traced(reference, charts),
        widen=None if widen is None else lambda: through(widen(), charts),
        moving_forward=None if quick is None else lambda values: quick(given(values)),
        own_bounds=None,
    )


def pulled(chart: Chart, a: Array, g: Array) -> Array:
    """By (1); a gradient of another shape is wrong as it is."""
    return chart.pull(a, g) if g.shape == a.shape else g


def traced(reference: Callable[..., Any], charts: Mapping[str, Chart]) -> Callable[..., Any]:
    def of_charts(**values: Any) -> Any:
        return reference(**{k: charts[k].traced(a) if k in charts else a for k, a in values.items()})

    return of_charts


# ---------------------------------------------------------------------- entries that never move


def held(x: Array, fixed: Array) -> Chart:
    """x where it is fixed; there the code gets what the caller gave, infinities too, and no gradient is judged."""

    def point(a: Any) -> Any:
        return np.where(fixed, x.astype(a.dtype), a)

    def with_jax(a: Any) -> Any:
        return jnp.where(fixed, jnp.asarray(x, a.dtype), a)

    return Chart(
        np.where(fixed & ~np.isfinite(x), 0, x), point, with_jax, lambda a, g: np.where(fixed, g.dtype.type(0), g)
    )


def charts_of(operation: Operation, fixed: Mapping[str, Any] | None) -> dict[str, Chart]:
    """`fixed=` as the doors take it.

    Raises:
        TypeError, ValueError: what names no differentiated input, or no entries of it.
    """
    found: dict[str, Chart] = {}
    for name, given in named(operation, fixed, "fixed").items():
        x, where = operation.inputs[name], np.asarray(given)
        if where.dtype.kind != "b":
            raise TypeError(
                f"fixed of {name} has dtype {where.dtype}; it must be a boolean array, true where {name} is fixed"
            )
        if where.shape != x.shape:
            raise ValueError(f"fixed of {name} has shape {where.shape}; {name} has shape {x.shape}")
        if where.all():
            raise ValueError(f"fixed holds all of {name}: leave it out of wrt instead")
        found[name] = held(x, where)
    return found


def named(operation: Operation, given: Mapping[str, Any] | None, who: str) -> Mapping[str, Any]:
    """A dictionary whose keys are differentiated inputs, or a sentence that says what it was."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(f"{who} is a {type(given).__name__}; it must be a dictionary by the names of inputs")
    for name in given:
        if name not in operation.wrt:
            raise ValueError(f"{who} names {name!r}, which is not differentiated: {', '.join(operation.wrt)} are")
    return given
