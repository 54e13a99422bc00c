"""Exact arithmetic as a witness: at points of integers and dyadic numbers, equal means equal bit for bit.

Where the reference is piecewise polynomial (`lattice` reads that off its jaxpr), inputs are drawn that are multiples
of one small power of two, with few enough digits that no sum anywhere rounds. What autodiff computes there is the
true gradient, with a bound of 0, and the hand-derived one is compared with `==`. Nothing is assumed of the user's
code: one that rounds where nothing needs rounding (an FFT, a product with 1/3) differs by less than its rounding
bound and is told apart from one that is wrong.

What follows from equality. Let g = Jᵀv be the true gradient and Mᵀv what the backward computes, both linear in the
cotangent v. If M ≠ J, some entry of (M - J)ᵀv is a linear form in v that is not zero everywhere; with every entry of
v drawn independently from a set S it vanishes with probability at most 1/|S|. (R. A. DeMillo and R. J. Lipton, Inf.
Process. Lett. 7 (1978) 193; J. T. Schwartz, J. ACM 27 (1980) 701.)

Offsets, a different one for every entry, keep maxima untied and ReLUs away from zero. Some points are drawn with
biases so low that units turn off: a missing mask is invisible where everything passes.

The definition of the derivative speaks too. Along an entry in which the forward has degree at most two the central
difference (f(x + h) - f(x - h)) / 2h *is* the derivative, whatever h, as long as no kink lies in between; and that it
does not is seen by the second difference, which falls to exactly a quarter when h is halved.
"""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from crosscheck.autodiff import autodiff, fingerprint
from crosscheck.lattice import (
    Indivisible,
    Lattice,
    Note,
    NotPolynomial,
    Terms,
    budget,
    grain,
    traced_sums,
)
from crosscheck.operation import Operation
from crosscheck.walk import walk
from reference.precision import double_precision

Array = np.ndarray
Arrays = dict[str, Array]
Outcome = Literal["equal", "rounded", "different"]

DOUBLE = np.dtype(np.float64)
LONG = np.dtype(np.longdouble)
# Largest Σ|terms|·2^q, in bits; and what a difference may use, whose moved points are somewhat larger.
BITS = 53.0
DIFFERENCE_BITS = 48.0
# Above this many entries one point costs what the whole check of a layer costs: fewer points.
LARGE = 2**17
# Forward evaluations that the difference may take.
EVALUATIONS = 256
WORK = 2**20  # ... and entries times evaluations
DIRECTIONS = 4
DIRECTION = np.array([-4.0, -2.0, -1.0, 1.0, 2.0, 4.0])
# How far a point of an algorithm that mixes entries (FFT, Winograd) may be off, in units of the agreement bound of
# the array's largest entry: 32u·max E where entry by entry 8u·E is allowed
# (see `persistence`).
NORMWISE = 4.0
# Common odd divisors above this leave no digits to draw from.
LARGEST_SCALE = 2**14


class Rung(NamedTuple):
    """How a point is drawn: integers up to `magnitude`, offsets on every input, on the first, or on none."""

    magnitude: int
    offsets: Literal["all", "first", "none"]
    cotangent: int  # entries of the cotangent are ±1 ... ±2^cotangent


# From the most digits to the fewest: a deep network multiplies many of them.
LADDER = (
    Rung(8, "all", 16),
    Rung(3, "all", 16),
    Rung(3, "first", 16),
    Rung(2, "first", 12),
    Rung(2, "all", 6),
    Rung(1, "first", 8),
    Rung(1, "first", 3),
    Rung(8, "none", 16),
    Rung(3, "none", 6),
    Rung(1, "none", 2),
)
FEWER_DIGITS = 1  # the rung where the later points begin
GRID = 8  # digits of the offsets where there are no kinks and so no ties to break


@dataclass(frozen=True)
class ExactPoint:
    """A point where no sum rounds, with the true output and gradients.

    Args:
        inputs, cotangent: float64 (integer inputs as they were).
        output, gradients: of the reference there, exact.
        bits: log2 of the largest Σ|terms| over the granularity, below 53.
        choices: from how many numbers each entry of the cotangent was drawn.
        scale: the odd number that every drawn number is a multiple of.
        finest: by name, the largest k for which a move by scale·2^-k leaves the forward exact.
    """

    inputs: Arrays
    cotangent: Array
    output: Array
    gradients: Arrays
    bits: float
    choices: int
    scale: int
    finest: dict[str, int]


@dataclass(frozen=True)
class ExactDifference:
    """The exact central difference of the operation's own forward, compared with the true gradient.

    Args:
        value: entry by entry, NaN where it was not taken or a kink lies inside every step.
        checked: boolean, where there is a value.
        equal: boolean, where the value is the true gradient bit for bit.
        directions: how many random directions were taken instead, where there are too many entries.
        directions_equal: whether the true gradient gave the same along all of them.
    """

    value: Array
    checked: Array
    equal: Array
    directions: int = 0
    directions_equal: bool = True

    @property
    def agrees(self) -> bool:
        """Whether nothing that was checked differs."""
        return bool((self.equal | ~self.checked).all()) and self.directions_equal


@dataclass(frozen=True)
class ExactRun:
    """What the exact points say; `inputs` ... `hand_gradients` are of the first point, or of the first that differs.

    Args:
        applies: whether there is an exact point at all; if not, `reason` says why, and the rest is empty.
        forward, outcomes: "equal" bit for bit; "rounded", within the rounding bound there; "different". The worst of
            all points, for the output and by name (without a name that only ever differed by a convention about ties).
        bits: of 53, the most that a point used.
        degree: of the forward in each input; 0 where unknown (no reference).
        points: how many were compared.
        choices: |S| of the statement.
        difference: by name, where it was affordable.
        statement: what is true, in words.
    """

    applies: bool
    reason: str = ""
    inputs: Arrays = field(default_factory=dict)
    cotangent: Array = field(default_factory=lambda: np.zeros(0))
    output: Array = field(default_factory=lambda: np.zeros(0))
    gradients: Arrays = field(default_factory=dict)
    hand_output: Array = field(default_factory=lambda: np.zeros(0))
    hand_gradients: Arrays = field(default_factory=dict)
    forward: Outcome = "equal"
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    bits: float = 0.0
    degree: dict[str, int] = field(default_factory=dict)
    points: int = 0
    choices: int = 0
    difference: dict[str, ExactDifference] = field(default_factory=dict)
    statement: str = ""

    @property
    def different(self) -> list[str]:
        """The names whose hand-derived gradient is wrong at an exact point."""
        return [name for name, outcome in self.outcomes.items() if outcome == "different"]


# ---------------------------------------------------------------------- the reference as a polynomial


class Program(NamedTuple):
    """The compiled walk: (consts, flat inputs) -> outputs, sums, beside; and what `beside` refers to."""

    run: Callable[..., Any]
    beside: list[tuple[int, int]]


PROGRAMS: OrderedDict[Any, Program] = OrderedDict()
PROGRAM_LIMIT = 256


def compiled(closed: core.ClosedJaxpr, counts: frozenset[int], *, other_ties: bool, coarse: bool) -> Program:
    """The walk of `Terms`, from the cache if the same trace was seen before."""
    shapes = tuple((np.shape(c), str(jnp.result_type(c))) for c in closed.consts)
    key = (fingerprint(closed.jaxpr), shapes, counts, other_ties, coarse)
    if key in PROGRAMS:
        PROGRAMS.move_to_end(key)
        return PROGRAMS[key]
    beside: list[tuple[int, int]] = []
    jaxpr = closed.jaxpr

    def run(consts: list[Any], flat: list[Any]) -> Any:
        algebra = Terms(counts, other_ties=other_ties, coarse=coarse)
        outs, _ = walk(jaxpr, consts, flat, list(range(len(flat))), algebra)
        beside[:] = [(place, sign) for place, sign, _ in algebra.beside]
        return outs, traced_sums(algebra.sums), traced_sums([rms for *_, rms in algebra.beside])

    PROGRAMS[key] = Program(jax.jit(run), beside)
    while len(PROGRAMS) > PROGRAM_LIMIT:
        PROGRAMS.popitem(last=False)
    return PROGRAMS[key]


class Polynomial:
    """An operation's reference and its VJP, proved to be a piecewise polynomial.

    Args:
        formula: at float64, with a reference.

    Raises:
        NotPolynomial: it is none, and why.
    """

    def __init__(self, formula: Operation) -> None:
        reference = formula.reference
        assert reference is not None
        self.names = sorted(formula.wrt)  # the order of jax.tree.flatten
        self.first = formula.wrt[0]
        self.shapes = {k: formula.inputs[k].shape for k in self.names}
        rest = sorted(set(formula.inputs) - set(self.names))
        self.rest = {k: on_lattice(formula.inputs[k]) for k in rest}

        def forward_and_vjp(values: Arrays, constants: Arrays, v: Any) -> Any:
            y, pull = jax.vjp(lambda d: reference(**d, **constants), values)
            return y, pull(v.astype(y.dtype))[0]

        with double_precision():
            values = {k: np.zeros(s) for k, s in self.shapes.items()}
            out = jax.eval_shape(lambda d, c: reference(**d, **c), values, self.rest)
            self.output_shape = tuple(out.shape)
            self.closed = jax.make_jaxpr(forward_and_vjp)(values, self.rest, np.zeros(self.output_shape))
        self.scale = self.common_divisor()
        lattice, notes = self.examine(dict.fromkeys(self.names, 0))
        self.kinks = lattice.kinks
        self.counts = frozenset(lattice.counts)
        self.degree = dict(zip(self.names, notes[0].degree, strict=False))
        self.beside: dict[str, tuple[int, float]] = {}

    @property
    def entries(self) -> int:
        shapes = [*self.shapes.values(), self.output_shape]
        return sum(math.prod(shape) for shape in shapes)

    def common_divisor(self) -> int:
        """The odd number that inputs and cotangent must be multiples of for every division to be exact.

        Inputs that are not differentiated are left alone if possible, and else (a target that is subtracted before a
        mean) scaled with the others.
        """
        for scale_rest in (False, True):
            self.scale = 1
            while True:
                try:
                    self.examine(dict.fromkeys(self.names, 0))
                except Indivisible as lacking:
                    self.scale *= lacking.missing
                    if self.scale > LARGEST_SCALE:
                        if scale_rest or not self.rest:
                            raise
                        break
                    if scale_rest:
                        self.rescale(lacking.missing)
                else:
                    return self.scale
        raise AssertionError("unreachable: the second round raises or returns")

    def rescale(self, factor: int) -> None:
        self.rest = {k: a * factor if a.dtype.kind == "f" else a for k, a in self.rest.items()}

    def examine(self, q: dict[str, int]) -> tuple[Lattice, list[Note]]:
        """The walk without numbers, for inputs that are multiples of scale·2^-q."""
        lattice = Lattice(len(self.names) + 1)

        def drawn(place: int, q: int) -> Note:
            degree = tuple(int(i == place) for i in range(len(self.names) + 1))
            return Note(q, degree, self.scale)

        notes = [drawn(i, q[k]) for i, k in enumerate(self.names)]
        for a in self.rest.values():
            given = grain(a) if a.dtype.kind == "f" else (0, 1)
            notes.append(Note(given[0], lattice.flat, given[1]))
        notes.append(drawn(len(self.names), 0))
        outs = walk(self.closed.jaxpr, self.closed.consts, [None] * len(notes), notes, lattice)[1]
        return lattice, outs

    def evaluate(self, inputs: Arrays, v: Array, *, other_ties: bool = False, coarse: bool = False) -> tuple[Any, ...]:
        """Output, gradients, sums at a point."""
        flat = [*(inputs[k] for k in self.names), *(inputs[k] for k in self.rest), v]
        with double_precision():
            program = compiled(self.closed, self.counts, other_ties=other_ties, coarse=coarse)
            outs, sums, rms = jax.tree.map(np.asarray, program.run(list(self.closed.consts), flat))
        if not other_ties:
            # Of several sums that a bias is part of, the largest.
            for (place, sign), size in zip(program.beside, rms, strict=True):
                if place < len(self.names) and np.isfinite(size):
                    name = self.names[place]
                    if float(size) > self.beside.get(name, (0, 0.0))[1]:
                        self.beside[name] = (sign, float(size))
        return outs[0], dict(zip(self.names, outs[1:], strict=True)), sums

    def draw(self, rung: Rung, rng: np.random.Generator, lowered: bool) -> tuple[Arrays, Array, dict[str, int]]:
        """Inputs, cotangent, and the digits behind the binary point of every input."""
        inputs: Arrays = {}
        q: dict[str, int] = {}
        for name in self.names:
            shape, size = self.shapes[name], math.prod(self.shapes[name])
            offset = rung.offsets == "all" or (rung.offsets == "first" and name == self.first)
            m = rung.magnitude
            if lowered and name in self.beside:
                sign, rms = self.beside[name]
                # Once the sum's own size, more or less: about half of the units turn off.
                low = np.rint(-sign * rms / self.scale * rng.uniform(0.5, 1.5, shape))
            else:
                low = None
            if not offset:
                q[name] = 0
                # No zeros: they would switch off what they multiply, and tie it.
                a = rng.integers(1, m + 1, shape) * rng.choice([-1, 1], shape)
                a = a if low is None else low
            elif self.kinks:
                q[name] = size.bit_length()
                # 1/2^q ... size/2^q, each once: no two entries are equal and none is an integer.
                a = rng.integers(-m, m + 1, shape) if low is None else low
                a = a + (1.0 + rng.permutation(size).reshape(shape)) * 2.0 ** -q[name]
            else:
                q[name] = GRID
                grid = rng.integers(-m << GRID, (m << GRID) + 1, shape, dtype=np.int32)
                a = grid * 2.0**-GRID
            inputs[name] = np.asarray(a, np.float64) * self.scale
        v = rng.integers(1, 2**rung.cotangent + 1, self.output_shape)
        v = np.asarray(v * rng.choice([-1.0, 1.0], self.output_shape)) * self.scale
        return inputs, v, q

    def point(self, rng: np.random.Generator, *, start: int = 0, lowered: bool = False) -> ExactPoint | None:
        """A point from the highest rung at or below `start` that keeps the budget; None if none does."""
        # Without kinks few digits are drawn, and on a large operation a bound on the sums is enough and half the
        # work.
        coarse = [True, False] if self.entries > LARGE and not self.kinks else [False]
        for rung, bounded in itertools.product(LADDER[start:], coarse):
            inputs, v, q = self.draw(rung, rng, lowered)
            inputs.update(self.rest)
            lattice, _ = self.examine(q)
            y, gradients, sums = self.evaluate(inputs, v, coarse=bounded)
            spent = budget(lattice.rows, sums)
            largest = float(np.max(spent, initial=1.0))
            if not largest < 2.0**BITS or not all_finite(y, *gradients.values()):
                continue
            # Forward rows are those that the cotangent does not enter.
            finest = {}
            for i, name in enumerate(self.names):
                rows = [
                    (r.degree[i], s)
                    for r, s in zip(lattice.rows, spent, strict=True)
                    if r.degree[-1] == 0 and r.degree[i] > 0 and s > 0
                ]
                room = [math.floor((DIFFERENCE_BITS - math.log2(s)) / d) for d, s in rows]
                finest[name] = q[name] + min(room, default=24)
            choices = 2 ** (rung.cotangent + 1)
            bits = math.log2(largest)
            return ExactPoint(inputs, v, y, gradients, bits, choices, self.scale, finest)
        return None

    def untied(self, point: ExactPoint) -> dict[str, Array]:
        """Where each gradient would be the same if ties were broken the other way; elsewhere it is a convention."""
        _, gradients, _ = self.evaluate(point.inputs, point.cotangent, other_ties=True)
        return {k: gradients[k] == point.gradients[k] for k in self.names}


def on_lattice(a: Array) -> Array:
    """An input that is not differentiated: kept where it is dyadic already, else rounded to eight digits."""
    if a.dtype.kind != "f":
        return a
    try:
        grain(a)
    except NotPolynomial:
        step = 2.0 ** (math.ceil(math.log2(float(np.max(np.abs(a))))) - GRID)
        return np.rint(a / step) * step
    return a.astype(np.float64)


def all_finite(*arrays: Array) -> bool:
    return all(bool(np.isfinite(a).all()) for a in arrays)


def at_float64(operation: Operation) -> Operation:
    return operation if operation.dtype == DOUBLE else operation.widened()


# ---------------------------------------------------------------------- the door


class Points:
    """Exact points of one operation, drawn one after another; `reason` is not empty where there are none.

    The first is `drawn[0]`; it may serve elsewhere (as the second point of the side effects) before `exact_run` uses
    it.
    """

    def __init__(self, operation: Operation, *, seed: int) -> None:
        self.formula = at_float64(operation)
        self.seed = seed
        self.reason = ""
        self.polynomial: Polynomial | None = None
        self.drawn: list[ExactPoint] = []
        if self.formula.reference is None:
            self.reason = "there is no reference whose arithmetic could be examined"
            return
        try:
            self.polynomial = Polynomial(self.formula)
        except NotPolynomial as reason:
            self.reason = f"the reference is not polynomial: {reason}"
            return
        if self.next() is None:
            self.reason = "no drawn point keeps every sum below 2^53"

    def next(self) -> ExactPoint | None:
        """One more point: the first with all digits, the others with fewer, and with low biases."""
        assert self.polynomial is not None
        number = len(self.drawn)
        rng = np.random.default_rng([self.seed, number])
        start = 0 if number == 0 else FEWER_DIGITS
        found = self.polynomial.point(rng, start=start, lowered=number > 0)
        if found is not None:
            self.drawn.append(found)
        return found

    def __iter__(self) -> Iterator[ExactPoint]:
        """The points drawn so far, and then new ones, until there are no more."""
        yield from self.drawn
        while (found := self.next()) is not None:
            yield found

    @property
    def affordable(self) -> int:
        """How many points to look at: several where they are cheap, two where a large operation has kinks."""
        assert self.polynomial is not None
        if self.polynomial.entries > LARGE:
            return 2 if self.polynomial.kinks and self.polynomial.beside else 1
        return 3 if self.polynomial.kinks else 2

    def gradients_at(self, inputs: Arrays, v: Array) -> Arrays:
        """The reference's gradients at any inputs, rounded there as anybody's are; for a polynomial only."""
        assert self.polynomial is not None
        given = {k: a.astype(np.float64) if a.dtype.kind == "f" else a for k, a in inputs.items()}
        return self.polynomial.evaluate(given, np.asarray(v, np.float64))[1]


def exact_run(
    operation: Operation,
    *,
    seed: int,
    points: Points | None = None,
    hand: tuple[Array, Arrays] | None = None,
    evaluations: int = EVALUATIONS,
) -> ExactRun:
    """Compare an operation with its reference where arithmetic is exact.

    Args:
        operation: of either dtype; judged as a formula, at float64. Without a reference its own exact difference is
            the truth, if the code computes in longdouble too.
        seed: of the points.
        points: `Points(operation, seed=seed)`, if the caller has them already.
        hand: the operation's output and gradients at `points.drawn[0]`, if the caller has those too.
        evaluations: forward evaluations that the exact differences may take; 0 leaves them out.

    Returns:
        An `ExactRun`; `applies` is False, with the reason, where there is no exact point.
    """
    formula = at_float64(operation)
    if formula.reference is None:
        return without_reference(formula, seed, evaluations)
    points = points or Points(formula, seed=seed)
    if points.reason:
        return ExactRun(False, points.reason)
    polynomial = points.polynomial
    assert polynomial is not None
    compared: list[Compared] = []
    ties = 0
    for number, point in enumerate(points):
        try:
            found = compare_at(formula, point, hand if number == 0 else None)
        except Exception as error:  # the point is ours: a user's own refusal of it is no fault
            if compared:
                break
            return ExactRun(False, f"the operation refuses the exact point: {describe(error)}")
        if polynomial.kinks and found.different:
            for name in conventions(found, polynomial.untied(point)):
                del found.outcomes[name]
        if found.wrong or len(found.outcomes) == len(formula.wrt):
            compared.append(found)
        else:  # a tie: nothing is decided here
            ties += 1
        if len(compared) >= points.affordable or ties >= 3 or found.wrong:
            break
    if not compared:
        return ExactRun(False, "its maxima tie at every point that was drawn")
    return summary(formula, polynomial, compared, evaluations)


class Compared(NamedTuple):
    """One point, with what the operation gave there."""

    point: ExactPoint
    output: Array
    gradients: Arrays
    forward: Outcome
    outcomes: dict[str, Outcome]

    @property
    def different(self) -> list[str]:
        return [k for k, outcome in self.outcomes.items() if outcome == "different"]

    @property
    def wrong(self) -> bool:
        return self.forward == "different" or bool(self.different)


def compare_at(formula: Operation, point: ExactPoint, hand: tuple[Array, Arrays] | None) -> Compared:
    """The operation against the truth at one point; the rounding bound is computed only where they are unequal."""
    here = formula.at(point.inputs)
    if hand is None:
        with np.errstate(all="ignore"):
            hand = here.output(), here.gradients(point.cotangent)
    output, gradients = hand
    forward: Outcome = "equal" if np.array_equal(output, point.output) else "different"
    outcomes: dict[str, Outcome] = {
        k: "equal" if np.array_equal(gradients[k], point.gradients[k]) else "different" for k in formula.wrt
    }
    if forward == "different" or "different" in outcomes.values():
        assert formula.reference is not None
        bounds = autodiff(formula.reference, point.inputs, formula.wrt, point.cotangent, DOUBLE)
        if forward == "different" and rounds(output, point.output, bounds.output.bound):
            forward = "rounded"
        for k, outcome in outcomes.items():
            bound = bounds.gradients[k].bound
            if outcome == "different" and rounds(gradients[k], point.gradients[k], bound):
                outcomes[k] = "rounded"
    return Compared(point, output, gradients, forward, outcomes)


def rounds(value: Array, truth: Array, bound: Array) -> bool:
    """Whether `value` is the truth but for rounding: entrywise, or in an algorithm that mixes entries, normwise.

    The truth is exact, so that all of the difference is the hand-derived side's: twice its half of the bound.
    """
    if value.shape != truth.shape or not np.isfinite(value).all():
        return False
    gap = np.abs(value - truth)
    return bool((gap <= 2 * bound).all() or (gap <= NORMWISE * 2 * np.max(bound, initial=0.0)).all())


def conventions(found: Compared, untied: Arrays) -> list[str]:
    """The gradients that differ only where the true one is a convention about ties."""
    truth = found.point.gradients
    return [
        k
        for k in found.different
        if found.gradients[k].shape == truth[k].shape and not ((found.gradients[k] != truth[k]) & untied[k]).any()
    ]


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    found = set(outcomes)
    return "different" if "different" in found else "rounded" if "rounded" in found else "equal"


def summary(formula: Operation, polynomial: Polynomial, compared: list[Compared], evaluations: int) -> ExactRun:
    forward = worst(c.forward for c in compared)
    outcomes: dict[str, Outcome] = {
        k: worst(c.outcomes[k] for c in compared if k in c.outcomes)
        for k in formula.wrt
        if any(k in c.outcomes for c in compared)
    }
    shown = next((c for c in compared if c.wrong), compared[0])
    difference = {}
    evaluations = min(evaluations, WORK // max(polynomial.entries, 1))
    if shown.forward == "equal":
        difference = exact_differences(formula, polynomial, shown.point, evaluations)
    run = ExactRun(
        True,
        inputs=shown.point.inputs,
        cotangent=shown.point.cotangent,
        output=shown.point.output,
        gradients=shown.point.gradients,
        hand_output=shown.output,
        hand_gradients=shown.gradients,
        forward=forward,
        outcomes=outcomes,
        bits=max(c.point.bits for c in compared),
        degree=polynomial.degree,
        points=len(compared),
        choices=min(c.point.choices for c in compared),
        difference=difference,
    )
    return replace(run, statement=statement(run))


def statement(run: ExactRun) -> str:
    """What is true after the run, in words."""
    points = "one point" if run.points == 1 else f"{run.points} points"
    bits = f" ({run.bits:.1f} of 53 bits)" if run.bits else ""
    said = [f"at {points} float64 arithmetic is exact in any order{bits}"]
    by: dict[Outcome, list[str]] = {"equal": [], "rounded": [], "different": []}
    for name, outcome in run.outcomes.items():
        by[outcome].append(name)
    if by["equal"]:
        verb = "is" if len(by["equal"]) == 1 else "are"
        said.append(f"{', '.join(by['equal'])} {verb} exactly the true gradient there")
    if by["rounded"]:
        said.append(f"{', '.join(by['rounded'])} differs from it by the rounding of its own algorithm")
    if by["different"]:
        said.append(f"{', '.join(by['different'])} is not the true gradient")
    if not by["different"] and run.choices:
        said.append(
            "a wrong Jacobian at this point survives the random integer cotangent with probability at most "
            f"1/{run.choices:,}"
        )
    return "; ".join(said)


def describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


# ---------------------------------------------------------------------- the definition of the derivative, exactly


def exact_differences(
    formula: Operation, polynomial: Polynomial, point: ExactPoint, evaluations: int
) -> dict[str, ExactDifference]:
    """The difference for every input of degree at most two, the small ones first, while evaluations last."""
    found = {}
    for name in sorted(formula.wrt, key=lambda k: math.prod(polynomial.shapes[k])):
        if polynomial.degree[name] > 2:
            continue
        # Without kinks every step is inside the cell, and the largest leaves the most digits.
        finest = min(point.finest[name], 40 if polynomial.kinks else 1)
        if finest < (2 if polynomial.kinks else 0):
            continue
        here = formula.at(point.inputs)
        witness = Exactly(here, name, point.cotangent, point.output, point.scale)
        difference = witness.compare(point.gradients[name], [finest - 1], evaluations)
        evaluations -= witness.evaluations
        if difference is not None:
            found[name] = difference
    return found


class Exactly:
    """Exact central differences of one forward along one input.

    Args:
        operation: at the point.
        name: the input to move.
        cotangent: v, multiples of `scale`, and otherwise integers of at most 24 binary digits.
        y: the output at the point.
        scale: steps are scale·2^-k.
        long: the same operation at the same point in longdouble: where nothing is known of the arithmetic, a moved
            point counts only if both precisions give the same there too.
    """

    def __init__(
        self,
        operation: Operation,
        name: str,
        cotangent: Array,
        y: Array,
        scale: int,
        long: Operation | None = None,
    ) -> None:
        self.operation = operation
        self.long = long
        self.name = name
        self.x = operation.inputs[name]
        self.scale = scale
        self.v = np.ravel(cotangent) / scale
        self.y = np.ravel(np.asarray(y, np.float64))
        self.evaluations = 0

    def moved(self, move: Array) -> Array:
        self.evaluations += 1
        with np.errstate(all="ignore"):
            y = self.operation.output({self.name: self.x + move})
            if self.long is not None:
                wide = self.long.output({self.name: (self.x + move).astype(LONG)})
                y = np.where(y == wide, y, np.nan)
        return np.ravel(np.asarray(y, np.float64))

    def contracted(self, change: Array) -> float:
        """Σ v_o · change_o, rounded once: the change is split so that both products are exact."""
        moving = change != 0
        change, v = change[moving], self.v[moving]
        with np.errstate(over="ignore"):
            head = change.astype(np.float32).astype(np.float64)
        head = np.where(np.isfinite(head), head, 0.0)
        return math.fsum([*(head * v).tolist(), *((change - head) * v).tolist()])

    def along(self, direction: Array, k: int) -> float | None:
        """⟨v, J d⟩ by the step scale·2^-k and its half; None where f is not quadratic between (a kink) or rounds."""
        change, bend = [], []
        for h in (self.scale * 2.0**-k, self.scale * 2.0 ** -(k + 1)):
            plus, minus = self.moved(h * direction), self.moved(-h * direction)
            change.append(plus - minus)
            bend.append((plus - self.y) - (self.y - minus))
        if not all_finite(*change):
            return None
        coarse, fine = self.contracted(change[0]), self.contracted(change[1])
        if coarse != 2 * fine or not np.array_equal(bend[0], 4 * bend[1]):
            return None
        return coarse * 2.0 ** (k - 1)

    def compare(self, truth: Array, steps: list[int], evaluations: int) -> ExactDifference | None:
        """Entry by entry if `evaluations` allows, else along random directions, else None; `steps` are k's to try."""
        if 4 * len(steps) * truth.size <= evaluations:
            return self.entries(truth, steps)
        nowhere = np.zeros(truth.shape, bool)
        rng = np.random.default_rng(0)
        taken, same = 0, True
        for _ in range(DIRECTIONS):
            if self.evaluations + 4 * len(steps) > evaluations:
                break
            # Powers of two, so that the products with the gradient are exact.
            d = rng.choice(DIRECTION, truth.shape)
            found = self.first(d, steps)
            if found is not None:
                taken, same = taken + 1, same and found == math.fsum(np.ravel(truth * d).tolist())
        if not taken:
            return None
        return ExactDifference(np.full(truth.shape, np.nan), nowhere, nowhere, taken, same)

    def entries(self, truth: Array, steps: list[int]) -> ExactDifference:
        value = np.full(truth.size, np.nan)
        for i in range(truth.size):
            direction = np.zeros(truth.size)
            direction[i] = 1.0
            found = self.first(direction.reshape(truth.shape), steps)
            if found is not None:
                value[i] = found
        value = value.reshape(truth.shape)
        return ExactDifference(value, ~np.isnan(value), value == truth)

    def first(self, direction: Array, steps: list[int]) -> float | None:
        """The derivative along `direction` by the first step that is inside the cell."""
        found = (self.along(direction, k) for k in steps)
        return next((derivative for derivative in found if derivative is not None), None)


# ---------------------------------------------------------------------- without a reference


LONGDOUBLE_LIMIT = 2**14  # entries: longdouble has no fast matrix product


def without_reference(formula: Operation, seed: int, evaluations: int) -> ExactRun:
    """The operation against its own exact difference, at a point where float64 and longdouble give the same.

    That both precisions agree to the last bit shows that neither rounds there (or that both are constant there).
    """
    if np.finfo(LONG).nmant <= np.finfo(DOUBLE).nmant:
        return ExactRun(False, "there is no reference, and longdouble is no wider than double here")
    if sum(formula.inputs[k].size for k in formula.wrt) > LONGDOUBLE_LIMIT:
        return ExactRun(False, "there is no reference, and the operation is too large for longdouble")
    try:
        found = agreeing_point(formula, np.random.default_rng(seed))
    except Exception as error:  # most code knows nothing of longdouble, which is no fault
        return ExactRun(False, f"there is no reference, and the operation refuses longdouble: {describe(error)}")
    if found is None:
        return ExactRun(False, "there is no reference, and float64 and longdouble differ at every point drawn")
    inputs, v, output, gradients, q, rung, scale = found
    here = formula.at(inputs)
    long = formula.at({k: in_long(a) for k, a in inputs.items()})
    choices = 2 ** (rung.cotangent + 1)
    difference: dict[str, ExactDifference] = {}
    outcomes: dict[str, Outcome] = {}
    for name in sorted(formula.wrt, key=lambda k: inputs[k].size):
        witness = Exactly(here, name, v, output, scale, long)
        compared = witness.compare(gradients[name], [q[name] + n for n in (12, 6, 2)], evaluations)
        evaluations -= witness.evaluations
        if compared is None:
            continue
        # Entries on which no difference speaks could be anything: then only a mistake at the others is known.
        if compared.checked.all() or compared.directions or not compared.agrees:
            difference[name] = compared
            verdict: Outcome = "equal" if compared.agrees else "different"
            outcomes[name] = verdict
            if compared.directions:
                choices = min(choices, len(DIRECTION) ** compared.directions)
    if not outcomes:
        return ExactRun(False, "there is no reference, and no exact difference could be taken")
    truth = {k: d.value if d.checked.all() and not d.directions else gradients[k] for k, d in difference.items()}
    run = ExactRun(
        True,
        inputs=inputs,
        cotangent=v,
        output=output,
        gradients=truth,
        hand_output=output,
        hand_gradients=gradients,
        outcomes=outcomes,
        degree=dict.fromkeys(formula.wrt, 0),
        points=1,
        choices=choices,
        difference=difference,
    )
    return replace(run, statement=statement(run))


def in_long(a: Array) -> Array:
    return a.astype(LONG) if a.dtype.kind == "f" else a


def agreeing_point(formula: Operation, rng: np.random.Generator) -> Any:
    """A point where output and gradients are the same in float64 and longdouble, or None."""
    lengths = {n for k in formula.wrt for n in formula.inputs[k].shape}
    odd = math.prod(n // (n & -n) for n in lengths if n > 0)
    first = formula.wrt[0]
    # Means divide by axis lengths, or by windows of 3 or 5.
    for scale in sorted({1, 225, odd if odd <= LARGEST_SCALE else 1}):
        for rung in LADDER:
            inputs = {k: on_lattice(a) for k, a in formula.inputs.items()}
            q = {}
            for k in formula.wrt:
                shape, size = inputs[k].shape, inputs[k].size
                offset = rung.offsets == "all" or (rung.offsets == "first" and k == first)
                q[k] = size.bit_length() if offset else 0
                a = rng.integers(-rung.magnitude, rung.magnitude + 1, shape).astype(np.float64)
                if offset:
                    a = a + (1.0 + rng.permutation(size).reshape(shape)) * 2.0 ** -q[k]
                inputs[k] = np.asarray(a * scale)
            here = formula.at(inputs)
            long = formula.at({k: in_long(a) for k, a in inputs.items()})
            with np.errstate(all="ignore"):
                y = here.output()
                v = np.asarray(rng.integers(1, 2**rung.cotangent + 1, y.shape) * scale)
                v = v * rng.choice([-1.0, 1.0], y.shape)
                gradients = here.gradients(v)
                wide = {"": long.output(), **long.gradients(v.astype(LONG))}
            narrow = {"": y, **gradients}
            if any(a.dtype != LONG for a in wide.values()):
                raise TypeError("it returns another dtype for longdouble inputs")
            same = all(np.array_equal(narrow[k], wide[k]) for k in narrow)
            # A function that saturates is exact where it is constant, which says nothing.
            telling = all(g.any() for g in gradients.values() if g.size)
            if same and telling and all_finite(*narrow.values()):
                return inputs, v, y, gradients, q, rung, scale
    return None
