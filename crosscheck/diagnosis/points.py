"""One point at which candidates are tried: inputs and cotangent, the user's gradients there, and the truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from crosscheck.diagnosis.expressions import HERE, Call
from crosscheck.diagnosis.tolerances import CANDIDATE, JACOBIAN_LEAST, JACOBIAN_STEP, LEAST
from crosscheck.floats import DOUBLE
from crosscheck.operation import Operation
from crosscheck.traces.pointwise import at_point
from crosscheck.traces.tape import Pulled, Tape
from crosscheck.witnesses.autodiff import autodiff

Array = np.ndarray
Arrays = dict[str, Array]


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
    sizes: dict[str, float] = field(default_factory=dict)  # what a named number is here
    left: dict[str, Array] = field(default_factory=dict)  # what the user's backward wrote to, as it left it
    memo: dict[Any, Any] = field(default_factory=dict)

    # ------------------------------------------------------------------ what an expression may read

    @property
    def values(self) -> list[Any]:
        """Every value of the reference's forward."""
        assert self.tape is not None
        if "values" not in self.memo:
            self.memo["values"] = self.tape.run(self.inputs)
        return self.memo["values"]

    @property
    def arrivals(self) -> list[Any]:
        """What arrives at the output of each step in the true backward pass."""
        if "arrivals" not in self.memo:
            self.memo["arrivals"] = self.pull().arriving
        return self.memo["arrivals"]

    def value(self, place: int) -> Array:
        return np.asarray(self.values[place])

    def arrives(self, step: int) -> Array:
        arrived = self.arrivals[step]
        return np.asarray(arrived[0] if isinstance(arrived, tuple) else arrived)

    def cotangent(self) -> Array:
        return self.v

    def output(self) -> Array:
        return self.memo["y"] if self.tape is None else self.value(self.tape.output)

    def input(self, name: str) -> Array:
        return self.inputs[name]

    def true(self, name: str) -> Array:
        return self.truth[name]

    def written(self, name: str) -> Array:
        """The incoming gradient ("") or an input, as the user's backward leaves it."""
        return self.left[name] if name in self.left else self.inputs[name] if name else self.v

    # ------------------------------------------------------------------ passes

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """`make()`, remembered: the same counterfactual gives every gradient."""
        if key not in self.memo:
            self.memo[key] = make()
        return self.memo[key]

    def pull(
        self,
        v: Array | None = None,
        inputs: Mapping[str, Array] | None = None,
        fixed: Mapping[int, Array] | None = None,
        **switches: Any,
    ) -> Pulled:
        """The backward pass, for another cotangent, at other inputs or fixed values or with the tape's switches."""
        assert self.tape is not None
        values = self.tape.run({**self.inputs, **(inputs or {})}, fixed) if inputs or fixed else self.values
        return self.tape.pull(values, self.v if v is None else v, **switches)

    def by_jacobians(self, v: Array) -> Arrays:
        """The true gradients for another cotangent where there is no tape."""
        return {
            k: np.sum(j.rows * v, axis=tuple(range(1, j.rows.ndim))).reshape(self.truth[k].shape)
            for k, j in self.jacobians.items()
        }

    # ------------------------------------------------------------------ what counts as equal

    def relative_bound(self, name: str) -> float:
        """The largest bound over the largest entry of the truth."""
        if name in self.jacobians:
            return self.jacobians[name].error
        top = float(np.abs(self.truth[name]).max(initial=0.0))
        worst = float(np.max(self.bound[name], initial=0.0))
        return worst / top if top > 0 and math.isfinite(worst) else LEAST

    def allowed(self, name: str, *arrays: Array) -> float:
        """How far two computations of one array may be apart, from the largest entry of these."""
        scale = max(float(np.abs(a).max(initial=0.0)) for a in arrays)
        return CANDIDATE * max(self.relative_bound(name), LEAST) * scale

    def same(self, candidate: Array, name: str) -> bool:
        """Is it what the user's code gave? Where both are what is left of terms that cancel, they are the same zero."""
        wrong = self.wrong[name]
        return candidate.shape == wrong.shape and bool(
            (np.abs(candidate - wrong) <= self.allowed(name, candidate, wrong, self.truth[name])).all()
        )

    def is_zero(self, name: str) -> bool:
        """Is what the user's code gave zero, to rounding?"""
        return self.same(np.zeros_like(self.wrong[name]), name)

    def is_truth(self, candidate: Array, name: str) -> bool:
        truth = self.truth[name]
        return candidate.shape == truth.shape and bool((np.abs(candidate - truth) <= self.allowed(name, truth)).all())

    def off(self, name: str) -> Array:
        """The entries at which the gradient is wrong."""
        return np.abs(self.wrong[name] - self.truth[name]) > self.bound[name]

    def is_wrong(self, name: str) -> bool:
        wrong, truth = self.wrong[name], self.truth[name]
        if wrong.shape != truth.shape or not np.isfinite(wrong).all():
            return True
        return bool(self.off(name).any())


# A factor whose multiples are rounded; of sums of 2^8 terms in float32, of the largest entry, no more is lost.
NOT_EXACT = 1.3
IN_SINGLE = 2.0**-16

# What arrays of a point are called in an expression.
COTANGENT = Call(Point.cotangent, (HERE,))
OUTPUT = Call(Point.output, (HERE,))


def value(place: int) -> Call:
    """A value of the forward."""
    return Call(Point.value, (HERE, place))


def arrives(step: int) -> Call:
    """What arrives at a step in the true pass."""
    return Call(Point.arrives, (HERE, step))


def true(name: str) -> Call:
    """The true gradient."""
    return Call(Point.true, (HERE, name))


def judged_at(
    operation: Operation, inputs: Arrays, v: Array, names: tuple[str, ...], tape: Tape | None = None
) -> Point | None:
    """The point at `inputs`; None where the user's code or the reference does not work there.

    Both are asked about numbers and sizes that their author did not choose: an exception is no news.
    """
    assert operation.reference is not None
    if tape is not None and at_point(operation.reference, inputs) is not at_point(
        operation.reference, operation.inputs
    ):
        return None  # another program there, of which this is not the tape
    try:
        own = {k: a.astype(operation.inputs[k].dtype) for k, a in inputs.items()}
        wrong = operation.at(own).gradients(v.astype(operation.dtype))
        with np.errstate(all="ignore"):
            auto = autodiff(operation.reference, inputs, operation.wrt, v, DOUBLE)
    except Exception:
        return None
    truth = {k: auto.gradients[k].value for k in names}
    if not all(np.isfinite(a).all() for a in truth.values()):
        return None
    got = {k: np.asarray(wrong[k], np.float64) for k in names}
    bound = {k: np.maximum(auto.allowed(k), rounded(operation.at(own), v, k, got[k])) for k in names}
    return Point(inputs, v, got, truth, bound, tape)


def rounded(operation: Operation, v: Array, name: str, got: Array) -> float:
    """How far code that computes in float32 inside is from its formula: by so much its gradient of a multiple of v is
    not the multiple. More than float32 explains is none of rounding, and is no bound."""
    try:
        multiple = operation.gradients((NOT_EXACT * v).astype(operation.dtype))[name]
    except Exception:  # a backward that may be called but once
        return 0.0
    if multiple.shape != got.shape:
        return 0.0
    off = float(np.abs(multiple / NOT_EXACT - got).max(initial=0.0))
    return off if off <= IN_SINGLE * float(np.abs(got).max(initial=0.0)) else 0.0


def jacobian_of(function: Callable[[Array], Array], x: Array) -> Jacobian:
    """Central differences at two steps, extrapolated; their distance is taken for the error."""
    step = JACOBIAN_STEP * (float(np.abs(x).max(initial=0.0)) or 1.0)

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
    return Jacobian(rows, max(float(np.abs(rows - fine).max(initial=0.0)) / top, JACOBIAN_LEAST))
