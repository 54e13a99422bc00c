"""Softmax and cross-entropy: labels, certainty, large logits, and what is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from manual import (
    MeanSquaredError,
    SoftmaxCrossEntropy,
)
from manual import softmax_cross_entropy as cross_entropy
from tests.refusals import refused

Rng = np.random.Generator
ones = np.ones


def test_labels_stand_for_certain_probabilities(rng: Rng) -> None:
    logits, labels = rng.normal(size=(4, 3)), np.array([2, 0, 0, 1])
    by_label = cross_entropy.forward(logits, target=labels)
    by_probability = cross_entropy.forward(logits, target=np.eye(3)[labels])
    assert by_label[0] == by_probability[0]
    one = np.float64(1)
    np.testing.assert_array_equal(
        cross_entropy.backward(one, by_label[1]), cross_entropy.backward(one, by_probability[1])
    )


def test_equal_logits_cost_the_logarithm_of_the_classes() -> None:
    value, saved = cross_entropy.forward(np.zeros((2, 4)), target=np.array([0, 3]))
    assert abs(value - np.log(4)) < 1e-15
    np.testing.assert_array_equal(cross_entropy.backward(np.float64(8), saved)[0], [[-3, 1, 1, 1], [1, 1, 1, -3]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logits_of_a_thousand(dtype: type) -> None:
    logits = np.array([[1000, -1000, 0], [-1000, 1000, 1000], [-1000, -1000, -1000]], dtype)
    for labels, expected in (([0, 1, 2], [0, np.log(2), np.log(3)]), ([1, 0, 0], [2000, 2000 + np.log(2), np.log(3)])):
        value, saved = cross_entropy.forward(logits, target=np.array(labels))
        np.testing.assert_allclose(value, np.mean(expected), rtol=1e-6)
        gradient = cross_entropy.backward(dtype(1), saved)[0]
        assert np.isfinite(gradient).all()
        np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-6)


def test_an_impossible_class_costs_nothing_where_it_is_not_the_target() -> None:
    value, saved = cross_entropy.forward(np.array([[0.0, -np.inf]]), target=np.array([0]))
    assert value == 0
    np.testing.assert_array_equal(cross_entropy.backward(np.float64(1), saved)[0], [[0, 0]])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64])
def test_labels_of_any_integer_dtype(dtype: Any, rng: np.random.Generator) -> None:
    logits, labels = rng.normal(size=(3, 4)), np.array([3, 0, 1])
    assert (
        cross_entropy.forward(logits, target=labels.astype(dtype))[0]
        == cross_entropy.forward(logits, target=np.eye(4)[labels])[0]
    )


def test_a_certain_and_right_prediction_loses_nothing() -> None:
    loss, _ = cross_entropy.forward(np.array([[1000.0, -1000.0]]), target=np.array([0]))
    assert str(loss) == "0.0"  # and not -0.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_keep_the_dtype_of_the_prediction(dtype: Any) -> None:
    prediction, targets = np.arange(6, dtype=dtype).reshape(2, 3), np.ones((2, 3))
    for loss, target in ((MeanSquaredError(), targets), (SoftmaxCrossEntropy(), np.array([0, 2]))):
        assert loss.forward(prediction, target).dtype == dtype
        assert np.shape(loss.forward(prediction, target)) == ()
        gradient = loss.gradient(prediction, target)
        assert gradient.dtype == dtype
        assert gradient.shape == (2, 3)


def test_losses_take_lists_as_targets() -> None:
    assert MeanSquaredError().forward(np.array([[1.0, 2.0]]), [[0, 0]]) == 2.5  # type: ignore[arg-type]
    assert SoftmaxCrossEntropy().forward(np.zeros((1, 1)), [0]) == 0  # type: ignore[arg-type]


ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "label too large": (
        lambda: SoftmaxCrossEntropy().forward(ones((2, 3)), np.array([0, 3])),
        ValueError,
        ("target[1]", "3", "labels of 3 classes are 0 to 2"),
    ),
    "label below 0": (
        lambda: SoftmaxCrossEntropy().gradient(ones((1, 3)), np.array([-1])),
        ValueError,
        ("target[0]", "-1", "labels"),
    ),
    "labels as floats": (
        lambda: SoftmaxCrossEntropy().forward(ones((2, 3)), np.array([0.0, 1.0])),
        ValueError,
        ("target", "(2,)", "float64", "integer labels", "probabilities"),
    ),
    "too few labels": (
        lambda: SoftmaxCrossEntropy().forward(ones((2, 3)), np.array([0])),
        ValueError,
        ("target", "(1,)", "integer labels of shape (2,)"),
    ),
    "logits of one sample": (
        lambda: SoftmaxCrossEntropy().forward(ones(3), np.array([0])),
        ValueError,
        ("prediction", "(3,)", "2 axes (B, K)"),
    ),
    "a loss of nothing": (
        lambda: SoftmaxCrossEntropy().forward(ones((0, 3)), ones((0, 3))),
        ValueError,
        ("prediction", "(0, 3)", "a mean over nothing"),
    ),
}


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_what_is_refused(call: Callable[[], Any], kind: type[Exception], words: tuple[str, ...]) -> None:
    refused(call, kind, *words)


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_all_labels_ignored_and_no_samples_cost_nothing_unless_it_is_a_mean(reduction: str) -> None:
    loss = SoftmaxCrossEntropy(ignored=1, reduction=reduction)
    for prediction, target in ((ones((2, 3)), np.array([1, 1])), (ones((0, 3)), np.array([], int))):
        np.testing.assert_array_equal(
            loss.forward(prediction, target), np.zeros(len(target) if reduction == "none" else ())
        )
        np.testing.assert_array_equal(loss.gradient(prediction, target), np.zeros(prediction.shape))
