"""Parameters that a look at the layer as it stands does not see: each is judged, or fails the check by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import crosscheck

Array = np.ndarray
X = np.random.default_rng(0).normal(size=(5, 4))


class StartsAtZero:
    """A last layer of zeros: the first one moves nothing, until both move."""

    def __init__(self, factor: float) -> None:
        self.W1, self.W2 = np.random.default_rng(1).normal(size=(4, 6)), np.zeros((6, 2))
        self.lr, self.factor = 0.1, factor

    def forward(self, x: Array) -> Array:
        self.x, self.h = x, np.tanh(x @ self.W1)
        return self.h @ self.W2

    def backward(self, g: Array) -> Array:
        dh = g @ self.W2.T * (1 - self.h**2)
        dx = dh @ self.W1.T
        self.W1 -= self.lr * self.factor * self.x.T @ dh
        self.W2 -= self.lr * self.h.T @ g
        return dx


class Gated(StartsAtZero):
    """A gate that is closed."""

    def __init__(self, factor: float) -> None:
        super().__init__(factor)
        self.W, self.alpha = np.random.default_rng(1).normal(size=(4, 4)), np.zeros(1)
        del self.W1, self.W2

    def forward(self, x: Array) -> Array:
        self.x = x
        return x + self.alpha * (x @ self.W)

    def backward(self, g: Array) -> Array:
        self.dalpha = np.array([(g * (self.x @ self.W)).sum()])
        self.dW = self.factor * self.alpha * self.x.T @ g
        return g + self.alpha * g @ self.W.T


class Logistic:
    """A bias that is a plain number, and stepped."""

    def __init__(self, factor: float) -> None:
        self.w, self.b, self.lr, self.factor = np.random.default_rng(1).normal(size=4), 0.0, 0.1, factor

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.w + self.b

    def backward(self, g: Array) -> Array:
        dx = np.outer(g, self.w)
        self.w = self.w - self.lr * self.x.T @ g
        self.b -= self.lr * self.factor * g.sum()
        return dx


class Numbers:
    """Nothing but plain numbers."""

    lr = 0.01

    def __init__(self, factor: float) -> None:
        self.w, self.b, self.factor = 0.7, 0.1, factor

    def forward(self, x: Array) -> Array:
        self.x = x
        return x * self.w + self.b

    def backward(self, g: Array) -> Array:
        dx = g * self.w
        self.w -= self.lr * (g * self.x).sum()
        self.b -= self.lr * self.factor * g.sum()
        return dx


class InSingle:
    """A step in float32, of a layer in float32."""

    def __init__(self, factor: float) -> None:
        self.W, self.lr = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32), 0.1
        self.factor = np.float32(factor)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W

    def backward(self, g: Array) -> Array:
        dx = g @ self.W.T
        self.W -= np.float32(self.lr) * self.factor * (self.x.T @ g).astype(np.float32)
        return dx


LAYERS: dict[str, tuple[Callable[[float], Any], str]] = {
    "a last layer of zeros": (StartsAtZero, "W1"),
    "a closed gate": (Gated, "W"),
    "a stepped number": (Logistic, "b"),
    "numbers alone, at a rate of the class": (Numbers, "b"),
    "a step in float32": (InSingle, "W"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_it_is_judged(name: str) -> None:
    make, parameter = LAYERS[name]
    x = X.astype(np.float32) if name == "a step in float32" else X
    right = crosscheck.check_layer(make(1.0), x, diagnose=False)
    assert parameter in right.gradients
    # Behind zeros a gradient is zero itself: where nothing is shown of it, that is said.
    assert right.verdict == "agree" or "zero everywhere" in str(right), right
    wrong = crosscheck.check_layer(make(5.0), x, diagnose=False)
    assert not wrong
    assert wrong.gradients[parameter].verdict != "agree"


def test_a_number_that_returns_names_is_judged() -> None:
    class Leaky:
        def __init__(self, factor: float) -> None:
            self.alpha, self.factor = 0.25, factor

        def forward(self, x: Array) -> Array:
            self.x = x
            return np.where(x > 0, x, self.alpha * x)

        def backward(self, g: Array) -> tuple[Array, Any]:
            slope = np.where(self.x > 0, 1, self.alpha)
            return g * slope, self.factor * (g * self.x * (self.x <= 0)).sum()

    for factor, verdict in ((1.0, "agree"), (5.0, "disagree")):
        result = crosscheck.check_layer(Leaky(factor), X, returns=("x", "alpha"), diagnose=False)
        assert result.gradients["alpha"].verdict == verdict


def test_a_bias_that_begins_as_a_whole_number_fails_by_its_name() -> None:
    class Left:
        def __init__(self) -> None:
            self.w, self.b = np.random.default_rng(1).normal(size=4), 0

        def forward(self, x: Array) -> Array:
            self.x = x
            return x @ self.w + self.b

        def backward(self, g: Array) -> Array:
            self.dw, self.db = self.x.T @ g, g.sum()
            return np.outer(g, self.w)

    class Stepped(Left):
        def backward(self, g: Array, lr: float = 0.1) -> Array:
            dx = np.outer(g, self.w)
            self.w = self.w - lr * self.x.T @ g
            self.b = self.b - lr * g.sum()
            return dx

    for layer in (Left(), Stepped()):
        result = crosscheck.check_layer(layer, X, diagnose=False)
        assert not result
        (finding,) = [f for f in result.findings if f.kind == "unjudged"]
        assert finding.fails
        assert finding.explanation.startswith("b of ")


def test_a_function_tied_to_the_layer_is_refused() -> None:
    class Tied:
        def __init__(self) -> None:
            self.W = np.random.default_rng(1).normal(size=(4, 3))
            self.lin = lambda x: x @ self.W

        def forward(self, x: Array) -> Array:
            self.x = x
            return self.lin(x)

        def backward(self, g: Array) -> Array:
            self.dW = self.x.T @ g
            return g @ self.W.T

    with pytest.raises(TypeError, match=r"lin is a function with the layer itself in its closure.*make it a method"):
        crosscheck.check_layer(Tied(), X)


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_constants_rounded_to_float32_accuse_nobody(factor: float) -> None:
    def forward(x: Array) -> Array:
        return np.float32(0.1) * x.astype(np.float32)

    result = crosscheck.check(forward, lambda g, x: {"x": factor * 0.1 * g}, {"x": X}, diagnose=False)
    assert result.verdict == ("agree" if factor == 1 else "disagree"), result
