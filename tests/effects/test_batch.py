"""A batch of zero samples, and which axis counts samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from crosscheck.effects.batch import NO_SAMPLES, Batch, batched
from crosscheck.effects.calls import Calls, Site
from crosscheck.effects.visits import FORWARD, OUTPUT
from tests.effects.healthy import (
    Array,
    Arrays,
    Rng,
    cross_entropy,
    cross_entropy_backward,
    mean_square,
    mean_square_backward,
    operation,
    watched,
)
from tests.effects.planted import Effect, accumulates, calls, healthy, planted, random_factor, reuses_a_buffer


def given(forward: Callable[..., Any], backward: Callable[..., Any], inputs: Arrays) -> Calls:
    subject = operation(forward, backward, inputs)
    v = np.ones(np.shape(subject.output()))
    return Calls(subject, v, Site(inputs, v), {}, None)


def backwards(g: Array, *arrays: Array) -> Arrays:
    return {"xy"[i]: np.zeros_like(a) for i, a in enumerate(arrays)}


def test_the_leading_axis_of_x_counts_samples(rng: Rng) -> None:
    assert batched(calls(healthy, rng)) == {"x"}


def test_inputs_of_one_length_are_resized_together() -> None:
    one, two = np.ones((3, 2)), np.ones((3, 2))
    assert batched(given(lambda x, y: x + y[:1], backwards, {"x": one, "y": two})) == {"x"}
    assert batched(given(np.add, backwards, {"x": one, "y": two})) == {"x", "y"}


def test_labels_are_resized_with_the_samples(rng: Rng) -> None:
    inputs = {"x": rng.normal(size=(4, 3)), "labels": np.array([0, 2, 1, 1])}
    chosen = operation(
        lambda x, labels: x[np.arange(len(x)), labels],
        lambda g, x, labels: {"x": g[:, None] * (labels[:, None] == np.arange(3))},
        inputs,
    )
    found = Calls(chosen, np.ones(4), Site(inputs, np.ones(4)), {}, None)
    assert batched(found) == {"x", "labels"}
    assert not watched(chosen, rng).findings


@pytest.mark.parametrize(
    ("forward", "shape"),
    [
        (np.sum, (3, 2)),
        (np.transpose, (3, 2)),
        (lambda x: np.outer(x, x), (3,)),
        (lambda x: x, ()),
        (lambda x: x, (0,)),
    ],
    ids=["a sum", "another axis", "no batch", "a number", "empty already"],
)
def test_where_no_axis_counts_samples_nothing_is_tried(forward: Callable[..., Any], shape: tuple[int, ...]) -> None:
    found = given(forward, backwards, {"x": np.ones(shape)})
    assert found.answer(NO_SAMPLES) is None


def test_one_sample_becomes_two_to_find_the_axis() -> None:
    lengths = []

    def forward(x: Array) -> Array:
        lengths.append(len(x))
        return 2 * x

    assert batched(given(forward, backwards, {"x": np.ones((1, 2))})) == {"x"}
    assert lengths[-1] == 2


def test_a_batch_of_zero_has_the_shapes_of_its_inputs(rng: Rng) -> None:
    batch = calls(healthy, rng).answer(NO_SAMPLES)
    assert isinstance(batch, Batch)
    assert batch.shapes == {OUTPUT: (0, 4), "x": (0, 6), "w": (6, 4), "b": (4,)}
    assert isinstance(batch.values, dict)
    assert {k: a.shape for k, a in batch.values.items()} == batch.shapes


def test_a_refusal_is_told_in_its_own_words(rng: Rng) -> None:
    findings = [f for f in planted(reuses_a_buffer, rng).findings if f.kind == "zero-size"]
    assert len(findings) == 1
    assert not findings[0].fails
    assert "ValueError" in findings[0].explanation


def test_an_output_that_is_not_empty_is_told(rng: Rng) -> None:
    def forward(m: object, x: Array, w: Array, b: Array) -> Array:
        return x @ w + b if len(x) else np.zeros((1, len(b)))

    findings = planted(healthy, rng, forward=forward).findings
    assert [(f.kind, f.fails) for f in findings] == [("zero-size", False)]
    assert "(1, 4)" in findings[0].explanation


def test_means_over_no_samples_warn_nobody_and_are_told(rng: Rng) -> None:
    """pytest makes errors of warnings here; a gradient that is NaN is told."""

    def backward(g: Array, x: Array, w: Array) -> Arrays:
        return {"x": g * w, "w": (g * x).mean(0)}

    inputs = {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=3)}
    found = watched(operation(np.multiply, backward, inputs), rng).findings
    assert [(f.kind, f.fails) for f in found] == [("zero-size", False)]
    assert "not finite" in found[0].explanation


@pytest.mark.parametrize("effect", [accumulates, random_factor])
def test_code_with_a_memory_is_not_asked(effect: Effect, rng: Rng) -> None:
    assert "zero-size" not in {f.kind for f in planted(effect, rng).findings}


def test_losses_have_no_batch_in_their_output(rng: Rng) -> None:
    inputs = {"x": rng.normal(size=(4, 3)), "labels": np.array([0, 2, 1, 1])}
    assert batched(given(cross_entropy, cross_entropy_backward, inputs)) is None
    assert batched(given(mean_square, mean_square_backward, {"p": np.ones((2, 2)), "t": np.ones((2, 2))})) is None


def test_the_visit_to_a_comes_before(rng: Rng) -> None:
    found = calls(healthy, rng)
    found.answer(NO_SAMPLES)
    assert FORWARD in found.answers
