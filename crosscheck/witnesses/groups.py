"""Which outputs can depend on which inputs, found from the forward alone, so that one evaluation differences many
entries.

Change a whole slab of x (every entry whose index along one axis is i) and note, for each axis of y, which indices move.
If along some axis of y the slabs i, i + p, i + 2p, ... move disjoint sets, then entries p apart along that axis of x
share one evaluation, and each output still tells whose it is:

    batch, channels of a pool, anything elementwise: p = 1      a window of K rows: p = K      otherwise: the axis is
    looped

The number of evaluations is the product of the periods and does not grow with the image (A. Curtis, M. Powell, J. Reid,
J. Inst. Math. Appl. 13 (1974) 117). The pattern comes from the forward, never from the gradient under test; an output
that moves and belongs to nobody refuses the plan, and so does a dense direction that does not reproduce.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from crosscheck.witnesses.differences import Group

Array = np.ndarray
Function = Callable[[Array], Array]

# A long axis is probed at its first HEAD and last TAIL indices; between them the sets must repeat with a period.
HEAD, TAIL = 20, 4


class AxisPlan(NamedTuple):
    """How one axis of x is separated: `period` entries apart, told apart by the indices of output axis `along`."""

    period: int
    along: int | None  # None: every index of the axis has evaluations of its own
    footprint: Array | None  # (n of x's axis, n of y's axis), boolean


class Plan(NamedTuple):
    """Which entries of x can be moved together, because they reach different entries of y."""

    x_shape: tuple[int, ...]
    y_shape: tuple[int, ...]
    axes: tuple[AxisPlan, ...]

    @property
    def evaluations(self) -> int:
        """How many groups of entries there are; each costs the same number of forwards."""
        return math.prod(axis.period for axis in self.axes)

    def groups(self) -> Iterator[Group]:
        """Every entry of x exactly once, in groups that share an evaluation."""
        index = np.arange(math.prod(self.x_shape)).reshape(self.x_shape)
        for starts in product(*(range(axis.period) for axis in self.axes)):
            chosen = index[tuple(slice(s, None, a.period) for s, a in zip(starts, self.axes, strict=True))]
            if chosen.size == 0:
                continue
            owner = np.zeros(self.y_shape, np.int64)
            nobody = np.zeros(self.y_shape, bool)
            for start, axis, length in zip(starts, self.axes, chosen.shape, strict=True):
                owner *= length
                if axis.along is None or axis.footprint is None:
                    continue
                position, output = np.nonzero(axis.footprint[start :: axis.period])
                owns = np.full(self.y_shape[axis.along], -1)
                owns[output] = position
                view = [1] * len(self.y_shape)
                view[axis.along] = -1
                owner += np.maximum(owns, 0).reshape(view)
                nobody |= (owns < 0).reshape(view)
            yield Group(chosen.ravel(), np.where(nobody, -1, owner).ravel(), chosen.size)


def find_plan(func: Function, x: Array, rng: np.random.Generator) -> Plan:
    """Separate every axis of x as far as the forward allows."""
    y = call(func, x)
    axes = tuple(separate(func, x, y, axis, rng) for axis in range(x.ndim))
    return Plan(x.shape, y.shape, axes)


def probes(x: Array) -> int:
    """An upper estimate of the evaluations that `find_plan` spends."""
    return 1 + sum(2 * min(n, HEAD + TAIL) for n in x.shape if n > 1)


def call(func: Function, x: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(func(x), np.float64)


def separate(func: Function, x: Array, y: Array, axis: int, rng: np.random.Generator) -> AxisPlan:
    n = x.shape[axis]
    if n == 1:
        return AxisPlan(1, None, None)
    best = AxisPlan(n, None, None)
    for along, footprint in enumerate(footprints(func, x, y, axis, rng)):
        for period in range(1, best.period):
            if all((footprint[r::period].sum(0) <= 1).all() for r in range(period)):
                best = AxisPlan(period, along, footprint)
                break
    return best


def footprints(func: Function, x: Array, y: Array, axis: int, rng: np.random.Generator) -> list[Array]:
    """For every axis of y: which of its indices move with each index of x's axis; one (n_x, n_y) array each."""
    n = x.shape[axis]
    if n <= HEAD + TAIL:
        return probe(func, x, y, axis, range(n), rng)
    ends = [*range(HEAD), *range(n - TAIL, n)]
    probed = probe(func, x, y, axis, ends, rng)
    predicted = [continued(p, n) for p in probed]
    if any(p is None for p in predicted):
        return probe(func, x, y, axis, range(n), rng)
    return [p for p in predicted if p is not None]


def probe(
    func: Function, x: Array, y: Array, axis: int, indices: range | list[int], rng: np.random.Generator
) -> list[Array]:
    """Move one slab after another, far: a positive draw wakes ReLU and max, one of both signs the rest."""
    far = 8.0 * (float(np.abs(x).max(initial=0.0)) + 1.0)
    found = [np.zeros((len(indices), m), bool) for m in y.shape]
    for row, i in enumerate(indices):
        slab = tuple(i if a == axis else slice(None) for a in range(x.ndim))
        for signed in (False, True):
            z = x.copy()
            values = far * (1.0 + rng.random(z[slab].shape))
            z[slab] = values * rng.choice([-1.0, 1.0], values.shape) if signed else values
            moved = call(func, z)
            changed = ~((moved == y) | (np.isnan(moved) & np.isnan(y)))
            for o in range(y.ndim):
                found[o][row] |= changed.any(tuple(a for a in range(y.ndim) if a != o))
    return found


def continued(probed: Array, n: int) -> Array | None:
    """The sets of all n indices from those at both ends, if they move along with a period; None if they do not."""
    m = probed.shape[1]
    if probed.all():
        return np.ones((n, m), bool)
    head, tail = probed[:HEAD], probed[HEAD:]
    for step in range(1, 9):
        for shift in range(1, 65):
            # The first rows may be cut off at the border; from the middle of the head on, each set is the earlier one
            # moved.
            middle = range(HEAD // 2 - step, HEAD - step)
            if all(np.array_equal(moved_by(head[i], shift), head[i + step]) for i in middle):
                full = np.zeros((n, m), bool)
                full[:HEAD] = head
                for i in range(HEAD, n):
                    full[i] = moved_by(full[i - step], shift)
                # At the far border the prediction may exceed the truth (a window cut off), never miss any of it.
                if (full[n - TAIL :] >= tail).all():
                    return full
    return None


def moved_by(indices: Array, shift: int) -> Array:
    out = np.zeros_like(indices)
    out[shift:] = indices[:-shift] if shift else indices
    return out
