"""Primitives that stand for several: what they do, as a jaxpr of plain ones.

JAX 0.12 writes some things as one equation that older versions write out, and computes them as they did:

    polynomial            a₀ + x (a₁ + x (a₂ + …)), by Horner's rule
    one_minus_square      (1 + x)(1 - x)
    call_hi_primitive     whatever its parameter is: a search in a sorted array, or a primitive of the user's own

Opened, each is walked like a call: rounding, lattice and words are those of the primitives inside, and there is
nothing to estimate. The last brings its own expansion into plain primitives; where it does not, or the expansion
fails, the equation stays closed and is one without a row: estimated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.extend import core

from crosscheck.traces.precision import double_precision


def horner(x: Any, *coefficients: Any, **_: Any) -> Any:
    total = coefficients[-1]
    for a in reversed(coefficients[:-1]):
        total = total * x + a
    return total


def one_minus_square(x: Any, **_: Any) -> Any:
    return (1 + x) * (1 - x)


WRITTEN_OUT: dict[str, Callable[..., Any]] = {"polynomial": horner, "one_minus_square": one_minus_square}


def opened(eqn: core.JaxprEqn) -> core.ClosedJaxpr | None:
    """What the equation stands for, at its operands' shapes and dtypes; None where it stands for itself."""
    run = WRITTEN_OUT.get(eqn.primitive.name) or own_expansion(eqn)
    if run is None:
        return None
    ins: list[Any] = [v.aval for v in eqn.invars]
    outs: list[Any] = [v.aval for v in eqn.outvars]
    try:
        with double_precision():
            operands = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in ins]
            closed = jax.make_jaxpr(lambda *a: run(*a, **eqn.params))(*operands)
    except Exception:  # the expansion is somebody else's code: without it the primitive is estimated
        return None
    fits = [(a.shape, a.dtype) for a in closed.out_avals] == [(a.shape, a.dtype) for a in outs]
    return closed if fits else None


def own_expansion(eqn: core.JaxprEqn) -> Callable[..., Any] | None:
    """How a primitive of a higher level (`jax.experimental.hijax`) expands into plain ones."""
    if eqn.primitive.name != "call_hi_primitive":
        return None
    return getattr(eqn.primitive, "to_lojax", None)
