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

What one axis does is a `Footprint`: the rows that were probed, and the rule by which they go on. Nothing of the size
n_x · n_y is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from crosscheck.witnesses.noise import Function
from crosscheck.witnesses.sampling import Group

Array = np.ndarray

# A long axis is probed at its first HEAD and last TAIL indices; between them the sets must repeat with a period.
HEAD, TAIL = 20, 4
# The pattern is looked for among those that `INDICES` indices and `OUTPUTS` outputs make: strides of up to either.
INDICES, OUTPUTS = 8, 64
# An axis without such a pattern is probed at every index where that is at most this many, else looped: to loop costs
# about ten forwards for an index, to probe two, and where there is no pattern it seldom separates.
PROBED = 128


class Footprint(NamedTuple):
    """Which of m outputs each of n indices moves: the rows in `head` as they are; row i beyond them is row i - step,
    moved by shift."""

    n: int
    m: int
    head: tuple[Array, ...]
    step: int = 0
    shift: int = 0

    def pairs(self, start: int, period: int) -> tuple[Array, Array]:
        """(position, output) of the rows start, start + period, ...: position j is row start + j·period."""
        positions, outputs = [], []
        for row in range(start, min(len(self.head), self.n), period):
            positions.append(np.full(self.head[row].size, (row - start) // period))
            outputs.append(self.head[row])
        for base in range(len(self.head) - self.step, len(self.head)):
            rows = np.arange(base + self.step, self.n, self.step)
            rows = rows[rows % period == start]
            moved = ((rows - base) // self.step * self.shift)[:, None] + self.head[base]
            inside = moved < self.m
            positions.append(np.broadcast_to(((rows - start) // period)[:, None], moved.shape)[inside])
            outputs.append(moved[inside])
        return np.concatenate(positions), np.concatenate(outputs)

    def separated(self, period: int) -> bool:
        """Whether rows `period` apart never move one output together."""
        for start in range(min(period, self.n)):
            _, outputs = self.pairs(start, period)
            if outputs.size and np.bincount(outputs, minlength=1).max() > 1:
                return False
        return True

    def start(self) -> Footprint:
        """The same pattern, cut off where nothing new comes any more: for questions about periods.

        Beyond the head each row is an earlier one moved, so that two rows meet, or do not, as two rows within one step
        and one reach (the widest row, in indices) of the head do.
        """
        if not self.step:
            return self
        widest = max((int(row[-1] - row[0]) for row in self.head if row.size), default=0)
        reach = widest // self.shift * self.step if self.shift else self.n
        return self._replace(n=min(self.n, 2 * len(self.head) + 2 * self.step + reach))


class AxisPlan(NamedTuple):
    """How one axis of x is separated: `period` entries apart, told apart by the indices of output axis `along`."""

    period: int
    along: int | None  # None: every index of the axis has evaluations of its own
    footprint: Footprint | None


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
                position, output = axis.footprint.pairs(start, axis.period)
                owns = np.full(self.y_shape[axis.along], -1)
                owns[output] = position
                view = [1] * len(self.y_shape)
                view[axis.along] = -1
                owner += np.maximum(owns, 0).reshape(view)
                nobody |= (owns < 0).reshape(view)
            owner[nobody] = -1
            yield Group(chosen.ravel(), owner.ravel(), chosen.size)


def find_plan(func: Function, x: Array, rng: np.random.Generator) -> Plan:
    """Separate every axis of x as far as the forward allows."""
    y = call(func, x)
    axes = tuple(separate(func, x, y, axis, rng) for axis in range(x.ndim))
    return Plan(x.shape, y.shape, axes)


def probes(shape: tuple[int, ...]) -> int:
    """The most evaluations that `find_plan` spends."""
    ends = HEAD + TAIL
    return 1 + sum(2 * (n if n <= ends else n + ends if n <= PROBED else ends) for n in shape if n > 1)


def call(func: Function, x: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(func(x), np.float64)


def separate(func: Function, x: Array, y: Array, axis: int, rng: np.random.Generator) -> AxisPlan:
    n = x.shape[axis]
    best = AxisPlan(n, None, None)
    if n == 1:
        return best
    for along, footprint in enumerate(footprints(func, x, y, axis, rng)):
        if footprint is None:
            continue
        start = footprint.start()
        # A pattern with a rule is separated by a small period or by none; one without has few rows.
        for period in range(1, min(best.period, start.n)):
            if start.separated(period):
                best = AxisPlan(period, along, footprint)
                break
    return best


def footprints(func: Function, x: Array, y: Array, axis: int, rng: np.random.Generator) -> list[Footprint | None]:
    """For every axis of y: which of its indices move with each index of x's axis; None where nothing separates."""
    n = x.shape[axis]
    if n <= HEAD + TAIL:
        return [explicit(rows, m) for rows, m in zip(probe(func, x, y, axis, range(n), rng), y.shape, strict=True)]
    ends = [*range(HEAD), *range(n - TAIL, n)]
    probed = probe(func, x, y, axis, ends, rng)
    predicted = [continued(rows, n, m) for rows, m in zip(probed, y.shape, strict=True)]
    full = [all(row.size == m for row in rows) for rows, m in zip(probed, y.shape, strict=True)]
    if n <= PROBED and not all(p is not None or f for p, f in zip(predicted, full, strict=True)):
        return [explicit(rows, m) for rows, m in zip(probe(func, x, y, axis, range(n), rng), y.shape, strict=True)]
    return predicted


def explicit(rows: list[Array], m: int) -> Footprint | None:
    """The footprint of an axis that was probed at every index; None if each of them moves everything."""
    return None if all(row.size == m for row in rows) else Footprint(len(rows), m, tuple(rows))


def probe(
    func: Function, x: Array, y: Array, axis: int, indices: range | list[int], rng: np.random.Generator
) -> list[list[Array]]:
    """Move one slab after another, far: a positive draw wakes ReLU and max, one of both signs the rest.

    For every axis of y, and every index that was probed: the indices that moved.
    """
    far = 8.0 * (float(np.abs(x).max(initial=0.0)) + 1.0)
    found: list[list[Array]] = [[] for _ in y.shape]
    for i in indices:
        slab = tuple(i if a == axis else slice(None) for a in range(x.ndim))
        changed = np.zeros(y.shape, bool)
        for signed in (False, True):
            z = x.copy(order="K")
            values = far * (1.0 + rng.random(z[slab].shape))
            z[slab] = values * rng.choice([-1.0, 1.0], values.shape) if signed else values
            moved = call(func, z)
            changed |= ~((moved == y) | (np.isnan(moved) & np.isnan(y)))
        for o in range(y.ndim):
            found[o].append(np.flatnonzero(changed.any(tuple(a for a in range(y.ndim) if a != o))).astype(np.int32))
    return found


def continued(rows: list[Array], n: int, m: int) -> Footprint | None:
    """The sets of all n indices from those at both ends, if they move along with a period; None if they do not."""
    head, tail = tuple(rows[:HEAD]), rows[HEAD:]
    if all(row.size == m for row in rows):
        return None
    for step in range(1, INDICES + 1):
        # The first rows may be cut off at the border; from the middle of the head on, each set is an earlier one moved.
        middle = range(HEAD // 2 - step, HEAD - step)
        for shift in range(1, OUTPUTS + 1):
            if all(np.array_equal(inside(head[i] + shift, m), head[i + step]) for i in middle):
                found = Footprint(n, m, head, step, shift)
                if all(holds(found, n - TAIL + k, row) for k, row in enumerate(tail)):
                    return found
    return None


def inside(outputs: Array, m: int) -> Array:
    return outputs[outputs < m]


def holds(footprint: Footprint, row: int, truth: Array) -> bool:
    """Whether the prediction misses nothing: at the far border it may exceed the truth (a window cut off)."""
    base = len(footprint.head) - footprint.step + (row - len(footprint.head)) % footprint.step
    moved = footprint.head[base] + (row - base) // footprint.step * footprint.shift
    return bool(np.isin(truth, moved).all())
