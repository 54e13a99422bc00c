"""More layers as they are found: gradients in lists that do not say whose they are, arguments by name only, answers
that are yielded, and what stands beside the numbers: locks, files, modules, masks, matrices."""

# As they are found, and not as a type checker would have them:
# pyright: reportIncompatibleMethodOverride=false, reportMissingSuperCall=false, reportAttributeAccessIssue=false
# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.doors.planting import Array, normal, s
from tests.doors.styles_held import WB, Attributes, Stacks, Style, X


class ListsOfLists(Stacks):
    """weights and biases; gradients[i] is [dW, db], put in front while the loop goes back."""

    def backward(self, grad: Array) -> Array:
        self.gradients = []
        for i in (1, 0):
            grad = grad * (1 - self.a[i + 1] ** 2)
            pair = [s(f"weights.{i}", self.a[i].T @ grad), s(f"biases.{i}", grad.sum(0))]
            self.gradients.insert(0, pair)
            grad = grad @ self.weights[i].T
        return s("x", grad)


class Pairs:
    """layers as a list of (W, b), whose gradients stand in a list in the order in which they are found: the last
    first."""

    def __init__(self) -> None:
        self.layers = [(normal(4, 4), normal(4)), (normal(4, 4), normal(4))]

    def forward(self, x: Array) -> Array:
        self.a = [x]
        for w, b in self.layers:
            self.a.append(np.tanh(self.a[-1] @ w + b))
        return self.a[-1]

    def backward(self, grad: Array) -> Array:
        self.grads = []
        for i in (1, 0):
            grad = grad * (1 - self.a[i + 1] ** 2)
            self.grads.append((s(f"layers.{i}.0", self.a[i].T @ grad), s(f"layers.{i}.1", grad.sum(0))))
            grad = grad @ self.layers[i][0].T
        return s("x", grad)


class ByNameOnly(Attributes):
    """forward(*, inputs, training=True), backward(*, grad_outputs)."""

    def forward(self, *, inputs: Array, training: bool = True) -> Array:
        assert training
        return super().forward(inputs)

    def backward(self, *, grad_outputs: Array) -> Array:
        return super().backward(grad_outputs)


class Yielding(Attributes):
    """backward yields one gradient after the other."""

    def backward(self, grad: Array) -> Iterator[Array]:
        yield s("W", self.x.T @ grad)
        yield s("b", grad.sum(0))
        yield s("x", grad @ self.W.T)


class Guarded(Attributes):
    """A lock, a condition, a log, and the module it computes with."""

    def __init__(self) -> None:
        super().__init__()
        self.lock, self.ready = threading.RLock(), threading.Condition()
        self.log = Path(__file__).open(encoding="utf-8")  # noqa: SIM115, it is the layer's
        self.xp = np

    def __del__(self) -> None:
        self.log.close()

    def forward(self, x: Array) -> Array:
        with self.lock:
            return self.xp.dot(super().forward(x), self.xp.eye(3))


class Listing(Attributes):
    """parameters() gives pairs of a parameter and its gradient, which is not there before the first backward."""

    def parameters(self) -> list[tuple[Array, Array]]:
        return [(self.W, self.dW), (self.b, self.db)]


class Masked:
    """A rectifier by a masked array, whose mask backward takes over."""

    def __init__(self) -> None:
        self.W = normal(4, 3)

    def forward(self, x: Array) -> Array:
        self.x, self.z = x, np.ma.masked_less(x @ self.W, 0)
        return self.z.filled(0.0)

    def backward(self, grad: Array) -> Array:
        grad = np.ma.array(grad, mask=self.z.mask).filled(0.0)
        self.dW = s("W", self.x.T @ grad)
        return s("x", grad @ self.W.T)


class Matrix(np.ndarray):
    """An array whose * is the matrix product, as that of numpy.matrix."""

    def __mul__(self, other: Array) -> Array:
        return np.asarray(self) @ other


class Matrices:
    """Parameters of an array's subclass with an arithmetic of its own."""

    def __init__(self) -> None:
        self.W = normal(4, 3).view(Matrix)

    def forward(self, x: Array) -> Array:
        self.x = x
        return (self.W.T * x.T).T

    def backward(self, grad: Array) -> Array:
        self.dW = s("W", self.x.T @ grad)
        return s("x", (self.W * grad.T).T)


BESIDE = {
    "gradients in lists of lists": lambda: Style(
        ListsOfLists(), X, {}, ("x", "weights.0", "biases.0", "weights.1", "biases.1")
    ),
    "gradients in pairs, the last first": lambda: Style(
        Pairs(), X, {}, ("x", "layers.0.0", "layers.0.1", "layers.1.0", "layers.1.1")
    ),
    "arguments by name only": lambda: Style(ByNameOnly(), X, {}, WB),
    "gradients yielded": lambda: Style(Yielding(), X, {}, WB),
    "locks, files and modules": lambda: Style(Guarded(), X, {}, WB),
    "pairs from a method": lambda: Style(Listing(), X, {}, WB),
    "masked arrays": lambda: Style(Masked(), X, {}, ("x", "W")),
    "matrices": lambda: Style(Matrices(), X, {}, ("x", "W")),
}
