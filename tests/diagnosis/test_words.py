"""What axes and steps are called, from what the reference does with them."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck.diagnosis.words import (
    FILTERS,
    IMAGE,
    along,
    as_told,
    axis_names,
    listed,
    one_of,
    operand_name,
    output_names,
    plain_names,
    step_name,
)
from crosscheck.traces.tape import record
from tests.diagnosis import references


def test_lists() -> None:
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert along(IMAGE, (0, 3)) == "batch and columns"


def test_axes_are_called_by_the_step_that_reads_them(rng: np.random.Generator) -> None:
    inputs = {"x": rng.normal(size=(2, 3, 6, 7)), "kernel": rng.normal(size=(4, 3, 3, 3)), "b": rng.normal(size=4)}
    tape = record(lambda x, kernel, b: references.convolution(x, kernel, b), inputs, tuple(inputs))
    assert axis_names("x", (2, 3, 6, 7), tape) == IMAGE
    assert axis_names("kernel", (4, 3, 3, 3), tape) == FILTERS
    assert axis_names("b", (4,), tape) == ("output channels",)
    dense = {"x": rng.normal(size=(5, 6)), "w": rng.normal(size=(6, 4)), "b": rng.normal(size=4)}
    tape = record(lambda x, w, b: references.linear(x, w, b), dense, tuple(dense))
    assert axis_names("w", (6, 4), tape) == ("inputs", "outputs")
    turned = record(lambda x, w: x @ jnp.asarray(w).T, {"x": dense["x"], "w": dense["w"].T}, ("x", "w"))
    assert len(axis_names("w", (4, 6), turned)) == 2


def test_without_a_reference_the_name_and_the_number_of_axes_decide() -> None:
    assert axis_names("filters", (4, 3, 3, 3), None) == FILTERS
    assert axis_names("weights", (4, 3), None) == ("inputs", "outputs")
    assert axis_names("biases", (4,), None) == ("outputs",)
    assert axis_names("x", (4, 3), None) == plain_names(2)
    assert plain_names(6) == tuple(f"axis {i}" for i in range(6))
    assert output_names(3) == plain_names(3)


@pytest.mark.parametrize(
    ("primitive", "within", "text"),
    [
        ("div", "", "the quotient"),
        ("exp", "_softmax", "the exponential in softmax"),
        ("tanh", "tanh", "tanh"),
        ("custom_jvp_call", "relu", "relu"),
        ("custom_vjp_call", "", "an activation"),
        ("fft", "", "the Fourier transform"),
        ("le", "", "the comparison"),
        ("no_such_step", "", "no such step"),
    ],
)
def test_a_step_in_words(primitive: str, within: str, text: str) -> None:
    assert step_name(primitive, within) == text


def test_operands() -> None:
    assert operand_name("div", 1) == "the denominator"
    assert operand_name("add", 0) == "the first term"
    assert operand_name("clamp", 2) == "operand 2"


def test_a_row_of_a_table_is_no_sample() -> None:
    ids = np.array([2, 0, 2, 3, 0, 2])

    def backward(g: np.ndarray, table: np.ndarray) -> dict[str, np.ndarray]:
        d = np.zeros_like(table)
        np.add.at(d, ids, g)
        d[0] = 0  # a row for padding
        return {"table": d}

    table = np.random.default_rng(0).normal(size=(5, 3))
    result = crosscheck.check(lambda table: table[ids], backward, {"table": table})
    said = " ".join(str(result).split())
    assert "row" in said
    assert "sample" not in said


def test_samples_are_told_where_the_output_has_as_many() -> None:
    assert as_told(plain_names(2), (5, 3), (5, 2)) == ("batch", "features")
    assert as_told(plain_names(2), (5, 3), ()) == ("batch", "features")
    assert as_told(plain_names(2), (5, 3), (6, 3)) == ("rows", "columns")
    assert as_told(FILTERS, (8, 1, 3, 3), (2, 8, 4, 4)) == FILTERS


def test_where_no_batch_was_recognised_the_words_are_true_of_any_array() -> None:
    assert as_told(plain_names(2), (5, 3), (5, 3), batch=False) == ("rows", "columns")
    assert as_told(plain_names(4), (5, 3, 4, 4), (5, 3, 4, 4), batch=False)[1] == "axis 1"
    assert (one_of("columns", 3), one_of("axis 1", 3), one_of("batch", 0)) == (
        "column 3",
        "index 3 of axis 1",
        "sample 0",
    )


def only_in_row_2(forward: Callable[..., np.ndarray], **inputs: np.ndarray) -> str:
    """What is said of x, whose gradient is right but for zeros in row 2."""

    def backward(g: np.ndarray, **values: np.ndarray) -> dict[str, np.ndarray]:
        x = values["x"]
        truth = {"x": g * np.cos(x)} if "w" not in values else {"x": g @ values["w"].T, "w": x.T @ g}
        truth["x"][2] = 0
        return truth

    return " ".join(str(crosscheck.check(forward, backward, inputs)).split())


def test_samples_are_those_of_a_batch_that_was_recognised() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(5, 4)), rng.normal(size=(4, 3))
    assert "wrong only in row 2" in only_in_row_2(lambda x: np.sin(x), x=x)
    assert "wrong only in sample 2" in only_in_row_2(lambda x, w: x @ w, x=x, w=w)


def test_samples_in_columns_are_samples() -> None:
    def columns(x, w, b):
        return np.tanh(w @ x + b)

    def divided(g, x, w, b):
        z = g * (1 - np.tanh(w @ x + b) ** 2)
        return {"x": w.T @ z, "w": z @ x.T / x.shape[1], "b": z.mean(1, keepdims=True)}

    rng = np.random.default_rng(0)
    inputs = {"x": rng.normal(size=(4, 5)), "w": rng.normal(size=(3, 4)), "b": rng.normal(size=(3, 1))}
    result = crosscheck.check(columns, divided, inputs)
    assert result.gradients["x"].passed
    assert (
        result.gradients["w"].diagnoses[0].explanation.startswith("the gradient of w is 5 times too small (1 / batch)")
    )
    tape = record(lambda w, x: w @ x, {"w": inputs["w"].T, "x": inputs["x"][:3]}, ("w", "x"))
    assert axis_names("w", (4, 3), tape, data=True) == axis_names("w", (4, 3), tape)
