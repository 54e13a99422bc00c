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

Of a maximum, x ± εd meets every piece there is. Of what takes a number from the middle (a median) a tied entry is that
one only where as many of the others lie below it as above; of kinks behind kinks a piece may ask for an order, too. So
before a direction refutes, points are drawn at which every entry moves up with one probability, drawn for each point,
and at every other of them the entries of d stand still: `ORDERED` of them, or as many as it takes until g is within
(1). A piece that one in 25 of them meets is missed with probability 0.96^512 < 1e-9.

The answer is a `Ruling`: illegitimate where a direction refutes g by more than e, and that direction says so;
legitimate where none does and every entry was asked about along a direction whose e is small enough to mean
something; else it cannot tell. (Only Clarke's set counts: relu(x) - relu(-x) is smooth, and a gradient of 0 at 0, which
ReLU'(0) = 0 gives, is outside of it.) With n entries in question of which m are wrong, each of the at most `SINGLES`
that are asked about alone is one of them with probability m/n.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from crosscheck.operation import Arrays, Operation
from crosscheck.witnesses.differences import USEFUL
from crosscheck.witnesses.nearby import LEVELS_BELOW, OF_EACH_KIND, ORDERED, Nearby, NearForward, NearReference
from crosscheck.witnesses.noise import like

Array = np.ndarray

LEGITIMATE, ILLEGITIMATE, CANNOT_TELL = "legitimate", "illegitimate", "cannot tell"

SINGLES = 40
BLOCKS = 20
# Forwards for one direction, and for one more point of it.
EACH = 2 * 2 * 3 * OF_EACH_KIND + 8
MORE = 4
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
) -> Ruling:
    """Whether `gradient` satisfies (1) along directions that part, join and shift the entries of one input.

    `noise`: the error of each output, the shape of v; None: measured. `where`: the entries in question, the shape of
    the input; None: all of them. `deadline`, a reading of `time.perf_counter`: what is not done by then is not told.
    `kinks`: the entries that are known to lie on some, with which those in question may be tied; None: those alone.
    """
    near = NearForward(operation, name, v, noise)
    where = np.ones(near.x.shape, bool) if where is None else where
    return asked(near, gradient, where, deadline, directions(where, kinks, np.random.default_rng(4)))


def is_one_of_the_references(
    truth: Callable[[Arrays], Arrays], inputs: Arrays, name: str, gradient: Array, where: Array, kinks: Array
) -> bool:
    """The same by the reference's own gradients at nearby points, which no rounding of the output hides.

    They are sums over the outputs: what lies within (1) by them does so output by output; what does not may still.
    """
    along = directions(where, kinks, np.random.default_rng(4))
    return asked(NearReference(truth, inputs, name), gradient, where, None, along).answer == LEGITIMATE


def together(
    operation: Operation, gradients: Arrays, v: Array, noise: Array | None = None, kinks: Arrays | None = None
) -> Ruling:
    """The same along directions that move several inputs at once, by which max(a, b) has one slope where a = b, and
    max(a, -b) one where a = -b.

    Each of two gradients may be a convention, and the two together none: the whole to both sides, or a quarter.
    `kinks`: the entries that are known to lie on some; what hangs on none of them is then left alone, too, whose noise
    may be large.
    """
    names, start = list(gradients), 0
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
    joined = Operation(operation.name, forward, never, {ALL: given}, (ALL,), None)
    rng, shifts = np.random.default_rng(9), [np.ones(given.shape)]
    for a, b in combinations(names, 2):
        for sign in (1.0, -1.0):  # max(a, b), and max(a, -b)
            d = np.zeros(given.shape)
            d[places[a]], d[places[b]] = 1.0, sign
            shifts.append(d)
    shifts += [np.where(rng.random(given.shape) < 0.5, 1.0, 0.0) for _ in range(OF_EACH_KIND)]
    if kinks is not None:
        tied = np.concatenate([np.ravel(kinks[k]) for k in names]).astype(np.float64)
        shifts += [tied, *(tied * rng.choice([-1.0, 1.0], given.shape) for _ in range(BLOCKS))]
    gradient = np.concatenate([np.ravel(gradients[k]) for k in names])
    return asked(NearForward(joined, ALL, v, noise), gradient, np.ones(given.shape, bool), None, shifts)


# What several inputs are called that are one.
ALL = "all inputs"


def asked(near: Nearby, gradient: Array, where: Array, deadline: float | None, along: Iterable[Array]) -> Ruling:
    """(1), direction after direction."""
    told = np.zeros(near.x.shape, bool)
    count, left = 0, ORDERED_IN_ALL
    for order, d in (part for one in along for part in near.parted(one)):
        near.keep_to(order)
        if deadline is not None and time.perf_counter() > deadline:
            break
        if near.step < np.finfo(np.float64).tiny:
            continue  # it has lost its digits
        count += 1
        seen = near.slopes(d)
        if not seen.finite:
            continue
        inner = float(np.sum(gradient * d))
        rounding = near.unit * float(np.sum(np.abs(gradient * d))) * np.count_nonzero(d)
        more = min(ORDERED, left)
        for _ in range(more):
            if seen.allows(inner, rounding):
                break
            near.ordered(d, seen)
            left -= 1
        if not seen.finite:
            continue
        if not seen.allows(inner, rounding):
            if more < ORDERED or left < near.finer * ORDERED:
                continue
            allowed, used = allowed_nearer(near, order, d, inner, rounding)
            left -= used
            if allowed:
                continue
            return Ruling(ILLEGITIMATE, d, inner, seen.low, seen.high, count)
        if seen.slack <= USEFUL * max(seen.size, abs(inner)):
            told |= d != 0
    return Ruling(LEGITIMATE if told[where].all() else CANNOT_TELL, directions=count)


def allowed_nearer(near: Nearby, order: float, d: Array, inner: float, rounding: float) -> tuple[bool, int]:
    """Whether points nearer by allow what those at ε refute, as far as their rounding lets them tell; the nearest
    first. And how many more points that took."""
    used = 0
    for finer in range(near.finer, 0, -1):
        near.keep_to(order, finer)
        seen = near.slopes(d)
        for _ in range(ORDERED):
            if seen.allows(inner, rounding) or not seen.finite:
                break
            near.ordered(d, seen)
            used += 1
        # What the slopes change on the way to the kink is no excuse not to look.
        if seen.finite and seen.noise <= USEFUL * max(seen.size, abs(inner)) and seen.allows(inner, rounding):
            return True, used
    return False, used


def directions(where: Array, kinks: Array | None, rng: np.random.Generator) -> Iterator[Array]:
    """A common shift of everything and of slabs; then blocks around entries in question, these alone, sets of them, and
    sets of all that lie on kinks: what one of two tied entries should get may be what the other has."""
    shape = where.shape
    yield np.ones(shape)
    for axis, n in enumerate(shape):
        for i in range(min(n, 4)):
            d = np.zeros(shape)
            d[tuple(i if a == axis else slice(None) for a in range(len(shape)))] = 1.0
            yield d
    places = np.argwhere(where)
    chosen = rng.permutation(len(places))
    for k in range(min(BLOCKS, len(places))):
        block = np.zeros(shape)
        block[tuple(slice(max(0, int(c) - int(rng.integers(0, 3))), int(c) + 3) for c in places[chosen[k]])] = 1.0
        yield block
    for k in chosen[:SINGLES]:
        d = np.zeros(shape)
        d[tuple(places[k])] = 1.0
        yield d
    tied = where if kinks is None else where | kinks
    for among in (where,) if np.array_equal(tied, where) else (where, tied):
        for _ in range(BLOCKS):
            yield np.where(among & (rng.random(shape) < 0.5), rng.choice([-1.0, 1.0], shape), 0.0)


def evaluations_planned(where: Array) -> int:
    """How many forwards a ruling takes at the most, the noise aside, for entries of one order of magnitude."""
    slabs = sum(min(n, 4) for n in where.shape)
    asked_about = 1 + slabs + 3 * BLOCKS + min(SINGLES, int(where.sum()))
    return 1 + EACH * (1 + LEVELS_BELOW) * asked_about + MORE * ORDERED_IN_ALL
