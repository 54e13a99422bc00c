"""Rearrangements of one array: what a mistake in indices does to a gradient, a cotangent or an operand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, permutations, product
from typing import NamedTuple

import numpy as np

from crosscheck.diagnosis.words import SINGULAR, along

Array = np.ndarray

# Arrays of more axes than this are not permuted in every way: there are 6! ways for six.
MOST_AXES = 5


class Transform(NamedTuple):
    """A rearrangement; `text` continues "x is ..." or "with x ..."."""

    kind: str
    text: str
    apply: Callable[[Array], Array]


def long_axes(shape: Sequence[int]) -> list[int]:
    return [axis for axis, size in enumerate(shape) if size > 1]


def flips(shape: Sequence[int], names: Sequence[str]) -> Iterator[Transform]:
    """Every subset of the axes reversed; the two last axes together first, as a flipped filter is."""
    axes = long_axes(shape)
    subsets = [s for r in range(1, len(axes) + 1) for s in combinations(axes, r)]
    last = tuple(axes[-2:])
    subsets.sort(key=lambda s: (s != last, len(s)))
    for subset in subsets:
        yield Transform(
            "flipped",
            f"flipped along its {along(names, subset)}",
            lambda a, s=subset: np.flip(a, s),
        )


def orders(shape: Sequence[int], names: Sequence[str]) -> Iterator[Transform]:
    """The axes in another order: transposed where the shape survives, else read or written in that order."""
    if len(shape) > MOST_AXES:
        return
    right = tuple(range(len(shape)))
    by_moves = sorted(permutations(right), key=lambda p: sum(a != b for a, b in zip(p, right, strict=True)))
    for order in by_moves:
        moved = [a for a, b in zip(order, right, strict=True) if a != b and shape[a] > 1]
        if not moved:
            continue
        swapped = f"with its {along(names, sorted(moved))} " + ("swapped" if len(moved) == 2 else "permuted")
        if len(order) == 2:
            swapped = "transposed"
        if tuple(shape[a] for a in order) == tuple(shape):
            yield Transform("transposed", swapped, lambda a, p=order: a.transpose(p))
        read = " · ".join(names[a] for a in order if shape[a] > 1)
        yield Transform(
            "permuted",
            f"read out in the order {read}",
            lambda a, p=order: a.transpose(p).reshape(a.shape),
        )
        back = tuple(int(i) for i in np.argsort(order))
        yield Transform(
            "permuted",
            f"filled in the order {read}",
            lambda a, p=order, q=back: a.reshape([a.shape[i] for i in p]).transpose(q),
        )


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
            yield Transform(
                "shifted",
                f"shifted by {amount} along its {where}, zeros moving in",
                lambda a, o=offsets, s=subset: moved(a, o, s),
            )
            yield Transform(
                "shifted",
                f"rolled by {amount} along its {where}",
                lambda a, o=offsets, s=subset: np.roll(a, o, s),
            )


def moved(a: Array, offsets: Sequence[int], axes: Sequence[int]) -> Array:
    out = np.zeros_like(a)
    to, source = [slice(None)] * a.ndim, [slice(None)] * a.ndim
    for offset, axis in zip(offsets, axes, strict=True):
        to[axis] = slice(offset, None) if offset > 0 else slice(None, offset)
        source[axis] = slice(None, -offset) if offset > 0 else slice(-offset, None)
    out[tuple(to)] = a[tuple(source)]
    return out


def spreads(shape: Sequence[int], names: Sequence[str]) -> Iterator[Transform]:
    """Summed over some axes and the sum put everywhere."""
    axes = long_axes(shape)
    for r in range(1, len(axes) + 1):
        for subset in combinations(axes, r):
            yield Transform(
                "summed",
                f"summed over its {along(names, subset)} and spread out again",
                lambda a, s=subset: np.broadcast_to(a.sum(s, keepdims=True), a.shape),
            )


def cuts(shape: Sequence[int], names: Sequence[str]) -> Iterator[Transform]:
    """Zero outside some samples, or on some rows and columns of the border."""
    if len(shape) >= 1 and shape[0] > 1 and names[0] == "batch":
        for text, keep in (
            ("of the first sample only", slice(0, 1)),
            ("of the last sample only", slice(-1, None)),
            ("without the first sample", slice(1, None)),
            ("without the last sample", slice(None, -1)),
        ):
            yield Transform("batch", text, lambda a, k=keep: kept(a, (0,), (k,)))
    if len(shape) >= 3:
        inner, head, tail = slice(1, -1), slice(1, None), slice(None, -1)
        for keep, text in ((inner, "border"), (head, "first"), (tail, "last")):
            for axes in ((-2, -1), (-2,), (-1,)):
                if any(shape[a] < 3 for a in axes):
                    continue
                words = [SINGULAR.get(names[a], names[a]) for a in axes]
                what = (
                    f"border {' and '.join(names[a] for a in axes)}"
                    if text == "border"
                    else f"{text} {' and '.join(words)}"
                )
                yield Transform(
                    "border",
                    f"without its {what}",
                    lambda a, x=axes, k=keep: kept(a, x, (k,) * len(x)),
                )


def kept(a: Array, axes: Sequence[int], slices: Sequence[slice]) -> Array:
    out = np.zeros_like(a)
    where = [slice(None)] * a.ndim
    for axis, part in zip(axes, slices, strict=True):
        where[axis] = part
    out[tuple(where)] = a[tuple(where)]
    return out
