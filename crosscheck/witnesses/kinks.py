"""At a kink no derivative exists: is a gradient there one of the legitimate conventions?

Near a kink the function is smooth almost everywhere, and its derivatives at nearby smooth points are what a convention
may mix (the generalised gradient of F. H. Clarke, *Optimization and Nonsmooth Analysis*, 1983, section 2.5). So for
any direction d a legitimate g satisfies

    Σ_o min_j v_o f_o'(x_j; d) - e  ≤  ⟨g, d⟩  ≤  Σ_o max_j v_o f_o'(x_j; d) + e                              (1)

over nearby points x_j: some anywhere, some near x + εd and x - εd, where the pieces are met that d leads to. To them
come the two one-sided derivatives at x itself along d, which lie between Clarke's own limits for every function.
Directions that move tied entries together are the sharp ones: along them a maximum has one slope, and giving every
tied entry the full gradient counts it twice. ReLU'(0) = 0, ½ or 1 and |x|'(0) in [-1, 1] all pass.

The points lie at ε and ε/2, ε = u^¼ of the array's size, and are differenced with a step of u^¼ ε = √u. Toward the
kink every piece is smooth, so that its slope at ε/2 is off from that at the kink by what it changed between ε and ε/2,
which is measured:

    e = Σ_o |v_o| n_o / step  +  Σ_o max_j |slope_o(ε/2) - slope_o(ε)|                                       (2)

One power of u for both, as the two errors ask: curvature costs ε, rounding u/step; with ε = √(size · step) neither the
step reaches another piece nor the points another kink more often than with any other division. A step that straddles a
kink gives a slope between those of its sides, which widens nothing.

Near is what is small to the entries that move: those of another order of magnitude (`orders`) are asked about apart.
Kinks of neighbours that are nearer to each other than ε are met at ε, too: the nearest points (`nearby`) that rounding
lets tell anything have the word.

Pieces of unlike slopes, 2a and b, are joined by what is orthogonal to their differences (`pieces`); that is asked last,
of entries that were found on kinks.

Of a maximum, x ± εd meets every piece there is. Of what takes a number from the middle (a median) a tied entry is that
one only where as many of the others lie below it as above; of kinks behind kinks a piece may ask for an order, too. So
before a direction refutes, points are drawn at which every entry moves up with one probability, drawn for each point,
and at every other of them the entries of d stand still: `ORDERED` of them, or as many as it takes until g is within
(1). A piece that one in 25 of them meets is missed with probability 0.96^512 < 1e-9.

The answer is a `Ruling`: illegitimate where a direction refutes g by more than e, and that direction says so;
legitimate where none does and every entry was asked about along a direction whose e is small enough to mean
something; else it cannot tell. (Only Clarke's set counts: relu(x) - relu(-x) is smooth, and a gradient of 0 at 0, which
ReLU'(0) = 0 gives, is outside of it.) At most `SINGLES` entries are asked about alone: up to a half are those that
stick out from a convention that is known; with n entries in question of which m are wrong, each of the others is one of
them with probability m/n.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from crosscheck.operation import Arrays, Operation
from crosscheck.witnesses.differences import USEFUL
from crosscheck.witnesses.leading import BLOCKS, SINGLES, joint, leading
from crosscheck.witnesses.nearby import (
    EVERY,
    LEVELS_BELOW,
    OF_EACH_KIND,
    ORDERED,
    Nearby,
    NearForward,
    NearReference,
    Slopes,
)
from crosscheck.witnesses.noise import like
from crosscheck.witnesses.pieces import FOR_EACH_OUTPUT, FORWARDS_JOINED, OUTPUTS_JOINED, joining

Array = np.ndarray

LEGITIMATE, ILLEGITIMATE, CANNOT_TELL = "legitimate", "illegitimate", "cannot tell"

# Forwards for one direction, and for one more point of it.
EACH = 2 * 2 * 3 * OF_EACH_KIND + 8
MORE = 4
# Points at which a kink is looked for that no difference shows: a piece that one in 8 of them meets is missed with
# probability (7/8)^64 < 2e-4.
BESIDE = 64
# More points for a ruling at the most: a direction seldom needs more than a few.
ORDERED_IN_ALL = 2 * (1 + LEVELS_BELOW) * ORDERED


@dataclass(frozen=True)
class Ruling:
    """Whether a gradient on kinks is a legitimate convention; true where it is.

    Args:
        answer: `LEGITIMATE`, `ILLEGITIMATE` or `CANNOT_TELL`.
        direction: the direction that refutes it, the shape of the input; None unless illegitimate.
        along: ⟨g, d⟩ there.
        low, high: what (1) allows there.
        directions: how many were asked.
    """

    answer: str
    direction: Array | None = None
    along: float = 0.0
    low: float = 0.0
    high: float = 0.0
    directions: int = 0

    def __bool__(self) -> bool:
        return self.answer == LEGITIMATE


def is_convention(
    operation: Operation,
    name: str,
    v: Array,
    gradient: Array,
    noise: Array | None = None,
    where: Array | None = None,
    deadline: float | None = None,
    kinks: Array | None = None,
    coarse: bool = False,
    beside: Array | None = None,
) -> Ruling:
    """Whether `gradient` satisfies (1) along directions that part, join and shift the entries of one input.

    `noise`: the error of each output, the shape of v; None: measured. `where`: the entries in question, the shape of
    the input; None: all of them. `deadline`, a reading of `time.perf_counter`: what is not done by then is not told.
    `kinks`: the entries that are known to lie on some, with which those in question may be tied; None: those alone.
    `coarse`: of code that computes in float32 inside.
    `beside`: a convention, from which what is none may stick out: what does is asked about first.
    """
    near = NearForward(operation, name, v, noise, coarse)
    where = np.ones(near.x.shape, bool) if where is None else where
    rng = np.random.default_rng(4)
    doubts = () if beside is None else sticking_out(gradient, beside)
    return asked(near, gradient, where, leading(where, kinks, rng, doubts), rng, deadline)


def sticking_out(gradient: Array, convention: Array) -> tuple[Array, ...]:
    """How far a gradient is from a convention; how rare its number is, and that in units of the convention: where many
    are alike, one that is not sticks out."""
    with np.errstate(all="ignore"):
        apart = np.nan_to_num(np.abs(gradient - convention))
        return apart, rarity(gradient), rarity(np.nan_to_num(gradient / convention, posinf=0.0, neginf=0.0))


def rarity(a: Array) -> Array:
    """One over how many of its numbers agree to a thousandth."""
    digits, exponents = np.frexp(a)
    _, which, counts = np.unique(
        np.stack([np.round(digits * 1000), exponents]).reshape(2, -1), axis=1, return_inverse=True, return_counts=True
    )
    return 1.0 / counts[which.ravel()].reshape(a.shape)


def any_beside(operation: Operation, name: str, v: Array, noise: Array | None, where: Array) -> bool:
    """Whether the slopes along these entries differ beside the point by more than they change on the way to it, though
    at the point itself no difference shows a kink: it may take other entries, or other inputs, to leave it."""
    near = NearForward(operation, name, v, noise)
    signs = np.random.default_rng(12).choice([-1.0, 1.0], where.shape)
    for order, d in near.parted(np.where(where, signs, 0.0)):
        near.keep_to(order)
        if near.step < np.finfo(np.float64).tiny:
            continue
        seen = near.slopes(d)
        for _ in range(BESIDE):
            if not seen.finite:
                break
            if seen.high - seen.low > max(2 * seen.slack, USEFUL * seen.size):
                return True
            near.ordered(d, seen)
    return False


def is_one_of_the_references(
    truth: Callable[[Arrays], Arrays],
    inputs: Arrays,
    name: str,
    gradient: Array,
    where: Array,
    kinks: Array,
    free: Iterable[str] = (),
) -> bool:
    """The same by the reference's own gradients at nearby points, which no rounding of the output hides.

    They are sums over the outputs: what lies within (1) by them does so output by output; what does not may still.
    `free`: the inputs that may be stirred.
    """
    rng = np.random.default_rng(4)
    near = NearReference(truth, inputs, name, free)
    return asked(near, gradient, where, leading(where, kinks, rng), rng).answer == LEGITIMATE


def together(
    operation: Operation,
    gradients: Arrays,
    v: Array,
    noise: Array | None = None,
    kinks: Arrays | None = None,
    coarse: bool = False,
) -> Ruling:
    """The same along directions that move several inputs at once, by which max(a, b) has one slope where a = b, and
    max(a, -b) one where a = -b.

    Each of two gradients may be a convention, and the two together none: the whole to both sides, or a quarter.
    `kinks`: the entries that are known to lie on some; what hangs on none of them is then left alone, too, whose noise
    may be large.
    """
    names = list(gradients)
    one = as_one(operation, names)
    gradient = np.concatenate([np.ravel(gradients[k]) for k in names])
    tied = None if kinks is None else np.concatenate([np.ravel(kinks[k]) for k in names])
    rng = np.random.default_rng(9)
    shifts = joint([operation.inputs[k].size for k in names], tied, rng)
    near = NearForward(one, ALL, v, noise, coarse)
    return asked(near, gradient, np.ones(gradient.shape, bool), shifts, rng)


# What several inputs are called that are one.
ALL = "all inputs"


def as_one(operation: Operation, names: list[str]) -> Operation:
    """The forward of these inputs laid end to end, which are one, `ALL`."""
    start = 0
    places: dict[str, slice] = {}
    for k in names:
        places[k] = slice(start, start := start + operation.inputs[k].size)

    def forward(values: Arrays) -> Array:
        inputs = operation.inputs
        return operation.output(
            {k: like(inputs[k], values[ALL][p].reshape(inputs[k].shape)) for k, p in places.items()}
        )

    def never(*_: object) -> Array:
        raise AssertionError

    given = np.concatenate([np.ravel(operation.inputs[k]).astype(np.float64) for k in names])
    return Operation(operation.name, forward, never, {ALL: given}, (ALL,), None)


def asked(
    near: Nearby,
    gradient: Array,
    where: Array,
    along: Iterable[Array],
    rng: np.random.Generator,
    deadline: float | None = None,
) -> Ruling:
    """(1), direction after direction, and then along what joins the entries that were moved alone."""
    told = np.zeros(near.x.shape, bool)
    inquiry, count = Inquiry(near, gradient), 0

    def all_of_them() -> Iterator[tuple[float, Array]]:
        yield from (part for one in along for part in near.parted(one))
        alone = list(inquiry.alone.items())
        if len(alone) > 1:  # what ties 10⁵ a and b is of no one order
            everything = {entry: outputs for _, (_, moves) in alone for entry, outputs in moves.items()}
            alone.append((EVERY, (max(level for _, (level, _) in alone), everything)))
        for order, (level, moves) in alone:
            near.keep_to(order, level)
            for d in joining(near, moves, rng):
                yield order, d

    for order, d in all_of_them():
        near.keep_to(order)
        if deadline is not None and time.perf_counter() > deadline:
            break
        if near.step < np.finfo(np.float64).tiny:
            continue  # it has lost its digits
        count += 1
        answer, seen = inquiry.ask(order, d)
        if answer == ILLEGITIMATE:
            return Ruling(ILLEGITIMATE, d, inquiry.along(d), seen.low, seen.high, count)
        if answer == LEGITIMATE:
            told |= d != 0
    return Ruling(LEGITIMATE if told[where].all() and not inquiry.doubted else CANNOT_TELL, directions=count)


class Inquiry:
    """(1) along one direction after another; the points that they may take come to an end."""

    def __init__(self, near: Nearby, gradient: Array) -> None:
        self.near, self.gradient = near, gradient
        self.left = ORDERED_IN_ALL
        self.doubted = False  # whether what one level refutes was refuted by no nearer one
        # By order of magnitude: the nearest level that told something, and the outputs with a kink along an entry.
        self.alone: dict[float, tuple[int, dict[int, Array]]] = {}

    def along(self, d: Array) -> float:
        with np.errstate(invalid="ignore"):  # of what is infinite, where d is 0
            return float(np.sum(self.gradient * d))

    def ask(self, order: float, d: Array) -> tuple[str, Slopes]:
        """What is said of the gradient along d, and by which slopes."""
        answer, seen, level = self.word(order, d)
        if np.count_nonzero(d) == 1 and order != EVERY:
            nearest, moves = self.alone.get(order, (level, {}))
            moves[int(np.flatnonzero(d)[0])] = seen.kinked
            self.alone[order] = max(nearest, level), moves
        return answer, seen

    def word(self, order: float, d: Array) -> tuple[str, Slopes, int]:
        """The same, and the level of those slopes.

        Points at ε meet the kinks of neighbours, too, that are nearer to each other than ε, and allow what nearer
        points refute; or there is a kink between them and x, and they refute what nearer ones allow. So the nearest
        have the word whose rounding lets them tell anything. What they refute is refuted; what they allow is where
        their slack is no more than is to be told, or than what they excuse.
        """
        inner = self.along(d)
        first, off, enough = self.drawn(order, 0, d)
        if not first.finite or (off > 0 and (not enough or self.left < self.near.finer * ORDERED)):
            return CANNOT_TELL, first, 0
        told = first.slack <= USEFUL * max(first.size, abs(inner))
        if off == 0 and told and first.high - first.low <= USEFUL * first.size:
            return LEGITIMATE, first, 0
        excused = False
        for level in range(self.near.finer, 0, -1):
            seen, off_here, enough = self.drawn(order, level, d)
            least = USEFUL * max(seen.size, abs(inner))
            # What the slopes change on the way to the kink is no excuse not to look. Nor is noise, for what it cannot
            # hide: it only allows nothing.
            able = seen.finite and seen.noise + self.rounding(d) <= least
            if off_here > 0 and (able or (off > 0 and enough and seen.finite)):
                return (ILLEGITIMATE if enough else CANNOT_TELL), seen, level
            if not able:
                continue
            excused = True
            if seen.slack <= (off or least):
                self.doubted |= off > 0
                return (CANNOT_TELL if off > 0 else LEGITIMATE), seen, level
        if off > 0:
            self.doubted |= excused
            return (CANNOT_TELL if excused else ILLEGITIMATE), first, 0
        return (LEGITIMATE if told else CANNOT_TELL), first, 0

    def drawn(self, order: float, level: int, d: Array) -> tuple[Slopes, float, bool]:
        """The slopes at a level; how far outside of them the gradient is, and if so, whether enough points were
        drawn."""
        self.near.keep_to(order, level)
        seen, inner, rounding = self.near.slopes(d), self.along(d), self.rounding(d)
        more = min(ORDERED, self.left)
        for _ in range(more):
            if seen.outside(inner, rounding) == 0 or not seen.finite:
                break
            self.near.ordered(d, seen)
            self.left -= 1
        return seen, seen.outside(inner, rounding), more == ORDERED

    def rounding(self, d: Array) -> float:
        """Of ⟨g, d⟩, and of where the points lie: x ± hd is rounded."""
        near = self.near
        with np.errstate(invalid="ignore"):
            sizes = np.abs(self.gradient * d)
        lie = np.spacing(np.abs(near.x) + near.reach) / (2 * near.step)
        moved = float(np.sum(np.abs(self.gradient) * lie, where=d != 0))
        return near.unit * float(np.sum(sizes)) * np.count_nonzero(d) + moved


def evaluations_planned(where: Array) -> int:
    """How many forwards a ruling takes at the most, the noise aside, for entries of one order of magnitude."""
    slabs = sum(min(n, 4) for n in where.shape)
    asked_about = 1 + slabs + 3 * BLOCKS + 2 * min(SINGLES, int(where.sum())) + FOR_EACH_OUTPUT * OUTPUTS_JOINED
    return 1 + FORWARDS_JOINED + EACH * (1 + LEVELS_BELOW) * asked_about + MORE * ORDERED_IN_ALL
