"""Gradients that are read from steps of every kind, and the steps from which none is read."""

# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crosscheck

Array = np.ndarray
X = np.random.default_rng(7).normal(size=(6, 4))


class Updating:
    """A dense layer that leaves no gradient anywhere: W is changed by `rule`, b plainly."""

    def __init__(self, error: float = 0.0) -> None:
        rng = np.random.default_rng(8)
        self.W, self.b, self.lr, self.error = rng.normal(size=(4, 3)), rng.normal(size=3), 0.1, error
        self.v, self.t, self.mu, self.decay, self.most = np.zeros((4, 3)), 0, 0.9, 0.01, 4.0

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad: Array) -> Array:
        dx = grad @ self.W.T
        self.rule((1 + self.error) * self.x.T @ grad)
        self.b -= self.lr * grad.sum(0)
        return dx

    def rule(self, g: Array) -> None:
        raise NotImplementedError


class Decay(Updating):
    def rule(self, g: Array) -> None:
        self.W -= self.lr * (g + self.decay * self.W)


class DecayInTheCode(Updating):
    def rule(self, g: Array) -> None:
        self.W -= self.lr * (g + 1e-4 * self.W)


class Decoupled(Updating):
    def rule(self, g: Array) -> None:
        self.W *= 1 - self.lr * 1e-3
        self.W -= self.lr * g


class Lasso(Updating):
    def rule(self, g: Array) -> None:
        self.W = self.W - self.lr * (g + 1e-3 * np.sign(self.W))


class Momentum(Updating):
    def rule(self, g: Array) -> None:
        self.v = self.mu * self.v - self.lr * g
        self.W += self.v


class Warm(Momentum):
    """The layer was trained before."""

    def __init__(self, error: float = 0.0) -> None:
        super().__init__(error)
        self.v = np.random.default_rng(9).normal(size=(4, 3))


class Nesterov(Updating):
    def rule(self, g: Array) -> None:
        old, self.v = self.v, self.mu * self.v - self.lr * g
        self.W += (1 + self.mu) * self.v - self.mu * old


class Mean(Updating):
    def rule(self, g: Array) -> None:
        self.v = self.mu * self.v + (1 - self.mu) * g
        self.W -= self.lr * self.v


class Clipped(Updating):
    def rule(self, g: Array) -> None:
        self.W -= self.lr * np.clip(g, -0.5, 0.5)


class RarelyClipped(Updating):
    """At the first gradient nothing is clipped, at others something."""

    def rule(self, g: Array) -> None:
        self.W -= self.lr * np.clip(g, -8.0, 8.0)


class ByNorm(Updating):
    def rule(self, g: Array) -> None:
        self.W -= self.lr * g * min(1.0, self.most / float(np.linalg.norm(g)))


class OddRate(Updating):
    def backward(self, grad: Array, update_rate: float) -> Array:
        self.lr = update_rate
        return super().backward(grad)

    def rule(self, g: Array) -> None:
        self.W = self.W - self.lr * g


class AdamRule:
    """An optimizer that is handed a gradient, and hands back what is to be added."""

    def __init__(self) -> None:
        self.m, self.s, self.lr = 0.0, 0.0, 0.001

    def update(self, g: Array) -> Array:
        self.m, self.s = 0.9 * self.m + 0.1 * g, 0.999 * self.s + 0.001 * g**2
        return -self.lr * self.m / (np.sqrt(self.s) + 1e-8)


class Optimized(Updating):
    def __init__(self, error: float = 0.0) -> None:
        super().__init__(error)
        self.optimizer = AdamRule()

    def rule(self, g: Array) -> None:
        self.W += self.optimizer.update(g)


READ = [Decay, DecayInTheCode, Decoupled, Lasso, Momentum, Warm, Nesterov, Mean, OddRate, Optimized]
CLIPPED = [Clipped, RarelyClipped, ByNorm]


@pytest.mark.parametrize("kind", [*READ, *CLIPPED])
def test_the_gradient_is_read_from_the_step(kind: Any) -> None:
    result = crosscheck.check_layer(kind(), X)
    assert result, result
    assert set(result.gradients) == {"x", "W", "b"}


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("error", [1e-2, 1e-7])
def test_a_wrong_one_is_wrong(kind: Any, error: float) -> None:
    result = crosscheck.check_layer(kind(error), X, diagnose=False)
    assert result.gradients["W"].verdict == "disagree"
    assert result.gradients["b"].passed


@pytest.mark.parametrize("kind", CLIPPED)
def test_a_wrong_one_that_is_clipped_fails(kind: Any) -> None:
    assert not crosscheck.check_layer(kind(1e-2), X, diagnose=False)  # by its name: the factor may be the rule's
    assert crosscheck.check_layer(kind(1e-6), X, diagnose=False).gradients["W"].verdict == "disagree"


# ---------------------------------------------------------------------- what is not read


class Adaptive(Updating):
    def rule(self, g: Array) -> None:
        self.v = 0.9 * self.v + 0.1 * g**2
        self.W -= self.lr * g / (np.sqrt(self.v) + 1e-8)


class Sign(Updating):
    def rule(self, g: Array) -> None:
        self.W -= self.lr * np.sign(g)


class MeanInTheCode(Updating):
    def rule(self, g: Array) -> None:
        self.v = 0.9 * self.v + 0.1 * g
        self.W -= self.lr * self.v


class Schedule(Updating):
    def rule(self, g: Array) -> None:
        self.t += 1
        self.W -= self.lr / (1 + 0.01 * self.t) * g


class Constrained(Updating):
    def rule(self, g: Array) -> None:
        self.W -= self.lr * g
        self.W *= np.minimum(1, 2 / np.linalg.norm(self.W, axis=0))


class RateInTheCode(Updating):
    def rule(self, g: Array) -> None:
        self.W -= 0.25 * g


class Offset(Updating):
    """A constant that is no decay: it is part of a wrong gradient, perhaps."""

    def rule(self, g: Array) -> None:
        self.W -= self.lr * (g + 0.5)


NOT_READ = {
    Adaptive: "is no multiple of lr times the gradient",
    Sign: "is no multiple of lr times the gradient",
    MeanInTheCode: "depends on v, too",
    Schedule: "depends on t, too",
    Constrained: "does not follow lr",
    RateInTheCode: "does not follow lr",
    Offset: "is no multiple of lr times the gradient",
}


@pytest.mark.parametrize("kind", NOT_READ)
def test_what_cannot_be_read_is_neither_right_nor_accused(kind: Any) -> None:
    for error in (0.0, 3e-2):
        result = crosscheck.check_layer(kind(error), X, diagnose=False)
        assert set(result.gradients) == {"x", "b"}
        assert all(gradient.passed for gradient in result.gradients.values())
        said = [finding.explanation for finding in result.findings if finding.fails]
        assert len(said) == 1
        assert f"changes W by a step that {NOT_READ[kind]}" in said[0]
        assert "leave the gradient in an attribute" in said[0]


class DecayOfTheGradient(Updating):
    """The decay is taken of the gradient, where it is meant of the parameter."""

    def rule(self, g: Array) -> None:
        self.W -= self.lr * (g + self.decay * g)


class DecayOfTheGradientInAMean(Updating):
    """So, and a mean over the steps beside it."""

    def __init__(self, error: float = 0.0) -> None:
        super().__init__(error)
        self.v = np.random.default_rng(9).normal(size=(4, 3))

    def rule(self, g: Array) -> None:
        self.v = self.mu * self.v + (1 - self.mu) * (g + self.decay * g)
        self.W -= self.lr * self.v


@pytest.mark.parametrize("kind", [DecayOfTheGradient, DecayOfTheGradientInAMean])
def test_a_number_that_scales_the_gradient_is_judged_with_it(kind: Any) -> None:
    result = crosscheck.check_layer(kind(), X)
    assert result.gradients["W"].verdict == "disagree", result
    assert "1.01 times the true one" in str(result)
    assert result.gradients["b"].passed


class RateDecaysByItsName(Updating):
    """A schedule whose number is an attribute: without it the rate is the rate."""

    def rule(self, g: Array) -> None:
        self.t += 1
        self.W -= self.lr / (1 + self.decay * self.t) * g


def test_a_rates_own_decay_is_put_aside() -> None:
    assert crosscheck.check_layer(RateDecaysByItsName(), X)
    assert crosscheck.check_layer(RateDecaysByItsName(1e-7), X, diagnose=False).gradients["W"].verdict == "disagree"


def test_an_argument_that_nothing_is_given_for_is_named() -> None:
    class Asking(Decay):
        def backward(self, grad: Array, labels: Array) -> Array:
            return super().backward(grad + 0 * labels)

    with pytest.raises(
        TypeError, match=r"backward of Asking takes labels, which nothing was given for.*backward_kwargs"
    ):
        crosscheck.check_layer(Asking(), X)
