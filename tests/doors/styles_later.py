"""More layers as they are found: by how they hold numbers (slots, properties, dataclasses, nested lists), how they are
called (build and call, partial, closures), and how they compute (strides, einsum strings, out=, Fortran order)."""

# As they are found, and not as a type checker would have them:
# pyright: reportIncompatibleMethodOverride=false, reportMissingSuperCall=false, reportAttributeAccessIssue=false
# pyright: reportAssignmentType=false, reportOptionalMemberAccess=false, reportOperatorIssue=false
# pyright: reportCallIssue=false, reportArgumentType=false

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view

from tests.doors.planting import Array, normal, s
from tests.doors.styles_held import WB, Style, X


class BuildCall:
    """build(shape) at the first call, and weights in a list, as in Keras."""

    def __init__(self, units: int) -> None:
        self.units, self.built, self.weights = units, False, []

    def build(self, shape: tuple[int, ...]) -> None:
        self.kernel = np.random.default_rng(5).normal(size=(shape[-1], self.units))
        self.bias = np.zeros(self.units)
        self.weights = [self.kernel, self.bias]
        self.built = True

    def __call__(self, inputs: Array, training: bool = False) -> Array:
        if not self.built:
            self.build(inputs.shape)
        return self.call(inputs)

    def call(self, inputs: Array) -> Array:
        self.inputs = inputs
        return np.tanh(inputs @ self.kernel + self.bias)

    def backward(self, upstream: Array) -> tuple[Array, list[Array]]:
        y = np.tanh(self.inputs @ self.kernel + self.bias)
        dz = upstream * (1 - y * y)
        return s("x", dz @ self.kernel.T), [s("kernel", self.inputs.T @ dz), s("bias", dz.sum(0))]


class Slots:
    """__slots__."""

    __slots__ = ("b", "db", "dw", "inp", "w")

    def __init__(self) -> None:
        self.w, self.b = normal(4, 3), normal(3)
        self.dw, self.db, self.inp = None, None, None

    def forward(self, inp: Array) -> Array:
        self.inp = inp
        return inp.dot(self.w) + self.b

    def backward(self, dout: Array) -> Array:
        self.dw, self.db = s("w", self.inp.T.dot(dout)), s("b", np.ones(len(dout)).dot(dout))
        return s("x", dout.dot(self.w.T))


class Properties:
    """Weights and gradients behind properties, in one flat vector."""

    def __init__(self) -> None:
        self._theta, self._dtheta = normal(15), np.zeros(15)

    @property
    def W(self) -> Array:
        return self._theta[:12].reshape(4, 3)

    @property
    def b(self) -> Array:
        return self._theta[12:]

    def forward(self, x: Array) -> Array:
        self._x = x
        return x @ self.W + self.b

    def backward(self, g: Array) -> Array:
        self._dtheta[:12] = s("_theta", (self._x.T @ g).ravel())
        self._dtheta[12:] = g.sum(0)
        return s("x", g @ self.W.T)


@dataclass
class Tensors:
    w: Array
    b: Array


@dataclass
class Records:
    """A dataclass, with its parameters and gradients in others."""

    params: Tensors = field(default_factory=lambda: Tensors(normal(4, 3), normal(3)))
    grads: Tensors = field(default_factory=lambda: Tensors(np.zeros((4, 3)), np.zeros(3)))
    x: Array | None = None

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.params.w + self.params.b

    def backward(self, g: Array) -> Array:
        self.grads = Tensors(s("w", self.x.T @ g), s("b", g.sum(0)))
        return s("x", g @ self.params.w.T)


class NestedLists:
    """Weights as lists of lists of numbers, as in networks without NumPy; the arrays are made on the way."""

    def __init__(self) -> None:
        self.weights = normal(4, 3).tolist()

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ np.array(self.weights)

    def backward(self, g: Array) -> Array:
        self.dweights = s("weights", self.x.T @ g)
        return s("x", g @ np.array(self.weights).T)


Cache = namedtuple("Cache", "x z mask")  # pyright: ignore[reportUntypedNamedTuple]


class TupleCache:
    """A cache that is a named tuple, and a dictionary of gradients with odd names."""

    def __init__(self) -> None:
        self.params = OrderedDict(W1=normal(4, 3), b1=normal(3))

    def forward(self, x: Array) -> tuple[Array, Cache]:
        z = x @ self.params["W1"] + self.params["b1"]
        return z * (z > 0), Cache(x, z, z > 0)

    def backward(self, dout: Array, cache: Cache) -> dict[str, Array]:
        dz = dout * cache.mask
        return {"dX": s("x", dz @ self.params["W1"].T), "gW1": s("W1", cache.x.T @ dz), "gb1": s("b1", dz.sum(0))}


class TakesInputAndOutput:
    """backward(dout, x, y)."""

    def __init__(self) -> None:
        self.W = normal(4, 3)

    def forward(self, x: Array) -> Array:
        return 1 / (1 + np.exp(-(x @ self.W)))

    def backward(self, dout: Array, x: Array, y: Array) -> tuple[Array, Array]:
        dz = dout * y * (1 - y)
        return s("x", dz @ self.W.T), s("W", x.T @ dz)


class InputFirst:
    """backward(input, grad_output), as in Torch 7 and courses after it."""

    def __init__(self) -> None:
        self.W, self.b = normal(3, 4), normal(3)

    def forward(self, input: Array) -> Array:
        return np.exp(-((input @ self.W.T + self.b) ** 2))

    def backward(self, input: Array, grad_output: Array) -> Array:
        z = input @ self.W.T + self.b
        dz = -2 * z * np.exp(-z * z) * grad_output
        self.gradW, self.gradb = s("W", dz.T @ input), s("b", dz.sum(0))
        return s("x", dz @ self.W)


class InputFirstStepped(InputFirst):
    """The same, which makes its step in backward."""

    learning_rate = 0.1

    def backward(self, input: Array, grad_output: Array) -> Array:
        z = input @ self.W.T + self.b
        dz = -2 * z * np.exp(-z * z) * grad_output
        dx = s("x", dz @ self.W)
        self.W = self.W - self.learning_rate * s("W", dz.T @ input)
        self.b = self.b - self.learning_rate * s("b", dz.sum(0))
        return dx


class SampleLast:
    """Columns are samples, gradients a mean over the batch because the loss is (dA is divided there)."""

    def __init__(self) -> None:
        self.W, self.b = normal(3, 4), np.zeros((3, 1))

    def forward(self, A_prev: Array) -> Array:
        self.A_prev = A_prev
        self.Z = self.W @ A_prev + self.b
        return np.maximum(0, self.Z)

    def backward(self, dA: Array) -> tuple[Array, Array, Array]:
        dZ = np.array(dA, copy=True)
        dZ[self.Z <= 0] = 0
        return s("x", self.W.T @ dZ), s("W", dZ @ self.A_prev.T), s("b", np.sum(dZ, axis=1, keepdims=True))


class Out:
    """Buffers made at the first call and written with out=."""

    def __init__(self) -> None:
        self.W, self.y, self.dx = normal(4, 3), None, None
        self.dW = np.empty((4, 3))

    def forward(self, x: Array) -> Array:
        if self.y is None or self.y.shape[0] != x.shape[0]:
            self.y, self.dx = np.empty((len(x), 3)), np.empty_like(x)
        self.x = x
        np.matmul(x, self.W, out=self.y)
        np.tanh(self.y, out=self.y)
        return self.y.copy()

    def backward(self, g: Array) -> Array:
        t = np.square(self.y)
        np.subtract(1.0, t, out=t)
        np.multiply(g, t, out=t)
        np.dot(self.x.T, t, out=self.dW)
        self.dW[...] = s("W", self.dW)
        np.matmul(t, self.W.T, out=self.dx)
        return s("x", self.dx.copy())


class Fortran:
    """Weights in Fortran order, and einsum strings put together at run time."""

    def __init__(self) -> None:
        self.core = np.asfortranarray(normal(2, 3, 4))

    def forward(self, x: Array) -> Array:
        self.x = x
        n = x.ndim - 2
        self.lead = "abc"[:n]
        return np.einsum(f"{self.lead}ij,ijk->{self.lead}k", x, self.core)

    def backward(self, g: Array) -> Array:
        lead = self.lead
        self.grad_core = s("core", np.einsum(f"{lead}ij,{lead}k->ijk", self.x, g, order="F"))
        return s("x", np.einsum(lead + "k,ijk->" + lead + "ij", g, self.core))


class Strided:
    """A convolution by as_strided, with np.pad in reflect mode, whose gradient folds the edges back."""

    def __init__(self) -> None:
        self.w = normal(3)

    def forward(self, x: Array) -> Array:
        self.p = np.pad(x, ((0, 0), (1, 1)), mode="reflect")
        n, m = self.p.shape
        st = self.p.strides
        self.cols = as_strided(self.p, (n, m - 2, 3), (st[0], st[1], st[1]))
        return self.cols @ self.w

    def backward(self, g: Array) -> Array:
        self.dw = s("w", np.tensordot(g, self.cols, ([0, 1], [0, 1])))
        dp = np.zeros_like(self.p)
        for k in range(3):
            dp[:, k : k + g.shape[1]] += g * self.w[k]
        dx = dp[:, 1:-1].copy()
        dx[:, 1] += dp[:, 0]
        dx[:, -2] += dp[:, -1]
        return s("x", dx)


class EdgePadded(Strided):
    """The same with sliding_window_view and edges repeated."""

    def forward(self, x: Array) -> Array:
        self.p = np.pad(x, [(0, 0), (1, 1)], "edge")
        self.cols = sliding_window_view(self.p, 3, axis=1)
        return np.tensordot(self.cols, self.w, axes=1)

    def backward(self, g: Array) -> Array:
        self.dw = s("w", np.einsum("bt,btk->k", g, self.cols))
        dp = np.zeros_like(self.p)
        for k in range(3):
            dp[:, k : k + g.shape[1]] += g * self.w[k]
        dx = dp[:, 1:-1].copy()
        dx[:, 0] += dp[:, 0]
        dx[:, -1] += dp[:, -1]
        return s("x", dx)


class Loops:
    """Weights in lists, one for each layer, counted by l."""

    sizes: ClassVar = (4, 6, 5, 2)

    def __init__(self) -> None:
        self.W = [normal(n, m) for n, m in zip(self.sizes[:-1], self.sizes[1:], strict=True)]
        self.b = [np.zeros((1, m)) for m in self.sizes[1:]]

    def feedforward(self, x: Array) -> Array:
        self.a = [x]
        for w, b in zip(self.W, self.b, strict=True):
            self.a.append(np.tanh(self.a[-1] @ w + b))
        return self.a[-1]

    def backprop(self, delta: Array) -> tuple[Array, list[Array], list[Array]]:
        nabla_w, nabla_b = [np.zeros_like(w) for w in self.W], [np.zeros_like(b) for b in self.b]
        for layer in range(1, len(self.W) + 1):
            delta = delta * (1 - self.a[-layer] ** 2)
            nabla_w[-layer] = self.a[-layer - 1].T @ delta
            nabla_b[-layer] = delta.sum(0, keepdims=True)
            delta = delta @ self.W[-layer].T
        nabla_w[0] = s("W.0", nabla_w[0])
        nabla_b[2] = s("b.2", nabla_b[2])
        return s("x", delta), nabla_w, nabla_b


class Gru:
    """A batch of sequences with a state of its own for each sample, from zeros; three gates in one matrix."""

    def __init__(self) -> None:
        self.Wx, self.Wh, self.bias = normal(2, 9), normal(3, 9), normal(9)

    def forward(self, xs: Array) -> Array:
        n, t, _ = xs.shape
        h, self.steps, out = np.zeros((n, 3)), [], []
        for i in range(t):
            x = xs[:, i]
            ax, ah = x @ self.Wx + self.bias, h @ self.Wh
            z = 1 / (1 + np.exp(-(ax[:, :3] + ah[:, :3])))
            r = 1 / (1 + np.exp(-(ax[:, 3:6] + ah[:, 3:6])))
            c = np.tanh(ax[:, 6:] + r * ah[:, 6:])
            self.steps.append((x, h, z, r, c, ah[:, 6:]))
            h = (1 - z) * h + z * c
            out.append(h)
        return np.stack(out, axis=1)

    def backward(self, dhs: Array) -> Array:
        self.dWx, self.dWh, self.dbias = np.zeros_like(self.Wx), np.zeros_like(self.Wh), np.zeros_like(self.bias)
        dxs, dh = np.zeros((*dhs.shape[:2], 2)), np.zeros_like(dhs[:, 0])
        for i in reversed(range(dhs.shape[1])):
            x, h, z, r, c, hc = self.steps[i]
            dh = dh + dhs[:, i]
            dz, dc = dh * (c - h) * z * (1 - z), dh * z * (1 - c**2)
            dr = dc * hc * r * (1 - r)
            da = np.hstack([dz, dr, dc])
            dah = np.hstack([dz, dr, dc * r])
            self.dWx += x.T @ da
            self.dWh += h.T @ dah
            self.dbias += da.sum(0)
            dxs[:, i] = da @ self.Wx.T
            dh = dh * (1 - z) + dah @ self.Wh.T
        self.dWx, self.dWh, self.dbias = s("Wx", self.dWx), s("Wh", self.dWh), s("bias", self.dbias)
        return s("x", dxs)


LATER = {
    "build and call": lambda: Style(BuildCall(3), X, {}, ("x", "kernel", "bias")),
    "slots": lambda: Style(Slots(), X, {}, ("x", "w", "b")),
    "properties": lambda: Style(Properties(), X, {}, ("x", "_theta")),
    "dataclasses": lambda: Style(Records(), X, {}, ("x", "w", "b")),
    "a named tuple as cache": lambda: Style(TupleCache(), X, {}, ("x", "W1", "b1")),
    "backward(dout, x, y)": lambda: Style(TakesInputAndOutput(), X, {}, ("x", "W")),
    "backward(input, grad)": lambda: Style(InputFirst(), X, {}, WB),
    "backward(input, grad), stepped": lambda: Style(InputFirstStepped(), X, {}, WB),
    "samples in columns": lambda: Style(SampleLast(), X.T, {}, ("x", "W", "b")),
    "buffers with out=": lambda: Style(Out(), X, {}, ("x", "W")),
    "Fortran order": lambda: Style(Fortran(), normal(5, 2, 3), {}, ("x", "core")),
    "strides and reflection": lambda: Style(Strided(), normal(3, 6), {}, ("x", "w")),
    "edges repeated": lambda: Style(EdgePadded(), normal(3, 6), {}, ("x", "w")),
    "lists of weights": lambda: Style(Loops(), X, {}, ("x", "W.0", "b.2")),
    "a GRU over a batch": lambda: Style(Gru(), normal(2, 4, 2), {}, ("x", "Wx", "Wh", "bias")),
    "nested lists": lambda: Style(NestedLists(), X, {}, ("x", "weights")),
}
