"""A budget in seconds: what it may do to a verdict, what is said of it, and what it must be."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck import deadline as clock
from crosscheck.deadline import Deadline, OutOfTime, checked_budget
from crosscheck.evidence.result import Result
from tests.refusals import refused

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2))


class Clock:
    """Stands for `time`: a second passes each time that it is read, and none otherwise."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock by which any budget ends a check at the same place on every machine."""
    monkeypatch.setattr(clock, "time", Clock())


def layer(x: Any, w: Any) -> Any:
    return np.maximum(x @ w, 0.0) ** 2


def derivative(grad_output: Any, x: Any, w: Any) -> dict[str, Any]:
    d = grad_output * 2 * np.maximum(x @ w, 0.0)
    return {"x": d @ w.T, "w": x.T @ d}


def wrong(grad_output: Any, x: Any, w: Any) -> dict[str, Any]:
    return {**derivative(grad_output, x, w), "x": 1.01 * derivative(grad_output, x, w)["x"]}


def hidden(grad_output: Any, x: Any, w: Any) -> dict[str, Any]:
    """Right where the caller's x is, wrong where its first entry is another."""
    return wrong(grad_output, x, w) if x[0, 0] < X[0, 0] else derivative(grad_output, x, w)


def reference(x: Any, w: Any) -> Any:
    return jnp.maximum(x @ w, 0.0) ** 2


def smooth(x: Any) -> Any:
    return np.tanh(x)


def half(grad_output: Any, x: Any) -> dict[str, Any]:
    """The left derivative of |x| at 0, where another convention is as good."""
    return {"x": grad_output * np.where(x > 0, 1.0, -1.0)}


def absolute(x: Any) -> Any:
    return np.abs(x)


KINK = np.array([1.0, 0.0, -2.0, 0.0])
BOTH = {"x": X, "w": W}
CHECKS: dict[str, Callable[..., Result]] = {
    "right": partial(crosscheck.check, layer, derivative, BOTH, reference),
    "wrong": partial(crosscheck.check, layer, wrong, BOTH, reference),
    "wrong elsewhere": partial(crosscheck.check, layer, hidden, BOTH, reference),
    "right, no reference": partial(crosscheck.check, layer, derivative, BOTH),
    "wrong, no reference": partial(crosscheck.check, layer, wrong, BOTH),
    "another convention": partial(crosscheck.check, absolute, half, {"x": KINK}, jnp.abs),
    "another convention, no reference": partial(crosscheck.check, absolute, half, {"x": KINK}),
    "float32": partial(
        crosscheck.check, layer, derivative, {k: a.astype(np.float32) for k, a in BOTH.items()}, reference
    ),
    "float32, wrong": partial(
        crosscheck.check, layer, wrong, {k: a.astype(np.float32) for k, a in BOTH.items()}, reference
    ),
}


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.usefixtures("ticking")
def test_a_budget_only_leaves_open(name: str) -> None:
    """For as many ticks as any check may take, the verdict of each gradient is the final one or undecided."""
    final = CHECKS[name]()
    assert "left-out" not in [f.kind for f in final.findings]
    seen, ticks, done = set(), 0, False
    while not done:
        found = CHECKS[name](budget=ticks)
        left_out = [f for f in found.findings if f.kind == "left-out"]
        for k, gradient in found.gradients.items():
            assert gradient.verdict in (final.gradients[k].verdict, "undecided"), (ticks, k, left_out)
        if final.verdict == "agree":
            assert found.verdict in ("agree", "undecided"), ticks
        assert left_out or found.verdict == final.verdict, ticks
        seen.add(found.verdict)
        done = not left_out
        ticks += 1 + ticks // 2  # close together at first, where the stages follow one another
        assert ticks < 10**6
    assert seen == {final.verdict, "undecided"}


@pytest.mark.usefixtures("ticking")
def test_what_was_left_out_is_on_the_page_and_in_the_dictionary() -> None:
    result = CHECKS["right"](budget=0)
    assert result.verdict == "undecided"
    assert not result
    page = " ".join(str(result).split())
    for part in ("the reference", "side effects", "differences of the forward in w", "further points"):
        assert part in page
    kinds = [f["kind"] for f in result.to_dict()["findings"]]
    assert kinds == ["left-out"]


@pytest.mark.usefixtures("ticking")
def test_a_wrong_gradient_is_told_before_the_differences_where_nothing_is_compared() -> None:
    """Without a kink no convention can excuse it; with one it stays open until kinks were asked for."""
    tanh = partial(crosscheck.check, smooth, lambda grad_output, x: {"x": grad_output}, {"x": X}, jnp.tanh)
    kinked = CHECKS["wrong"]

    def verdicts(check: Callable[..., Result]) -> set[str]:
        found = [check(budget=n) for n in range(0, 60, 6)]
        return {r.verdict for r in found if "differences of the forward" in str(r)}

    assert verdicts(tanh) == {"undecided", "disagree"}
    assert verdicts(kinked) == {"undecided"}


def test_without_a_budget_the_clock_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=lambda: pytest.fail("the clock was read")))
    assert CHECKS["right"]()
    assert not CHECKS["wrong"]()


def test_a_slow_forward_is_not_called_when_the_time_is_up() -> None:
    calls = []

    def slow(x: Any) -> Any:
        calls.append(1)
        time.sleep(0.1)
        return np.tanh(x)

    started = time.perf_counter()
    result = crosscheck.check(slow, lambda grad_output, x: {"x": grad_output}, {"x": X}, budget=1.0)
    assert time.perf_counter() - started < 10
    assert len(calls) <= 11
    assert result.verdict == "undecided"


@pytest.mark.parametrize("budget", [-1, -0.5, float("nan")])
@pytest.mark.parametrize("door", ["check", "check_operation", "check_layer"])
def test_a_budget_below_zero_is_refused(door: str, budget: float) -> None:
    refused(lambda: call(door, budget), ValueError, "budget", repr(budget), "seconds")


@pytest.mark.parametrize("budget", ["5", True, [1.0], 1j])
@pytest.mark.parametrize("door", ["check", "check_operation", "check_layer"])
def test_a_budget_that_is_no_number_is_refused(door: str, budget: Any) -> None:
    refused(lambda: call(door, budget), TypeError, "budget", repr(budget).strip("'[()]"), "seconds")


class Dense:
    """A layer as small as can be."""

    def __init__(self, weights: Any) -> None:
        self.shape, self.parameters = weights.shape, weights.ravel()

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.parameters.reshape(self.shape)

    def backward(self, grad_output: Any) -> Any:
        self.gradients = (self.x.T @ grad_output).ravel()
        return grad_output @ self.parameters.reshape(self.shape).T


def call(door: str, budget: Any) -> Any:
    if door == "check":
        return crosscheck.check(smooth, half, {"x": X}, budget=budget)
    if door == "check_operation":
        pair = SimpleNamespace(forward=lambda x: (x, x), backward=lambda g, saved: (g,))
        return crosscheck.check_operation(pair, {"x": X}, budget=budget)
    return crosscheck.check_layer(SimpleNamespace(forward=smooth, backward=lambda g: g), X, budget=budget)


@pytest.mark.parametrize("budget", [None, float("inf"), 1e300, np.float32(100), np.int64(100), 100])
def test_budgets_that_are_numbers(budget: Any) -> None:
    assert call("check_operation", budget).verdict == "agree"


def test_out_of_time_passes_those_who_catch_refusals() -> None:
    assert not issubclass(OutOfTime, Exception)
    watched = Deadline(0.0).watching(lambda: 1)
    with pytest.raises(OutOfTime):
        watched()


def test_infinite_is_none() -> None:
    assert checked_budget(float("inf")) is None
    assert Deadline(None).left is None


def test_a_second_check_of_the_same_shapes_compiles_nothing() -> None:
    """Of a function, of a layer, and of a reference that closes over an array: other values, right and wrong."""
    compiled: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, duration_secs, **kwargs: (
            compiled.append(event) if event.endswith("backend_compile_duration") else None
        )
    )

    def once(seed: int) -> list[Result]:
        rng = np.random.default_rng(seed)
        x, w, closed = rng.normal(size=(3, 5)), rng.normal(size=(5, 4)), rng.normal(size=(5, 4))

        def right(grad_output: Any, x: Any) -> dict[str, Any]:
            return {"x": (grad_output * (1 - np.tanh(x @ closed) ** 2)) @ closed.T}

        def twice(grad_output: Any, x: Any) -> dict[str, Any]:
            return {"x": 2 * right(grad_output, x)["x"]}

        forward, closing = (lambda x: np.tanh(x @ closed)), (lambda x: jnp.tanh(x @ jnp.asarray(closed)))
        return [
            crosscheck.check(layer, derivative, {"x": x, "w": w}, reference),
            crosscheck.check_layer(Dense(w), x, lambda x, parameters: x @ parameters.reshape(5, 4)),
            crosscheck.check(forward, right, {"x": x}, closing),
            crosscheck.check(forward, twice, {"x": x}, closing),
        ]

    before = len(compiled)
    assert [r.verdict for r in once(1)] == ["agree", "agree", "agree", "disagree"]
    assert len(compiled) > before  # the listener listens
    before = len(compiled)
    assert [r.verdict for r in once(2)] == ["agree", "agree", "agree", "disagree"]
    assert len(compiled) == before
