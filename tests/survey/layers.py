"""Hand-written layers for surveys, in NumPy: right, with parts that a plant replaces by what somebody might write."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Array = np.ndarray


def windows(x: Array, kernel: int, stride: int) -> Array:
    """(B, C, H', W', k, k)."""
    return sliding_window_view(x, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]


def bordered(x: Array, padding: int) -> Array:
    return np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))


class Convolution:
    """(B, C, H, W) -> (B, F, H', W')."""

    def __init__(self, channels: int, filters: int, kernel: int, stride: int, padding: int, rng: np.random.Generator):
        self.W = rng.normal(size=(filters, channels, kernel, kernel))
        self.b = rng.normal(size=filters)
        self.kernel, self.stride, self.padding = kernel, stride, padding

    def forward(self, x: Array) -> Array:
        self.x = x
        self.seen = windows(bordered(x, self.padding), self.kernel, self.stride)
        return np.einsum("bkhwij,ckij->bchw", self.seen, self.W) + self.b[:, None, None]

    def backward(self, g: Array) -> Array:
        self.dW, self.db = self.for_filters(g), self.for_bias(g)
        return self.for_input(g)

    def for_filters(self, g: Array) -> Array:
        return np.einsum("bkhwij,bchw->ckij", self.seen, g)

    def for_bias(self, g: Array) -> Array:
        return g.sum((0, 2, 3))

    def for_input(self, g: Array) -> Array:
        return self.cropped(self.scattered(g))

    def scattered(self, g: Array) -> Array:
        k, s = self.kernel, self.stride
        wide = np.zeros_like(bordered(self.x, self.padding))
        for i, j in np.ndindex(g.shape[2:]):
            self.place(wide, g, i, j, (slice(i * s, i * s + k), slice(j * s, j * s + k)))
        return wide

    def place(self, wide: Array, g: Array, i: int, j: int, window: tuple[slice, slice]) -> None:
        wide[:, :, window[0], window[1]] += np.einsum("bc,ckij->bkij", g[:, :, i, j], self.W)

    def cropped(self, wide: Array) -> Array:
        p, (height, width) = self.padding, self.x.shape[2:]
        return wide[:, :, p : p + height, p : p + width]


class Pool:
    """The largest or the mean of each window, (B, C, H, W)."""

    mean = False

    def __init__(self, kernel: int, stride: int, padding: int = 0):
        self.kernel, self.stride, self.padding = kernel, stride, padding

    def forward(self, x: Array) -> Array:
        self.x = x
        fill = 0.0 if self.mean else -np.inf
        p = self.padding
        self.wide = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=fill)
        self.seen = windows(self.wide, self.kernel, self.stride)
        return self.seen.mean((4, 5)) if self.mean else self.seen.max((4, 5))

    def backward(self, g: Array) -> Array:
        k, s, p = self.kernel, self.stride, self.padding
        dx = np.zeros_like(self.wide)
        for i, j in np.ndindex(g.shape[2:]):
            part = dx[:, :, i * s : i * s + k, j * s : j * s + k]
            self.place(part, self.wide[:, :, i * s : i * s + k, j * s : j * s + k], g[:, :, i, j])
        height, width = self.x.shape[2:]
        return dx[:, :, p : p + height, p : p + width]

    def place(self, part: Array, window: Array, g: Array) -> None:
        part += self.shares(window) * g[:, :, None, None]

    def shares(self, window: Array) -> Array:
        if self.mean:
            return np.full(window.shape, 1 / self.kernel**2)
        flat = window.reshape(*window.shape[:2], -1)
        return (np.arange(flat.shape[2]) == flat.argmax(2)[..., None]).astype(float).reshape(window.shape)


class Dense:
    """(B, I) -> (B, O)."""

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator, bias: bool = True):
        self.W, self.bias = rng.normal(size=(inputs, outputs)), bias
        if bias:
            self.b = rng.normal(size=outputs)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + (self.b if self.bias else 0.0)

    def backward(self, g: Array) -> Array:
        self.dW = self.for_weights(g)
        if self.bias:
            self.db = self.for_bias(g)
        return self.for_input(g)

    def for_weights(self, g: Array) -> Array:
        return self.x.T @ g

    def for_bias(self, g: Array) -> Array:
        return g.sum(0)

    def for_input(self, g: Array) -> Array:
        return g @ self.W.T


class BatchNorm:
    """(B, D); by the batch's own statistics in training, by 0 and 1 otherwise."""

    def __init__(self, features: int, rng: np.random.Generator, eps: float = 1e-5, training: bool = True):
        self.gamma, self.beta = rng.uniform(0.5, 1.5, features), rng.normal(size=features)
        self.eps, self.training = eps, training

    def forward(self, x: Array) -> Array:
        mean = x.mean(0) if self.training else np.zeros(x.shape[1])
        variance = x.var(0) if self.training else np.ones(x.shape[1])
        self.s = np.sqrt(variance + self.eps)
        self.n = (x - mean) / self.s
        return self.gamma * self.n + self.beta

    def backward(self, g: Array) -> Array:
        self.dgamma, self.dbeta = (g * self.n).sum(0), g.sum(0)
        return self.for_input(g * self.gamma)

    def for_input(self, u: Array) -> Array:
        if not self.training:
            return u / self.s
        return (u - u.mean(0) - self.n * (u * self.n).mean(0)) / self.s


class GroupNorm:
    """(B, C, H, W), each sample and group of channels by itself."""

    def __init__(self, groups: int, eps: float = 1e-5):
        self.groups, self.eps = groups, eps

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        z = self.grouped(x)
        self.s = np.sqrt(z.var(2, keepdims=True) + self.eps)
        self.n = (z - z.mean(2, keepdims=True)) / self.s
        return self.n.reshape(x.shape)

    def grouped(self, x: Array) -> Array:
        return x.reshape(len(x), self.groups, -1)

    def backward(self, g: Array) -> Array:
        return self.for_input(self.grouped(g)).reshape(self.shape)

    def for_input(self, u: Array) -> Array:
        return (u - self.mean(u) - self.n * self.mean(u * self.n)) / self.s

    def mean(self, u: Array) -> Array:
        return u.mean(2, keepdims=True)


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class Attention:
    """q (B, T, HD), k and v (B, S, HD); without weights."""

    def __init__(self, heads: int, causal: bool = False):
        self.heads, self.causal = heads, causal

    def split(self, a: Array) -> Array:
        return a.reshape(*a.shape[:2], self.heads, -1).transpose(0, 2, 1, 3)

    def merged(self, a: Array) -> Array:
        return a.transpose(0, 2, 1, 3).reshape(len(a), a.shape[2], -1)

    def forward(self, q: Array, k: Array, v: Array) -> Array:
        self.q, self.k, self.v = map(self.split, (q, k, v))
        self.scale = 1 / np.sqrt(self.q.shape[-1])
        z = self.scale * self.q @ self.k.swapaxes(2, 3)
        if self.causal:
            z = np.where(np.tri(*z.shape[2:], dtype=bool), z, -1e30)
        self.p = softmax(z)
        return self.merged(self.p @ self.v)

    def backward(self, g: Array) -> tuple[Array, Array, Array]:
        u = self.split(g)
        dp = u @ self.v.swapaxes(2, 3)
        dz = self.p * (dp - (dp * self.p).sum(-1, keepdims=True))
        return self.for_queries(dz), self.for_keys(dz), self.for_values(u)

    def for_queries(self, dz: Array) -> Array:
        return self.merged(self.scale * dz @ self.k)

    def for_keys(self, dz: Array) -> Array:
        return self.merged(self.scale * dz.swapaxes(2, 3) @ self.q)

    def for_values(self, u: Array) -> Array:
        return self.merged(self.p.swapaxes(2, 3) @ u)


class Recurrent:
    """h_t = tanh(x_t U + h_{t-1} V), (B, T, I) -> all states (B, T, D), or the last."""

    def __init__(
        self, batch: int, inputs: int, hidden: int, rng: np.random.Generator, initial=False, reverse=False, last=False
    ):
        self.U, self.V = rng.normal(size=(inputs, hidden)) / 2, rng.normal(size=(hidden, hidden)) / 2
        self.h0 = rng.normal(size=(batch, hidden)) if initial else None
        self.reverse, self.last = reverse, last

    def forward(self, x: Array) -> Array:
        self.x = x[:, ::-1] if self.reverse else x
        h = np.zeros((len(x), self.V.shape[0])) if self.h0 is None else self.h0
        self.states = [h]
        for t in range(x.shape[1]):
            h = np.tanh(self.x[:, t] @ self.U + h @ self.V)
            self.states.append(h)
        return h if self.last else np.stack(self.states[1:], 1)

    def backward(self, g: Array) -> Array:
        steps = self.x.shape[1]
        dx, self.dU, self.dV = np.zeros_like(self.x), np.zeros_like(self.U), np.zeros_like(self.V)
        carried = np.zeros_like(self.states[0])
        for t in reversed(range(steps)):
            arriving = self.arriving(g, t, steps) + carried
            dz = arriving * (1 - self.states[t + 1] ** 2)
            dx[:, t] = dz @ self.U.T
            self.dU += self.x[:, t].T @ dz
            self.dV += self.before(t).T @ dz
            carried = self.carry(dz, t)
        if self.h0 is not None:
            self.dh0 = carried
        return self.turned(dx)

    def arriving(self, g: Array, t: int, steps: int) -> Array:
        if self.last:
            return g if t == steps - 1 else np.zeros_like(g)
        return g[:, t]

    def before(self, t: int) -> Array:
        return self.states[t]

    def carry(self, dz: Array, t: int) -> Array:
        return dz @ self.V.T

    def turned(self, dx: Array) -> Array:
        return dx[:, ::-1] if self.reverse else dx


class Leaky:
    """x or a hundredth of it, elementwise."""

    def forward(self, x: Array) -> Array:
        self.x = x
        return np.where(x > 0, x, 0.01 * x)

    def backward(self, g: Array) -> Array:
        return g * self.slope()

    def slope(self) -> Array:
        return np.where(self.x > 0, 1.0, 0.01)


def product(x: Array, y: Array) -> Array:
    return x * y + np.sin(y)


def summed_to(g: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of what was broadcast."""
    g = g.sum(tuple(range(g.ndim - len(shape))))
    return g.sum(tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)
