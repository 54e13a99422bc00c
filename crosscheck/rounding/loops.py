"""Loops and branches: the main run and its copies go through them side by side.

Copies and terms join the carry. In a locked run the main run alone says how often a `while` turns and which branch is
taken. In a free run each copy says it for itself: a loop turns until all have finished, and who has finished stands
still; of every branch each takes its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from crosscheck.rounding.arrays import xp, zeros_of
from crosscheck.rounding.copies import Plane, Run
from crosscheck.rounding.draws import keyed
from crosscheck.rounding.sizes import inexact
from crosscheck.traces.scans import scan_sizes

# A free copy that no rounding lets out of a loop is stopped after twice the turns of the main run and these.
LATE = 8

Walker = Callable[[core.Jaxpr, list[Any], list[Plane], Run], list[Plane]]


def dense(plane: Plane, run: Run) -> Plane:
    """The plane with every array in place, so that all turns of a loop and all branches look alike."""
    value = plane.value if run.interpreted else jnp.asarray(plane.value)
    if not (run.free or inexact(value)):
        return Plane(value)
    copies = xp.broadcast_to(value, run.shape(value)) if plane.copies is None else plane.copies
    if run.free or not inexact(value):
        return Plane(value, copies)
    return Plane(value, copies, xp.abs(value) if plane.terms is None else plane.terms)


def step_of(run: Run, turn: Any) -> Any:
    """The number of a step: of this loop, and of the loops around it."""
    return turn if run.step is None else keyed(run.step, 2) + turn


def scan(eqn: core.JaxprEqn, planes: list[Plane], run: Run, walk: Walker) -> list[Plane]:
    p = eqn.params
    first, carried = scan_sizes(p)
    second = first + carried
    body, fixed = p["jaxpr"], planes[:first]

    def slices(plane: Plane) -> Plane:
        """Along the axis that is scanned, which in the copies stands behind theirs."""
        return Plane(plane.value, None if plane.copies is None else jnp.moveaxis(plane.copies, 1, 0), plane.terms)

    def turn(state: Any, xs: Any) -> Any:
        carry, flip, number = state
        inner = run.inside(step_of(run, number))
        outs = walk(body.jaxpr, body.consts, [*fixed, *carry, *xs], inner)
        outs = [dense(out, run) for out in outs]
        state = outs[:carried], flip | inner.flipped(), number + jnp.uint32(1)
        return state, outs[carried:]

    if run.interpreted:
        return turned(eqn, planes, run, walk)
    start = [dense(plane, run) for plane in planes[first:second]], jnp.zeros((), bool), jnp.uint32(0)
    (carry, flip, _), ys = lax.scan(
        turn, start, [slices(plane) for plane in planes[second:]], length=p["length"], reverse=p["reverse"]
    )
    run.flips.append(flip)
    run.number = run.number + count(body.jaxpr)
    return [*carry, *(slices(plane) for plane in ys)]


def turned(eqn: core.JaxprEqn, planes: list[Plane], run: Run, walk: Walker) -> list[Plane]:
    """A scan that is interpreted, turn by turn."""
    p = eqn.params
    first, carried = scan_sizes(p)
    body, fixed = p["jaxpr"], planes[:first]
    carry = [dense(plane, run) for plane in planes[first : first + carried]]
    along = planes[first + carried :]
    rows: list[list[Plane]] = []
    order = range(p["length"])
    for number, i in enumerate(reversed(order) if p["reverse"] else order):
        inner = run.inside(step_of(run, np.uint32(number)))
        xs = [Plane(*(None if a is None else a[:, i] if k == 1 else a[i] for k, a in enumerate(x))) for x in along]
        outs = [dense(out, run) for out in walk(body.jaxpr, body.consts, [*fixed, *carry, *xs], inner)]
        carry = outs[:carried]
        rows.append(outs[carried:])
        run.flips.append(inner.flipped())
    run.number = run.number + count(body.jaxpr)
    if p["reverse"]:
        rows.reverse()
    if not rows:
        return [*carry, *(Plane(zeros_of(v)) for v in eqn.outvars[carried:])]
    return [*carry, *(stacked(column) for column in zip(*rows, strict=True))]


def stacked(rows: tuple[Plane, ...]) -> Plane:
    parts = zip(*rows, strict=True)
    return Plane(*(None if part[0] is None else np.stack(part, axis=k == 1) for k, part in enumerate(parts)))


def while_loop(eqn: core.JaxprEqn, planes: list[Plane], run: Run, walk: Walker) -> list[Plane]:
    p = eqn.params
    first, second = p["cond_nconsts"], p["cond_nconsts"] + p["body_nconsts"]
    test, body = p["cond_jaxpr"], p["body_jaxpr"]

    def asked(carry: list[Plane], inner: Run) -> Plane:
        (go,) = walk(test.jaxpr, test.consts, [*planes[:first], *carry], inner)
        return dense(go, run)

    def goes_on(state: Any) -> Any:
        _, each, _, number, turns = state
        go = anybody(each)
        if go.copies is None:
            return go.value
        return go.value | (jnp.any(go.copies) & (number <= 2 * turns + LATE))

    def turn(state: Any) -> Any:
        carry, each, flip, number, turns = state
        go = anybody(each)
        inner = run.inside(step_of(run, number))
        outs = walk(body.jaxpr, body.consts, [*planes[first:second], *carry], inner)
        outs = [stopped(dense(out, run), old, go) for out, old in zip(outs, carry, strict=True)]
        if np.ndim(each.value):
            outs = [finished(out, old, each) for out, old in zip(outs, carry, strict=True)]
        answer = asked(outs, inner)
        turns = turns + go.value
        if run.free:
            answer = Plane(answer.value & each.value, answer.copies & each.copies)
        return outs, answer, flip | inner.flipped(), number + jnp.uint32(1), turns

    start = [dense(plane, run) for plane in planes[second:]]
    before = run.inside(step_of(run, jnp.uint32(0)))
    go = asked(start, before)
    state = start, go, before.flipped(), jnp.uint32(1), jnp.uint32(0)
    carry, _, flip, _, _ = lax.while_loop(goes_on, turn, state)
    run.flips.append(flip)
    run.number = run.number + count(body.jaxpr) + count(test.jaxpr)
    return carry


def anybody(each: Plane) -> Plane:
    """Whether one of a batch goes on: a loop under vmap has a test for each."""
    if not np.ndim(each.value):
        return each
    copies = None if each.copies is None else jnp.any(each.copies.reshape(each.copies.shape[0], -1), axis=1)
    return Plane(jnp.any(each.value), copies)


def finished(new: Plane, old: Plane, each: Plane) -> Plane:
    """The old plane of those of a batch that have finished."""
    ndim = np.ndim(each.value)
    value = jnp.reshape(each.value, each.value.shape + (1,) * (np.ndim(new.value) - ndim))
    copies = value[None] if each.copies is None else jnp.reshape(each.copies, (-1, *value.shape))
    return Plane(
        jnp.where(value, new.value, old.value),
        None if new.copies is None else jnp.where(copies, new.copies, old.copies),
        None if new.terms is None else jnp.where(value, new.terms, old.terms),
    )


def stopped(new: Plane, old: Plane, go: Plane) -> Plane:
    """In a free run, the old plane of whoever has finished."""
    if go.copies is None:
        return new
    each = go.copies.reshape(-1, *(1,) * np.ndim(new.value))
    return Plane(jnp.where(go.value, new.value, old.value), jnp.where(each, new.copies, old.copies))


def cond(eqn: core.JaxprEqn, planes: list[Plane], run: Run, walk: Walker) -> list[Plane]:
    branches, (index, *operands) = eqn.params["branches"], planes

    def branch(closed: core.ClosedJaxpr) -> Callable[[list[Plane]], Any]:
        def taken(given: list[Plane]) -> Any:
            inner = run.inside(run.step)
            outs = walk(closed.jaxpr, closed.consts, given, inner)
            return [dense(out, run) for out in outs], inner.flipped()

        return taken

    number = run.number
    if index.copies is None:
        taken = [branch(closed) for closed in branches]
        if run.interpreted:
            outs, flip = taken[min(max(int(index.value), 0), len(taken) - 1)](operands)
        else:
            outs, flip = lax.switch(jnp.asarray(index.value, jnp.int32), taken, operands)
    else:
        results = [branch(closed)(operands)[0] for closed in branches]
        outs, flip = results[0], np.zeros((), bool)
        for i, result in enumerate(results[1:], 1):
            outs = [chosen(index, i, new, old) for new, old in zip(result, outs, strict=True)]
    run.flips.append(flip)
    run.number = number + max(count(closed.jaxpr) for closed in branches)
    return outs


def chosen(index: Plane, i: int, new: Plane, old: Plane) -> Plane:
    """Branch i for whoever takes it."""
    each = (index.copies == i).reshape(-1, *(1,) * np.ndim(new.value))
    return Plane(xp.where(index.value == i, new.value, old.value), xp.where(each, new.copies, old.copies))


def count(jaxpr: core.Jaxpr) -> int:
    """How many numbers the equations of a jaxpr take, those of what it calls included."""
    total = 0
    for eqn in jaxpr.eqns:
        total += 1
        for inner in inside(eqn):
            total += count(inner)
    return total


def inside(eqn: core.JaxprEqn) -> list[core.Jaxpr]:
    """Every jaxpr among the parameters of an equation."""
    found: list[core.Jaxpr] = []
    for value in eqn.params.values():
        for item in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(item, core.ClosedJaxpr):
                found.append(item.jaxpr)
            elif isinstance(item, core.Jaxpr):
                found.append(item)
    return found


LOOPS: dict[str, Callable[[core.JaxprEqn, list[Plane], Run, Walker], list[Plane]]] = {
    "scan": scan,
    "while": while_loop,
    "cond": cond,
}
