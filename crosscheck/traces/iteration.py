"""Whether a program iterates: a loop, or one computation on arrays of the same shapes, over and over.

What iterates may converge, and whoever derives it may use that it has (the implicit function theorem at a fixed point).
Where its numbers are four times as large it may not: then such a derivation is no gradient, and not wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
from jax.extend import core

from crosscheck.traces.precision import double_precision
from crosscheck.traces.primitives import Kind, primitive
from crosscheck.traces.walk import inner_jaxpr

# Newton's method doubles its digits: six turns from one digit to all. A network of six equal layers counts, too.
OFTEN = 6
REPEATING = frozenset(["scan", "while"])
# What a turn computes; slices, casts and products of arrays repeat everywhere.
COMPUTES = (Kind.CONTRACTS, Kind.DIVIDES, Kind.FUNCTION, Kind.ALGEBRA, Kind.FOURIER)


def iterates(reference: Callable[..., Any], inputs: Any) -> bool:
    """Of a reference at its arguments; one that cannot be traced does not."""
    try:
        with double_precision():
            closed = jax.make_jaxpr(lambda d: reference(**d))(inputs)
    except Exception:  # the reference may refuse a point that is not its caller's
        return False
    turns: Counter[Any] = Counter()
    return loops(closed.jaxpr, turns) or max(turns.values(), default=0) >= OFTEN


def loops(jaxpr: core.Jaxpr, turns: Counter[Any]) -> bool:
    """Whether there is a loop in it; the equations that compute are counted on the way, by what they are."""
    for eqn in jaxpr.eqns:
        if eqn.primitive.name in REPEATING:
            return True
        inner = inner_jaxpr(eqn)
        if inner is not None:
            if loops(inner[0], turns):
                return True
        elif primitive(eqn.primitive.name).kind in COMPUTES:
            turns[eqn.primitive.name, *(str(v.aval) for v in (*eqn.invars, *eqn.outvars))] += 1
    return False
