"""float16 and bfloat16: a formula judged at float64, and the arithmetic by what rounding costs in the format."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import scipy.special

import crosscheck

Array = np.ndarray
HALVES = [np.float16, ml_dtypes.bfloat16]


def rows(dtype: Any, offset: float = 0.0, scale: float = 1.0) -> Array:
    return (offset + scale * np.random.default_rng(3).normal(size=(6, 9))).astype(dtype)


def normalized(x: Any) -> Any:
    mean = x.mean(-1, keepdims=True)
    return (x - mean) / ((x - mean) ** 2).mean(-1, keepdims=True) ** 0.5


def back(grad_output: Array, x: Array, variance: Any = None) -> dict[str, Array]:
    mean = x.mean(-1, keepdims=True)
    found = ((x - mean) ** 2).mean(-1, keepdims=True) if variance is None else variance(x, mean)
    h = (x - mean) / np.sqrt(found)
    moved = grad_output - grad_output.mean(-1, keepdims=True) - h * (grad_output * h).mean(-1, keepdims=True)
    return {"x": moved / np.sqrt(found)}


@pytest.mark.parametrize("reference", [normalized, None], ids=["given", "recorded"])
@pytest.mark.parametrize("dtype", HALVES)
def test_right_code_agrees(dtype: Any, reference: Any) -> None:
    x = rows(dtype)
    result = crosscheck.check(normalized, back, {"x": x}, reference)
    assert result, str(result)
    assert result.dtype == np.dtype(dtype)
    assert x.dtype == dtype


@pytest.mark.parametrize("dtype", HALVES)
def test_a_mistake_below_the_digits_of_the_format_is_caught_in_the_formula(dtype: Any) -> None:
    result = crosscheck.check(
        lambda x, w: x @ w,
        lambda g, x, w: {"x": g @ w.T, "w": x.T @ g * 1.0005},
        {"x": rows(dtype), "w": rows(dtype)[:3].T.copy()},
        lambda x, w: x @ w,
    )
    assert [k for k, g in result.gradients.items() if not g] == ["w"]
    assert result.gradients["w"].diagnoses[0].kind == "scaled"


@pytest.mark.parametrize("dtype", HALVES)
def test_a_right_formula_whose_digits_cancel_is_told_from_a_wrong_one(dtype: Any) -> None:
    """E x² - (E x)² at a mean of eight: at float64 it is the variance, in three digits it is nothing."""
    poor = lambda g, x: back(g, x, lambda x, mean: (x * x).mean(-1, keepdims=True) - mean * mean)  # noqa: E731
    result = crosscheck.check(normalized, poor, {"x": rows(dtype, 8.0, 0.5)}, normalized)
    assert result.verdict == "disagree"
    (diagnosis,) = result.gradients["x"].diagnoses
    assert diagnosis.kind == "precision"
    assert np.dtype(dtype).name in diagnosis.explanation
    stable = crosscheck.check(normalized, back, {"x": rows(dtype, 8.0, 0.5)}, normalized)
    assert stable, str(stable)


def test_what_is_beyond_the_largest_number_is_said() -> None:
    x = np.array([12.5, 2.0, 12.0], np.float16)
    result = crosscheck.check(np.exp, lambda g, x: {"x": g * np.exp(x)}, {"x": x}, jnp.exp)
    assert result.verdict == "disagree"
    (diagnosis,) = result.gradients["x"].diagnoses
    assert "beyond the largest number" in diagnosis.explanation
    assert not [f for f in result.findings if f.kind == "forward"]
    wide = crosscheck.check(np.exp, lambda g, x: {"x": g * np.exp(x)}, {"x": x.astype(ml_dtypes.bfloat16)}, jnp.exp)
    assert wide, str(wide)


def test_without_a_reference_the_arithmetic_is_not_judged_and_that_is_said() -> None:
    j0, j1 = scipy.special.j0, scipy.special.j1  # SciPy is not recorded
    result = crosscheck.check(j0, lambda g, x: {"x": -g * j1(x)}, {"x": rows(np.float16)[0]})
    assert result, str(result)
    (finding,) = [f for f in result.findings if f.kind == "arithmetic"]
    assert "float16" in finding.explanation


def test_nested_inputs_several_outputs_and_other_formats_beside_it() -> None:
    def forward(params: Any, x: Any) -> Any:
        h = x @ params["w"] + params["b"]
        return {"h": h, "loss": (h * h).sum()}

    def backward(g: Any, params: Any, x: Any) -> Any:
        h = x @ params["w"] + params["b"]
        back = g["h"] + 2 * h * g["loss"]
        return {"params": {"w": x.T @ back, "b": back.sum(0)}, "x": back @ params["w"].T}

    params = {"w": rows(np.float16)[:3].T.copy(), "b": np.arange(3, dtype=np.float32)}
    result = crosscheck.check(forward, backward, {"params": params, "x": rows(ml_dtypes.bfloat16)}, forward)
    assert result, str(result)
    assert result.dtype == np.dtype(ml_dtypes.bfloat16)
    assert set(result.gradients) == {"params.w", "params.b", "x"}


def test_the_exception_of_code_that_refuses_the_format_is_the_users_own() -> None:
    def backward(g: Array, x: Array) -> Any:
        if x.dtype == np.float16:
            raise NotImplementedError("no kernel for halves")
        return {"x": g}

    with pytest.raises(NotImplementedError, match="no kernel") as raised:
        crosscheck.check(lambda x: x + 0, backward, {"x": rows(np.float16)}, lambda x: x + 0)
    assert any("float16" in note for note in raised.value.__notes__)
