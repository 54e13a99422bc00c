"""Which results of a program depend on which of its arguments, as the trace shows it."""

from __future__ import annotations

from typing import Any

from jax.extend import core

from crosscheck.traces.walk import inner_jaxpr


def reached(jaxpr: core.Jaxpr, given: list[bool]) -> list[bool]:
    """Of each output, whether a path leads to it from one of the `given` arguments; a loop connects all with all."""
    marked = {v for v, is_given in zip(jaxpr.invars, given, strict=True) if is_given}

    def read(atom: Any) -> bool:
        return isinstance(atom, core.Var) and atom in marked

    for eqn in jaxpr.eqns:
        ins = [read(atom) for atom in eqn.invars]
        called = inner_jaxpr(eqn)
        if called is not None and len(called[0].invars) == len(ins):
            outs = reached(called[0], ins)
        else:
            outs = [any(ins)] * len(eqn.outvars)
        marked.update(v for v, is_reached in zip(eqn.outvars, outs, strict=True) if is_reached)
    return [read(atom) for atom in jaxpr.outvars]
