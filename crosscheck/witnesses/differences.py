"""The finite-difference witness: the definition of the derivative, applied to the forward pass, with its own error.

What five steps of one level say of an entry stands in `extrapolation`, with the table of its states; what is evaluated
for it, in `sampling`. Here the levels are walked: from large steps to small ones until the bound is good enough or down
in the noise. The levels are relative to the entry itself or, where it is small among its neighbours, to them first
(what is added to numbers of size 1 is as good as 0) and to the entry itself where that led nowhere (log|x| at 10⁻¹²
beside entries of 1).

"No step works" is not "it sits on a kink": a kink is shown, by a jump in slope that stays at two levels and at the
smallest step. What is neither shown to be a kink nor has a bound that is of use is undecided.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from crosscheck.evidence.estimate import DIFFERENCE, Estimate
from crosscheck.floats import root_mean_square
from crosscheck.witnesses import noise
from crosscheck.witnesses.extrapolation import GOLDEN, STEPS, Answer
from crosscheck.witnesses.noise import Function, like
from crosscheck.witnesses.sampling import Array, Contaminated, Forward, Group, Stencil, one_by_one

__all__ = ["Contaminated", "Differences", "Group", "along_direction", "one_by_one"]

# Steps are scale · GOLDEN · 2^-level. The last level still leaves 26 of 53 bits to the difference.
LEVELS = (6, 10, 14, 18, 22, 26)
# Only where those say nothing of use: a function may be finer than its argument (sin 2πt, t in Unix seconds). 11 bits.
FURTHER = (30, 34, 38, 42)
# Entries smaller than this share of the array's rms are moved with the rms in view first.
SMALL = 1e-3
# So many entries are moved in one evaluation at the most: some twenty arrays of their size are alive at once, which
# are to be less than half a GiB.
TOGETHER = 2**21
# A step is good enough when its bound is below this share of the gradient's own size: two thirds of a difference's
# best. It stops the walk, nothing else.
ENOUGH = 2.0**-20
# A difference decides an entry where its bound is below this share of the entry's natural scale. It is a threshold of
# usefulness, not of agreement: it can only make the witness silent, never make two numbers agree.
USEFUL = 2.0**-10

# Evaluations: once at the start; of a group at the usual one level, flat or curved; of a group at the most, all three
# walks down and the far steps.
SETUP = 1 + noise.EVALUATIONS
TYPICAL = 2 * len(STEPS) + 2
MOST = 2 * len(STEPS) * (2 * len(LEVELS) + len(FURTHER)) + 4


class Differences(Forward):
    """All differences of one function with respect to one array; the arguments are `Forward`'s."""

    def __init__(self, func: Function, x: Array, cotangent: Array, noise: Array | None = None) -> None:
        super().__init__(func, x, cotangent, noise)
        magnitude = np.abs(self.flat)
        finite = magnitude[np.isfinite(magnitude)].astype(np.float64)
        self.rms = root_mean_square(finite)
        # A zero has no size of its own: it takes that of the array.
        size = np.where(magnitude > 0, np.maximum(magnitude.astype(np.float64), SMALL * self.rms), self.rms)
        self.scale = scale_of(size)
        self.own = np.where(magnitude > 0, scale_of(magnitude.astype(np.float64)), self.scale)
        largest = float(np.max(finite, initial=0.0))
        self.far = (8.0 * largest, 8.0 * (largest + 1.0)) if 0 < largest < 1 else (8.0 * (largest + 1.0),)

    def reach(self, group: Group) -> Array:
        """How large every output is where the group reaches it: at x, and as far away as it takes to move it."""
        size, waiting = np.abs(self.y), np.ones(self.y.shape, bool)
        for far in self.far:
            with np.errstate(all="ignore"):
                try:
                    there = [self.moved(group.entries, s)[0] for s in (far, -far)]
                except Exception:  # user code may refuse so large an input
                    break
                still = (there[0] == self.y) & (there[1] == self.y)
                larger = np.maximum(size, np.maximum(*np.abs(there)))
            size = np.where(waiting & np.isfinite(larger), larger, size)
            waiting &= still
            if not waiting.any():
                break
        return size

    def differentiate(self, groups: Iterable[Group], deadline: float | None = None) -> Estimate:
        """Every entry's derivative with its bound; see the module's docstring.

        `deadline`, a reading of `time.perf_counter`: what is not done by then is left undecided.
        """
        found = nothing_known(self.flat.size)
        start, since, largest, left = 0, 0, 0.0, 0
        for group in (part for whole in groups for part in parts(whole)):
            if deadline is not None and time.perf_counter() > deadline:
                left += group.entries.size
                continue
            said = self.differentiate_group(group, start, ENOUGH * largest)
            decided = said.value[np.isfinite(said.bound)]
            largest = max(largest, float(np.max(np.abs(decided), initial=0.0)))
            for whole, part in zip(found[:-1], said[:-1], strict=True):
                whole[group.entries] = part
            # Neighbours like similar steps: begin where the last group ended, and look back up now and then.
            start, since = said.level, since + 1
            if since % 16 == 0 and start > 0:
                start -= 1
        return self.estimate(found, left)

    def estimate(self, found: GroupResult, left: int) -> Estimate:
        value, bound, kink = found.value, found.bound, found.kink
        natural = np.maximum(np.abs(value), root_mean_square(value[~kink]))
        if self.rms > 0:
            natural = np.maximum(natural, float(np.sum(np.abs(self.v * np.nan_to_num(self.y)))) / self.rms)
        shape = self.x.shape
        decided = ~kink & (bound <= USEFUL * natural)
        return Estimate(
            DIFFERENCE,
            value.reshape(shape),
            bound.reshape(shape),
            terms=found.terms.reshape(shape),
            decided=decided.reshape(shape),
            excuse=found.unseen.reshape(shape),
            notes={
                "kinks": int(kink.sum()),
                "crossed": int((found.crossed & ~kink).sum()),
                "undecided": int((~decided & ~kink).sum()),
                "kink": kink.reshape(shape),
                "confirmed": found.confirmed.reshape(shape),
                "evaluations": self.evaluations,
                "left": left,
            },
        )

    def differentiate_group(self, group: Group, start: int = 0, enough: float = 0.0) -> GroupResult:
        """Down the levels until noise, or a bound of `enough` (or of that share of the value), ends it."""
        walk = Walk(self, group, enough)
        scale, own = self.scale[group.entries], self.own[group.entries]
        small = own < scale
        walk.down(scale, list(LEVELS[start:]), conclude=~small)
        level = start if walk.chosen is None else LEVELS.index(walk.chosen)
        if start and walk.open.any():  # the neighbours' steps were not this group's
            walk.again()
            walk.down(scale, list(LEVELS[:start]), conclude=np.zeros(1, bool))
        if (walk.open & small).any():
            walk.again()
            walk.down(own, list(LEVELS))
        if (walk.open & ~walk.useful).any():
            walk.down(own, list(FURTHER))
        return walk.result(level, np.where(small, own, np.inf))


class GroupResult(NamedTuple):
    """What differences say of one group of entries that are moved together."""

    value: Array
    bound: Array
    kink: Array
    crossed: Array
    confirmed: Array
    terms: Array
    unseen: Array
    level: int


def nothing_known(n: int) -> GroupResult:
    """n entries of which nothing was asked yet; filled group by group."""
    kink, crossed, confirmed = (np.zeros(n, bool) for _ in range(3))
    return GroupResult(np.zeros(n), np.full(n, np.inf), kink, crossed, confirmed, np.zeros(n), np.zeros(n), 0)


class Walk:
    """The best that is known of one group's members, level after level."""

    def __init__(self, differences: Differences, group: Group, enough: float) -> None:
        self.differences, self.group, self.enough = differences, group, enough
        self.best = nothing_known(group.members)
        self.done = np.zeros(group.members, bool)
        self.kink = np.zeros(group.members, bool)
        self.stayed = np.zeros(group.members, int)  # levels in a row at which a jump in slope was seen and stayed
        self.crossed = np.zeros(group.members, bool)  # a kink was shown; it may be outside of smaller steps
        self.converged = np.zeros(group.members, bool)
        self.edge = np.zeros(group.members)
        self.last = np.zeros(group.members)  # the bound one level above; nothing has fallen yet
        self.linear = np.full(group.members, np.inf)  # (5) of `extrapolation`, over the step
        self.chosen: int | None = None
        self.far: Array | None = None
        self.stirred = np.zeros(differences.y.shape, bool)  # outputs that a step has moved

    @property
    def open(self) -> Array:
        return ~self.done & ~self.kink

    @property
    def useful(self) -> Array:
        return self.best.bound <= USEFUL * np.abs(self.best.value)

    def reach(self) -> Array:
        if self.far is None:
            self.far = self.differences.reach(self.group)
        return self.far

    def again(self) -> None:
        """Forget what only makes sense from one level to the next."""
        self.last[:], self.stayed[:], self.linear[:] = 0.0, 0, np.inf

    def down(self, scale: Array, levels: list[int], conclude: Array | bool = True) -> None:
        """Level after level; where all that is open looks like kinks, the smallest step at once, which shows it.

        `conclude`: whose kinks are shown by then; others have smaller steps to come.
        """
        last = levels[-1]
        while levels and self.open.any():
            shown = (self.stayed[self.open] >= 2).all() and levels[-1] == last
            level = levels.pop(-1 if shown else 0)
            self.take(level, scale)
            if level == last:
                self.kink |= self.open & (self.stayed >= 2) & conclude

    def take(self, level: int, scale: Array) -> None:
        step = scale * (GOLDEN * 2.0**-level)
        stencil = Stencil(self.differences, self.group, step, self.reach)
        said = self.remembered(stencil.ask(self.done), level)
        self.stirred |= stencil.moved
        value, bound = self.best.value, self.best.bound
        with np.errstate(all="ignore"):
            # A bounded function between whose turns the steps fall shows a small slope and a bound as large, and the
            # larger the step the smaller both. A bound counts that is less than the slopes it is about, or all noise,
            # or has fallen with h, by more than √h would.
            resolved = (said.bound <= stencil.terms / 2) | said.converged | (said.bound <= self.last / 4)
            self.last = said.bound
            good = resolved & np.isfinite(said.value) & np.isfinite(said.bound) & self.open
            apart = np.abs(said.value - value)
            # A finer step that contradicts a coarser one is believed: the coarser did not resolve the function.
            refuted = good & np.isfinite(bound) & (apart > said.bound + bound)
        better = good & ((said.bound < bound) | refuted)
        widened = np.where(refuted, said.bound + apart, said.bound)
        for whole, part in (
            (value, said.value),
            (bound, widened),
            (self.best.confirmed, said.confirmed),
            (self.best.terms, stencil.terms),
        ):
            whole[better] = part[better]
        self.stayed = np.where(self.open & said.seen, np.where(said.stays, self.stayed + 1, 0), self.stayed)
        self.crossed |= self.open & (self.stayed >= 2)
        enough = np.minimum(self.enough, USEFUL * stencil.terms)
        small = said.bound <= np.maximum(enough, ENOUGH * np.abs(said.value))
        worse = ~better & (self.useful | self.converged) & ~said.stays
        self.converged |= good & said.converged
        self.done |= good & ~refuted & (small | (said.converged & ~said.stays) | worse)
        self.chosen = level if better.any() else self.chosen

    def remembered(self, said: Answer, level: int) -> Answer:
        """The same with the jump in slope that coarser steps have seen, as far as this one's noise may hide it, and the
        jump in the second derivative that they leave room for.
        """
        step = 2.0**-level
        with np.errstate(all="ignore"):
            edge = np.fmax(said.edge, np.minimum(self.edge, said.edge + said.hidden))
            self.linear = np.fmin(self.linear, said.linear / step)
            bound = said.bound + (edge - said.edge) + np.fmax(self.linear * step - said.turn, 0.0)
        self.edge = edge
        return said._replace(edge=edge, bound=bound)

    def result(self, level: int, own: Array) -> GroupResult:
        """`own`: the size of entries that are small among their neighbours, infinite for others.

        Steps of the neighbours' size see a function that is as good as straight around 0. Whether it is straight down
        to the entry's own size only its own steps see, and what is less than their noise nobody: a difference of that
        size accuses nobody (weights that saturate at 10⁻⁶⁰ beside others of 1).
        """
        value, terms = self.best.value, self.best.terms
        # The walk's own arithmetic; and an entry on a kink has no number.
        bound = np.where(self.kink, np.inf, self.best.bound + np.maximum(np.abs(value), terms) * 2.0**-52)
        crossed = self.crossed & ~self.kink
        forward = self.differences
        noise = np.abs(forward.v) * np.maximum(forward.n, 2 * forward.unit * np.abs(forward.y))
        unseen = self.group.contract(np.where(self.stirred, noise, 0.0)) / own
        return GroupResult(value, bound, self.kink, crossed, self.best.confirmed, terms, unseen, level)


def parts(group: Group) -> Iterator[Group]:
    """A group of entries with one member each, in parts of at most `TOGETHER`."""
    count = group.entries.size
    if count <= TOGETHER or group.owner is None:
        yield group
        return
    length = -(-count // -(-count // TOGETHER))
    for start in range(0, count, length):
        stop = min(start + length, count)
        mine = (group.owner >= start) & (group.owner < stop)
        yield Group(group.entries[start:stop], np.where(mine, group.owner - start, -1), stop - start)


def scale_of(size: Array) -> Array:
    """The power of two below; 1 for 0."""
    return np.where(size > 0, 2.0 ** np.floor(np.log2(np.where(size > 0, size, 1.0))), 1.0)


def along_direction(func: Function, x: Array, direction: Array, v: Array, noise: Array | None = None) -> GroupResult:
    """The derivative of v · func along a direction: one entry, t, of func(x + t · direction)."""
    line = Differences(lambda t: func(like(x, x + t * direction, np.float64)), np.zeros(()), v, noise)
    return line.differentiate_group(Group(np.array([0])))
