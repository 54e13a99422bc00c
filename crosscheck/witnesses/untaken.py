"""A gradient that JAX gives as NaN, because of a branch that was not taken.

Of `where(x > 0, sqrt(x), 0)` at x = -1 the branch not taken is NaN, and so is its derivative r. What arrives from the
selection is exactly zero, but in the backward pass

    0 · r = NaN,    r = NaN                                                                                       (1)

though nothing comes that way: no change of x in which the selection stays changes the output. So (1) is read as 0. Only
that: 0 · ∞ stays what it is, for √ at 0 it may stand for anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

from crosscheck.operation import Arrays
from crosscheck.traces.walk import evaluate, inner_jaxpr

BILINEAR = frozenset(["mul", "div"])


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
    return [value for value, _ in walked(jaxpr, consts, [(a, True) for a in arriving])]


def walked(jaxpr: core.Jaxpr, consts: list[Any], given: list[tuple[Any, bool]]) -> list[tuple[Any, bool]]:
    """The outputs, each with whether it depends on what arrives."""
    env: dict[Any, tuple[Any, bool]] = dict(zip(jaxpr.invars, given, strict=True))
    env.update((var, (c, False)) for var, c in zip(jaxpr.constvars, consts, strict=True))

    def read(atom: Any) -> tuple[Any, bool]:
        return (atom.val, False) if isinstance(atom, core.Literal) else env[atom]

    for eqn in jaxpr.eqns:
        ins = [read(atom) for atom in eqn.invars]
        called = inner_jaxpr(eqn)
        if called is not None:
            outs = walked(*called, ins)
        else:
            linear = any(depends for _, depends in ins)
            outs = [(out, linear) for out in evaluate(eqn, [value for value, _ in ins])]
            if eqn.primitive.name in BILINEAR and ins[0][1] != ins[1][1]:
                (sent, _), (slope, _) = ins if ins[0][1] else ins[::-1]
                nothing = (sent == 0) & jnp.isnan(slope)
                outs = [(jnp.where(nothing, 0.0, out).astype(out.dtype), True) for out, _ in outs]
        env.update(zip(eqn.outvars, outs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]
