"""A wrong gradient and the points at which candidates are tried on it.

A candidate is tried at several points: the one that was judged, and others drawn here at the same shapes (nothing is
compiled again), generic ones, where coincidences of the user's numbers do not happen. It must reproduce what the
user's backward gives at each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any

import numpy as np

from crosscheck import draws
from crosscheck.diagnosis.budget import CALL, STEP, Budget, pass_work
from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.factors import Reading, Size
from crosscheck.diagnosis.output_axes import batch_recognised, output_axes
from crosscheck.diagnosis.points import Array, Arrays, Point, jacobian_of, judged_at
from crosscheck.diagnosis.scalars import scalars_of
from crosscheck.diagnosis.sizes import sizes_of, special_sizes
from crosscheck.diagnosis.words import as_told, axis_names
from crosscheck.floats import DOUBLE
from crosscheck.operation import Operation, wide
from crosscheck.traces.tape import Tape, record

# Entries of a Jacobian that is worth having by differences, and calls of the user's forward that it may take.
MOST_JACOBIAN = 200_000
MOST_CALLS = 10_000
# Without a reference there is one truth, at one point; its multiples are those of multiples of the cotangent. Any
# number does that is neither a power of two nor one of the sizes.
MULTIPLE = -1.75
# More points that a name is held against: a branch that each takes with probability ½ is missed once in 64 times.
HELD_AGAINST = 6


class Problem:
    """One operation whose gradients are wrong, and the points to try candidates at.

    `given` is where the search may run; `judged` where the gradients were judged, another point only where that was
    too large to search at. `left_out` says in words what was not done.
    """

    def __init__(
        self,
        operation: Operation,
        v: Array,
        wrong: Arrays,
        truth: Arrays,
        bound: Arrays,
        *,
        seed: int,
        budget: Budget,
        judged: Point | None = None,
        find_elsewhere: Callable[[Problem], Point | None] | None = None,
    ) -> None:
        if operation.dtype != DOUBLE:
            operation = operation.widened()
        self.operation, self.budget = operation, budget
        self.rng = np.random.default_rng([seed, 4])
        self.left_out: list[str] = []
        self.whole_calls = False
        self.asked, self.resized = False, None
        self.find_elsewhere = find_elsewhere
        inputs = {k: wide(a) for k, a in operation.inputs.items()}
        self.tape = self.recorded(inputs, v, truth, bound)
        self.given = Point(inputs, np.asarray(v, np.float64), wrong, truth, bound, self.tape)
        self.judged = judged or self.given
        self.names = tuple(wrong)
        first = next(iter(inputs))
        self.axes = {k: axis_names(k, a.shape, self.tape, data=k == first) for k, a in inputs.items()}
        batch = batch_recognised(operation, self.axes.values(), np.ndim(v))
        self.told = {k: as_told(axes, inputs[k].shape, np.shape(v), batch=batch) for k, axes in self.axes.items()}
        self.output_axes = output_axes(operation, self.tape, np.ndim(v))
        self.others = self.drawn() if self.tape is not None else self.rescaled()
        self.leave(self.given, operation.at(inputs))
        for point in (self.given, self.judged, *self.others):
            point.sizes = self.numbers(point)
        if operation.reference is None:
            self.differentiate()

    def recorded(self, inputs: Arrays, v: Array, truth: Arrays, bound: Arrays) -> Tape | None:
        """The reference's tape, if its backward agrees with the truth that was given.

        Where it does not, a call inside has a derivative rule of its own: then such calls stay whole.
        """
        if self.operation.reference is None:
            return None
        for whole in (False, True):
            self.whole_calls = whole
            tape = record(self.operation.reference, inputs, self.operation.wrt, whole_calls=whole)
            gradients = tape.pull(tape.run(inputs), v).gradients
            at = Point(inputs, v, {}, truth, bound)
            if all(at.is_truth(gradients[k], k) for k in truth):
                return tape
        return None

    # ------------------------------------------------------------------ points

    def drawn(self) -> list[Point]:
        """Up to two generic points at the same shapes: every number moved a little, and all of them elsewhere.

        Both are drawn from the ranges that the given numbers show (`draws`). A point at which the forward or the
        backward does not work is replaced by one close to the given one, or left out.
        """
        return [p for p in map(self.fresh, (draws.moved_within, draws.resampled)) if p is not None]

    @cached_property
    def further(self) -> list[Point]:
        """More points at the same shapes, which only what fits at the others is held against: of a branch that those
        did not take (a clip from below) they say nothing."""
        if self.tape is None:
            return []
        rng = np.random.default_rng([8, self.given.v.size])
        found = [p for p in (self.fresh(draws.resampled, rng) for _ in range(HELD_AGAINST)) if p is not None]
        for point in found:
            point.sizes = self.numbers(point)
        return found

    def fresh(self, draw: Any, rng: np.random.Generator | None = None) -> Point | None:
        rng = rng or self.rng
        for way in ways(draw):
            inputs = {k: way(a, rng) if k in self.operation.drawn else a for k, a in self.given.inputs.items()}
            v = draws.cotangent(self.given.v.shape, rng)
            point = judged_at(self.operation, inputs, v, self.names, self.tape)
            if point is not None:
                self.leave(point, self.operation.at(inputs))
                return point
        return None

    def leave(self, point: Point, operation: Operation) -> None:
        """Notes on a point what the backward leaves of its arguments, where it writes to them."""
        v = point.v.astype(operation.dtype)
        inputs = {k: np.array(a, copy=True) for k, a in operation.inputs.items()}
        try:
            operation.backward(v, inputs)
        except Exception:  # a backward that may be called but once: its arguments are what they are
            return
        left = {"": v, **inputs}
        before = {"": point.v, **operation.inputs}
        point.left = {k: wide(a) for k, a in left.items() if not np.array_equal(a, before[k], equal_nan=True)}

    def elsewhere(self) -> Point | None:
        """A point at other sizes (`elsewhere`), found when it is first asked for."""
        if not self.asked:
            self.asked = True
            self.resized = self.find_elsewhere(self) if self.find_elsewhere else None
        return self.resized

    def rescaled(self) -> list[Point]:
        """Without a tape: the same inputs and another multiple of the cotangent, whose truth is that multiple."""
        given = self.given
        try:
            wrong = self.operation.gradients((MULTIPLE * given.v).astype(self.operation.dtype))
        except Exception:  # the user's code at a cotangent that the user did not choose: nothing is learnt
            return []
        point = Point(
            given.inputs,
            MULTIPLE * given.v,
            {k: np.asarray(wrong[k], np.float64) for k in self.names},
            {k: MULTIPLE * a for k, a in given.truth.items()},
            {k: abs(MULTIPLE) * a for k, a in given.bound.items()},
        )
        self.leave(point, self.operation)
        return [point]

    def differentiate(self) -> None:
        """Without a reference: small Jacobians by differences of the forward, so that other cotangents can be tried."""
        y = self.operation.output()
        for point in (self.given, *self.others):
            point.memo["y"] = y
        for name in self.names:
            x = self.given.inputs[name]
            calls = 4 * x.size
            if x.size * y.size > MOST_JACOBIAN or calls > MOST_CALLS or self.budget.ended:
                self.left_out.append(f"other incoming gradients for {name} (its Jacobian takes {calls} calls)")
                continue
            self.budget.spend(calls * (CALL + y.size))
            try:
                jacobian = jacobian_of(partial(self.moved, name), x)
            except Exception:  # the user's code at numbers that the user did not choose
                self.left_out.append(f"other incoming gradients for {name} (the forward refuses inputs close by)")
                continue
            for point in (self.given, *self.others):
                point.jacobians[name] = jacobian

    def moved(self, name: str, array: Array) -> Array:
        """The forward with one input replaced."""
        return self.operation.output({name: array})

    def points(self, name: str) -> list[Point]:
        """Where the gradient of `name` is wrong, the generic points first."""
        return [p for p in (*self.others, self.given) if p.is_wrong(name)]

    # ------------------------------------------------------------------ work

    @cached_property
    def pass_work(self) -> float:
        """The work of one pass over the tape, or over the Jacobians."""
        if self.tape is None:
            return STEP + sum(j.rows.size for j in self.given.jacobians.values())
        return pass_work(self.tape)

    def work(self, candidate: Candidate, point: Point, name: str) -> float:
        """The work of trying a candidate at a point, the comparison included."""
        passes = 0 if candidate in point.memo else candidate.passes
        return STEP + point.wrong[name].size + passes * self.pass_work

    # ------------------------------------------------------------------ sizes

    def sizes(self, point: Point | None = None) -> list[Size]:
        """The named sizes at a point; the given one if none is named."""
        point = point or self.given
        shapes = {k: a.shape for k, a in point.inputs.items()}
        return sizes_of(shapes, self.axes, point.v.shape, self.output_axes, self.windows())

    def special_sizes(self, point: Point | None = None) -> list[Size]:
        """Numbers beside the sizes that need not be whole."""
        return special_sizes(self.sizes(point), scalars_of(point or self.given))

    def numbers(self, point: Point) -> dict[str, float]:
        """Everything that a reading may name, at a point."""
        return {size.name: size.value for size in (*self.sizes(point), *self.special_sizes(point))}

    def factor_where_judged(self, reading: Reading) -> float:
        """What a named factor comes to at the sizes at which the gradients were judged."""
        return reading.value(self.numbers(self.judged))

    def windows(self) -> list[tuple[int, ...]]:
        """The windows of pools: sizes that stand in no array's shape."""
        if self.tape is None:
            return []
        return [
            tuple(n for n in step.eqn.params["window_dimensions"] if n > 1)
            for step in self.tape.steps
            if "window_dimensions" in step.eqn.params
        ]


Way = Callable[[Array, np.random.Generator], Array]


def ways(first: Way = draws.moved_within) -> Iterator[Way]:
    """How numbers are drawn, to be tried in this order."""
    yield lambda a, rng: congruent(a, rng) if is_symmetric(a) else first(a, rng)
    yield lambda a, rng: congruent(a, rng) if is_symmetric(a) else nearby(a, rng)


def nearby(a: Array, rng: np.random.Generator) -> Array:
    """The same numbers, each moved by some twenty percent."""
    return a * np.exp(0.2 * rng.normal(size=a.shape))


def is_symmetric(a: Array) -> bool:
    """Square in its last two axes, and every matrix its own transpose."""
    square = a.ndim > 1 and a.shape[-1] == a.shape[-2] > 1 and a.dtype.kind == "f"
    return square and bool(a.any()) and np.allclose(a, np.swapaxes(a, -1, -2), rtol=2.0**-40, atol=0)


def congruent(a: Array, rng: np.random.Generator) -> Array:
    """C A Cᵀ for a C near 1: symmetric, and positive definite where A is (Sylvester)."""
    n = a.shape[-1]
    c = np.eye(n) + 0.3 * rng.normal(size=a.shape) / np.sqrt(n)
    moved = c @ a @ np.swapaxes(c, -1, -2)
    return (moved + np.swapaxes(moved, -1, -2)) / 2
