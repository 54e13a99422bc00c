"""Rearrangements of one array: what a mistake in indices does to a gradient, a cotangent or an operand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, permutations, product
from typing import Any, NamedTuple

import numpy as np

from crosscheck.diagnosis.expressions import Call
from crosscheck.diagnosis.words import SINGULAR, along

Array = np.ndarray

# Arrays of more axes than this are not permuted in every way: there are 6! ways for six.
MOST_AXES = 5


class Transform(NamedTuple):
    """A rearrangement, `function(array, *arguments)`; `text` continues "x is ..." or "with x ..."."""

    kind: str
    text: str
    function: Callable[..., Array]
    arguments: tuple[Any, ...] = ()

    def of(self, array: Any) -> Call:
        """The rearrangement of an expression."""
        return Call(self.function, (array, *self.arguments))


def long_axes(shape: Sequence[int]) -> list[int]:
    return [axis for axis, size in enumerate(shape) if size > 1]


def flips(shape: Sequence[int], names: Sequence[str]) -> Iterator[Transform]:
    """Every subset of the axes reversed; the two last axes together first, as a flipped filter is."""
    axes = long_axes(shape)
    subsets = [s for r in range(1, len(axes) + 1) for s in combinations(axes, r)]
    last = tuple(axes[-2:])
    subsets.sort(key=lambda s: (s != last, len(s)))
    for subset in subsets:
        yield Transform("flipped", f"flipped along its {along(names, subset)}", np.flip, (subset,))


def transposes(shape: Sequence[int], names: Sequence[str]) -> Iterator[Transform]:
    """The orders of the axes that leave the shape as it is."""
    return (t for t in orders(shape, names) if t.kind == "transposed")


def orders(shape: Sequence[int], names: Sequence[str]) -> Iterator[Transform]:
    """The axes in another order: transposed where the shape survives, else read or written in that order."""
    if len(shape) > MOST_AXES:
        return
    right = tuple(range(len(shape)))
    by_moves = sorted(permutations(right), key=lambda p: sum(a != b for a, b in zip(p, right, strict=True)))
    seen = {tuple(long_axes(shape))}
    for order in by_moves:
        if (long := tuple(a for a in order if shape[a] > 1)) in seen:
            continue  # axes of length one may stand anywhere
        seen.add(long)
        moved = [a for a, b in zip(order, right, strict=True) if a != b and shape[a] > 1]
        swapped = f"with its {along(names, sorted(moved))} " + ("swapped" if len(moved) == 2 else "permuted")
        if len(order) == 2:
            swapped = "transposed"
        if tuple(shape[a] for a in order) == tuple(shape):
            yield Transform("transposed", swapped, np.transpose, (order,))
        read = " · ".join(names[a] for a in order if shape[a] > 1)
        yield Transform("permuted", f"read out in the order {read}", read_out, (order,))
        yield Transform("permuted", f"filled in the order {read}", filled, (order,))


def read_out(a: Array, order: Sequence[int]) -> Array:
    return a.transpose(order).reshape(a.shape)


def filled(a: Array, order: Sequence[int]) -> Array:
    return a.reshape([a.shape[i] for i in order]).transpose(np.argsort(order))


def shifts(shape: Sequence[int], names: Sequence[str]) -> Iterator[Transform]:
    """Moved by one or two places along one or two of the last three axes; zeros or the other end move in."""
    axes = long_axes(shape)[-3:]
    subsets = [s for r in (1, 2) for s in combinations(axes, r)]
    for by, subset in product((1, -1, 2, -2), subsets):
        for signs in product((1, -1), repeat=len(subset) - 1):
            offsets = (by, *[by * sign for sign in signs])
            if any(abs(o) >= shape[a] for o, a in zip(offsets, subset, strict=True)):
                continue
            where = along(names, subset)
            amount = f"{offsets[0]:+d}" if len(set(offsets)) == 1 else f"({', '.join(f'{o:+d}' for o in offsets)})"
            text = f"shifted by {amount} along its {where}, zeros moving in"
            yield Transform("shifted", text, moved, (offsets, subset))
            yield Transform("shifted", f"rolled by {amount} along its {where}", np.roll, (offsets, subset))


def moved(a: Array, offsets: Sequence[int], axes: Sequence[int]) -> Array:
    out = np.zeros_like(a)
    to, source = [slice(None)] * a.ndim, [slice(None)] * a.ndim
    for offset, axis in zip(offsets, axes, strict=True):
        to[axis] = slice(offset, None) if offset > 0 else slice(None, offset)
        source[axis] = slice(None, -offset) if offset > 0 else slice(-offset, None)
    out[tuple(to)] = a[tuple(source)]
    return out


def reversals(shape: Sequence[int], names: Sequence[str]) -> Iterator[Transform]:
    """Entry k in the place of -k, around the end: what a conjugate too few or too many does to a signal."""
    for axis in long_axes(shape):
        if shape[axis] > 2:
            text = f"reversed circularly along its {names[axis]} (a conjugate left out, or one too many)"
            yield Transform("conjugate", text, reversed_circularly, (axis,))


def reversed_circularly(a: Array, axis: int) -> Array:
    return np.roll(np.flip(a, axis), 1, axis)


def spreads(shape: Sequence[int], names: Sequence[str]) -> Iterator[Transform]:
    """Summed over some axes and the sum put everywhere."""
    axes = long_axes(shape)
    for r in range(1, len(axes) + 1):
        for subset in combinations(axes, r):
            text = f"summed over its {along(names, subset)} and spread out again"
            yield Transform("summed", text, spread, (subset,))
    for axis in axes:
        text = f"summed over its {names[axis]}, all of it in the first place"
        yield Transform("summed", text, in_the_first, (axis,))


def spread(a: Array, axes: tuple[int, ...]) -> Array:
    return np.broadcast_to(a.sum(axes, keepdims=True), a.shape)


def in_the_first(a: Array, axis: int) -> Array:
    out = np.zeros_like(a)
    out[(slice(None),) * axis + (0,)] = a.sum(axis)
    return out


Stretch = tuple[int | None, int | None]  # where a slice starts and stops


FIRST = ("batch", "rows", "slices")  # axes of which an entry may be left out, where they are the first


def cuts(shape: Sequence[int], names: Sequence[str], first: Sequence[str] = FIRST) -> Iterator[Transform]:
    """Zero outside some samples, or on some rows and columns of the border; `first` are the names of a first axis of
    which one entry may be left."""
    if len(shape) >= 1 and shape[0] > 1 and names[0] in first:
        one, kind = SINGULAR.get(names[0], f"entry of {names[0]}"), "batch" if names[0] == "batch" else "border"
        yield Transform(kind, f"of the first {one} only", kept, ((0,), (0, 1)))
        yield Transform(kind, f"of the last {one} only", kept, ((0,), (-1, None)))
        yield Transform(kind, f"without the first {one}", kept, ((0,), (1, None)))
        yield Transform(kind, f"without the last {one}", kept, ((0,), (None, -1)))
    if len(shape) >= 3:
        for part, text in (((1, -1), "border"), ((1, None), "first"), ((None, -1), "last")):
            for axes in ((-2, -1), (-2,), (-1,)):
                if any(shape[a] < 3 for a in axes):
                    continue
                words = (names[a] if text == "border" else SINGULAR.get(names[a], names[a]) for a in axes)
                yield Transform("border", f"without its {text} {' and '.join(words)}", kept, (axes, part))


def kept(a: Array, axes: Sequence[int], part: Stretch) -> Array:
    """Zero outside a part of these axes."""
    out = np.zeros_like(a)
    where = [slice(None)] * a.ndim
    for axis in axes:
        where[axis] = slice(*part)
    out[tuple(where)] = a[tuple(where)]
    return out


def as_many(shape: Sequence[int], names: Sequence[str]) -> Iterator[Transform]:
    """Only the first entries along an axis, as many as another axis has: a loop that runs to the wrong length."""
    for axis in long_axes(shape):
        for other in sorted(range(len(shape)), key=lambda other: abs(other - axis)):
            if other != axis and 0 < shape[other] < shape[axis]:
                lost = range(shape[other], shape[axis])
                which = " and ".join(map(str, lost)) if len(lost) < 3 else f"{lost[0]} to {lost[-1]}"
                one = names[axis] if len(lost) > 1 else SINGULAR.get(names[axis], names[axis])
                text = f"without its {one} {which} (only as many {names[axis]} as {names[other]})"
                yield Transform("localized", text, first_as_many, (axis, other))


def first_as_many(a: Array, axis: int, other: int) -> Array:
    return kept(a, (axis,), (None, a.shape[other]))
