"""Losses as public code has them: a number for each sample, a backward that takes the prediction."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck

Array = np.ndarray
RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(4, 5)), RNG.normal(size=(4, 5))
LABELS = np.array([0, 3, 2, 4])
P = np.exp(X) / np.exp(X).sum(1, keepdims=True)


class Loss:
    def __init__(self, times: int = 1) -> None:
        self.times = times  # more than once: a mistake


class CrossEntropy(Loss):
    """Of probabilities; the gradient is left in `dinputs`."""

    def forward(self, y_pred: Array, y_true: Array) -> Array:
        return -np.log(np.clip(y_pred, 1e-7, 1 - 1e-7)[np.arange(len(y_pred)), y_true])

    def backward(self, dvalues: Array, y_true: Array) -> None:
        self.dinputs = -self.times * np.eye(dvalues.shape[1])[y_true] / dvalues / len(dvalues)


class Squares(Loss):
    def forward(self, y_pred: Array, y_true: Array) -> Array:
        return np.mean((y_true - y_pred) ** 2, axis=-1)

    def backward(self, dvalues: Array, y_true: Array) -> None:
        self.dinputs = -2 * self.times * (y_true - dvalues) / len(dvalues[0]) / len(dvalues)


class SoftmaxLoss(Loss):
    """Its backward takes what forward leaves in `output`."""

    def forward(self, inputs: Array, y_true: Array) -> Any:
        e = np.exp(inputs - inputs.max(1, keepdims=True))
        self.output = e / e.sum(1, keepdims=True)
        return np.mean(-np.log(self.output[np.arange(len(y_true)), y_true]))

    def backward(self, dvalues: Array, y_true: Array) -> None:
        self.dinputs = self.times * (dvalues - np.eye(dvalues.shape[1])[y_true]) / len(dvalues)


class EachSample(Loss):
    """Without arguments; the derivative of the sum."""

    def forward(self, logits: Array, labels: Array) -> Array:
        e = np.exp(logits - logits.max(1, keepdims=True))
        self.p, self.labels = e / e.sum(1, keepdims=True), labels
        return -np.log(self.p[np.arange(len(labels)), labels])

    def backward(self) -> Array:
        return self.times * (self.p - np.eye(self.p.shape[1])[self.labels])


class TakesOne(Squares):
    """A gradient that is 1, in the place where others take the prediction."""

    def forward(self, y_pred: Array, y_true: Array) -> Any:
        self.y_pred = y_pred
        return np.mean((y_true - y_pred) ** 2)

    def backward(self, dvalues: float, y_true: Array) -> Array:  # pyright: ignore[reportIncompatibleMethodOverride]
        return dvalues * -2 * self.times * (y_true - self.y_pred) / y_true.size


CASES = {
    "probabilities": (CrossEntropy, (P, LABELS), {"loss": "mean"}),
    "squares": (Squares, (X, T), {"loss": "mean", "constants": ("y_true",)}),
    "softmax": (SoftmaxLoss, (X, LABELS), {"loss": True}),
    "sum": (EachSample, (X, LABELS), {"loss": "sum"}),
    "one": (TakesOne, (X, T), {"loss": True, "constants": ("y_true",)}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_loss_is_judged_as_it_is_found(case: str) -> None:
    kind, inputs, said = CASES[case]
    found = crosscheck.check_layer(kind(), inputs, diagnose=False, **said)
    assert found.verdict == "agree", str(found)
    wrong = crosscheck.check_layer(kind(2), inputs, **said)
    assert wrong.verdict == "disagree"
    assert "2 times too large" in str(wrong)


def test_the_sum_and_the_mean_are_told_apart() -> None:
    found = crosscheck.check_layer(EachSample(), (X, LABELS), loss="mean")
    assert found.verdict == "disagree"
    assert "4 times too large (batch)" in str(found)


def test_the_reference_returns_what_the_loss_returns() -> None:
    found = crosscheck.check_layer(
        Squares(),
        (X, T),
        lambda y_pred, y_true: jnp.mean((y_pred - y_true) ** 2, axis=1),
        loss="mean",
        constants=("y_true",),
        diagnose=False,
    )
    assert found.verdict == "agree", str(found)


def test_what_loss_may_be() -> None:
    with pytest.raises(TypeError, match=r"loss is 'max'; it must be True or False"):
        crosscheck.check_layer(Squares(), (X, T), loss="max")
    with pytest.raises(ValueError, match=r"returned shape \(4,\).*loss='sum' or 'mean'"):
        crosscheck.check_layer(Squares(), (X, T), loss=True)
