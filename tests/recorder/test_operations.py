"""Operations without a reference: what they are judged by is recorded, and the report says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck.doors.functions import from_functions
from crosscheck.doors.layers import from_layer
from crosscheck.evidence.estimate import AUTODIFF, HAND
from crosscheck.recorder import counterparts, operations, record
from crosscheck.recorder.operations import DIFFERS, is_its_own_reference, source, with_recording
from crosscheck.traces.precision import double_precision
from tests.doors.test_layers import Dense, Flat, Named, Nested

Array = np.ndarray
INPUTS = {"x": np.random.default_rng(0).normal(size=(4, 3)), "w": np.random.default_rng(1).normal(size=(3, 2))}


def forward(x: Array, w: Array) -> Array:
    return np.tanh(x @ w)


def backward(grad_output: Array, x: Array, w: Array) -> dict[str, Array]:
    g = grad_output * (1 - np.tanh(x @ w) ** 2)
    return {"x": g @ w.T, "w": x.T @ g}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_right_gradient_agrees_with_the_recorded_forward(dtype: Any) -> None:
    result = crosscheck.check(forward, backward, {k: a.astype(dtype) for k, a in INPUTS.items()})
    assert result.verdict == "agree"
    assert (HAND, AUTODIFF) in result.gradients["w"].pairs
    assert "reference  recorded from the forward, for which it cannot vouch" in str(result)


def test_a_wrong_one_is_caught_and_its_cause_is_named() -> None:
    def wrong(grad_output: Array, x: Array, w: Array) -> dict[str, Array]:
        return {**backward(grad_output, x, w), "w": x.T @ grad_output}

    result = crosscheck.check(forward, wrong, INPUTS)
    assert result.verdict == "disagree"
    assert result.gradients["w"].diagnoses
    assert result.gradients["x"].passed


def test_what_is_exact_is_proved_without_a_reference_too() -> None:
    result = crosscheck.check(lambda x: x * x, lambda grad_output, x: {"x": 2 * grad_output * x}, {"x": INPUTS["x"]})
    assert result.verdict == "agree"
    assert result.statement


def test_a_given_reference_is_said_to_be_independent() -> None:
    result = crosscheck.check(forward, backward, INPUTS, lambda x, w: jnp.tanh(x @ w))
    assert "reference  given, independent of the forward" in str(result)


def test_what_cannot_be_recorded_is_judged_by_differences_and_says_why() -> None:
    def reads_bits(x: Array) -> Array:
        return x * 2 + 0 * x.view(np.int64)

    result = crosscheck.check(reads_bits, lambda grad_output, x: {"x": 2 * grad_output}, {"x": INPUTS["x"]})
    assert result.verdict == "agree"
    assert (HAND, AUTODIFF) not in result.gradients["x"].pairs
    assert "the bits of a recorded value are read" in result.evidence.source
    assert "give reference=" in result.evidence.source


def test_a_replay_that_differs_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counterparts.jnp, "tanh", jnp.sin)
    counterparts.counterpart.cache_clear()
    try:
        result = crosscheck.check(forward, backward, INPUTS)
    finally:
        counterparts.counterpart.cache_clear()
    assert result.verdict == "agree"
    assert DIFFERS in result.evidence.source


def test_a_forward_that_decides_is_judged_along_the_branch_of_each_point() -> None:
    def decides(x: Array) -> Array:
        return x**2 if x.sum() > 0 else np.sin(x)

    def derived(grad_output: Array, x: Array) -> dict[str, Array]:
        return {"x": grad_output * (2 * x if x.sum() > 0 else np.cos(x))}

    def only_one(grad_output: Array, x: Array) -> dict[str, Array]:
        return {"x": grad_output * np.cos(x)}

    x = -np.abs(INPUTS["x"])
    assert crosscheck.check(decides, derived, {"x": x}).verdict == "agree"
    assert crosscheck.check(decides, only_one, {"x": -x}).verdict == "disagree"


@pytest.mark.parametrize("make", [Dense, Flat, Named, Nested])
def test_a_layer_is_recorded_with_its_parameters(make: Callable[[Array], Any]) -> None:
    operation, why_not = with_recording(from_layer(make(INPUTS["w"].copy()), INPUTS["x"]))
    assert why_not == ""
    assert is_its_own_reference(operation)
    assert operation.reference is not None
    with double_precision():
        moved = {k: a + 0.25 for k, a in operation.inputs.items()}
        np.testing.assert_allclose(operation.reference(**moved), operation.output(moved), rtol=1e-12)


def test_a_recording_goes_on_when_the_operation_is_widened() -> None:
    single = {k: a.astype(np.float32) for k, a in INPUTS.items()}
    operation, _ = with_recording(from_functions(forward, backward, single))
    assert isinstance(operation.reference, record.Replayed)
    assert operation.widened().reference is operation.reference
    assert operation.reference.inputs["x"].dtype == np.float64
    assert "reference=" in source(from_functions(forward, backward, single), "why")


def test_a_forward_in_jax_is_told_so() -> None:
    found = record.record(lambda values: np.asarray(jnp.tanh(values["x"])), INPUTS)
    assert found.why_not.startswith("it computes in JAX itself")


def test_a_naive_convolution_is_a_short_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def convolution(x: Array, w: Array) -> Array:
        rows, columns = x.shape[0] - 2, x.shape[1] - 2
        y = np.zeros((len(w), rows, columns))
        for f in range(len(w)):
            for i in range(rows):
                for j in range(columns):
                    y[f, i, j] = np.sum(x[i : i + 3, j : j + 3] * w[f])
        return y

    def derived(grad_output: Array, x: Array, w: Array) -> dict[str, Array]:
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3))
        padded = np.pad(grad_output, ((0, 0), (2, 2), (2, 2)))
        back = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        return {
            "x": np.einsum("fhwij,fij->hw", back, w[:, ::-1, ::-1]),
            "w": np.einsum("fhw,hwij->fij", grad_output, windows),
        }

    rng = np.random.default_rng(0)
    inputs = {"x": rng.normal(size=(10, 10)), "w": rng.normal(size=(2, 3, 3))}
    found = record.record(lambda values: convolution(**values), inputs)
    assert found.reference is not None
    assert found.steps > 400
    assert len(found.reference.replay.parts) < 10
    with double_precision():
        np.testing.assert_allclose(found.reference(**inputs), convolution(**inputs), rtol=1e-12)
    monkeypatch.setattr(operations, "LONG", 100)
    operation, _ = with_recording(from_functions(convolution, derived, inputs))
    assert operation.moving_forward is not None
    np.testing.assert_allclose(operation.moved({"x": 2 * inputs["x"]}), 2 * convolution(**inputs), rtol=1e-12)
    with pytest.warns(np.exceptions.ComplexWarning):  # of these the replay knows nothing: the forward itself is asked
        operation.moved({"x": 1j * inputs["x"]})
