"""A gradient that JAX gives as NaN, because of a branch that was not taken.

Of `where(x > 0, sqrt(x), 0)` at x = -1 the branch not taken is NaN, and so is its derivative r. What arrives from the
selection is exactly zero, but in the backward pass

    0 · r = NaN                                                                                                   (1)

though nothing comes that way: no change of x in which the selection stays changes the output. So (1) is read as 0
where r is NaN, and where r is infinite (x = 0) if it is a selection that the zero comes from: (√x)² at 0 has a 0 · ∞
that is 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core

from crosscheck.operation import Arrays
from crosscheck.traces.walk import evaluate, inner_jaxpr

BILINEAR = frozenset(["mul", "div"])
MOVES = frozenset(["reshape", "broadcast_in_dim", "transpose", "squeeze", "copy", "rev"])
SAME = frozenset(["neg", "convert_element_type"])


class Sent(NamedTuple):
    """A number of the backward pass: whether it depends on what arrives, and where a selection left nothing of it."""

    value: Any
    depends: bool = False
    untaken: Any = None  # None: nowhere


def read_as_zero(reference: Callable[..., Any], values: Arrays, constants: Arrays, v: Any) -> core.ClosedJaxpr:
    """The jaxpr of `(values, constants, v) -> (y, gradients)`, with (1) read as 0."""

    def program(values: Any, constants: Any, v: Any) -> Any:
        y, pull = jax.vjp(lambda d: reference(**d, **constants), values)
        arriving = jnp.asarray(v).astype(y.dtype).reshape(y.shape)
        backward, shape = jax.make_jaxpr(pull, return_shape=True)(arriving)
        outs = guarded(backward.jaxpr, list(backward.consts), [arriving])
        return y, jax.tree.unflatten(jax.tree.structure(shape), outs)[0]

    return jax.make_jaxpr(program)(values, constants, v)


def guarded(jaxpr: core.Jaxpr, consts: list[Any], arriving: list[Any]) -> list[Any]:
    """A backward pass, evaluated: whatever depends on what arrives is linear in it."""
    return [sent.value for sent in walked(jaxpr, consts, [Sent(a, True) for a in arriving])]


def walked(jaxpr: core.Jaxpr, consts: list[Any], given: list[Sent]) -> list[Sent]:
    env: dict[Any, Sent] = dict(zip(jaxpr.invars, given, strict=True))
    env.update((var, Sent(c)) for var, c in zip(jaxpr.constvars, consts, strict=True))

    def read(atom: Any) -> Sent:
        return Sent(atom.val) if isinstance(atom, core.Literal) else env[atom]

    for eqn in jaxpr.eqns:
        ins = [read(atom) for atom in eqn.invars]
        called = inner_jaxpr(eqn)
        outs = equation(eqn, ins) if called is None else walked(*called, ins)
        env.update(zip(eqn.outvars, outs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def equation(eqn: core.JaxprEqn, ins: list[Sent]) -> list[Sent]:
    depends = any(sent.depends for sent in ins)
    outs = evaluate(eqn, [sent.value for sent in ins])
    name = eqn.primitive.name
    if not depends:
        return [Sent(out) for out in outs]
    if name in BILINEAR and ins[0].depends != ins[1].depends:
        sent, slope = ins if ins[0].depends else ins[::-1]
        divided = name == "div"
        infinite = slope.value == 0 if divided else jnp.isinf(slope.value)
        nothing = (sent.value == 0) & jnp.isnan(slope.value)
        if sent.untaken is not None:
            nothing |= sent.untaken & infinite
        return [Sent(jnp.where(nothing, 0.0, out).astype(out.dtype), True, sent.untaken) for out in outs]
    return [Sent(out, True, untaken(eqn, ins)) for out in outs]


def untaken(eqn: core.JaxprEqn, ins: list[Sent]) -> Any:
    """Where the result is the nothing that a selection left."""
    name, first = eqn.primitive.name, ins[0]
    if name == "select_n" and len(ins) == 3:
        left = [
            (jnp.zeros(jnp.shape(s.value), bool) if s.untaken is None else s.untaken) if s.depends else s.value == 0
            for s in ins[1:]
        ]
        return jnp.where(first.value, left[1], left[0])
    if name in SAME:
        return first.untaken
    if name in MOVES:
        return None if first.untaken is None else evaluate(eqn, [first.untaken])[0]
    if name in ("add", "add_any") and all(s.untaken is not None for s in ins):
        return ins[0].untaken & ins[1].untaken
    return None
