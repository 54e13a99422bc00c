"""What only rearranges entries, by NumPy: of one array, or of copies of it, whose axes stand in front.

MOVES[name](params, x, front)     the results; `front` axes of copies stand before those that the primitive knows
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

AnyArray = Any
# (parameters, operands, how many axes of copies stand in front) -> the results
Move = Callable[[dict[str, Any], Sequence[AnyArray], int], list[AnyArray]]


def reshape(p: dict[str, Any], x: Sequence[AnyArray], front: int) -> list[AnyArray]:
    a = x[0] if p.get("dimensions") is None else transpose({"permutation": p["dimensions"]}, x, front)[0]
    return [a.reshape((*a.shape[:front], *p["new_sizes"]))]


def squeeze(p: dict[str, Any], x: Sequence[AnyArray], front: int) -> list[AnyArray]:
    return [np.squeeze(x[0], tuple(d + front for d in p["dimensions"]))]


def expand_dims(p: dict[str, Any], x: Sequence[AnyArray], front: int) -> list[AnyArray]:
    return [np.expand_dims(x[0], tuple(d + front for d in p["dimensions"]))]


def broadcast_in_dim(p: dict[str, Any], x: Sequence[AnyArray], front: int) -> list[AnyArray]:
    ahead, shape, places = x[0].shape[:front], [1] * len(p["shape"]), p["broadcast_dimensions"]
    for axis, size in zip(places, x[0].shape[front:], strict=True):
        shape[axis] = size
    in_order = transpose({"permutation": np.argsort(places)}, x, front)[0]
    return [np.broadcast_to(in_order.reshape((*ahead, *shape)), (*ahead, *p["shape"]))]


def transpose(p: dict[str, Any], x: Sequence[AnyArray], front: int) -> list[AnyArray]:
    return [np.transpose(x[0], (*range(front), *(d + front for d in p["permutation"])))]


def slicing(p: dict[str, Any], x: Sequence[AnyArray], front: int) -> list[AnyArray]:
    strides = p["strides"] or (1,) * len(p["start_indices"])
    places = [slice(a, b, s) for a, b, s in zip(p["start_indices"], p["limit_indices"], strides, strict=True)]
    return [x[0][(slice(None),) * front + tuple(places)]]


def rev(p: dict[str, Any], x: Sequence[AnyArray], front: int) -> list[AnyArray]:
    return [np.flip(x[0], tuple(d + front for d in p["dimensions"]))]


def concatenate(p: dict[str, Any], x: Sequence[AnyArray], front: int) -> list[AnyArray]:
    return [np.concatenate(list(x), p["dimension"] + front)]


def split(p: dict[str, Any], x: Sequence[AnyArray], front: int) -> list[AnyArray]:
    return np.split(x[0], np.cumsum(p["sizes"])[:-1], p["axis"] + front)


def pad(p: dict[str, Any], x: Sequence[AnyArray], front: int) -> list[AnyArray]:
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


def negation(p: dict[str, Any], x: Sequence[AnyArray], front: int) -> list[AnyArray]:
    return [-x[0]]


def same(p: dict[str, Any], x: Sequence[AnyArray], front: int) -> list[AnyArray]:
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
