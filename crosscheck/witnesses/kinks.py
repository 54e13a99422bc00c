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

from crosscheck.floats import DOUBLE, UNIT
from crosscheck.operation import Arrays, Operation
from crosscheck.witnesses.differences import USEFUL
from crosscheck.witnesses.noise import like, measured_noise, unit_of
from crosscheck.witnesses.orders import orders_of, scale_at, size_of

Array = np.ndarray

LEGITIMATE, ILLEGITIMATE, CANNOT_TELL = "legitimate", "illegitimate", "cannot tell"

QUARTER = 2.0 ** (-53 / 4)  # u^¼
EIGHTH = 2.0 ** (-53 / 8)  # u^⅛
SHAKES = 2  # nearby points of each kind: anywhere, toward d, away from d
SINGLES = 40
BLOCKS = 20
# Forwards for one direction, and for one more point of it.
EACH = 2 * 2 * 3 * SHAKES + 8
MORE = 4
# More points before a direction refutes, and for a ruling at the most: a direction seldom needs more than a few.
ORDERED = 512
ORDERED_IN_ALL = 2048


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
) -> Ruling:
    """Whether `gradient` satisfies (1) along directions that part, join and shift the entries of one input.

    `noise`: the error of each output, the shape of v; None: measured. `where`: the entries in question, the shape of
    the input; None: all of them. `deadline`, a reading of `time.perf_counter`: what is not done by then is not told.
    """
    near = NearForward(operation, name, v, noise)
    return asked(near, gradient, np.ones(near.x.shape, bool) if where is None else where, deadline)


def is_one_of_the_references(
    truth: Callable[[Arrays], Arrays], inputs: Arrays, name: str, gradient: Array, where: Array
) -> bool:
    """The same by the reference's own gradients at nearby points, which no rounding of the output hides.

    They are sums over the outputs: what lies within (1) by them does so output by output; what does not may still.
    """
    return asked(NearReference(truth, inputs, name), gradient, where, None).answer == LEGITIMATE


def together(operation: Operation, gradients: Arrays, v: Array, noise: Array | None = None) -> Ruling:
    """The same along directions that move several inputs at once, by which max(a, b) has one slope where a = b.

    Each of two gradients may be a convention, and the two together none: the whole to both sides, or a quarter.
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
        d = np.zeros(given.shape)
        d[places[a]] = d[places[b]] = 1.0
        shifts.append(d)
    shifts += [np.where(rng.random(given.shape) < 0.5, 1.0, 0.0) for _ in range(SHAKES)]
    gradient = np.concatenate([np.ravel(gradients[k]) for k in names])
    return asked(NearForward(joined, ALL, v, noise), gradient, np.ones(given.shape, bool), None, shifts)


# What several inputs are called that are one.
ALL = "all inputs"


def asked(
    near: Nearby, gradient: Array, where: Array, deadline: float | None, along: Iterable[Array] | None = None
) -> Ruling:
    """(1), direction after direction."""
    told = np.zeros(near.x.shape, bool)
    count, left = 0, ORDERED_IN_ALL
    whole = directions(where, np.random.default_rng(4)) if along is None else along
    for order, d in (part for one in whole for part in near.parted(one)):
        near.keep_to(order)
        if deadline is not None and time.perf_counter() > deadline:
            break
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
            if more < ORDERED:
                continue
            return Ruling(ILLEGITIMATE, d, inner, seen.low, seen.high, count)
        if seen.slack <= USEFUL * max(seen.size, abs(inner)):
            told |= d != 0
    return Ruling(LEGITIMATE if told[where].all() else CANNOT_TELL, directions=count)


class Slopes:
    """What was seen along one direction: by output, the least and the largest v_o f_o'(x_j; d), and their drift."""

    def __init__(self, noise: float, outputs: tuple[int, ...]) -> None:
        self.noise = noise
        self.lowest, self.highest = np.full(outputs, np.inf), np.full(outputs, -np.inf)
        self.drift = np.zeros(outputs)

    def see(self, outer: Array, inner: Array) -> None:
        """One more point: its slopes at ε and at ε/2."""
        self.drift = np.maximum(self.drift, np.abs(outer - inner))
        self.lowest, self.highest = np.minimum(self.lowest, inner), np.maximum(self.highest, inner)

    @property
    def low(self) -> float:
        return float(self.lowest.sum())

    @property
    def high(self) -> float:
        return float(self.highest.sum())

    @property
    def slack(self) -> float:
        """e, by (2)."""
        return self.noise + float(self.drift.sum())

    @property
    def size(self) -> float:
        """Σ_o of the largest |v_o f_o'|, for the scale."""
        return float(np.maximum(np.abs(self.lowest), np.abs(self.highest)).sum())

    @property
    def finite(self) -> bool:
        with np.errstate(invalid="ignore"):
            return bool(np.isfinite([self.low, self.high, self.slack]).all())

    def allows(self, inner: float, rounding: float) -> bool:
        """(1)."""
        return self.low - self.slack - rounding <= inner <= self.high + self.slack + rounding


class Nearby:
    """Slopes at points near x, output by output; who gives them is left to `one_sided` and `slope`.

    Args:
        x: float64.
        v: the cotangent, flat.
        noise: the error of each output, flat.
        unit: the unit roundoff of what is moved.
    """

    def __init__(self, x: Array, v: Array, noise: Array, unit: float) -> None:
        self.x, self.v, self.noise, self.unit = x, v, noise, unit
        self.size = size_of(x)
        self.orders = orders_of(x, self.size)
        self.rng = np.random.default_rng(5)
        self.keep_to(0)

    def keep_to(self, order: float) -> None:
        """Near from now on is what is small to the entries of this order of magnitude."""
        self.reach = float(scale_at(order, self.size)) * QUARTER
        self.step = self.reach * QUARTER

    def parted(self, d: Array) -> Iterator[tuple[float, Array]]:
        """The parts of a direction whose entries are of one order."""
        for order in np.unique(self.orders[d != 0]).tolist():
            yield order, np.where(self.orders == order, d, 0.0)

    def one_sided(self, t: float, d: Array) -> Array:
        """v_o f_o'(x; d) along td, from the value at x itself; t < 0: from the other side."""
        raise NotImplementedError

    def slope(self, shift: Array, d: Array) -> Array:
        """v_o f_o' along d at x + ε shift."""
        raise NotImplementedError

    def felt(self, d: Array) -> Array:
        """The outputs that d can move at all, whose noise counts: another's is large beside a small step."""
        return np.ones(self.v.shape, bool)

    def slopes(self, d: Array) -> Slopes:
        with np.errstate(all="ignore"):
            seen = Slopes(self.noise_along(np.ones(self.v.shape, bool)), self.v.shape)
            for t in (1.0, -1.0):
                seen.see(self.one_sided(t, d), self.one_sided(t / 2, d))
            for lead in (0.0, 1.0, -1.0):
                for _ in range(SHAKES):
                    # Beside ±d a shake of u^⅛: small to d, so that d leads; large to the step, so that it parts ties.
                    shake = self.rng.uniform(-1.0, 1.0, self.x.shape) * (1.0 if lead == 0 else EIGHTH)
                    shift = shake + lead * d
                    seen.see(self.slope(shift, d), self.slope(shift / 2, d))
            if seen.noise > USEFUL * seen.size:
                seen.noise = self.noise_along(self.felt(d))
        return seen

    def noise_along(self, felt: Array) -> float:
        """The noise of these outputs in a slope."""
        return float(np.sum(np.abs(self.v) * self.noise, where=felt)) / self.step

    def ordered(self, d: Array, seen: Slopes) -> None:
        """One more point; every other time the entries of d, or some of them where they are several, stand still."""
        still = (d != 0) & (self.rng.random() < 0.5)
        if np.count_nonzero(still) > 1:
            still = still & (self.rng.random(self.x.shape) < self.rng.random())
        up = self.rng.random(self.x.shape) < self.rng.random()
        shift = np.where(still, 0.0, np.where(up, 1.0, -1.0) * self.rng.uniform(0.5, 1.0, self.x.shape))
        with np.errstate(all="ignore"):
            seen.see(self.slope(shift, d), self.slope(shift / 2, d))


class NearForward(Nearby):
    """By differences of the forward."""

    def __init__(self, operation: Operation, name: str, v: Array, noise: Array | None) -> None:
        self.operation, self.name = operation, name
        given = operation.inputs[name]
        x = like(given, given, np.float64)
        with np.errstate(all="ignore"):
            y = operation.output({name: x})
        unit = unit_of(x, y)
        self.y = np.asarray(y, np.float64).ravel()
        if noise is None:
            noise = measured_noise(lambda z: operation.output({name: z}), x, self.y, unit)
        # What is less than u of an output is swallowed, and looks like no noise and no slope.
        least = np.where(np.isfinite(self.y), unit * np.abs(self.y), 0.0)
        noise = np.maximum(np.asarray(noise, np.float64).ravel(), least)
        super().__init__(x, np.asarray(v, np.float64).ravel(), noise, unit)

    def one_sided(self, t: float, d: Array) -> Array:
        """v_o f_o'(x; d) along td, from the value at x itself; t < 0: from the other side."""
        z = self.x + self.reach * t * d
        return self.v * (self.moved(z) - self.y) / along(z - self.x, d)

    def slope(self, shift: Array, d: Array) -> Array:
        """v_o f_o' along d at x + ε shift."""
        point = self.x + self.reach * shift
        up, down = point + self.step * d, point - self.step * d
        return self.v * (self.moved(up) - self.moved(down)) / along(up - down, d)

    def felt(self, d: Array) -> Array:
        far = 8.0 * (float(np.max(np.abs(self.x), initial=0.0)) + 1.0)
        return np.any([self.moved(self.x + t * d) != self.y for t in (self.size, -self.size, far, -far)], axis=0)

    def moved(self, z: Array) -> Array:
        """The output at z; NaN where the code refuses a point that is not its own."""
        try:
            return np.asarray(self.operation.output({self.name: like(self.x, z)}), np.float64).ravel()
        except Exception:
            return np.full(self.y.shape, np.nan)


class NearReference(Nearby):
    """By the reference's gradients: ⟨g(x_j), d⟩, all outputs together."""

    def __init__(self, truth: Callable[[Arrays], Arrays], inputs: Arrays, name: str) -> None:
        self.truth, self.inputs, self.name = truth, inputs, name
        super().__init__(np.asarray(inputs[name], np.float64), np.ones(1), np.zeros(1), UNIT[DOUBLE])

    def one_sided(self, t: float, d: Array) -> Array:
        return self.slope(t * d, d)

    def slope(self, shift: Array, d: Array) -> Array:
        try:
            there = self.truth({**self.inputs, self.name: self.x + self.reach * shift})[self.name]
        except Exception:  # the truth may refuse a point that is not its own
            return np.full(1, np.nan)
        return np.array([float(np.sum(there * d))])


def along(step: Array, d: Array) -> float:
    """How many times d the step is, as stored: x + h rounds."""
    largest = int(np.argmax(np.abs(d)))
    return float(step.ravel()[largest] / d.ravel()[largest])


def directions(where: Array, rng: np.random.Generator) -> Iterator[Array]:
    """A common shift of everything and of slabs; then blocks around entries in question, these alone, sets of them."""
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
    for _ in range(BLOCKS):
        yield np.where(where & (rng.random(shape) < 0.5), rng.choice([-1.0, 1.0], shape), 0.0)


def evaluations_planned(where: Array) -> int:
    """How many forwards a ruling takes at the most, the noise aside, for entries of one order of magnitude."""
    slabs = sum(min(n, 4) for n in where.shape)
    return 1 + EACH * (1 + slabs + 2 * BLOCKS + min(SINGLES, int(where.sum()))) + MORE * ORDERED_IN_ALL
