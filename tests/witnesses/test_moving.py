"""The witnesses that move the inputs: differences in groups, directions where they must do, the complex step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from crosscheck.evidence.estimate import COMPLEX_STEP, DIFFERENCE, DIRECTIONS, HAND
from crosscheck.judge import judge
from crosscheck.operation import Operation
from crosscheck.witnesses import moving
from crosscheck.witnesses.differences import Group, one_by_one
from crosscheck.witnesses.groups import AxisPlan, Footprint, Plan
from crosscheck.witnesses.moving import complex_step, directions, moving_witnesses, plan_for, random_direction

Array = np.ndarray


def operation(forward: Callable[[Array], Any], x: Array) -> Operation:
    """A forward that is handed over for moving, too: that is the one which may take complex numbers."""

    def moved(d: dict[str, Array]) -> Any:
        return forward(d["x"])

    return Operation("f", moved, lambda g, d: {}, {"x": x}, ("x",), None, moving_forward=moved)


def convolution(side: int) -> Operation:
    """y = x * w with its two hand-derived gradients."""
    rng = np.random.default_rng(0)

    def forward(d: dict[str, Array]) -> Array:
        padded = np.pad(d["x"], ((0, 0), (0, 0), (1, 1), (1, 1)))
        return np.einsum("bkhwij,ckij->bchw", sliding_window_view(padded, (3, 3), axis=(2, 3)), d["w"])

    def backward(g: Array, d: dict[str, Array]) -> dict[str, Array]:
        padded = np.pad(d["x"], ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.pad(g, ((0, 0), (0, 0), (1, 1), (1, 1)))
        return {
            "x": np.einsum(
                "bchwij,ckij->bkhw", sliding_window_view(windows, (3, 3), axis=(2, 3)), d["w"][:, :, ::-1, ::-1]
            ),
            "w": np.einsum("bkhwij,bchw->ckij", sliding_window_view(padded, (3, 3), axis=(2, 3)), g),
        }

    inputs = {"x": rng.normal(size=(1, 2, side, side)), "w": rng.normal(size=(2, 2, 3, 3))}
    return Operation("convolution", forward, backward, inputs, ("x", "w"), None, moving_forward=forward)


@pytest.mark.parametrize("side", [8, 32])
def test_forwards_do_not_grow_with_the_image(side: int) -> None:
    subject = convolution(side)
    v = np.random.default_rng(1).normal(size=subject.output().shape)
    difference, step = moving_witnesses(subject, "x", v, None)
    assert difference.notes["evaluations"] < 200
    truth = subject.gradients(v)["x"]
    for estimate in (difference, step):
        assert (np.abs(estimate.value - truth) <= estimate.bound).all()
        assert (estimate.bound <= 1e-6 * np.abs(truth).max()).all()
    assert (difference.witness, step.witness) == (DIFFERENCE, COMPLEX_STEP)


def test_few_entries_are_not_worth_a_plan() -> None:
    assert plan_for(operation(np.tanh, np.ones((2, 3))), "x", 6) is None
    plan = plan_for(operation(np.tanh, np.ones((200, 200))), "x", 40_000)
    assert plan is not None
    assert plan.evaluations == 1
    assert plan_for(operation(lambda x: np.cumsum(x), np.ones(200)), "x", 200) is None  # it would separate nothing


def diagonal(n: int, m: int) -> Footprint:
    """Entry i is said to move output i, and nothing else."""
    return Footprint(n, m, tuple(np.array([i] if i < m else [], np.int64) for i in range(n)))


def test_a_wrong_grouping_is_noticed_and_every_entry_taken_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=200)
    subject = operation(lambda x: x[:-1] * x[1:], x)
    v = np.ones(199)
    # Each output is said to depend on one entry only, and all entries to share an evaluation.
    wrong = Plan((200,), (199,), (AxisPlan(1, 0, diagonal(200, 199)),))
    monkeypatch.setattr(moving, "plan_for", lambda operation, name, outputs: wrong)
    found = moving_witnesses(subject, "x", v, None)[0]
    truth = np.concatenate([x[1:], [0.0]]) + np.concatenate([[0.0], x[:-1]])
    assert (np.abs(found.value - truth) <= found.bound).all()


def test_an_output_that_moves_and_belongs_to_nobody_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=200)
    subject = operation(lambda x: np.concatenate([x, [x.sum()]]), x)
    nobody = Plan((200,), (201,), (AxisPlan(1, 0, diagonal(200, 201)),))
    monkeypatch.setattr(moving, "plan_for", lambda operation, name, outputs: nobody)
    found = moving_witnesses(subject, "x", np.ones(201), None)[0]
    assert (np.abs(found.value - 2.0) <= found.bound).all()


# ---------------------------------------------------------------------- random directions


def test_along_directions_the_derivative_is_that_of_the_gradient() -> None:
    subject = convolution(6)
    v = np.random.default_rng(1).normal(size=subject.output().shape)
    found = directions(subject, "w", v, None)
    truth = [np.sum(subject.gradients(v)["w"] * d) for d in found.notes["directions"]]
    assert found.witness == DIRECTIONS
    assert (np.abs(found.value - truth) <= found.bound).all()
    assert found.notes["miss"] == 2.0**-20
    assert found.speaks().all()


def test_a_direction_across_a_kink_does_not_speak() -> None:
    found = directions(operation(np.abs, np.zeros(3)), "x", np.array([1.0, 2.0, 4.0]), None)
    assert not found.speaks().any()
    assert found.notes["kinks"] == moving.DIRECTION_COUNT
    assert found.notes["miss"] == 1.0


def test_a_direction_moves_every_entry_by_the_typical_size() -> None:
    d = random_direction(np.array([3e5, -4e5, 1.0]), np.random.default_rng(0))
    assert (np.abs(d) == 2.0**18).all()
    assert (np.abs(random_direction(np.zeros(4), np.random.default_rng(0))) == 1).all()


@pytest.mark.parametrize("wrong", [False, True])
def test_directions_stand_in_where_entries_take_too_many_forwards(wrong: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "FORWARDS", 0)
    subject = convolution(5)

    def backward(g: Array, d: dict[str, Array]) -> dict[str, Array]:
        found = subject.backward(g, d)
        found["w"][1, 0, 2, 1] *= 1.01 if wrong else 1.0
        return found

    result = judge(replace(subject, backward=backward), exact=False, diagnose=False)
    assert result.passed != wrong
    assert (HAND, DIRECTIONS) in result.gradients["w"].pairs
    assert any("20 random directions" in remark for remark in result.gradients["x"].remarks)


# ---------------------------------------------------------------------- the complex step

X = np.random.default_rng(0).normal(size=(3, 4))
V = np.random.default_rng(1).normal(size=(3, 4))


def alone() -> Iterator[Group]:
    return one_by_one(X.size)


def test_an_analytic_forward_gives_nearly_every_digit() -> None:
    found = complex_step(operation(lambda x: np.exp(np.sin(x)), X), "x", V, alone)
    assert found is not None
    truth = V * np.exp(np.sin(X)) * np.cos(X)
    assert (np.abs(found.value - truth) <= found.bound).all()
    assert (found.bound <= 1e-11 * np.abs(truth).max()).all()


def test_groups_are_told_apart() -> None:
    together = [Group(np.arange(12), np.arange(12), 12)]
    found = complex_step(operation(np.sin, X), "x", V, lambda: together)
    assert found is not None
    assert (np.abs(found.value - V * np.cos(X)) <= found.bound).all()


SILENT: dict[str, Callable[[Array], Any]] = {
    "drops the imaginary part": lambda x: x.astype(float) ** 2,
    "drops it on the way": lambda x: x * x.astype(float),
    "takes the real part": lambda x: np.real(x) ** 2,
    "refuses": lambda x: np.frompyfunc(lambda a: float(a) ** 2, 1, 1)(x),
    "is not finite": lambda x: x / 0.0,
}


@pytest.mark.parametrize("name", SILENT)
def test_code_without_complex_numbers_has_no_complex_step(name: str) -> None:
    assert complex_step(operation(SILENT[name], X), "x", V, alone) is None


def test_it_is_asked_where_it_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "COMPLEX_GROUPS", 11)
    assert [e.witness for e in moving_witnesses(operation(np.sin, X), "x", V, None)] == [DIFFERENCE]
    monkeypatch.setattr(moving, "COMPLEX_GROUPS", 12)
    assert [e.witness for e in moving_witnesses(operation(np.sin, X), "x", V, None)] == [DIFFERENCE, COMPLEX_STEP]


def test_beside_a_reference_that_speaks_it_is_asked_where_the_forward_makes_few_calls() -> None:
    class Recorded:
        """As a recorded forward that makes so many calls of NumPy."""

        def __init__(self, steps: int) -> None:
            self.steps = steps

        def __call__(self, x: Any) -> Any:
            return jnp.sin(x)

    loops = moving.NUMBERS_BESIDE // moving.CALL // (4 * X.size) + 1
    for steps, asked in ((10, [DIFFERENCE, COMPLEX_STEP]), (loops, [DIFFERENCE])):
        subject = replace(operation(np.sin, X), reference=Recorded(steps))
        assert [e.witness for e in moving_witnesses(subject, "x", V, None)] == asked
