"""Other sizes: which axes change together, and what a coincidence of lengths does not survive."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from crosscheck.diagnosis.elsewhere import FEW_ENTRIES, resized, same_function, shrunk
from crosscheck.diagnosis.problem import congruent, is_symmetric
from crosscheck.doors.functions import from_functions
from crosscheck.recorder.operations import with_recording
from crosscheck.traces.precision import double_precision
from tests.diagnosis.harness import reasons

Array = np.ndarray


def dense(x: Any, w: Any) -> Any:
    return x @ w


def nothing(g: Array, **inputs: Array) -> dict[str, Array]:
    return {k: np.zeros_like(a) for k, a in inputs.items()}


def test_axes_that_meet_change_together() -> None:
    inputs = {"x": np.ones((4, 4)), "w": np.ones((4, 3))}
    changed = resized(from_functions(dense, nothing, inputs, dense), inputs)
    assert changed is not None
    (batch, d), (e, outputs) = changed["x"].shape, changed["w"].shape
    assert d == e != 4
    assert batch != 4
    assert outputs != 3


def test_a_forward_that_becomes_another_function_is_left() -> None:
    def clipped(x: Array, w: Array) -> Array:
        return x[:, : len(w)] @ w  # takes what the reference refuses

    inputs = {"x": np.ones((2, 4)), "w": np.ones((4, 3))}
    operation = from_functions(clipped, nothing, inputs, dense)
    assert same_function(operation)
    assert not same_function(operation.at({"x": np.ones((2, 5)), "w": np.ones((4, 3))}))


def test_a_name_that_is_a_coincidence_of_lengths_is_not_given(rng: np.random.Generator) -> None:
    """The bias gradient adds up as many columns as there are rows: at 3 rows and 5 columns that is a shift by 2."""

    def forward(x: Array, b: Array) -> Array:
        return x + b[:, None, None]

    def backward(g: Array, x: Array, b: Array) -> dict[str, Array]:
        rows = g.shape[1]
        return {"x": g.copy(), "b": g[:, :, :rows].sum((1, 2))}

    inputs = {"x": rng.normal(size=(2, 3, 5)), "b": rng.normal(size=2)}
    operation = from_functions(forward, backward, inputs, lambda x, b: x + b[:, None, None])
    found = reasons(operation, rng.normal(size=(2, 3, 5)))["b"][0]
    assert "columns 3 and 4 (only as many columns as rows)" in found.explanation


def test_a_symmetric_matrix_stays_one(rng: np.random.Generator) -> None:
    m = rng.normal(size=(4, 4))
    spd = m @ m.T + np.eye(4)
    moved = congruent(spd, rng)
    assert is_symmetric(spd)
    assert is_symmetric(moved)
    assert np.linalg.eigvalsh(moved).min() > 0
    assert not np.allclose(moved, spd)
    assert not is_symmetric(m)


def test_a_large_operation_is_cut_to_few_entries(rng: np.random.Generator) -> None:
    """Axes that meet are cut together, and no two lengths become one."""
    operation = from_functions(
        lambda x, w, b: np.tanh(x @ w) + b,
        lambda g, x, w, b: {"x": g @ w.T, "w": x.T @ g, "b": g.sum(0)},
        {"x": rng.normal(size=(400, 300)), "w": rng.normal(size=(300, 200)), "b": rng.normal(size=200)},
        lambda x, w, b: jnp.tanh(x @ w) + b,
    )
    small = shrunk(operation)
    assert same_function(small)
    (batch, inner), (meets, outer) = small.inputs["x"].shape, small.inputs["w"].shape
    assert (inner, outer) == (meets, small.inputs["b"].shape[0])
    assert len({batch, inner, outer}) == 3
    assert max(batch, inner, outer) <= max(FEW_ENTRIES)


def test_what_does_not_fit_smaller_is_left_as_it_is(rng: np.random.Generator) -> None:
    operation = from_functions(
        lambda x: x * np.arange(500.0), lambda g, x: {"x": g}, {"x": rng.normal(size=500)}, lambda x: x * np.arange(500)
    )
    assert shrunk(operation) is operation


def test_a_recorded_forward_is_tried_at_other_sizes_too() -> None:
    inputs = {"x": np.ones((4, 4)), "w": np.ones((4, 3))}
    operation, _ = with_recording(from_functions(dense, nothing, inputs))
    assert operation.reference is not None
    changed = resized(operation, inputs)
    assert changed is not None
    assert changed["x"].shape[1] == changed["w"].shape[0] != 4


def test_what_is_not_differentiated_keeps_to_its_rows() -> None:
    """A label for each row; of a row of targets the entries may add up to one."""

    def chosen(x: Array, labels: Array) -> Array:
        return x[np.arange(len(labels)), labels].mean()  # takes fewer labels than rows, too

    inputs = {"x": np.ones((6, 4)), "labels": np.array([0, 3, 1, 1, 2, 0])}
    operation, _ = with_recording(from_functions(chosen, nothing, inputs))
    changed = resized(operation, inputs)
    assert changed is not None
    assert len(changed["x"]) == len(changed["labels"]) != 6

    def soft(x: Any, targets: Any) -> Any:
        return (x * targets).sum()

    given = {"x": np.ones((6, 4)), "targets": np.eye(4)[[0, 3, 1, 1, 2, 0]]}
    changed = resized(from_functions(soft, nothing, given, soft, wrt=("x",)), given)
    assert changed is not None
    assert changed["targets"].shape[1] == 4
    assert changed["x"].shape == changed["targets"].shape != (6, 4)


def test_no_size_of_ours_leaves_a_remainder_of_a_stride() -> None:
    """At 7 rows, 4 of the kernel, padding 1 and stride 2 the compiler of JAX 0.10 ends the process."""

    def convolution(x: Any, w: Any) -> Any:
        return jax.lax.conv_general_dilated(x, w, (2, 2), [(1, 1), (1, 1)])

    def forward(x: Array, w: Array) -> Array:
        return np.asarray(convolution(jnp.asarray(x), jnp.asarray(w)))

    inputs = {"x": np.ones((2, 3, 7, 6)), "w": np.ones((4, 3, 3, 2))}
    operation = from_functions(forward, nothing, inputs, convolution)
    with double_precision():
        assert same_function(operation)
        assert not same_function(operation.at({**inputs, "w": np.ones((4, 3, 4, 2))}))
