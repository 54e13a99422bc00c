"""Eight conditions that were planted after the search was finished, of kinds that nothing was tuned to.

Pairs of strides, dilation, groups, both layouts, affine norms, more keys than queries, a first state in a reversed
sequence, indices that repeat. Of the wordings, four were written down before the first run as they were found. Four
were found otherwise, and truly: of pairs the rows are named; one feature has no gradient in a layer norm, so that
nothing need be said of it; a reshape of one position is a transpose, so that "only when" is all there is to say; and of
more indices than words two are equal, always.
"""

from __future__ import annotations

import numpy as np

from crosscheck import spaces
from crosscheck.spaces import Space
from tests.survey.layers import Array, Attention, Pool, Recurrent
from tests.survey.plants.plant import Make, Plant, times


class General:
    """A convolution with pairs, dilation and groups, (B, C, H, W), entry by entry of the window."""

    def __init__(self, channels, filters, kernel, stride, padding, dilation, groups, rng):
        self.W = rng.normal(size=(filters, channels // groups, *kernel))
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups

    def rows(self, wide: Array, i: int, j: int, steps: tuple[int, int], outputs: tuple[int, ...]) -> tuple[slice, ...]:
        d = self.dilation
        return tuple(slice(a * d, a * d + (n - 1) * s + 1, s) for a, n, s in zip((i, j), outputs, steps, strict=True))

    def forward(self, x: Array) -> Array:
        self.x = x
        p, q = self.padding
        self.wide = np.pad(x, ((0, 0), (0, 0), (p, p), (q, q)))
        reach = [self.dilation * (k - 1) + 1 for k in self.W.shape[2:]]
        sides = zip(self.wide.shape[2:], reach, self.stride, strict=True)
        outputs = tuple((n - r) // s + 1 for n, r, s in sides)
        y = np.zeros((len(x), len(self.W), *outputs))
        for i, j in np.ndindex(self.W.shape[2:]):
            part = self.wide[:, :, *self.rows(self.wide, i, j, self.stride, outputs)]
            y += np.einsum("bgkhw,gck->bgchw", self.by_group(part, 1), self.of(i, j)).reshape(y.shape)
        return y

    def by_group(self, a: Array, axis: int) -> Array:
        return a.reshape(*a.shape[:axis], self.groups, -1, *a.shape[axis + 1 :])

    def of(self, i: int, j: int) -> Array:
        return self.by_group(self.W[:, :, i, j], 0)

    def backward(self, g: Array) -> Array:
        outputs, grouped = g.shape[2:], self.by_group(g, 1)
        self.dW, wide = np.zeros_like(self.W), np.zeros_like(self.wide)
        for i, j in np.ndindex(self.W.shape[2:]):
            part = self.read(i, j, outputs)
            found = np.einsum("bgkhw,bgchw->gck", self.by_group(part, 1), grouped)
            self.dW[:, :, i, j] = found.reshape(self.W.shape[:2])
            back = np.einsum("bgchw,gck->bgkhw", grouped, self.filters_back(i, j))
            self.put(wide, i, j, outputs, back.reshape(part.shape))
        p, q = self.padding
        return wide[:, :, p : p + self.x.shape[2], q : q + self.x.shape[3]]

    def read(self, i: int, j: int, outputs: tuple[int, ...]) -> Array:
        return self.wide[:, :, *self.rows(self.wide, i, j, self.stride, outputs)]

    def filters_back(self, i: int, j: int) -> Array:
        return self.of(i, j)

    def put(self, wide: Array, i: int, j: int, outputs: tuple[int, ...], back: Array) -> None:
        wide[:, :, *self.rows(wide, i, j, self.stride, outputs)] += back


class StrideOfRows(General):
    """The filters' gradient steps along columns as along rows, and takes what there is."""

    def read(self, i, j, outputs):
        s = self.stride[0]
        a, b = i * self.dilation + s * np.arange(outputs[0]), j * self.dilation + s * np.arange(outputs[1])
        return self.wide[:, :, a[:, None], b % self.wide.shape[3]]


class NotDilated(General):
    def read(self, i, j, outputs):
        (h, w), (s, t) = outputs, self.stride
        return self.wide[:, :, i : i + (h - 1) * s + 1 : s, j : j + (w - 1) * t + 1 : t]


class FirstGroup(General):
    def filters_back(self, i, j):
        w = self.of(i, j)
        return np.broadcast_to(w[:1], w.shape)


def general(kind: type[General]) -> Make:
    def make(channels, filters, kernel, stride, padding, dilation, groups, shape, rng):
        return kind(channels, filters, kernel, stride, padding, dilation, groups, rng), rng.normal(size=shape)

    return make


class Affine:
    """A layer norm whose input's gradient forgets γ."""

    def __init__(self, features, affine, rng):
        self.gamma = rng.uniform(0.5, 1.5, features) if affine else np.ones(features)

    def forward(self, x: Array) -> Array:
        self.s = np.sqrt(x.var(1, keepdims=True) + 0.1)
        self.n = (x - x.mean(1, keepdims=True)) / self.s
        return self.gamma * self.n

    def backward(self, u: Array) -> Array:
        self.dgamma = (u * self.n).sum(0)
        return (u - u.mean(1, keepdims=True) - self.n * (u * self.n).mean(1, keepdims=True)) / self.s


def affine(batch, features, affine, rng):
    return Affine(features, affine, rng), rng.normal(size=(batch, features))


class AnyLayout(Pool):
    """A mean pool of either layout; channels last, the gradient is turned over and not back."""

    mean = True

    def __init__(self, kernel, stride, padding, layout):
        super().__init__(kernel, stride, padding)
        self.layout = layout

    def forward(self, x: Array) -> Array:
        if self.layout == "NCHW":
            return super().forward(x)
        return super().forward(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)

    def backward(self, g: Array) -> Array:
        if self.layout == "NCHW":
            return super().backward(g)
        turned = super().backward(g.transpose(0, 3, 1, 2))
        return turned.reshape(len(g), *turned.shape[2:], -1)


def any_layout(kernel, stride, padding, layout, shape, rng):
    return AnyLayout(kernel, stride, padding, layout), rng.normal(size=shape)


class AsManyKeys(Attention):
    def for_keys(self, dz):
        dk = super().for_keys(dz)
        dk[:, self.q.shape[2] :] = 0
        return dk


class ReversedState(Recurrent):
    """In reverse, the first state's gradient is taken before the last step."""

    def backward(self, g):
        dx = super().backward(g)
        if self.reverse and self.h0 is not None:
            self.dh0 = self.dh0 * (1 - self.h0**2)
        return dx


def lookup(words, tokens, width, rng):
    ids = rng.integers(words, size=tokens)

    def backward(grad_output, table, ids):
        d = np.zeros_like(table)
        d[ids] += grad_output  # of equal ids, the last one wins
        return {"table": d}

    return lambda table, ids: table[ids], backward, {"table": rng.normal(size=(words, width)), "ids": ids}


def attend(batch, heads, queries, keys, size, rng):
    layer = AsManyKeys(heads)
    shapes = {"q": (batch, queries, heads * size), "k": (batch, keys, heads * size), "v": (batch, keys, heads * size)}

    def backward(grad_output, q, k, v):
        layer.forward(q, k, v)
        return dict(zip("qkv", layer.backward(grad_output), strict=True))

    return layer.forward, backward, {name: rng.normal(size=shape) for name, shape in shapes.items()}


def reversed_state(batch, steps, inputs, hidden, initial, reverse, rng):
    layer = ReversedState(batch, inputs, hidden, rng, initial, reverse)
    return layer, rng.normal(size=(batch, steps, inputs))


PAIRS = spaces.convolution(pairs=True)
LATER = (
    Plant(
        "columns step as rows do",
        general(StrideOfRows),
        PAIRS,
        "W",
        times(("stride rows ≠ stride columns", "stride columns ≠ stride rows"), ("output width ≥ 2",)),
    ),
    Plant(
        "dilation is forgotten",
        general(NotDilated),
        PAIRS,
        "W",
        times(("dilation ≥ 2",), ("kernel rows ≥ 2", "kernel columns ≥ 2")),
    ),
    Plant("the first group's filters", general(FirstGroup), PAIRS, "x", ("groups ≥ 2",)),
    Plant("γ is forgotten", affine, spaces.normalization(), "x", ("affine = True",)),
    Plant(
        "channels last, reshaped and not turned",
        any_layout,
        spaces.pooling(("NCHW", "NHWC")),
        "x",
        times(("layout = NHWC",), ("channels ≥ 2",)),
        sometimes=True,
    ),
    Plant("as many keys as queries", attend, spaces.attention(), "k", ("queries < keys",)),
    Plant("the first state in reverse", reversed_state, spaces.recurrent(), "h0", ("reverse = True",)),
    Plant(
        "of equal indices the last",
        lookup,
        Space("lookup", {"words": (1, 2, 5, 9), "tokens": (1, 2, 4, 7), "width": (1, 3)}),
        "table",
        ("tokens ≥ 2", "always when words < tokens"),
        sometimes=True,
    ),
)
