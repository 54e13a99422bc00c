"""One interpreter of jaxprs, and the place where an algebra plugs in.

A jaxpr is the list of primitive equations that JAX records when it traces a function. `walk` evaluates
such a list in order and keeps beside every value a *note* that an algebra computes: an error bound
(`rounding`), a power of two that divides the value (`lattice`), a switch (`switches`). It knows nothing of
what the user's operation is; it inlines calls and hands every other equation to the algebra.

Only public names are used (`jax.extend.core`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from jax.extend import core

from crosscheck.traces.opening import opened
from crosscheck.traces.primitives import primitive

# Where a call that takes its operands as they are keeps its jaxpr (a linear solve holds several).
PLAIN_CALLS = ("jaxpr", "call_jaxpr", "fun_jaxpr")


class Algebra(Protocol):
    """What a walk needs to know to carry notes."""

    def constant(self, value: Any) -> Any:
        """The note of a constant or literal of the jaxpr."""
        ...

    def equation(self, eqn: core.JaxprEqn, values: list[Any], notes: list[Any]) -> tuple[list[Any], list[Any]]:
        """Values and notes of the outputs of one equation that is not a call."""
        ...


def evaluate(eqn: core.JaxprEqn, values: Sequence[Any]) -> list[Any]:
    """The outputs of one primitive equation at `values`, always as a list."""
    out = eqn.primitive.bind(*values, **eqn.params)
    return list(out) if eqn.primitive.multiple_results else [out]


def inner_jaxpr(eqn: core.JaxprEqn) -> tuple[core.Jaxpr, list[Any]] | None:
    """The jaxpr that a call equation calls, with its constants; None for any other equation."""
    row = primitive(eqn.primitive.name)
    inner = opened(eqn) if row.opens else eqn.params.get(row.inside) if row.inside in PLAIN_CALLS else None
    if inner is None:
        return None
    if isinstance(inner, core.ClosedJaxpr):
        return inner.jaxpr, list(inner.consts)
    return inner, []


def walk(
    jaxpr: core.Jaxpr,
    consts: Sequence[Any],
    values: Sequence[Any],
    notes: Sequence[Any],
    algebra: Algebra,
) -> tuple[list[Any], list[Any]]:
    """Evaluate `jaxpr` at `values`, carrying `notes`; return the outputs' values and notes."""
    env: dict[Any, tuple[Any, Any]] = {}

    def read(atom: Any) -> tuple[Any, Any]:
        if isinstance(atom, core.Literal):
            return atom.val, algebra.constant(atom.val)
        return env[atom]

    for var, value in zip(jaxpr.constvars, consts, strict=True):
        env[var] = (value, algebra.constant(value))
    for var, value, note in zip(jaxpr.invars, values, notes, strict=True):
        env[var] = (value, note)
    for eqn in jaxpr.eqns:
        pairs = [read(atom) for atom in eqn.invars]
        ins, ins_notes = [p[0] for p in pairs], [p[1] for p in pairs]
        inner = inner_jaxpr(eqn)
        if inner is not None:
            outs, outs_notes = walk(inner[0], inner[1], ins, ins_notes, algebra)
        else:
            outs, outs_notes = algebra.equation(eqn, ins, ins_notes)
        for var, value, note in zip(eqn.outvars, outs, outs_notes, strict=True):
            env[var] = (value, note)
    pairs = [read(atom) for atom in jaxpr.outvars]
    return [p[0] for p in pairs], [p[1] for p in pairs]


def primitives(jaxpr: core.Jaxpr) -> set[str]:
    """The names of all primitives that a walk of `jaxpr` would meet."""
    names: set[str] = set()
    for eqn in jaxpr.eqns:
        inner = inner_jaxpr(eqn)
        names |= primitives(inner[0]) if inner is not None else {eqn.primitive.name}
    return names
