"""What is read off a program without running it."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend import core

from crosscheck.rounding.copies import entrywise
from crosscheck.rounding.loops import inside
from crosscheck.traces.opening import opened
from crosscheck.traces.primitives import primitive

# Loops that compare before a turn, and branches.
BRANCHES = frozenset(["while", "cond"])


def call(eqn: core.JaxprEqn, ins: list[Any]) -> tuple[core.Jaxpr, list[Any], list[Any]] | None:
    """The jaxpr that a call calls, its constants and its operands; None for any other equation."""
    row = primitive(eqn.primitive.name)
    inner = opened(eqn) if row.opens else eqn.params.get(row.inside) if row.inside else None
    if inner is None:
        return None
    if row.name == "custom_linear_solve":  # (matvec, vecmat, solve, transpose_solve), each with constants of its own
        lengths = eqn.params["const_lengths"]
        start, total = lengths.matvec + lengths.vecmat, sum(n for n in lengths)
        ins = [*ins[start : start + lengths.solve], *ins[total:]]
        inner = getattr(inner, "solve")  # noqa: B009 - a field of jax.lax, typed as a jaxpr here
        if len(inner.jaxpr.outvars) != len(eqn.outvars):
            return None
    if isinstance(inner, core.ClosedJaxpr):
        return inner.jaxpr, list(inner.consts), ins
    return inner, [], ins


def live(jaxpr: core.Jaxpr) -> int:
    """The most bytes of values that are alive at once; of loops, those of their bodies too."""
    last = {v: i for i, eqn in enumerate(jaxpr.eqns) for v in eqn.invars if isinstance(v, core.Var)}
    last.update((v, len(jaxpr.eqns)) for v in jaxpr.outvars if isinstance(v, core.Var))
    alive = {v: size(v) for v in [*jaxpr.invars, *jaxpr.constvars] if v in last}
    most = now = sum(alive.values())
    for i, eqn in enumerate(jaxpr.eqns):
        now += sum(size(v) for v in eqn.outvars)
        alive.update((v, size(v)) for v in eqn.outvars)
        most = max(most, now + max([live(j) for j in inside(eqn)], default=0))
        touched = {v for v in [*eqn.invars, *eqn.outvars] if not isinstance(v, core.Literal)}
        gone = [v for v in touched if v in alive and last.get(v, i) <= i]
        now -= sum(alive.pop(v) for v in gone)
    return most


def turns(jaxpr: core.Jaxpr) -> float:
    """How many equations are computed, those in a loop once for every turn; ∞ where nobody knows beforehand."""
    total = 0.0
    for eqn in jaxpr.eqns:
        times = eqn.params["length"] if eqn.primitive.name == "scan" else 1
        total += 1 + times * sum(turns(j) for j in inside(eqn))
        if eqn.primitive.name == "while":
            return math.inf
    return total


def numbers_alone(jaxpr: core.Jaxpr) -> bool:
    """Whether NumPy knows the type of every value: no random keys, no formats of its own."""
    values = [*jaxpr.invars, *jaxpr.constvars, *(v for eqn in jaxpr.eqns for v in eqn.outvars)]
    types = [getattr(v.aval, "dtype", None) for v in values]
    plain = all(isinstance(t, np.dtype) and t.kind in "biufc" for t in types)
    return plain and all(numbers_alone(j) for eqn in jaxpr.eqns for j in inside(eqn))


def size(v: Any) -> int:
    try:
        return v.aval.size * v.aval.dtype.itemsize
    except (AttributeError, TypeError):  # a token, a key
        return 0


def decides(jaxpr: core.Jaxpr) -> bool:
    """Whether anything is compared in it, so that there may be kinks."""
    own = any(primitive(eqn.primitive.name).decides or eqn.primitive.name in BRANCHES for eqn in jaxpr.eqns)
    return own or any(decides(j) for eqn in jaxpr.eqns for j in inside(eqn))


def steps(jaxpr: core.Jaxpr) -> bool:
    """Whether anything in it is constant between jumps, as floor is: its derivative is 0, and no difference says so."""
    own = any(primitive(eqn.primitive.name).lock == "step" for eqn in jaxpr.eqns)
    return own or any(steps(j) for eqn in jaxpr.eqns for j in inside(eqn))


def coarsens(jaxpr: core.Jaxpr) -> bool:
    """Whether numbers in it are rounded to fewer bits than float32 has: between the few that are left it is constant,
    and its derivative is that of what was rounded."""

    def rounds(eqn: core.JaxprEqn) -> bool:
        if eqn.primitive.name == "reduce_precision":
            return eqn.params["mantissa_bits"] < np.finfo(np.float32).nmant
        to = eqn.params["new_dtype"] if eqn.primitive.name == "convert_element_type" else None
        return to is not None and jnp.issubdtype(to, jnp.floating) and jnp.finfo(to).nmant < np.finfo(np.float32).nmant

    return any(rounds(eqn) or any(coarsens(j) for j in inside(eqn)) for eqn in jaxpr.eqns)


def held_back(jaxpr: core.Jaxpr) -> bool:
    """Whether some gradient is stopped on purpose, as in a straight-through estimate (and in JAX's softmax)."""
    own = any(eqn.primitive.name == "stop_gradient" for eqn in jaxpr.eqns)
    return own or any(held_back(j) for eqn in jaxpr.eqns for j in inside(eqn))


def estimated(jaxpr: core.Jaxpr) -> frozenset[str]:
    """The primitives without a row."""
    found: set[str] = set()
    for eqn in jaxpr.eqns:
        row = primitive(eqn.primitive.name)
        called = call(eqn, list(eqn.invars)) if row.opens else None
        if called is not None:
            found |= estimated(called[0])
        elif row.opens or not row.known:
            found.add(row.name)
    return frozenset(found).union(*(estimated(j) for eqn in jaxpr.eqns for j in inside(eqn)))


def entrywise_outputs(jaxpr: core.Jaxpr, given: list[bool]) -> list[bool]:
    """Of each output, whether nothing on the way to it is known by norms only."""
    env = dict(zip(jaxpr.invars, given, strict=True))

    def read(atom: Any) -> bool:
        return isinstance(atom, core.Literal) or env.get(atom, True)

    for eqn in jaxpr.eqns:
        ins = [read(atom) for atom in eqn.invars]
        called = call(eqn, ins)
        if called is not None:
            outs = entrywise_outputs(called[0], called[2])
        else:
            fine = all(ins) and entrywise(eqn.primitive.name) and all(all(all_entrywise(j)) for j in inside(eqn))
            outs = [fine] * len(eqn.outvars)
        env.update(zip(eqn.outvars, outs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def all_entrywise(jaxpr: core.Jaxpr) -> list[bool]:
    return [entrywise(eqn.primitive.name) and all(all(all_entrywise(j)) for j in inside(eqn)) for eqn in jaxpr.eqns]
