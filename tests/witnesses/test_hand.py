"""What the hand-derived code says: a formula and its arithmetic are told apart, and a mistake is not widened away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

import crosscheck
from crosscheck.doors.functions import from_functions
from crosscheck.evidence.estimate import HAND, Estimate
from crosscheck.evidence.pair import Pair, compare
from crosscheck.floats import DOUBLE, UNIT
from crosscheck.operation import OUTPUT
from crosscheck.rounding import quantile
from crosscheck.witnesses import hand as module
from crosscheck.witnesses.autodiff import ASSUMED, Autodiff, autodiff, plain_gradients
from crosscheck.witnesses.hand import Asked, Said, hand_estimates

Array = np.ndarray
Arrays = dict[str, Array]

X = np.random.default_rng(0).uniform(1, 2, 40)
V = np.random.default_rng(1).uniform(0.5, 2, 40)
wide = pytest.mark.skipif(np.finfo(np.longdouble).nmant <= 52, reason="longdouble is double here")


def squared(x: Any) -> Any:
    return x * x


def right(grad_output: Any, x: Any) -> Arrays:
    return {"x": 2 * grad_output * x}


def poor(grad_output: Any, x: Any, digits: float = 10) -> Arrays:
    """Times cosh² z - sinh² z = 1, of which up to so many digits cancel."""
    z = x * stretch(digits)
    return {"x": 2 * grad_output * x * (np.cosh(z) ** 2 - np.sinh(z) ** 2)}


def poorer(grad_output: Any, x: Any) -> Arrays:
    """Poor enough that the moves of the last place are seen at every entry."""
    return poor(grad_output, x, 14)


def stretch(digits: float) -> float:
    """cosh² z is e^2z / 4, and 2^digits where x is 2."""
    return float((digits + 2) * np.log(2) / 4)


def in_float64(backward: Callable[..., Arrays]) -> Callable[..., Arrays]:
    """The same, and a system of equations solved that changes nothing: LAPACK has no longdouble."""

    def narrow(grad_output: Array, x: Array) -> Arrays:
        return {"x": np.linalg.solve(np.eye(len(x)), backward(grad_output, x)["x"])}

    return narrow


def slipped(backward: Callable[..., Arrays], slip: float) -> Callable[..., Arrays]:
    """The same, with a mistake in one entry."""

    def wrong(grad_output: Array, x: Array) -> Arrays:
        found = backward(grad_output, x)["x"].copy()
        found[7] *= 1 + slip
        return {"x": found}

    return wrong


def said_of(
    backward: Callable[..., Arrays], bounds: Arrays | None = None, forward: Callable[[Any], Any] = squared
) -> tuple[dict[str, Said], Autodiff, Asked]:
    """What is said of a backward pass of x², beside the truth."""
    operation = from_functions(forward, backward, {"x": X}, squared)
    auto = autodiff(squared, operation.inputs, ("x",), V, DOUBLE)
    comparisons = 2 * X.size

    def truth(inputs: Arrays, v: Array) -> Arrays:
        y, gradients = plain_gradients(squared, inputs, ("x",), v)
        return {**gradients, OUTPUT: y}

    asked = Asked(operation, V, truth, quantile(auto.roundings.copies, comparisons), comparisons, 0)
    answers = {**operation.gradients(V), OUTPUT: operation.output()}
    truths: dict[str, Estimate] = {**auto.gradients, OUTPUT: auto.output}
    return hand_estimates(HAND, answers, truths, bounds or {}, asked), auto, asked


def judged(backward: Callable[..., Arrays]) -> tuple[Said, Pair]:
    said, auto, asked = said_of(backward)
    return said["x"], compare(said["x"].estimate, auto.gradients["x"], asked.t)


def test_what_agrees_at_once_is_asked_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any, **more: Any) -> Any:
        raise AssertionError("nobody had to be asked")

    monkeypatch.setattr(module, "long_run", never)
    monkeypatch.setattr(module, "measured_rounding", never)
    said, auto, _ = said_of(right)
    for name, truth in {"x": auto.gradients["x"], OUTPUT: auto.output}.items():
        found = said[name]
        assert (found.how, found.lost, found.estimate.witness) == ("assumed", None, HAND)
        assert truth.sigma is not None
        np.testing.assert_array_equal(found.estimate.sigma, ASSUMED * truth.sigma)
        assert not found.estimate.bound.any()
    np.testing.assert_array_equal(said["x"].estimate.value, 2 * V * X)
    np.testing.assert_array_equal(said[OUTPUT].estimate.value, X * X)


def test_a_bound_that_the_code_gives_itself_is_kept() -> None:
    said, _, _ = said_of(right, {"x": np.full(40, 1e-3)})
    assert (said["x"].estimate.bound == 1e-3).all()
    assert not said[OUTPUT].estimate.bound.any()


@wide
def test_a_right_formula_in_poor_arithmetic_is_asked_in_longdouble() -> None:
    """It is the formula that agrees, and what the arithmetic lost is what float64 lost, to three digits."""
    said, pair = judged(poor)
    truth = 2 * V.astype(np.longdouble) * X
    assert said.how == "longdouble"
    assert pair.agree.all()
    assert said.lost is not None
    exactly = np.abs(poor(V, X)["x"] - truth).astype(float)
    np.testing.assert_allclose(said.lost, exactly, atol=2.0**-8 * exactly.max())
    assert said.lost.max() > 10 * pair.bounds.max()
    assert (np.abs(said.estimate.value - truth) < 2.0**-9 * exactly.max()).all()


@wide
@pytest.mark.parametrize("digits", [20, 30, 34])
def test_a_right_formula_is_right_however_poor_its_arithmetic(digits: int) -> None:
    """longdouble loses as many digits as float64, of 11 more: what it gives is 2^-11 of the loss from the truth."""
    said, pair = judged(lambda grad_output, x: poor(grad_output, x, digits))
    assert said.how == "longdouble"
    assert pair.agree.all()
    assert said.lost is not None
    exactly = np.abs(poor(V, X, digits)["x"] - 2 * V * X)
    np.testing.assert_allclose(said.lost, exactly, atol=2.0**-8 * exactly.max())


@wide
def test_nor_does_poor_arithmetic_excuse_a_mistake() -> None:
    def wrong(grad_output: Array, x: Array) -> Arrays:
        return poor(grad_output, x, 30)

    assert np.flatnonzero(judged(slipped(wrong, 1e-3))[1].disagree).tolist() == [7]


@wide
@pytest.mark.parametrize("backward", [right, poor])
@pytest.mark.parametrize("slip", [1e-12, 1e-9, 1e-3, 1.0])
def test_a_mistake_stays_where_it_is_in_longdouble(backward: Callable[..., Arrays], slip: float) -> None:
    said, pair = judged(slipped(backward, slip))
    assert said.how == "longdouble"
    assert np.flatnonzero(pair.disagree).tolist() == [7]


def test_where_longdouble_is_silent_the_rounding_is_measured() -> None:
    said, pair = judged(in_float64(poorer))
    assert said.how == "measured"
    assert said.lost is None
    assert pair.agree.all()
    np.testing.assert_array_equal(said.estimate.value, poorer(V, X)["x"])
    error = np.abs(poorer(V, X)["x"] - 2 * V * X)
    assert (pair.bounds > error).all()
    # What is allowed is the quantile times what it loses, a few units of both squares, and not a mistake's size.
    assert pair.bounds.max() < 100 * (2 * V * X * UNIT[DOUBLE] * 2.0**14).max()


def test_rounding_that_does_not_scatter_is_no_mistake() -> None:
    """A large number that swallows the digits swallows the moves of the last place with them."""

    def swallowed(grad_output: Array, x: Array) -> Arrays:
        return {"x": grad_output * ((2 * x + 4096) - 4096)}

    assert not judged(in_float64(swallowed))[1].disagree.any()


@pytest.mark.parametrize(
    ("backward", "slip"), [(right, 1e-9), (right, 1.0), (poorer, 1e-9), (poorer, 1e-3), (poorer, 1.0)]
)
def test_a_mistake_is_not_widened_away(backward: Callable[..., Arrays], slip: float) -> None:
    """It stays at every point that is measured, where rounding scatters."""
    said, pair = judged(slipped(in_float64(backward), slip))
    assert said.how == "measured"
    assert np.flatnonzero(pair.disagree).tolist() == [7]


def test_a_mistake_in_the_whole_array_is_not_widened_away_either() -> None:
    def doubled(grad_output: Array, x: Array) -> Arrays:
        return {"x": 2 * poor(grad_output, x)["x"]}

    assert judged(in_float64(doubled))[1].disagree.all()


def test_nan_is_wrong_whoever_is_asked() -> None:
    def lost(backward: Callable[..., Arrays]) -> Callable[..., Arrays]:
        return lambda grad_output, x: {"x": np.where(np.arange(40) == 3, np.nan, backward(grad_output, x)["x"])}

    for backward in (right, in_float64(right)):
        assert np.flatnonzero(judged(lost(backward))[1].disagree).tolist() == [3]


@wide
def test_the_output_is_asked_by_itself() -> None:
    def forward(x: Any) -> Any:
        return (x * x + 4096) - 4096

    said, auto, asked = said_of(right, forward=forward)
    assert (said[OUTPUT].how, said["x"].how) == ("longdouble", "assumed")
    assert compare(said[OUTPUT].estimate, auto.output, asked.t).agree.all()
    assert said[OUTPUT].lost is not None
    assert said["x"].lost is None


def test_an_output_of_another_function_is_no_rounding() -> None:
    said, auto, asked = said_of(right, forward=lambda x: x * x + 1e-9)
    assert compare(said[OUTPUT].estimate, auto.output, asked.t).disagree.all()


def test_code_that_refuses_every_other_point_is_judged_as_it_was() -> None:
    def stubborn(grad_output: Array, x: Array) -> Arrays:
        if x.dtype != np.float64 or (x != X).any():
            raise ValueError("only there")
        return poor(grad_output, x)

    said, pair = judged(stubborn)
    assert said.how == "assumed"
    assert pair.disagree.any()


@wide
def test_where_what_is_assumed_excludes_no_mistake_the_code_is_asked() -> None:
    """What cancels leaves σ of a ten-thousandth of the entry: eight times that, and t times, would let 1e-3 pass."""

    def cancelled(x: Any) -> Any:
        return (x + 2.0**41) - 2.0**41

    x = np.array([1.0 + 2.0**-20, 1.5])
    operation = from_functions(cancelled, lambda grad_output, x: {"x": grad_output}, {"x": x}, cancelled)
    auto = autodiff(cancelled, {"x": x}, ("x",), np.ones(2), DOUBLE)
    truth = {OUTPUT: replace(auto.output, entrywise=False)}
    asked = Asked(operation, np.ones(2), lambda inputs, v: {}, auto.t, 4, 0)
    answer = {OUTPUT: cancelled(x)}
    said = hand_estimates(HAND, answer, truth, {}, asked)[OUTPUT]
    assert said.how == "longdouble"
    assert compare(said.estimate, auto.output, auto.t).agree.all()
    assert hand_estimates(HAND, answer, truth, {OUTPUT: np.zeros(2)}, asked)[OUTPUT].how == "assumed"


def test_where_the_reference_has_no_gradient_differences_decide() -> None:
    """JAX divides by the difference of two equal eigenvalues; a function of the matrix is smooth all the same."""

    def function(a: Array) -> Array:
        w, v = np.linalg.eigh((a + a.T) / 2)
        return (v * np.tanh(w)) @ v.T

    def of_function(g: Array, a: Array, slope: float = 1.0) -> Arrays:
        w, v = np.linalg.eigh((a + a.T) / 2)
        apart, f = w[:, None] - w, np.tanh(w)
        alike = np.abs(apart) < 1e-6
        slopes = np.where(alike, slope * (1 - f**2), (f[:, None] - f) / np.where(alike, 1.0, apart))
        back = v @ (slopes * (v.T @ g @ v)) @ v.T
        return {"a": (back + back.T) / 2}

    for a in (np.eye(3), np.diag([1.0, 1.0, 2.0])):
        assert crosscheck.check(function, of_function, {"a": a})
        wrong = crosscheck.check(function, partial(of_function, slope=1.01), {"a": a}, diagnose=False)
        assert wrong.verdict == "disagree"
