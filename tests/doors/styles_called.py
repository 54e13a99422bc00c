"""Layers as they are found, by how they are called and what their backward returns: tuples, dictionaries, caches, other
names, several inputs, losses, single samples, loops, state."""

# As they are found, and not as a type checker would have them:
# pyright: reportIncompatibleMethodOverride=false, reportMissingSuperCall=false, reportAttributeAccessIssue=false
# pyright: reportAssignmentType=false, reportOptionalMemberAccess=false, reportOperatorIssue=false

from __future__ import annotations

from typing import Any

import numpy as np

from tests.doors.planting import Array, normal, s
from tests.doors.styles_held import WB, Attributes, Style, X


class ReturnsFirst:
    """(dx, dW, db)."""

    def __init__(self) -> None:
        self.W, self.b = normal(4, 3), normal(3)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout: Array) -> Any:
        return s("x", dout @ self.W.T), s("W", self.x.T @ dout), s("b", dout.sum(0))


class ReturnsLast(ReturnsFirst):
    """(dW, db, dx)."""

    def backward(self, dout: Array) -> Any:
        dx, dW, db = super().backward(dout)
        return dW, db, dx


class ReturnsDictionary(ReturnsFirst):
    """{"dx": ..., "dW": ..., "db": ...}."""

    def backward(self, dout: Array) -> Any:
        return dict(zip(("dx", "dW", "db"), super().backward(dout), strict=True))


class ReturnsNested(ReturnsFirst):
    """(dx, [dW, db])."""

    def backward(self, dout: Array) -> Any:
        dx, dW, db = super().backward(dout)
        return dx, [dW, db]


class ReturnsBoth(ReturnsFirst):
    """(dx, {"W": dW, "b": db})."""

    def backward(self, dout: Array) -> Any:
        dx, dW, db = super().backward(dout)
        return dx, {"W": dW, "b": db}


class Square:
    """x, W and U of one shape: only the values say which gradient is which."""

    def __init__(self) -> None:
        self.W, self.U = normal(3, 3), normal(3, 3, seed=5)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + np.tanh(x @ self.U)

    def backward(self, g: Array) -> Any:
        t = g * (1 - np.tanh(self.x @ self.U) ** 2)
        return s("U", self.x.T @ t), s("x", g @ self.W.T + t @ self.U.T), s("W", self.x.T @ g)


class Cached(ReturnsFirst):
    """forward returns (y, cache), backward takes (dout, cache)."""

    def forward(self, x: Array) -> Any:
        return x @ self.W + self.b, (x, self.W)

    def backward(self, dout: Array, cache: Any) -> Any:
        x, W = cache
        return s("x", dout @ W.T), s("W", x.T @ dout), s("b", dout.sum(0))


class CacheFirst(Cached):
    """backward takes (cache, dout)."""

    def backward(self, cache: Any, dout: Array) -> Any:
        return super().backward(dout, cache)


class OtherNames(Attributes):
    """fprop and bprop."""

    fprop, bprop = Attributes.forward, Attributes.backward
    forward = backward = None


class OwnNames(Attributes):
    """propagate and derive: names that nobody guesses."""

    propagate, derive = Attributes.forward, Attributes.backward
    forward = backward = None


class Called(Attributes):
    """__call__."""

    __call__ = Attributes.forward
    forward = None


class Extra(Attributes):
    """forward(x, training), backward(grad, scale=)."""

    def forward(self, x: Array, training: bool) -> Array:
        self.training = training
        return super().forward(x) * (2.0 if training else 1.0)

    def backward(self, grad: Array, *, scale: float) -> Array:
        return super().backward(grad * (2.0 if self.training else 1.0) * scale)


class Attention:
    """Three inputs, no parameters."""

    def forward(self, q: Array, k: Array, v: Array) -> Array:
        z = q @ k.T
        p = np.exp(z - z.max(1, keepdims=True))
        p = p / p.sum(1, keepdims=True)
        self.saved = q, k, v, p
        return p @ v

    def backward(self, g: Array) -> Any:
        q, k, v, p = self.saved
        dp = g @ v.T
        dz = p * (dp - (dp * p).sum(1, keepdims=True))
        return s("q", dz @ k), s("k", dz.T @ q), s("v", p.T @ g)


class Embedding:
    """Integers select rows; only the table is differentiated, beside the offsets."""

    def __init__(self) -> None:
        self.table = normal(6, 3)

    def forward(self, x: Array, index: Array) -> Array:
        self.index = index
        return self.table[index] * x

    def backward(self, g: Array) -> Array:
        self.dtable, x = np.zeros_like(self.table), self.table[self.index]
        np.add.at(self.dtable, self.index, g * self.scale_of(x))
        self.dtable = s("table", self.dtable)
        return s("x", g * x)

    def scale_of(self, x: Array) -> Array:
        return self.kept


class EmbeddingKept(Embedding):
    def forward(self, x: Array, index: Array) -> Array:
        self.kept = x
        return super().forward(x, index)


class SoftmaxLoss:
    """Softmax and cross entropy in one; backward(dout=1), as in "Deep Learning from Scratch"."""

    def forward(self, x: Array, t: Array) -> Any:
        z = x - x.max(1, keepdims=True)
        self.y, self.t = np.exp(z) / np.exp(z).sum(1, keepdims=True), t
        return -np.log(self.y[np.arange(len(t)), t]).mean()

    def backward(self, dout: float = 1) -> Array:
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return s("x", dx / len(self.t))


class SquaredLoss:
    """backward() takes nothing."""

    def __init__(self) -> None:
        self.w = normal(4)

    def forward(self, x: Array, t: Array) -> Any:
        self.x, self.r = x, x @ self.w - t
        return 0.5 * np.sum(self.r**2)

    def backward(self) -> Any:
        self.dw = s("w", self.x.T @ self.r)
        return s("x", np.outer(self.r, self.w))


class OneSample:
    """One vector in, one vector out."""

    def __init__(self) -> None:
        self.W, self.b = normal(3, 4), normal(3)

    def forward(self, x: Array) -> Array:
        assert x.ndim == 1
        self.x, self.y = x, np.tanh(self.W @ x + self.b)
        return self.y

    def backward(self, grad: Array) -> Array:
        dz = grad * (1 - self.y**2)
        self.dW, self.db = s("W", np.outer(dz, self.x)), s("b", dz)
        return s("x", self.W.T @ dz)


class OneColumn(OneSample):
    """A sample as a column (D, 1), which adds its gradients up."""

    def __init__(self) -> None:
        self.W, self.b = normal(3, 4), normal(3, 1)
        self.dW, self.db = np.zeros((3, 4)), np.zeros((3, 1))

    def forward(self, x: Array) -> Array:
        assert x.shape == (4, 1)
        self.x, self.y = x, np.tanh(self.W @ x + self.b)
        return self.y

    def backward(self, grad: Array) -> Array:
        dz = grad * (1 - self.y**2)
        self.dW += s("W", dz @ self.x.T)
        self.db += s("b", dz)
        return s("x", self.W.T @ dz)


class Conv:
    """A convolution in loops over one image (H, W), with filters (F, 3, 3)."""

    def __init__(self) -> None:
        self.filters, self.bias = normal(2, 3, 3), normal(2)

    def forward(self, image: Array) -> Array:
        self.image = image
        h, w = image.shape
        out = np.zeros((h - 2, w - 2, len(self.filters)))
        for i in range(h - 2):
            for j in range(w - 2):
                out[i, j] = np.sum(image[i : i + 3, j : j + 3] * self.filters, axis=(1, 2)) + self.bias
        return out

    def backward(self, d_out: Array) -> Array:
        self.d_filters, self.d_bias = np.zeros_like(self.filters), d_out.sum((0, 1))
        dx = np.zeros_like(self.image)
        for i in range(d_out.shape[0]):
            for j in range(d_out.shape[1]):
                for f in range(len(self.filters)):
                    self.d_filters[f] += d_out[i, j, f] * self.image[i : i + 3, j : j + 3]
                    dx[i : i + 3, j : j + 3] += d_out[i, j, f] * self.filters[f]
        self.d_filters, self.d_bias = s("filters", self.d_filters), s("bias", self.d_bias)
        return s("x", dx)


class Recurrent:
    """An RNN over time, which goes on from the hidden state that it ended with."""

    def __init__(self) -> None:
        self.Wx, self.Wh, self.b, self.h = normal(3, 2), normal(2, 2), normal(2), None

    def forward(self, xs: Array) -> Array:
        h = np.zeros(2) if self.h is None else self.h
        self.xs, self.hs = xs, [h]
        for x in xs:
            self.hs.append(np.tanh(x @ self.Wx + self.hs[-1] @ self.Wh + self.b))
        self.h = self.hs[-1]
        return np.stack(self.hs[1:])

    def backward(self, dhs: Array) -> Array:
        self.dWx, self.dWh, self.db = np.zeros_like(self.Wx), np.zeros_like(self.Wh), np.zeros_like(self.b)
        dxs, carried = np.zeros_like(self.xs), np.zeros(2)
        for t in reversed(range(len(dhs))):
            dz = (dhs[t] + carried) * (1 - self.hs[t + 1] ** 2)
            self.dWx += np.outer(self.xs[t], dz)
            self.dWh += np.outer(self.hs[t], dz)
            self.db += dz
            dxs[t], carried = self.Wx @ dz, self.Wh @ dz
        self.dWx, self.dWh, self.db = s("Wx", self.dWx), s("Wh", self.dWh), s("b", self.db)
        return s("x", dxs)


class Dropout:
    """A generator of its own: another mask at every call."""

    def __init__(self) -> None:
        self.rng, self.w = np.random.default_rng(0), normal(4)

    def forward(self, x: Array) -> Array:
        self.x, self.mask = x, (self.rng.random(x.shape) < 0.5) * 2.0
        return x * self.mask * self.w

    def backward(self, grad: Array) -> Array:
        self.grad_w = s("w", (grad * self.mask * self.x).sum(0))
        return s("x", grad * self.mask * self.w)


class Mode(Attributes):
    """train() and eval(): in evaluation it is another function."""

    training = True

    def eval(self) -> Mode:
        self.training = False
        return self

    def forward(self, x: Array) -> Array:
        return super().forward(x) * (1.0 if self.training else 3.0)

    def backward(self, grad: Array) -> Array:
        return super().backward(grad * (1.0 if self.training else 3.0))


T = np.array([0, 2, 1, 1, 3])

CALLED = {
    "dx first": lambda: Style(ReturnsFirst(), X, {}, WB),
    "dx last": lambda: Style(ReturnsLast(), X, {}, WB),
    "a dictionary": lambda: Style(ReturnsDictionary(), X, {}, WB),
    "a list inside": lambda: Style(ReturnsNested(), X, {}, WB),
    "a dictionary inside": lambda: Style(ReturnsBoth(), X, {}, WB),
    "three of one shape": lambda: Style(Square(), normal(3, 3, seed=7), {}, ("x", "W", "U")),
    "a cache": lambda: Style(Cached(), X, {}, WB),
    "the cache first": lambda: Style(CacheFirst(), X, {}, WB),
    "fprop": lambda: Style(OtherNames(), X, {}, WB),
    "own names": lambda: Style(OwnNames(), X, {"forward": "propagate", "backward": "derive"}, WB),
    "__call__": lambda: Style(Called(), X, {}, WB),
    "extra arguments": lambda: Style(Extra(), X, {"forward_args": (True,), "backward_kwargs": {"scale": 1.0}}, WB),
    "several inputs": lambda: Style(Attention(), (normal(4, 3), normal(5, 3), normal(5, 2)), {}, ("q", "k", "v")),
    "inputs by name": lambda: Style(
        Attention(), {"v": normal(5, 2), "q": normal(4, 3), "k": normal(5, 3)}, {}, ("q", "k", "v")
    ),
    "integers beside": lambda: Style(EmbeddingKept(), (normal(5, 3), T), {}, ("x", "table")),
    "softmax and loss": lambda: Style(SoftmaxLoss(), (X, T), {"loss": True}, ("x",)),
    "a loss without a gradient": lambda: Style(SquaredLoss(), (X, T), {"loss": True}, ("x", "w")),
    "one sample": lambda: Style(OneSample(), X, {"per_sample": True}, WB),
    "one column": lambda: Style(OneColumn(), X[..., None], {"per_sample": True}, WB),
    "a convolution in loops": lambda: Style(Conv(), normal(5, 4), {}, ("x", "filters", "bias")),
    "a batch of convolutions": lambda: Style(Conv(), normal(2, 5, 4), {"per_sample": True}, ("x", "filters", "bias")),
    "a recurrent layer with state": lambda: Style(Recurrent(), normal(4, 3), {}, ("x", "Wx", "Wh", "b")),
    "dropout with a generator": lambda: Style(Dropout(), X, {}, ("x", "w")),
    "in evaluation": lambda: Style(Mode().eval(), X, {}, WB),
}
