"""The points at which candidates are tried."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck.diagnosis import diagnose_all
from crosscheck.diagnosis.budget import Budget
from crosscheck.diagnosis.candidates import Candidate, evaluate
from crosscheck.diagnosis.points import true
from crosscheck.diagnosis.problem import Problem
from crosscheck.doors.functions import from_functions
from crosscheck.operation import Operation
from tests.diagnosis.derivations import (
    CONV,
    OVERLAP,
    SOFTMAX,
    TANH,
    Array,
    Arrays,
    Base,
    softmax,
)
from tests.diagnosis.harness import (
    drawn,
    judged,
    planted_operation,
    reasons,
)


@pytest.mark.parametrize(
    ("base", "gradient", "mistake", "kind"),
    [
        (CONV, "filters", lambda r, g, **_: -r["filters"], "sign"),
        (CONV, "filters", lambda r, g, **_: r["filters"] / 9, "scaled"),
        (CONV, "filters", lambda r, g, **_: r["filters"][:, :, ::-1], "flipped"),
        (CONV, "filters", lambda r, g, **i: CONV.backward(0 * g + 1, **i)["filters"], "ignores-upstream"),
        (OVERLAP, "x", lambda r, g, x: OVERLAP.backward(g, x, mistake="overwritten")["x"], "overwritten"),
        (SOFTMAX, "x", lambda r, g, x: g * softmax(x) * (1 - softmax(x)), "missing-terms"),
        (CONV, "filters", lambda r, g, **_: np.cos(7 * r["filters"]), None),
    ],
)
def test_without_a_reference(base: Base, gradient: str, mistake: Any, kind: str, rng: np.random.Generator) -> None:
    operation = planted_operation(base, gradient, mistake, drawn(base, rng))
    v = rng.normal(size=operation.output().shape)
    truth = base.backward(v, **operation.inputs)[gradient]
    bound = np.full(truth.shape, 1e-9 * np.abs(truth).max())
    wrong = operation.gradients(v)[gradient]
    blind = replace(operation, reference=None)
    found = diagnose_all(blind, v, {gradient: wrong}, {gradient: truth}, {gradient: bound}).diagnoses[gradient]
    assert (found[0].kind if found else None) == kind


# ---------------------------------------------------------------------- fresh points


def posed(operation: Operation, v: Array) -> Problem:
    return Problem(operation, v, *judged(operation, v), seed=0, budget=Budget())


def test_fresh_points_stay_where_the_caller_is(rng: np.random.Generator) -> None:
    inputs = {"x": rng.uniform(2.0, 3.0, (4, 5)), "w": -rng.uniform(1e-9, 1e-8, (4, 5)), "mask": np.eye(4, 5)}

    def backward(g: Array, x: Array, w: Array, mask: Array) -> Arrays:
        return {"x": g * w, "w": g * x}

    operation = from_functions(
        lambda x, w, mask: x * w * mask, backward, inputs, lambda x, w, mask: x * w * mask, wrt=("x", "w")
    )
    problem = posed(operation, rng.normal(size=(4, 5)))
    assert len(problem.others) == 2
    for point in problem.others:
        assert np.array_equal(point.inputs["mask"], inputs["mask"])
        for name in ("x", "w"):
            drawn, given = point.inputs[name], inputs[name]
            assert given.min() <= drawn.min()
            assert drawn.max() <= given.max()
            assert not (drawn == given).any()
        assert point.is_wrong("x")


def test_a_reference_that_loops_for_positive_numbers_only_ends() -> None:
    """Newton's square root of a negative number never converges; the search asks for none."""

    @jax.custom_vjp
    def root(a: Any) -> Any:
        return jax.lax.while_loop(lambda s: jnp.any(jnp.abs(s * s - a) > 1e-14 * a), lambda s: 0.5 * (s + a / s), a)

    root.defvjp(lambda a: (root(a), root(a)), lambda s, g: (g / (2 * s),))
    seen: list[Array] = []

    def forward(x: Array) -> Array:
        return np.sqrt(x)

    def backward(g: Array, x: Array) -> Arrays:
        seen.append(x)
        return {"x": g / np.sqrt(x)}

    x = np.array([0.7, 1.3, 2.0])
    operation = from_functions(forward, backward, {"x": x}, lambda x: root(x))
    found = reasons(operation, np.array([1.0, -0.5, 2.0]))
    assert found["x"][0].evidence["factor"] == pytest.approx(2)
    assert all((a > 0).all() for a in seen)


def test_a_point_outside_the_domain_is_replaced_by_one_nearby() -> None:
    """Equal numbers move towards zero; where the user's code refuses that, some percent away is tried."""
    x = np.array([30.0, 30.0])

    def forward(x: Array) -> Array:
        if (x < 25).any():
            raise ValueError("too small")
        return np.log(x)

    def backward(g: Array, x: Array) -> Arrays:
        forward(x)
        return {"x": 3 * g / x}

    problem = posed(from_functions(forward, backward, {"x": x}, jnp.log), np.ones(2))
    assert problem.others
    assert all((point.inputs["x"] >= 25).all() for point in problem.others)


def test_a_jacobian_that_takes_too_many_calls_is_left_out(rng: np.random.Generator) -> None:
    calls = 0

    def forward(x: Array) -> Array:
        nonlocal calls
        calls += 1
        return np.array([np.sum(x * x)])

    x = rng.normal(size=5000)
    operation = from_functions(forward, lambda g, x: {"x": np.cos(x)}, {"x": x})
    truth = {"x": 2 * x}
    found = diagnose_all(operation, np.ones(1), {"x": np.cos(x)}, truth, {"x": 1e-9 + 0 * x})
    assert calls < 20
    assert [remark.kind for remark in found.remarks] == ["left-out"]


def test_a_forward_that_refuses_inputs_close_by_has_no_jacobian(rng: np.random.Generator) -> None:
    x = np.array([1.0, 2.0, 3.0])

    def forward(x: Array) -> Array:
        assert (x == np.round(x)).all()
        return x**2

    operation = from_functions(forward, lambda g, x: {"x": g * np.cos(x)}, {"x": x})
    v = np.array([1.0, -2.0, 0.5])
    found = diagnose_all(operation, v, {"x": v * np.cos(x)}, {"x": 2 * v * x}, {"x": 1e-9 + 0 * x})
    assert found.diagnoses["x"] == []
    assert [remark.kind for remark in found.remarks] == ["left-out"]


def test_work_grows_with_the_tape_and_is_less_the_second_time(rng: np.random.Generator) -> None:
    operation = planted_operation(TANH, "x", lambda r, g, x: g, drawn(TANH, rng))
    problem = posed(operation, rng.normal(size=(4, 5)))
    point = problem.given
    candidate = Candidate("sign", "", scales=(((0, 0), -1.0),))
    first = problem.work(candidate, point, "x")
    assert first > problem.pass_work > 20
    evaluate(candidate, point, "x")
    assert problem.work(candidate, point, "x") == first - problem.pass_work
    assert problem.work(Candidate("", "", result=true("x")), point, "x") == first - problem.pass_work
