"""Loops and branches: the planes join the carry, and the body is walked like any jaxpr.

An uncertain choice of the branch of a `cond` makes its results' flip infinite: the other branch may be anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.extend import core

from crosscheck.rounding.planes import Note, dense
from crosscheck.traces.scans import scan_sizes
from crosscheck.traces.walk import Algebra, walk


def inside(a: Algebra, closed: core.ClosedJaxpr, values: Any, planes: Any) -> tuple[list[Any], list[Any]]:
    notes = [Note(*p) for p in planes]
    outs, out_notes = walk(closed.jaxpr, closed.consts, list(values), notes, a)
    return outs, [dense(o, n) for o, n in zip(outs, out_notes, strict=True)]


def cond_rule(a: Algebra, eqn: core.JaxprEqn, x: list[Any], notes: list[Note]) -> tuple[list[Any], list[Note]]:
    planes = [dense(v, n) for v, n in zip(x[1:], notes[1:], strict=True)]
    branches = [
        lambda values, planes, closed=closed: inside(a, closed, values, planes) for closed in eqn.params["branches"]
    ]
    outs, out_planes = lax.switch(x[0], branches, x[1:], planes)
    if notes[0].uncertain is not None:  # the other branch may be anything: no disagreement counts here
        either = jnp.where(jnp.any(notes[0].uncertain), jnp.inf, 0.0)
        out_planes = [(e, None if f is None else f + either) for e, f in out_planes]
    return outs, [Note(*p) for p in out_planes]


def scan_rule(a: Algebra, eqn: core.JaxprEqn, x: list[Any], notes: list[Note]) -> tuple[list[Any], list[Note]]:
    p = eqn.params
    first, k = scan_sizes(p)
    second = first + k
    planes = [dense(v, n) for v, n in zip(x, notes, strict=True)]

    def step(carry: Any, xs: Any) -> Any:
        outs, out_planes = inside(a, p["jaxpr"], x[:first] + carry[0] + xs[0], planes[:first] + carry[1] + xs[1])
        return (outs[:k], out_planes[:k]), (outs[k:], out_planes[k:])

    carry, ys = lax.scan(
        step,
        ([jnp.asarray(v) for v in x[first:second]], planes[first:second]),
        (x[second:], planes[second:]),
        length=p["length"],
        reverse=p["reverse"],
    )
    return carry[0] + ys[0], [Note(*q) for q in carry[1] + ys[1]]


def while_rule(a: Algebra, eqn: core.JaxprEqn, x: list[Any], notes: list[Note]) -> tuple[list[Any], list[Note]]:
    p = eqn.params
    k, m = p["cond_nconsts"], p["body_nconsts"]
    planes = [dense(v, n) for v, n in zip(x, notes, strict=True)]
    test = p["cond_jaxpr"]

    def keep_going(carry: Any) -> Any:
        return core.jaxpr_as_fun(test)(*x[:k], *carry[0])[0]

    def body(carry: Any) -> Any:
        return inside(a, p["body_jaxpr"], x[k : k + m] + carry[0], planes[k : k + m] + carry[1])

    start = ([jnp.asarray(v) for v in x[k + m :]], planes[k + m :])
    outs, out_planes = lax.while_loop(keep_going, body, start)
    return outs, [Note(*q) for q in out_planes]


LOOPS: dict[str, Callable[..., tuple[list[Any], list[Note]]]] = {
    "cond": cond_rule,
    "scan": scan_rule,
    "while": while_rule,
}
