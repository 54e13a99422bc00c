"""A wrong gradient, the points at which candidates are tried on it, and what counts as a match.

A candidate is tried at several points: the one that was judged, and others drawn here at the same
shapes (nothing is compiled again), generic ones, where coincidences of the user's numbers do not
happen. It must reproduce what the user's backward gives at each of them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from crosscheck.diagnosis.factors import Reading, Size
from crosscheck.diagnosis.words import axis_names, output_names
from crosscheck.floats import DOUBLE
from crosscheck.operation import Operation, wide
from crosscheck.traces.tape import Pulled, Tape, record
from crosscheck.witnesses.autodiff import autodiff

Array = np.ndarray
Arrays = dict[str, Array]

# A candidate is another computation than the truth, with rounding errors of the same relative size
# (norm against norm) but not the same ones: its bound is the truth's relative bound, this many
# times.
CANDIDATE = 4.0
# The least relative error of any array of sums: a few units, whatever the bound says (0 for
# rearrangements).
LEAST = 2.0**-46
# Entries of a Jacobian that is worth having by differences.
MOST_JACOBIAN = 200_000


class Candidate(NamedTuple):
    """A known mistake.

    `at(point, name)` is what it would give for one gradient; None where it does not apply. `text`
    continues "the gradient of x ...". `key` tells it from every other candidate of the operation.
    """

    kind: str
    text: str
    at: Callable[[Point, str], Array | None]
    key: tuple[Any, ...] = ()
    parts: tuple[Any, ...] = ()  # what it switches in the tape, where it does (`steps.Part`)


class Jacobian(NamedTuple):
    """∂y_o/∂x_i by differences of the user's forward, (entries of x, *shape of y), and its relative error."""

    rows: Array
    error: float


@dataclass
class Point:
    """One point: inputs and cotangent, the user's gradients there, and the truth with its bound."""

    inputs: Arrays
    v: Array
    wrong: Arrays
    truth: Arrays
    bound: Arrays
    tape: Tape | None = None
    jacobians: dict[str, Jacobian] = field(default_factory=dict)  # only where there is no tape
    memo: dict[Any, Any] = field(default_factory=dict)

    @property
    def values(self) -> list[Any]:
        """Every value of the reference's forward."""
        assert self.tape is not None
        if "values" not in self.memo:
            self.memo["values"] = self.tape.run(self.inputs)
        return self.memo["values"]

    @property
    def y(self) -> Array:
        if self.tape is None:
            return self.memo["y"]
        return np.asarray(self.values[self.tape.output])

    @property
    def arriving(self) -> list[Any]:
        """What arrives at the output of each step in the true backward pass."""
        assert self.tape is not None
        if "arriving" not in self.memo:
            self.memo["arriving"] = self.tape.pull(self.values, self.v).arriving
        return self.memo["arriving"]

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """`make()`, remembered: the same counterfactual gives every gradient."""
        if key not in self.memo:
            self.memo[key] = make()
        return self.memo[key]

    def with_cotangent(self, v: Array) -> Arrays:
        """The true gradients for another cotangent."""
        if self.tape is None:
            return {
                k: np.sum(j.rows * v, axis=tuple(range(1, j.rows.ndim))).reshape(self.truth[k].shape)
                for k, j in self.jacobians.items()
            }
        return self.tape.pull(self.values, v).gradients

    def with_inputs(self, changed: Mapping[str, Array]) -> Arrays:
        """The true gradients at other inputs."""
        assert self.tape is not None
        return self.tape.pull(self.tape.run({**self.inputs, **changed}), self.v).gradients

    def switched(self, **switches: Any) -> Pulled:
        assert self.tape is not None
        return self.tape.pull(self.values, self.v, **switches)

    def relative_bound(self, name: str) -> float:
        """The largest bound over the largest entry of the truth."""
        if name in self.jacobians:
            return self.jacobians[name].error
        top = float(np.abs(self.truth[name]).max(initial=0.0))
        worst = float(np.max(self.bound[name], initial=0.0))
        return worst / top if top > 0 and math.isfinite(worst) else LEAST

    def allowed(self, candidate: Array, name: str) -> float:
        """How far a candidate may be from the user's array and still be it."""
        scale = max(
            float(np.abs(candidate).max(initial=0.0)),
            float(np.abs(self.wrong[name]).max(initial=0.0)),
        )
        return CANDIDATE * max(self.relative_bound(name), LEAST) * scale

    def same(self, candidate: Array, name: str) -> bool:
        wrong = self.wrong[name]
        return candidate.shape == wrong.shape and bool(
            (np.abs(candidate - wrong) <= self.allowed(candidate, name)).all()
        )

    def is_truth(self, candidate: Array, name: str) -> bool:
        truth = self.truth[name]
        if candidate.shape != truth.shape:
            return False
        tolerance = CANDIDATE * max(self.relative_bound(name), LEAST) * np.abs(truth).max(initial=0.0)
        return bool((np.abs(candidate - truth) <= tolerance).all())

    def is_wrong(self, name: str) -> bool:
        wrong, truth = self.wrong[name], self.truth[name]
        if wrong.shape != truth.shape or not np.isfinite(wrong).all():
            return True
        return bool((np.abs(wrong - truth) > self.bound[name]).any())


class Problem:
    """One operation whose gradients are wrong, and the points to try candidates at.

    `given` is where the search may run; `judged` where the gradients were judged, another point
    only where that was too large to search at.
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
        budget_s: float,
        judged: Point | None = None,
    ) -> None:
        if operation.dtype != DOUBLE:
            operation = operation.widened()
        self.operation = operation
        self.deadline = time.perf_counter() + budget_s
        self.rng = np.random.default_rng([seed, 4])
        inputs = {k: wide(a) for k, a in operation.inputs.items()}
        self.tape = self.recorded(inputs, v, truth, bound)
        self.given = Point(inputs, np.asarray(v, np.float64), wrong, truth, bound, self.tape)
        self.judged = judged or self.given
        self.names = list(wrong)
        self.others: list[Point] = []
        self.axes = {k: axis_names(k, a.shape, self.tape) for k, a in inputs.items()}
        self.output_axes = output_names(np.ndim(v))
        self.draw()
        if operation.reference is None:
            self.differentiate()

    def recorded(self, inputs: Arrays, v: Array, truth: Arrays, bound: Arrays) -> Tape | None:
        """The reference's tape, if its backward agrees with the truth that was given.

        Where it does not, a call inside has a derivative rule of its own: then such calls stay
        whole.
        """
        if self.operation.reference is None:
            return None
        for whole in (False, True):
            tape = record(self.operation.reference, inputs, self.operation.wrt, whole_calls=whole)
            gradients = tape.pull(tape.run(inputs), v).gradients
            at = Point(inputs, v, {}, truth, bound)
            if all(at.is_truth(gradients[k], k) for k in truth):
                return tape
        return None

    # ------------------------------------------------------------------ points

    def draw(self) -> None:
        """Up to two generic points at the same shapes, the second with both signs everywhere."""
        for signed in (False, True):
            inputs = {
                k: generic(a, self.rng, signed) if k in self.operation.wrt else a for k, a in self.given.inputs.items()
            }
            point = self.point(inputs)
            if point is None:  # outside the domain: stay near the given point
                inputs = {
                    k: a * np.exp(0.2 * self.rng.normal(size=a.shape)) if k in self.operation.wrt else a
                    for k, a in self.given.inputs.items()
                }
                point = self.point(inputs)
            if point is not None:
                self.others.append(point)

    def point(self, inputs: Arrays) -> Point | None:
        """The point at `inputs` with a cotangent of its own; None if the forward or backward does not work there."""
        shape = self.given.v.shape
        v = self.rng.choice([-1.0, 1.0], shape) * self.rng.uniform(0.5, 2.0, shape)
        if self.operation.reference is None or self.tape is None:
            return self.rescaled()
        try:
            wrong = self.operation.at(
                {k: a.astype(self.operation.inputs[k].dtype) for k, a in inputs.items()}
            ).gradients(v.astype(self.operation.dtype))
            with np.errstate(all="ignore"):
                auto = autodiff(self.operation.reference, inputs, self.operation.wrt, v, DOUBLE)
        except Exception:  # the user's code at a point that the user did not choose: nothing is learnt
            return None
        truth = {k: auto.gradients[k].value for k in self.names}
        if not all(np.isfinite(a).all() for a in truth.values()):
            return None
        bound = {k: auto.allowed(k) for k in self.names}
        wrong = {k: np.asarray(wrong[k], np.float64) for k in self.names}
        return Point(inputs, v, wrong, truth, bound, self.tape)

    def rescaled(self) -> Point | None:
        """Without a reference: the same inputs and another multiple of the cotangent, whose truth is that multiple."""
        if self.others:
            return None
        times = -1.75
        try:
            wrong = self.operation.gradients((times * self.given.v).astype(self.operation.dtype))
        except Exception:
            return None
        return Point(
            self.given.inputs,
            times * self.given.v,
            {k: np.asarray(wrong[k], np.float64) for k in self.names},
            {k: times * a for k, a in self.given.truth.items()},
            {k: abs(times) * a for k, a in self.given.bound.items()},
        )

    def differentiate(self) -> None:
        """Without a reference: small Jacobians by differences of the forward, so that other cotangents can be tried."""
        for name in self.names:
            x = self.given.inputs[name]
            if x.size * self.given.v.size > MOST_JACOBIAN or self.late:
                continue
            jacobian = jacobian_of(lambda z, k=name: self.operation.output({k: z}), x)
            for point in (self.given, *self.others):
                point.jacobians[name] = jacobian
                point.memo["y"] = self.operation.output()

    def points(self, name: str) -> list[Point]:
        """Where the gradient of `name` is wrong, the generic points first."""
        return [p for p in (*self.others, self.given) if p.is_wrong(name)]

    @property
    def late(self) -> bool:
        return time.perf_counter() > self.deadline

    # ------------------------------------------------------------------ sizes

    def sizes(self, point: Point | None = None) -> list[Size]:
        """The named sizes at a point; the given one if none is named."""
        point = point or self.given
        shapes = {k: a.shape for k, a in point.inputs.items()}
        return sizes_of(shapes, self.axes, point.v.shape, self.output_axes, self.windows())

    def factor_where_judged(self, reading: Reading) -> float:
        """What a named factor comes to at the sizes at which the gradients were judged."""
        return reading.value({size.name: size.value for size in self.sizes(self.judged)})

    def windows(self) -> list[tuple[int, ...]]:
        """The windows of pools: sizes that stand in no array's shape."""
        if self.tape is None:
            return []
        return [
            tuple(n for n in step.eqn.params["window_dimensions"] if n > 1)
            for step in self.tape.steps
            if "window_dimensions" in step.eqn.params
        ]


AREAS = (
    ("kernel rows", "kernel columns"),
    ("window rows", "window columns"),
    ("output rows", "output columns"),
    ("rows", "columns"),
)
MOST_SIZES = 18


def sizes_of(
    shapes: Mapping[str, tuple[int, ...]],
    axes: Mapping[str, tuple[str, ...]],
    output: tuple[int, ...],
    output_axes: tuple[str, ...],
    windows: list[tuple[int, ...]],
) -> list[Size]:
    """The numbers that a derivation here may have multiplied or divided by, each once, the likeliest first."""
    found: dict[str, float] = {}

    def add(name: str, value: float) -> None:
        if value > 1:
            found.setdefault(name, float(value))

    def all_axes() -> Iterator[tuple[str, int]]:
        for name, shape in shapes.items():
            yield from zip(axes[name], shape, strict=True)
        yield from zip(output_axes, output, strict=True)

    add("2", 2)
    for word, size in all_axes():
        if word != "entries":
            add(word, size)
    for window in windows:
        if len(window) == 2:
            add("window rows", window[0])
            add("window columns", window[1])
    for a, b in AREAS:
        if a in found and b in found:
            add(f"{a} · {b}", found[a] * found[b])
    if not output_axes or output_axes == ("entries",):
        for name, shape in shapes.items():
            if len(shape) > 1:
                add(f"entries of {name}", math.prod(shape))
    if output:
        add("entries of the output", math.prod(output))
    # An area is one thing, and likelier than a single length that happens to be as large.
    costs = {"2": 0.85, "batch": 0.8} | {f"{a} · {b}": 0.9 for a, b in AREAS}
    return [Size(name, value, costs.get(name, 1.9 if "entries" in name else 1.0)) for name, value in found.items()][
        :MOST_SIZES
    ]


def jacobian_of(function: Callable[[Array], Array], x: Array) -> Jacobian:
    """Central differences at two steps, extrapolated; their distance is taken for the error."""
    step = 2.0**-12 * (float(np.abs(x).max(initial=0.0)) or 1.0)

    def differences(h: float) -> Array:
        rows = []
        for i in range(x.size):
            e = np.zeros(x.size)
            e[i] = h
            e = e.reshape(x.shape)
            rows.append((function(x + e) - function(x - e)) / (2 * h))
        return np.array(rows, np.float64)

    coarse, fine = differences(step), differences(step / 2)
    rows = (4 * fine - coarse) / 3
    top = float(np.abs(rows).max(initial=0.0)) or 1.0
    return Jacobian(rows, max(float(np.abs(rows - fine).max(initial=0.0)) / top, 2.0**-40))


def generic(a: Array, rng: np.random.Generator, signed: bool) -> Array:
    """Other numbers of the same size; unless `signed`, of one sign if all of these are."""
    if a.dtype.kind != "f" or a.size == 0:
        return a
    rms = float(np.sqrt(np.mean(np.square(a)))) or 1.0
    drawn = rng.normal(size=a.shape)
    if not signed and a.size > 1 and ((a >= 0).all() or (a <= 0).all()) and a.any():
        return np.copysign(rms * (np.abs(drawn) + 0.1), a.sum())
    return rms * drawn
