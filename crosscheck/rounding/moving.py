"""What only rearranges entries, done by NumPy: where a program is evaluated by equations it need not be compiled.

An unrolled loop reads `x[0]`, `x[1]`, …: as many different slices, and their transposes as many different paddings,
each of which would be compiled for a tenth of a second. They round nothing: value, copies and terms are moved alike.

    by_numpy(eqn, planes, run)      the planes of the results, or None for an equation that is not of this kind
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.extend import core

from crosscheck.rounding.copies import Plane, Run
from crosscheck.rounding.sizes import inexact
from crosscheck.rounding.terms import standing

Array = np.ndarray
# (parameters, operands, how many axes of copies stand in front) -> the results
Move = Callable[[dict[str, Any], list[Array], int], list[Array]]


def by_numpy(eqn: core.JaxprEqn, planes: list[Plane], run: Run) -> list[Plane] | None:
    move = MOVES.get(eqn.primitive.name)
    if move is None or not all(isinstance(p.value, (np.ndarray, jax.Array)) for p in planes):
        return None
    if not all(isinstance(p.value.dtype, np.dtype) for p in planes):  # a random key
        return None
    run.number = run.number + 1  # as an equation that draws has
    values = [np.asarray(p.value) for p in planes]
    outs = move(eqn.params, values, 0)
    nothing: list[Any] = [None] * len(outs)
    copies = moved_copies(eqn, move, planes, values, run) if any(p.copies is not None for p in planes) else nothing
    summed = not run.free and inexact(values[0]) and any(p.terms is not None for p in planes)
    sums = move(eqn.params, [sum_beneath(p, run) for p in planes], 0) if summed else nothing
    return [Plane(*each) for each in zip(outs, copies, [None if s is None else np.abs(s) for s in sums], strict=True)]


def moved_copies(eqn: core.JaxprEqn, move: Move, planes: list[Plane], values: list[Array], run: Run) -> list[Any]:
    """The copies, moved behind their own axis. Integers have none in a locked run."""
    if not (run.free or inexact(values[0])):
        return [None] * len(eqn.outvars)
    given = [
        np.broadcast_to(v, (run.copies, *v.shape)) if p.copies is None else np.asarray(p.copies)
        for p, v in zip(planes, values, strict=True)
    ]
    return move(eqn.params, given, 1)


def sum_beneath(plane: Plane, run: Run) -> Array:
    """S of an operand, itself where it was not added up."""
    found = standing(np.asarray(plane.value), plane.terms, run.unit, run.amplitude)
    return np.abs(np.asarray(plane.value)) if found is None else np.asarray(found)


# ---------------------------------------------------------------------- the moves


def reshape(p: dict[str, Any], x: list[Array], front: int) -> list[Array]:
    return [x[0].reshape((*x[0].shape[:front], *p["new_sizes"]))]


def squeeze(p: dict[str, Any], x: list[Array], front: int) -> list[Array]:
    return [np.squeeze(x[0], tuple(d + front for d in p["dimensions"]))]


def expand_dims(p: dict[str, Any], x: list[Array], front: int) -> list[Array]:
    return [np.expand_dims(x[0], tuple(d + front for d in p["dimensions"]))]


def broadcast_in_dim(p: dict[str, Any], x: list[Array], front: int) -> list[Array]:
    ahead, shape = x[0].shape[:front], [1] * len(p["shape"])
    for axis, size in zip(p["broadcast_dimensions"], x[0].shape[front:], strict=True):
        shape[axis] = size
    return [np.broadcast_to(x[0].reshape((*ahead, *shape)), (*ahead, *p["shape"]))]


def transpose(p: dict[str, Any], x: list[Array], front: int) -> list[Array]:
    return [np.transpose(x[0], (*range(front), *(d + front for d in p["permutation"])))]


def slicing(p: dict[str, Any], x: list[Array], front: int) -> list[Array]:
    strides = p["strides"] or (1,) * len(p["start_indices"])
    places = [slice(a, b, s) for a, b, s in zip(p["start_indices"], p["limit_indices"], strides, strict=True)]
    return [x[0][(slice(None),) * front + tuple(places)]]


def rev(p: dict[str, Any], x: list[Array], front: int) -> list[Array]:
    return [np.flip(x[0], tuple(d + front for d in p["dimensions"]))]


def concatenate(p: dict[str, Any], x: list[Array], front: int) -> list[Array]:
    return [np.concatenate(x, p["dimension"] + front)]


def split(p: dict[str, Any], x: list[Array], front: int) -> list[Array]:
    return np.split(x[0], np.cumsum(p["sizes"])[:-1], p["axis"] + front)


def pad(p: dict[str, Any], x: list[Array], front: int) -> list[Array]:
    """Padding between the entries, then at the edges; a negative edge cuts."""
    a, value = x
    fill = value.reshape((*value.shape, *(1,) * (a.ndim - front)))
    for axis, (low, high, between) in enumerate(p["padding_config"], front):
        length = a.shape[axis] + max(a.shape[axis] - 1, 0) * between
        shape = list(a.shape)
        shape[axis] = max(low, 0) + length + max(high, 0)
        wider = np.empty(shape, a.dtype)
        wider[...] = fill
        inner = [slice(None)] * a.ndim
        inner[axis] = slice(max(low, 0), max(low, 0) + length, between + 1)
        wider[tuple(inner)] = a
        inner[axis] = slice(max(-low, 0), shape[axis] - max(-high, 0))
        a = wider[tuple(inner)]
    return [a]


def negation(p: dict[str, Any], x: list[Array], front: int) -> list[Array]:
    return [-x[0]]


def same(p: dict[str, Any], x: list[Array], front: int) -> list[Array]:
    return [x[0]]


MOVES: dict[str, Move] = {
    "reshape": reshape,
    "squeeze": squeeze,
    "expand_dims": expand_dims,
    "broadcast_in_dim": broadcast_in_dim,
    "transpose": transpose,
    "slice": slicing,
    "rev": rev,
    "concatenate": concatenate,
    "split": split,
    "pad": pad,
    "neg": negation,
    "copy": same,
    "copy_p": same,
    "stop_gradient": same,
}
