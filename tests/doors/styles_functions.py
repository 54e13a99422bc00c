"""Functions, pairs and classes as they are found, for `check`, `check_operation` and `check_gradient`."""

# As they are found, and not as a type checker would have them:
# pyright: reportIncompatibleMethodOverride=false, reportMissingSuperCall=false, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from tests.doors.planting import Array, normal, s


class Door(NamedTuple):
    """A door, what it is handed, what the caller says, and the gradients that must be judged."""

    door: str
    args: tuple[Any, ...]
    says: dict[str, Any]
    gradients: tuple[str, ...]


X, W, B = normal(5, 4, seed=1), normal(4, 3), normal(3)


# ---------------------------------------------------------------------- pairs with a cache, as in the assignments


def svm_loss(x: Array, y: Array) -> tuple[float, Array]:
    """Loss and gradient from one function, as CS231n has them."""
    n = len(x)
    right = x[np.arange(n), y]
    margins = np.maximum(0, x - right[:, None] + 1.0)
    margins[np.arange(n), y] = 0
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(n), y] -= np.sum(margins > 0, axis=1)
    return margins.sum() / n, s("x", dx / n)


def batchnorm_forward(x: Array, gamma: Array, beta: Array, param: dict[str, Any]) -> tuple[Array, dict[str, Any]]:
    mu, var = x.mean(0), x.var(0)
    std = np.sqrt(var + param.get("eps", 1e-5))
    xhat = (x - mu) / std
    return gamma * xhat + beta, {"std": std, "xhat": xhat, "gamma": gamma}


def batchnorm_backward(dout: Array, cache: dict[str, Any]) -> tuple[Array, Array, Array]:
    n, (std, xhat, gamma) = len(dout), cache.values()
    dxhat = dout * gamma
    dx = (n * dxhat - dxhat.sum(0) - xhat * (dxhat * xhat).sum(0)) / (n * std)
    return s("x", dx), s("gamma", (dout * xhat).sum(0)), s("beta", dout.sum(0))


def unpadded(x: Array, w: Array, *, stride: int) -> tuple[Array, tuple[Any, ...]]:
    """im2col by index arrays."""
    length = x.shape[1]
    k = len(w)
    i = stride * np.arange((length - k) // stride + 1)[:, None] + np.arange(k)
    return x[:, i] @ w, (x.shape, x[:, i], i, w)


def unpadded_back(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, Array]:
    shape, cols, i, w = cache
    dx = np.zeros(shape)
    np.add.at(dx.T, i, np.moveaxis(dout[..., None] * w, 0, -1))
    return s("x", dx), s("w", np.einsum("bt,btk->k", dout, cols))


class Attention:
    """Static methods, a namespace as cache, weights in a dictionary."""

    @staticmethod
    def forward(x: Array, p: dict[str, Array]) -> tuple[Array, SimpleNamespace]:
        q, k, v = (x @ p[name] for name in ("q", "k", "v"))
        a = q @ k.T / np.sqrt(q.shape[-1])
        a = np.exp(a - a.max(-1, keepdims=True))
        a /= a.sum(-1, keepdims=True)
        return a @ v, SimpleNamespace(x=x, q=q, k=k, v=v, a=a, p=p)

    @staticmethod
    def backward(dy: Array, c: SimpleNamespace) -> dict[str, Any]:
        da, dv = dy @ c.v.T, c.a.T @ dy
        dz = c.a * (da - (da * c.a).sum(-1, keepdims=True)) / np.sqrt(c.q.shape[-1])
        dq, dk = dz @ c.k, dz.T @ c.q
        dx = dq @ c.p["q"].T + dk @ c.p["k"].T + dv @ c.p["v"].T
        gradients = {"q": s("p.q", c.x.T @ dq), "k": c.x.T @ dk, "v": s("p.v", c.x.T @ dv)}
        return {"x": s("x", dx), "p": gradients}


# ---------------------------------------------------------------------- a tape of closures


class Value:
    """An array with a gradient and a closure that passes it on, as micrograd has it for numbers."""

    def __init__(self, data: Any, children: tuple[Value, ...] = ()) -> None:
        self.data, self.grad = np.asarray(data, float), np.zeros_like(data, dtype=float)
        self.children = children
        self._backward: Callable[[], None] = lambda: None

    def __matmul__(self, other: Value) -> Value:
        out = Value(self.data @ other.data, (self, other))

        def _backward() -> None:
            self.grad += out.grad @ other.data.T
            other.grad += s("w", self.data.T @ out.grad)

        out._backward = _backward
        return out

    def __add__(self, other: Value) -> Value:
        out = Value(self.data + other.data, (self, other))

        def _backward() -> None:
            for node in (self, other):
                g = out.grad
                while g.ndim > node.data.ndim:
                    g = g.sum(0)
                node.grad += g

        out._backward = _backward
        return out

    def tanh(self) -> Value:
        out = Value(np.tanh(self.data), (self,))

        def _backward() -> None:
            self.grad += s("x", (1 - out.data**2) * out.grad)

        out._backward = _backward
        return out

    def backward(self, gradient: Array) -> None:
        order, seen = [], set()

        def visit(node: Value) -> None:
            if node not in seen:
                seen.add(node)
                for child in node.children:
                    visit(child)
                order.append(node)

        visit(self)
        self.grad = gradient
        for node in reversed(order):
            node._backward()


def taped(x: Array, w: Array, b: Array) -> tuple[Array, tuple[Any, ...]]:
    leaves = Value(x), Value(w), Value(b)
    y = (leaves[0].tanh() @ leaves[1]) + leaves[2]
    return y.data, (y, leaves)


def taped_back(g: Array, saved: tuple[Any, ...]) -> tuple[Array, ...]:
    y, leaves = saved
    y.backward(g)
    return tuple(leaf.grad for leaf in leaves)


# ---------------------------------------------------------------------- plain functions


def power(x: Array, exponent: float) -> Array:
    return np.abs(x) ** exponent


def power_back(g: Array, x: Array, exponent: float) -> Array:
    return s("x", g * exponent * np.abs(x) ** (exponent - 1) * np.sign(x))


@np.vectorize
def softsign(a: float) -> float:
    return a / (1 + abs(a))


@np.vectorize
def softsign_slope(a: float) -> float:
    return 1 / (1 + abs(a)) ** 2


class Huber:
    """A callable object with its slope as a method."""

    def __init__(self, delta: float) -> None:
        self.delta = delta

    def __call__(self, x: Array) -> Array:
        a = np.abs(x)
        return np.where(a <= self.delta, 0.5 * x * x, self.delta * (a - 0.5 * self.delta))

    def slope(self, g: Array, x: Array) -> Array:
        return s("x", g * np.clip(x, -self.delta, self.delta))


def made(widths: tuple[int, ...]) -> tuple[Callable[..., Array], Callable[..., Any]]:
    """Closures over a list that the forward fills."""
    kept: list[Array] = []

    def forward(x: Array, w: Array) -> Array:
        kept.clear()
        for size in widths:
            x = np.sin(x @ w[: x.shape[1], :size])
            kept.append(x)
        return x

    def backward(g: Array, x: Array, w: Array) -> dict[str, Array]:
        forward(x, w)
        dw, inputs = np.zeros_like(w), [x, *kept[:-1]]
        for a, size in zip(inputs[::-1], widths[::-1], strict=True):
            dz = g * np.cos(a @ w[: a.shape[1], :size])
            dw[: a.shape[1], :size] += a.T @ dz
            g = dz @ w[: a.shape[1], :size].T
        return {"x": s("x", g), "w": s("w", dw)}

    return forward, backward


def stencil(u: Array, nu: float) -> Array:
    """np.roll, in-place steps over a copy."""
    v = u.copy()
    for _ in range(3):
        v = v + nu * (np.roll(v, 1) - 2 * v + np.roll(v, -1))
    return v


def stencil_back(g: Array, u: Array, nu: float) -> dict[str, Any]:
    steps = [u]
    for _ in range(2):
        v = steps[-1]
        steps.append(v + nu * (np.roll(v, 1) - 2 * v + np.roll(v, -1)))
    dnu = 0.0
    for v in steps[::-1]:
        dnu += float(np.sum(g * (np.roll(v, 1) - 2 * v + np.roll(v, -1))))
        g = g + nu * (np.roll(g, -1) - 2 * g + np.roll(g, 1))
    return {"u": s("u", g), "nu": s("nu", dnu)}


def logistic(w: Array, data: Array, labels: Array, reg: float = 0.1) -> float:
    z = data @ w
    return float(np.mean(np.logaddexp(0, -labels * z)) + reg * w @ w)


def logistic_gradient(w: Array, data: Array, labels: Array, reg: float = 0.1) -> Array:
    z = data @ w
    return s("x", data.T @ (-labels / (1 + np.exp(labels * z))) / len(z) + 2 * reg * w)


def kernel(theta: Array) -> tuple[float, Array]:
    """Value and gradient together (jac=True): a Gaussian process's likelihood."""
    t = np.arange(5.0)
    d2 = (t[:, None] - t) ** 2
    k = np.exp(theta[0]) * np.exp(-0.5 * d2 * np.exp(-2 * theta[1])) + 0.3 * np.eye(5)
    y = np.sin(t)
    low = np.linalg.cholesky(k)
    alpha = np.linalg.solve(k, y)
    inner = np.outer(alpha, alpha) - np.linalg.inv(k)
    plain = k - 0.3 * np.eye(5)
    g = [-0.5 * np.sum(inner * plain), -0.5 * np.sum(inner * plain * d2 * np.exp(-2 * theta[1]))]
    return float(0.5 * y @ alpha + np.log(np.diag(low)).sum()), s("x", np.array(g))


U = normal(7)
LABELS = np.array([0, 2, 1, 1, 3])
SIGNS = np.array([1.0, -1.0, 1.0, 1.0, -1.0])

FUNCTIONS = {
    "loss and gradient at once": lambda: Door(
        "check_gradient",
        (lambda x: svm_loss(x, LABELS)[0], lambda x: svm_loss(x, LABELS)[1], normal(5, 4, seed=2)),
        {},
        ("x",),
    ),
    "value and gradient together": lambda: Door("check_gradient", (kernel, True, np.array([0.2, 0.1])), {}, ("x",)),
    "batch norm of an assignment": lambda: Door(
        "check_operation",
        ((batchnorm_forward, batchnorm_backward), {"x": X, "gamma": normal(4), "beta": normal(4, seed=2)}),
        {"hyperparameters": {"param": {"mode": "train"}}},
        ("x", "gamma", "beta"),
    ),
    "im2col by index arrays": lambda: Door(
        "check_operation",
        ((unpadded, unpadded_back), {"x": normal(2, 9), "w": normal(3)}),
        {"hyperparameters": {"stride": 2}},
        ("x", "w"),
    ),
    "static methods and a namespace": lambda: Door(
        "check_operation",
        (Attention, {"x": X, "p": {"q": W, "k": normal(4, 3, seed=2), "v": normal(4, 2)}}),
        {},
        ("x", "p.q", "p.v"),
    ),
    "a tape of closures": lambda: Door(
        "check_operation", ((taped, taped_back), {"x": X, "w": W, "b": B}), {}, ("x", "w")
    ),
    "partial": lambda: Door(
        "check", (partial(power, exponent=2.5), partial(power_back, exponent=2.5), {"x": X}), {}, ("x",)
    ),
    "numpy.vectorize": lambda: Door(
        "check", (lambda x: softsign(x), lambda g, x: s("x", g * softsign_slope(x)), {"x": X}), {}, ("x",)
    ),
    "numpy.vectorize itself": lambda: Door(
        "check", (softsign, lambda g, a: s("a", g * softsign_slope(a)), {"a": X}), {}, ("a",)
    ),
    "a callable object": lambda: Door("check", (Huber(0.7), Huber(0.7).slope, {"x": X}), {}, ("x",)),
    "closures over a list": lambda: Door("check", (*made((3, 2, 3)), {"x": X, "w": W}), {}, ("x", "w")),
    "rolls": lambda: Door("check", (stencil, stencil_back, {"u": U, "nu": 0.2}), {}, ("u", "nu")),
    "arguments as SciPy has them": lambda: Door(
        "check_gradient", (logistic, logistic_gradient, normal(4)), {"args": (X, SIGNS)}, ("x",)
    ),
}
