"""Of several steps of a kind, what is told is how each is written."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck.diagnosis.code import expression_at
from crosscheck.traces.sources import Source


def gated(x: Any, w: Any) -> Any:
    """h ← a ⊙ h + b ⊙ c, as in an LSTM."""
    h = np.ones(w.shape[1])
    for row in x:
        z = row @ w
        a, b, c = half(z), half(z + 1), np.tanh(z - 1)
        h = a * h + b * c
    return h


def half(z: Any) -> Any:
    return 0.5 / (1 + np.exp(-z)) + 0.5


def of_gated(grad_output: Any, x: Any, w: Any) -> Any:
    states, gates = [np.ones(w.shape[1])], []
    for row in x:
        z = row @ w
        gates.append((half(z), half(z + 1), np.tanh(z - 1)))
        a, b, c = gates[-1]
        states.append(a * states[-1] + b * c)
    dx, dw, dh = np.zeros_like(x), np.zeros_like(w), grad_output
    for t in reversed(range(len(x))):
        a, b, c = gates[t]
        da, db, dc = dh * c, dh * c, dh * b  # h is what da needs
        dz = da * slope(a) + db * slope(b) + dc * (1 - c * c)
        dx[t], dw, dh = w @ dz, dw + np.outer(x[t], dz), dh * a
    return {"x": dx, "w": dw}


def slope(s: Any) -> Any:
    y = 2 * (s - 0.5)
    return 0.5 * y * (1 - y)


@pytest.mark.proof
def test_a_gate_that_reads_another_array_is_named_by_its_code(rng: np.random.Generator) -> None:
    result = crosscheck.check(gated, of_gated, {"x": rng.normal(size=(3, 4)), "w": rng.normal(size=(4, 2))})
    said = result.gradients["x"].diagnoses[0].explanation
    assert "reads the result of tanh where the product (a * h) in every turn" in said, said
    assert "(a * h + b * c) in the turn before" in said


@pytest.mark.parametrize(
    ("line", "column", "name", "text"),
    [
        ("h = a * h + b * c", 4, "add", "a * h + b * c"),
        ("h = a * h + b * c", 4, "mul", "a * h"),
        ("h = a * h + b * c", 12, "mul", "b * c"),
        ("h = a * h + b * c", 4, "div", ""),  # none begins there
        ("y = tanh(x @ w)", 4, "tanh", "tanh(x @ w)"),
        ("y = tanh(x @ w)", 9, "dot_general", "x @ w"),
        ("y = x[1:].mean(0)", 4, "slice", "x[1:]"),
        ("y = x[1:].mean(0)", 4, "reduce_sum", ""),
        ("y = a + b + c", 4, "add", ""),  # two begin there
        ("y = (", 4, "mul", ""),  # no code
    ],
)
def test_the_expression_that_begins_at_a_place(tmp_path: Any, line: str, column: int, name: str, text: str) -> None:
    file = tmp_path / "layer.py"
    file.write_text(line + "\n")
    assert expression_at(Source(str(file), 1, column), name) == text


@pytest.mark.proof
def test_a_reference_in_jax_is_read_the_same_way(rng: np.random.Generator) -> None:
    def reference(x: Any, w: Any) -> Any:
        return jnp.sin(x * w) * jnp.cos(x + w)

    def backward(grad_output: Any, x: Any, w: Any) -> Any:
        d = grad_output * (np.cos(x * w) * np.cos(x + w) - np.sin(x * w) * np.sin(x + w))
        return {"x": d, "w": grad_output * (x * np.cos(x * w) * np.cos(x + w) - np.sin(x * w) * np.sin(x + w))}

    inputs = {"x": rng.normal(size=(3, 2)), "w": rng.normal(size=(3, 2))}
    result = crosscheck.check(lambda x, w: np.sin(x * w) * np.cos(x + w), backward, inputs, reference)
    said = result.gradients["x"].diagnoses[0].explanation
    assert "leaves out w in the backward of the product" in said
    assert "number" not in said
