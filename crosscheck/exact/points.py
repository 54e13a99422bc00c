"""Points where no sum rounds: drawn with fewer and fewer digits until the walk over the reference's jaxpr proves it.

A point is integers and dyadic offsets, a different one for every entry, so that maxima do not tie and ReLUs are not at
zero; `lattice` says which power of two divides every value and how large every sum of absolute terms is.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jax.extend import core

from crosscheck.exact.lattice import (
    Indivisible,
    Lattice,
    Note,
    NotPolynomial,
    Terms,
    budget,
    grain,
    traced_sums,
)
from crosscheck.floats import DOUBLE
from crosscheck.operation import Operation, wide
from crosscheck.traces.fingerprint import key_of
from crosscheck.traces.pointwise import is_guarded
from crosscheck.traces.precision import double_precision
from crosscheck.traces.programs import Programs
from crosscheck.traces.walk import walk
from crosscheck.witnesses.autodiff import trace

Array = np.ndarray
Arrays = dict[str, Array]

# Largest Σ|terms|·2^q, in bits.
BITS = 53.0
# What a difference may use of them; its moved points are somewhat larger than the point itself.
DIFFERENCE_BITS = 48.0
# Above this many entries one point costs what the whole check of a layer costs: fewer points.
LARGE = 2**17
# Common odd divisors above this leave no digits to draw from.
LARGEST_SCALE = 2**14


class Rung(NamedTuple):
    """How a point is drawn: integers up to `magnitude`, offsets on every input, on the first, or on none."""

    magnitude: int
    offsets: Literal["all", "first", "none"]
    cotangent: int  # entries of the cotangent are ±1 ... ±2^cotangent, before they are made small


def smallness(rung: Rung, scale: int) -> int:
    """The k of the 2^-k that makes a cotangent of a rung at most 1, as the caller's are, or are about: what a backward
    does to gradients that are large beyond that (it clips them) is not asked at points that nobody chose. A power of
    two goes through all that is linear without rounding, so that nothing else is changed by it."""
    return rung.cotangent + (scale - 1).bit_length()


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


# ---------------------------------------------------------------------- the reference as a polynomial


class Program(NamedTuple):
    """The compiled walk: (consts, flat inputs) -> outputs, sums, beside; and what `beside` refers to."""

    run: Callable[..., Any]
    beside: list[tuple[int, int]]


PROGRAMS: Programs[Program] = Programs(256)


def program(closed: core.ClosedJaxpr, counts: frozenset[int], *, other_ties: bool, coarse: bool) -> Program:
    """The walk of `Terms`, from the cache if the same trace was seen before."""
    key = (key_of(closed), counts, other_ties, coarse)
    return PROGRAMS.get(key, lambda: compiled(closed.jaxpr, counts, other_ties=other_ties, coarse=coarse))


def compiled(jaxpr: core.Jaxpr, counts: frozenset[int], *, other_ties: bool, coarse: bool) -> Program:
    beside: list[tuple[int, int]] = []

    def run(consts: list[Any], flat: list[Any]) -> Any:
        algebra = Terms(counts, other_ties=other_ties, coarse=coarse)
        outs, _ = walk(jaxpr, consts, flat, list(range(len(flat))), algebra)
        beside[:] = [(place, sign) for place, sign, _ in algebra.beside]
        return outs, traced_sums(algebra.sums), traced_sums([rms for *_, rms in algebra.beside])

    return Program(jax.jit(run), beside)


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
        if is_guarded(reference):
            raise NotPolynomial("it was recorded, and is another program at another point")
        self.names = sorted(formula.wrt)  # the order of jax.tree.flatten
        self.first, self.still = formula.wrt[0], formula.manner.still
        self.shapes = {k: formula.inputs[k].shape for k in self.names}
        rest = sorted(set(formula.inputs) - set(self.names))
        self.rest = {k: wide(formula.inputs[k]) for k in rest}

        with double_precision():
            values = {k: np.zeros(s) for k, s in self.shapes.items()}
            out = jax.eval_shape(lambda d, c: reference(**d, **c), values, self.rest)
            self.output_shape = tuple(out.shape)
            v = np.zeros(self.output_shape)
            self.closed, _ = trace(reference, values, self.rest, v, forward_mode=False)
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

        Inputs that are not differentiated are what they are: where a division needs them scaled, there is no point.
        """
        self.scale = 1
        while True:
            try:
                self.examine(dict.fromkeys(self.names, 0))
            except Indivisible as lacking:
                self.scale *= lacking.missing
                if self.scale > LARGEST_SCALE:
                    raise
            else:
                return self.scale

    def examine(self, q: dict[str, int], of_cotangent: int = 0) -> tuple[Lattice, list[Note]]:
        """The walk without numbers, for inputs that are multiples of scale·2^-q."""
        lattice = Lattice(len(self.names) + 1)

        def drawn(place: int, q: int) -> Note:
            degree = tuple(int(i == place) for i in range(len(self.names) + 1))
            return Note(q, degree, self.scale)

        notes = [drawn(i, q[k]) for i, k in enumerate(self.names)]
        for a in self.rest.values():
            given = grain(a) if a.dtype.kind == "f" else (0, 1)
            notes.append(Note(given[0], lattice.flat, given[1]))
        notes.append(drawn(len(self.names), of_cotangent))
        outs = walk(self.closed.jaxpr, self.closed.consts, [None] * len(notes), notes, lattice)[1]
        return lattice, outs

    def evaluate(self, inputs: Arrays, v: Array, *, other_ties: bool = False, coarse: bool = False) -> tuple[Any, ...]:
        """Output, gradients, sums at a point."""
        flat = [*(inputs[k] for k in self.names), *(inputs[k] for k in self.rest), v]
        with double_precision():
            walked = program(self.closed, self.counts, other_ties=other_ties, coarse=coarse)
            outs, sums, rms = jax.tree.map(np.asarray, walked.run(list(self.closed.consts), flat))
        if not other_ties:
            # Of several sums that a bias is part of, the largest.
            for (place, sign), size in zip(walked.beside, rms, strict=True):
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
            if name in self.still:
                inputs[name], q[name] = np.zeros(shape), 0
                continue
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
        v = v * 2.0 ** -smallness(rung, self.scale)
        return inputs, v, q

    def point(self, rng: np.random.Generator, *, start: int = 0, lowered: bool = False) -> ExactPoint | None:
        """A point from the highest rung at or below `start` that keeps the budget; None if none does."""
        # Without kinks few digits are drawn, and on a large operation a bound on the sums is enough and half the
        # work.
        coarse = [True, False] if self.entries > LARGE and not self.kinks else [False]
        for rung, bounded in itertools.product(LADDER[start:], coarse):
            inputs, v, q = self.draw(rung, rng, lowered)
            inputs.update(self.rest)
            lattice, _ = self.examine(q, smallness(rung, self.scale))
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
        """Where each gradient would be the same if ties were broken otherwise; elsewhere it is a convention.

        The other way by the program's own comparisons; and as the numbers beside the point break them, which parts what
        a sort has in one order, and what shares a maximum.
        """
        _, gradients, _ = self.evaluate(point.inputs, point.cotangent, other_ties=True)
        same = {k: gradients[k] == point.gradients[k] for k in self.names}
        rng = np.random.default_rng(13)
        for _ in range(BESIDE):
            moved = {k: beside(point.inputs[k], self.scale, rng) for k in self.names if k not in self.still}
            _, gradients, _ = self.evaluate({**point.inputs, **moved}, point.cotangent)
            for k, g in gradients.items():
                size = np.max(np.abs(point.gradients[k]), initial=0.0)
                same[k] = same[k] & (np.abs(g - point.gradients[k]) <= SMOOTH * size)
        return same


# How far a point is moved to break its ties, of each number; how far a gradient that is smooth there may follow, of its
# largest entry; and how often: a tie of two that falls as it was told every time is missed with probability 2^-16.
MOVED, SMOOTH, BESIDE = 2.0**-40, 2.0**-20, 16


def beside(a: Array, scale: float, rng: np.random.Generator) -> Array:
    signs = rng.choice([-1.0, 1.0], a.shape) * rng.uniform(0.5, 1.0, a.shape)
    return a + MOVED * np.where(a == 0, scale, np.abs(a)) * signs


def all_finite(*arrays: Array) -> bool:
    return all(bool(np.isfinite(a).all()) for a in arrays)


def at_float64(operation: Operation) -> Operation:
    return operation if operation.dtype == DOUBLE else operation.widened()


# Equations of a reference and its VJP up to which they are compiled for exact points: some ten seconds.
MANY_EQUATIONS = 1000


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
        equations = len(self.polynomial.closed.jaxpr.eqns)
        if equations > MANY_EQUATIONS:
            self.reason = f"the reference's program has {equations} equations, too many to be compiled for exact points"
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
