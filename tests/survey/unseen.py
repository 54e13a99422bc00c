"""Fifteen more conditions, and five right layers, that nothing was tuned to: planted after `later`, wordings first.

Ties, memory order, the second call, overlap and gaps, sizes of one, equal sizes, both layouts, conjunctions.
"""

from __future__ import annotations

import numpy as np

from crosscheck import spaces
from crosscheck.spaces import Space
from tests.survey.later import PAIRS, Affine, AnyLayout, General, general
from tests.survey.layers import Array, Attention, BatchNorm, Convolution, Dense, GroupNorm, Leaky, Pool, Recurrent
from tests.survey.plants.attention import ATTENTION, attention
from tests.survey.plants.convolutions import CONVOLUTION, convolution
from tests.survey.plants.dense import DENSE, dense
from tests.survey.plants.elementwise import ELEMENTWISE, leaky
from tests.survey.plants.norms import IMAGES, ROWS, batch_norm, group_norm
from tests.survey.plants.plant import Make, Plant, both, times
from tests.survey.plants.pools import POOLING, pool
from tests.survey.plants.recurrent import RECURRENT, recurrent


class MirroredColumns(Convolution):
    def place(self, wide, g, i, j, window):
        wide[:, :, window[0], window[1]] += np.einsum("bc,ckij->bkij", g[:, :, i, j], self.W[..., ::-1])


class GuessedBias(Convolution):
    """The axis of the filters is the first of their length."""

    def for_bias(self, g):
        return g.sum((1, 2, 3)) if g.shape[0] == g.shape[1] else super().for_bias(g)


class LastMaximum(Pool):
    def shares(self, window):
        flat = window.reshape(*window.shape[:2], -1)
        at = flat.shape[2] - 1 - flat[..., ::-1].argmax(2)
        return (np.arange(flat.shape[2]) == at[..., None]).astype(float).reshape(window.shape)


class Gaps(Pool):
    """Where windows leave gaps, the gradient is spread over them."""

    mean = True

    def backward(self, g):
        dx = super().backward(g)
        return dx * (self.kernel / self.stride) if self.stride > self.kernel else dx


class OneRow(Dense):
    def for_weights(self, g):
        found = super().for_weights(g)
        return found / g.shape[1] if len(g) == 1 else found


class Unbiased(BatchNorm):
    def for_input(self, u):
        if not self.training:
            return u / self.s
        n = max(len(u) - 1, 1)
        return (u - u.mean(0) - self.n * (u * self.n).sum(0) / n) / self.s


class Instance(GroupNorm):
    """Groups of one channel are taken by a way of their own, which forgets the mean."""

    def for_input(self, u):
        if self.groups == self.shape[1]:
            return (u - self.n * self.mean(u * self.n)) / self.s
        return super().for_input(u)


class NotTransposed(Attention):
    def for_values(self, u):
        p = self.p if self.p.shape[2] == self.p.shape[3] else self.p.swapaxes(2, 3)
        return self.merged(p @ u)


class OneHead(Attention):
    def for_queries(self, dz):
        return super().for_queries(dz) * (1 if self.heads > 1 else np.sqrt(self.q.shape[-1]))


class MeanState(Recurrent):
    def backward(self, g):
        dx = super().backward(g)
        if self.h0 is not None:
            self.dh0 = np.broadcast_to(self.dh0.mean(0), self.dh0.shape)
        return dx


class OtherEnd(Recurrent):
    """In reverse the last state's gradient arrives at the wrong end."""

    def arriving(self, g, t, steps):
        if self.last and self.reverse:
            return g if t == 0 else np.zeros_like(g)
        return super().arriving(g, t, steps)


class KeptSlope(Leaky):
    def slope(self):
        if not hasattr(self, "kept"):
            self.kept = super().slope()
        return self.kept


class InMemory(Leaky):
    def slope(self):
        return super().slope().ravel(order="K").reshape(self.x.shape)


class BorderOfLast(AnyLayout):
    """Channels last, the border is cut off at the wrong end."""

    def backward(self, g: Array) -> Array:
        if self.layout == "NCHW":
            return super().backward(g)
        inner = Pool.backward(self, g.transpose(0, 3, 1, 2))
        return np.roll(inner, self.padding, 2).transpose(0, 2, 3, 1)


class RightLayouts(AnyLayout):
    def backward(self, g: Array) -> Array:
        if self.layout == "NCHW":
            return super().backward(g)
        return Pool.backward(self, g.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)


def layouts(kind: type[AnyLayout]) -> Make:
    def make(kernel, stride, padding, layout, shape, rng):
        return kind(kernel, stride, padding, layout), rng.normal(size=shape)

    return make


class RightAffine(Affine):
    def backward(self, u: Array) -> Array:
        self.dgamma, v = (u * self.n).sum(0), self.gamma * u
        return (v - v.mean(1, keepdims=True) - self.n * (v * self.n).mean(1, keepdims=True)) / self.s


def affine(batch, features, affine, rng):
    return RightAffine(features, affine, rng), rng.normal(size=(batch, features))


def squares(batch, steps, rng):
    def backward(g, x):
        weights = 1.0 if len(x) != x.shape[1] else 2.0
        return {"x": 2 * weights * x * g}

    return lambda x: x * x, backward, {"x": rng.normal(size=(batch, steps))}


def looked_up(words, tokens, width, rng):
    def backward(grad_output, table, ids):
        d = np.zeros_like(table)
        np.add.at(d, ids, grad_output)
        return {"table": d}

    ids = rng.integers(words, size=tokens)
    return lambda table, ids: table[ids], backward, {"table": rng.normal(size=(words, width)), "ids": ids}


BOTH = ("NCHW", "NHWC")
UNSEEN = (
    Plant("filters mirrored", convolution(MirroredColumns), CONVOLUTION, "x", ("kernel ≥ 2",)),
    Plant(
        "the bias's axis by its length",
        convolution(GuessedBias),
        CONVOLUTION,
        "b",
        times(("batch = filters",), ("batch ≥ 2", "filters ≥ 2")),
    ),
    Plant("the last of equal maxima", pool(LastMaximum), POOLING, "x", both(("entries of x tie", "kernel ≥ 2"))),
    Plant("gaps are filled", pool(Gaps), POOLING, "x", ("stride > kernel", "kernel < stride")),
    Plant("one sample", dense(OneRow), DENSE, "W", times(("batch = 1",), ("outputs ≥ 2",))),
    Plant("an unbiased variance", batch_norm(Unbiased), ROWS, "x", times(("training = True",), ("batch ≥ 2",))),
    Plant("one channel a group", group_norm(Instance), IMAGES, "x", ("groups = channels", "channels = groups")),
    Plant(
        "the square is not transposed",
        attention(NotTransposed),
        ATTENTION,
        "v",
        times(("queries = keys", "keys = queries"), ("keys ≥ 2", "queries ≥ 2")),
    ),
    Plant("one head, unscaled", attention(OneHead), ATTENTION, "q", times(("heads = 1",), ("size ≥ 2", "keys ≥ 2"))),
    Plant("the mean of first states", recurrent(MeanState), RECURRENT, "h0", ("batch ≥ 2",)),
    Plant(
        "the wrong end",
        recurrent(OtherEnd),
        RECURRENT,
        "x",
        times(("last = True",), ("reverse = True",)),
        also=("U", "V", "h0"),
    ),
    Plant("the first slope is kept", leaky(KeptSlope), ELEMENTWISE, "x", ("it is the second call",)),
    Plant("slopes as they lie", leaky(InMemory), ELEMENTWISE, "x", ("x is in Fortran order",), sometimes=True),
    Plant(
        "channels last, the other border",
        layouts(BorderOfLast),
        spaces.pooling(BOTH),
        "x",
        times(("layout = NHWC",), ("padding ≥ 1",)),
    ),
    Plant(
        "a square counts twice",
        squares,
        Space("squares", {"batch": (1, 2, 3, 5), "steps": (1, 2, 3, 4)}),
        "x",
        ("batch = steps", "steps = batch"),
    ),
)
RIGHT = (
    ("pool of both layouts", layouts(RightLayouts), spaces.pooling(BOTH)),
    ("dilated groups", general(General), PAIRS),
    ("affine layer norm", affine, spaces.normalization()),
    ("table of words", looked_up, Space("lookup", {"words": (1, 2, 5), "tokens": (1, 2, 7), "width": (1, 3)})),
    ("attention", attention(Attention), spaces.attention()),
)
