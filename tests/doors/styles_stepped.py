"""Layers as they are found that show no gradient until they are told to make a step, or that add up over calls."""

# As they are found, and not as a type checker would have them:
# pyright: reportIncompatibleMethodOverride=false, reportMissingSuperCall=false, reportAttributeAccessIssue=false
# pyright: reportAssignmentType=false, reportOptionalMemberAccess=false, reportOperatorIssue=false

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tests.doors.planting import Array, normal, s
from tests.doors.styles_held import WB, Style, X


class Delta:
    """backward keeps what arrived; update(lr) multiplies it out."""

    def __init__(self) -> None:
        self.W, self.b = normal(4, 3), normal(3)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + self.b

    def backward(self, error: Array) -> Array:
        self.error = error
        return s("x", error @ self.W.T)

    def update(self, lr: float) -> None:
        self.W -= lr * s("W", self.x.T @ self.error)
        self.b -= lr * s("b", self.error.sum(0))


class Pending(Delta):
    """A list of what is to be taken off, emptied by step()."""

    def __init__(self) -> None:
        super().__init__()
        self._todo: list[Any] = []
        self.learning_rate = 0.01

    def backward(self, error: Array) -> Array:
        self._todo.append((s("W", self.x.T @ error), s("b", error.sum(0))))
        return s("x", error @ self.W.T)

    def step(self) -> None:
        for w, b in self._todo:
            self.W = self.W - self.learning_rate * w
            self.b = self.b - self.learning_rate * b
        self._todo.clear()


class Averaged(Delta):
    """Sums over calls, of which the step takes the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.acc_w, self.acc_b, self.calls = np.zeros((4, 3)), np.zeros(3), 0

    def backward(self, error: Array) -> Array:
        self.acc_w += s("W", self.x.T @ error)
        self.acc_b += s("b", error.sum(0))
        self.calls += 1
        return s("x", error @ self.W.T)

    def update_params(self, eta: float) -> None:
        self.W -= eta * self.acc_w / self.calls
        self.b -= eta * self.acc_b / self.calls
        self.acc_w[:], self.acc_b[:], self.calls = 0, 0, 0


class Sums(Averaged):
    """Sums over calls that nobody empties but reset()."""

    def update_weights(self, learning_rate: float = 0.1) -> None:
        self.W -= learning_rate * self.acc_w
        self.b -= learning_rate * self.acc_b

    update_params = None

    def reset(self) -> None:
        self.acc_w[:], self.acc_b[:] = 0, 0


class Stored(Delta):
    """What is to be done is stored as a call."""

    def backward(self, error: Array) -> Array:
        self.later = [functools.partial(np.matmul, self.x.T, error), functools.partial(np.sum, error, axis=0)]
        return s("x", error @ self.W.T)

    def apply_gradients(self, lr: float) -> None:
        w, b = self.later
        self.W -= lr * s("W", w())
        self.b -= lr * s("b", b())


class WithMomentum(Delta):
    """A velocity and a decay in the step."""

    def __init__(self) -> None:
        super().__init__()
        self.v = [np.zeros((4, 3)), np.zeros(3)]

    def update(self, lr: float, momentum: float = 0.9, decay: float = 1e-3) -> None:
        self.v[0] = momentum * self.v[0] + s("W", self.x.T @ self.error) + decay * self.W
        self.v[1] = momentum * self.v[1] + s("b", self.error.sum(0))
        self.W -= lr * self.v[0]
        self.b -= lr * self.v[1]


class Chain:
    """A network whose update goes through its layers."""

    def __init__(self) -> None:
        self.layers = [Delta()]
        self.lr = 0.5

    def forward(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer.forward(x)
        self.y = np.tanh(x)
        return self.y

    def backward(self, grad: Array) -> Array:
        grad = grad * (1 - self.y**2)
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad

    def optimize(self) -> None:
        for layer in self.layers:
            layer.update(self.lr)


class Plain:
    def __init__(self, lr: float = 0.01) -> None:
        self.lr = lr

    def step(self, w: Array, g: Array) -> Array:
        return w - self.lr * g


class ThroughRule(Delta):
    """An optimizer that the layer holds, called in its step."""

    def __init__(self) -> None:
        super().__init__()
        self.rule = Plain()

    def update(self) -> None:
        self.W = self.rule.step(self.W, s("W", self.x.T @ self.error))
        self.b = self.rule.step(self.b, s("b", self.error.sum(0)))


class OwnName(Delta):
    """A step of a name of its own."""

    update = None

    def learn(self, speed: float) -> None:
        self.W -= speed * s("W", self.x.T @ self.error)
        self.b -= speed * s("b", self.error.sum(0))


class AppendsPerCall(Delta):
    """Gradients of all calls in lists of a dictionary, until they are cleared."""

    update = None

    def __init__(self) -> None:
        super().__init__()
        self.grads: dict[str, list[Array]] = {"W": [], "b": []}

    def backward(self, error: Array) -> Array:
        self.grads["W"].append(s("W", self.x.T @ error))
        self.grads["b"].append(s("b", error.sum(0)))
        return s("x", error @ self.W.T)

    def clear_grads(self) -> None:
        self.grads = {"W": [], "b": []}


class Stacked(Delta):
    """Forwards are put on a stack, gradients are added to zeros of the constructor."""

    update = None

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[Array] = []
        self.W_grad, self.b_grad = np.zeros_like(self.W), np.zeros_like(self.b)

    def forward(self, x: Array) -> Array:
        self.stack.append(x)
        return x @ self.W + self.b

    def backward(self, error: Array) -> Array:
        x = self.stack.pop()
        self.W_grad += s("W", x.T @ error)
        self.b_grad += s("b", error.sum(0))
        return s("x", error @ self.W.T)

    def zero(self) -> None:
        self.W_grad.fill(0)
        self.b_grad.fill(0)


class ReturnsSums(Delta):
    """Adds up over calls, and returns the sums."""

    update = None

    def __init__(self) -> None:
        super().__init__()
        self.total: dict[str, Any] = {}

    def backward(self, error: Array) -> tuple[Array, dict[str, Any]]:
        self.total["W"] = self.total.get("W", 0) + s("W", self.x.T @ error)
        self.total["b"] = self.total.get("b", 0) + s("b", error.sum(0))
        return s("x", error @ self.W.T), self.total


STEPPED = {
    "update multiplies out": lambda: Style(Delta(), X, {}, WB),
    "a list of what is to be done": lambda: Style(Pending(), X, {}, WB),
    "a mean over calls": lambda: Style(Averaged(), X, {}, WB),
    "sums until reset": lambda: Style(Sums(), X, {}, WB),
    "stored calls": lambda: Style(Stored(), X, {}, WB),
    # A factor of 1.25 might be the rule's, and fails by the name: test_applying.
    "a momentum in update": lambda: Style(WithMomentum(), X, {}, ("x",)),
    "a network that optimizes": lambda: Style(Chain(), X, {}, WB),
    "a rule called in update": lambda: Style(ThroughRule(), X, {}, WB),
    "a step of its own name": lambda: Style(OwnName(), X, {"step": "learn", "rate": "speed"}, WB),
    "lists that grow": lambda: Style(AppendsPerCall(), X, {}, WB),
    "a stack of inputs": lambda: Style(Stacked(), X, {}, WB),
    "sums that are returned": lambda: Style(ReturnsSums(), X, {}, WB),
}
