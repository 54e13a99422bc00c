"""Layers as they are found whose backward uses its gradients up: it updates parameters, or calls an optimizer."""

# As they are found, and not as a type checker would have them:
# pyright: reportIncompatibleMethodOverride=false, reportMissingSuperCall=false, reportAttributeAccessIssue=false
# pyright: reportAssignmentType=false, reportOptionalMemberAccess=false, reportOperatorIssue=false

from __future__ import annotations

from typing import Any

import numpy as np

from tests.doors.planting import Array, normal, s
from tests.doors.styles_held import WB, Style, X


class RateArgument:
    """backward(grad, learning_rate), as in many a network of one file."""

    def __init__(self) -> None:
        self.weights, self.bias = normal(3, 4), normal(3, 1)

    def forward(self, input: Array) -> Array:
        self.input = input
        return np.dot(self.weights, self.input) + self.bias

    def backward(self, output_gradient: Array, learning_rate: float) -> Array:
        weights_gradient = s("weights", np.dot(output_gradient, self.input.T))
        input_gradient = s("x", np.dot(self.weights.T, output_gradient))
        self.weights -= learning_rate * weights_gradient
        self.bias -= learning_rate * s("bias", output_gradient.sum(1, keepdims=True))
        return input_gradient


class RateByDefault(RateArgument):
    """backward(grad, lr=0.01)."""

    def backward(self, output_gradient: Array, lr: float = 0.01) -> Array:
        return super().backward(output_gradient, lr)


class RateAttribute:
    """self.lr, and new arrays."""

    def __init__(self) -> None:
        self.W, self.b, self.lr = normal(4, 3), normal(3), 0.01

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad: Array) -> Array:
        dx = s("x", grad @ self.W.T)
        self.W = self.W - self.lr * s("W", self.x.T @ grad)
        self.b = self.b - self.lr * s("b", grad.sum(0))
        return dx


class Mean(RateAttribute):
    """Divided by the size of the batch in the step, as the gradients of a mean over the batch are."""

    def forward(self, x: Array) -> Array:
        return super().forward(x) / len(x)

    def backward(self, grad: Array) -> Array:
        m = len(self.x)
        dx = s("x", grad @ self.W.T / m)
        self.W -= self.lr / m * s("W", self.x.T @ grad)
        self.b -= self.lr / m * s("b", grad.sum(0))
        return dx


class Momentum:
    """A velocity, which is zero at first."""

    def __init__(self) -> None:
        self.W, self.b, self.learning_rate = normal(4, 3), normal(3), 0.01
        self.vW, self.vb = np.zeros((4, 3)), np.zeros(3)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad: Array) -> Array:
        dx = s("x", grad @ self.W.T)
        self.vW = 0.9 * self.vW - self.learning_rate * s("W", self.x.T @ grad)
        self.vb = 0.9 * self.vb - self.learning_rate * s("b", grad.sum(0))
        self.W += self.vW
        self.b += self.vb
        return dx


class KeepsToo(RateAttribute):
    """It leaves the gradients, and updates as well."""

    def backward(self, grad: Array) -> Array:
        dx = s("x", grad @ self.W.T)
        self.dW, self.db = s("W", self.x.T @ grad), s("b", grad.sum(0))
        self.W -= self.lr * self.dW
        self.b -= self.lr * self.db
        return dx


class SGD:
    def __init__(self, rate: float = 0.01) -> None:
        self.learning_rate = rate

    def update(self, w: Array, grad: Array) -> Array:
        return w - self.learning_rate * grad


class Adam(SGD):
    """A rule from whose step no gradient can be read."""

    def update(self, w: Array, grad: Array) -> Array:
        return w - self.learning_rate * grad / (np.abs(grad) + 1e-8)


class Optimized:
    """self.W = self.W_opt.update(self.W, grad), as in "ML from Scratch"."""

    def __init__(self, optimizer: Any) -> None:
        self.W, self.w0, self.W_opt, self.w0_opt = normal(4, 3), normal(1, 3), optimizer, optimizer

    def forward_pass(self, X: Array, training: bool = True) -> Array:
        self.layer_input = X
        return X.dot(self.W) + self.w0

    def backward_pass(self, accum_grad: Array) -> Array:
        W = self.W
        grad_w, grad_w0 = self.layer_input.T.dot(accum_grad), np.sum(accum_grad, axis=0, keepdims=True)
        self.W = self.W_opt.update(self.W, s("W", grad_w))
        self.w0 = self.w0_opt.update(self.w0, s("w0", grad_w0))
        return s("x", accum_grad.dot(W.T))


class InPlace:
    def step(self, params: list[Array], grads: list[Array]) -> None:
        for p, g in zip(params, grads, strict=True):
            p -= 0.1 * g


class OptimizedLists:
    """optimizer.step([W, b], [dW, db])."""

    def __init__(self) -> None:
        self.W, self.b, self.optimizer = normal(4, 3), normal(3), InPlace()

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad: Array) -> Array:
        dx = s("x", grad @ self.W.T)
        self.optimizer.step([self.W, self.b], [s("W", self.x.T @ grad), s("b", grad.sum(0))])
        return dx


class ByKey:
    def update(self, params: dict[str, Array], grads: dict[str, Array]) -> None:
        for k in params:
            params[k] -= 0.1 * grads["d" + k]


class OptimizedDictionaries:
    """backward(grad, optimizer), which is handed two dictionaries."""

    def __init__(self) -> None:
        self.params = {"W": normal(4, 3), "b": normal(3)}

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, grad: Array, optimizer: Any) -> Array:
        dx = s("x", grad @ self.params["W"].T)
        optimizer.update(self.params, {"db": s("b", grad.sum(0)), "dW": s("W", self.x.T @ grad)})
        return dx


class Updated:
    """A network of such layers, with the rate as its argument."""

    def __init__(self) -> None:
        self.layers = [RateArgument()]

    def forward(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer.forward(x)
        return np.tanh(x)

    def backward(self, grad: Array, learning_rate: float) -> Array:
        y = np.tanh(self.layers[0].weights @ self.layers[0].input + self.layers[0].bias)
        grad = grad * (1 - y**2)
        for layer in reversed(self.layers):
            grad = layer.backward(grad, learning_rate)
        return grad


UPDATING = {
    "rate as argument": lambda: Style(RateArgument(), X.T, {}, ("x", "weights", "bias")),
    "rate by default": lambda: Style(RateByDefault(), X.T, {}, ("x", "weights", "bias")),
    "rate given": lambda: Style(RateArgument(), X.T, {"backward_args": (0.1,)}, ("x", "weights", "bias")),
    "rate as attribute": lambda: Style(RateAttribute(), X, {}, WB),
    "a mean in the step": lambda: Style(Mean(), X, {}, WB),
    "momentum": lambda: Style(Momentum(), X, {}, WB),
    "updated and kept": lambda: Style(KeepsToo(), X, {}, WB),
    "an optimizer called": lambda: Style(Optimized(SGD()), X, {}, ("x", "W", "w0")),
    "an adaptive optimizer": lambda: Style(Optimized(Adam()), X, {}, ("x", "W", "w0")),
    "an optimizer with lists": lambda: Style(OptimizedLists(), X, {}, WB),
    "an optimizer as argument": lambda: Style(OptimizedDictionaries(), X, {"backward_args": (ByKey(),)}, WB),
    "a network of them": lambda: Style(Updated(), X.T, {}, ("x", "weights", "bias")),
}
