"""Planted conditions: what somebody wrote in a backward pass, and when that is wrong.

Most take after reports about public code: a border that is not cut off, a gradient that is assigned where windows
overlap, an axis that is guessed from its length, statistics of another mode, a cache that is filled once. The condition
is not written into the code; it follows from the mistake. `texts` are all the wordings that are true of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from crosscheck import spaces
from crosscheck.spaces import Space
from tests.survey.layers import (
    Attention,
    BatchNorm,
    Convolution,
    Dense,
    GroupNorm,
    Leaky,
    Pool,
    Recurrent,
    bordered,
    product,
    softmax,
    summed_to,
    windows,
)

Array = np.ndarray
Make = Callable[..., Any]


class Plant(NamedTuple):
    """A mistake and its condition.

    Args:
        name: what was written.
        make, space: as a survey takes them.
        row: the gradient that is wrong; what a row that is none begins with.
        texts: the wordings that are right.
        sometimes: whether the mistake shows at some numbers only, so that "only when" is as right as "exactly when".
        also: other gradients that the same mistake makes wrong.
    """

    name: str
    make: Make
    space: Space
    row: str
    texts: tuple[str, ...]
    sometimes: bool = False
    also: tuple[str, ...] = ()

    @property
    def of_two(self) -> bool:
        """Whether the condition is a conjunction."""
        return any(" and " in text for text in self.texts)


def both(*pairs: tuple[str, str]) -> tuple[str, ...]:
    """A conjunction in either order."""
    return tuple(f"{x} and {y}" for a, b in pairs for x, y in ((a, b), (b, a)))


def times(firsts: tuple[str, ...], seconds: tuple[str, ...]) -> tuple[str, ...]:
    """Conjunctions of equal wordings."""
    return both(*((a, b) for a in firsts for b in seconds))


# ---------------------------------------------------------------------- convolutions


def convolution(kind: type[Convolution]) -> Make:
    def make(channels, filters, kernel, stride, padding, shape, rng):
        return kind(channels, filters, kernel, stride, padding, rng), rng.normal(size=shape)

    return make


class BorderKept(Convolution):
    def cropped(self, wide):
        return wide[:, :, : self.x.shape[2], : self.x.shape[3]]


class UnpaddedImage(Convolution):
    def for_filters(self, g):
        dW = np.zeros_like(self.W)
        k, s = self.kernel, self.stride
        for i, j in np.ndindex(g.shape[2:]):
            part = self.x[:, :, i * s : i * s + k, j * s : j * s + k]
            if part.shape[2:] == (k, k):
                dW += np.einsum("bkij,bc->ckij", part, g[:, :, i, j])
        return dW


class MeanBias(Convolution):
    def for_bias(self, g):
        return g.sum((2, 3)).mean(0)


class Flipped(Convolution):
    def for_filters(self, g):
        return super().for_filters(g)[:, :, ::-1, ::-1]


class GuessedAxes(Convolution):
    """The filters turned to (channels, filters, k, k) unless their shape says that they are so already."""

    def place(self, wide, g, i, j, window):
        w = self.W.swapaxes(0, 1) if self.W.shape[0] == self.W.shape[1] else self.W
        wide[:, :, window[0], window[1]] += np.einsum("bc,ckij->bkij", g[:, :, i, j], w)


class SquareLoop(Convolution):
    def for_bias(self, g):
        db = np.zeros_like(self.b)
        for i in range(g.shape[2]):
            for j in range(min(g.shape[2], g.shape[3])):  # columns
                db += g[:, :, i, j].sum(0)
        return db


class Assigned(Convolution):
    def place(self, wide, g, i, j, window):
        wide[:, :, window[0], window[1]] = np.einsum("bc,ckij->bkij", g[:, :, i, j], self.W)


class CutAtStride(Convolution):
    """Strided: the border is cut off by p // stride²."""

    def cropped(self, wide):
        p, (height, width) = self.padding // self.stride**2, self.x.shape[2:]
        return wide[:, :, p : p + height, p : p + width]


class HalfKernel(Convolution):
    """The filters' gradient read at 2 (k // 2) − 1 columns, which is k for odd kernels; the last column is lost."""

    def for_filters(self, g):
        dW = super().for_filters(g)
        dW[..., 2 * ((self.kernel - 1) // 2) + 1 :] = 0
        return dW


class RemainderInFront(Convolution):
    """What the last step leaves is put before the image's rows and not after them."""

    def cropped(self, wide):
        left = (wide.shape[2] - self.kernel) % self.stride
        return np.roll(super().cropped(wide), left, 2)


class OncePadded(Convolution):
    """The padded image is kept from the first call."""

    kept: Array | None = None

    def for_filters(self, g):
        if self.kept is None:
            self.kept = np.array(self.seen)
        return np.einsum("bkhwij,bchw->ckij", self.kept, g)


class MemoryOrder(Convolution):
    """The image is flattened as it lies in memory."""

    def for_filters(self, g):
        x = self.x.ravel(order="K").reshape(self.x.shape)
        return np.einsum("bkhwij,bchw->ckij", windows(bordered(x, self.padding), self.kernel, self.stride), g)


class FirstSample(Convolution):
    """A branch for one channel reads the first sample alone."""

    def for_filters(self, g):
        if self.x.shape[1] == 1:
            return np.einsum("khwij,chw->ckij", self.seen[0], g[0])
        return super().for_filters(g)


class StridedPadding(Convolution):
    """Strided windows are taken of the image before its border is put on."""

    def for_filters(self, g):
        if self.stride == 1:
            return super().for_filters(g)
        p, s = self.padding, self.stride
        shifted = np.roll(bordered(self.x, p), p, (2, 3))
        return np.einsum("bkhwij,bchw->ckij", windows(shifted, self.kernel, s), g)


CONVOLUTION = spaces.convolution()
# The space has kernels of 1, 2 and 3.
EVEN = ("kernel is even", "kernel = 2")

CONVOLUTIONS = (
    Plant("the border is not cut off", convolution(BorderKept), CONVOLUTION, "x", ("padding ≥ 1",)),
    Plant("filters read the unpadded image", convolution(UnpaddedImage), CONVOLUTION, "W", ("padding ≥ 1",)),
    Plant("the bias takes the mean of the batch", convolution(MeanBias), CONVOLUTION, "b", ("batch ≥ 2",)),
    Plant("the filters' gradient is flipped", convolution(Flipped), CONVOLUTION, "W", ("kernel ≥ 2",)),
    Plant(
        "axes guessed from their lengths",
        convolution(GuessedAxes),
        CONVOLUTION,
        "x",
        times(("channels = filters",), ("channels ≥ 2", "filters ≥ 2")),
    ),
    Plant("columns counted by rows", convolution(SquareLoop), CONVOLUTION, "b", ("output height < output width",)),
    Plant(
        "assigned where windows overlap",
        convolution(Assigned),
        CONVOLUTION,
        "x",
        times(("stride < kernel",), ("output positions ≥ 2",)),
    ),
    Plant(
        "strided: the border is not cut off",
        convolution(CutAtStride),
        CONVOLUTION,
        "x",
        times(("stride ≥ 2",), ("padding ≥ 1",)),
    ),
    Plant("half a kernel, rounded down", convolution(HalfKernel), CONVOLUTION, "W", EVEN),
    Plant(
        "the remainder is put in front",
        convolution(RemainderInFront),
        CONVOLUTION,
        "x",
        ("stride does not divide height + 2 padding − kernel",),
    ),
    Plant("the padded image is kept", convolution(OncePadded), CONVOLUTION, "W", ("it is the second call",)),
    Plant("flattened as it lies in memory", convolution(MemoryOrder), CONVOLUTION, "W", ("x is in Fortran order",)),
    Plant(
        "one channel: the first sample alone",
        convolution(FirstSample),
        CONVOLUTION,
        "W",
        times(("channels = 1",), ("batch ≥ 2",)),
    ),
    Plant(
        "strided: padded after the windows are taken",
        convolution(StridedPadding),
        CONVOLUTION,
        "W",
        times(("stride ≥ 2",), ("padding ≥ 1",)),
    ),
)

# ---------------------------------------------------------------------- pools


def pool(kind: type[Pool]) -> Make:
    def make(kernel, stride, padding, shape, rng):
        return kind(kernel, stride, padding), rng.normal(size=shape)

    return make


class EveryMaximum(Pool):
    def shares(self, window):
        return (window == window.max((2, 3), keepdims=True)).astype(float)


class SideNotArea(Pool):
    mean = True

    def shares(self, window):
        return np.full(window.shape, 1 / self.kernel)


class AssignedPool(Pool):
    mean = True

    def place(self, part, window, g):
        part[...] = self.shares(window) * g[:, :, None, None]


class MaskOfMemory(Pool):
    def shares(self, window):
        mask = np.zeros_like(window)
        flat = window.reshape(*window.shape[:2], -1)
        b, c = np.indices(flat.shape[:2])
        mask.reshape(flat.shape)[b, c, flat.argmax(2)] = 1  # a copy, if the mask is not in C order
        return mask


class FirstOfBatch(Pool):
    """The winners of the first channel are taken for all."""

    def shares(self, window):
        won = super().shares(window)
        return np.broadcast_to(won[:, :1], won.shape)


class EntriesInside(Pool):
    """The mean counts what lies inside the image, where the forward counts the border too."""

    mean = True

    def place(self, part, window, g):
        inside = max(1, np.count_nonzero(window[0, 0]))
        part += g[:, :, None, None] / inside


POOLING = spaces.pooling()
POOLS = (
    Plant(
        "every equal maximum gets it",
        pool(EveryMaximum),
        POOLING,
        "x",
        times(("entries of x tie",), ("kernel ≥ 2",)),
        sometimes=True,
    ),
    Plant("the side and not the area", pool(SideNotArea), POOLING, "x", ("kernel ≥ 2",)),
    Plant(
        "a mean assigned where windows overlap",
        pool(AssignedPool),
        POOLING,
        "x",
        times(("stride < kernel",), ("output positions ≥ 2",)),
    ),
    Plant(
        "the first channel's winners",
        pool(FirstOfBatch),
        POOLING,
        "x",
        times(("channels ≥ 2",), ("kernel ≥ 2",)),
        sometimes=True,
    ),
    Plant("a border that is not counted", pool(EntriesInside), POOLING, "x", ("padding ≥ 1", "padding = 1")),
)

# ---------------------------------------------------------------------- dense layers


def dense(kind: type[Dense]) -> Make:
    def make(batch, inputs, outputs, bias, rng):
        return kind(inputs, outputs, rng, bias), rng.normal(size=(batch, inputs))

    return make


class MeanWeights(Dense):
    def for_weights(self, g):
        return super().for_weights(g) / len(g)


class GuessedBatch(Dense):
    """Summed along whichever axis leaves the bias's shape, the last first."""

    def for_bias(self, g):
        return g.sum(1) if g.sum(1).shape == self.b.shape else g.sum(0)


class GuessedWeights(Dense):
    def for_input(self, g):
        return g @ self.W if self.W.shape[0] == self.W.shape[1] else g @ self.W.T


class WithoutBias(Dense):
    """Without a bias the weights' gradient forgets to sum: it is that of the last sample."""

    def for_weights(self, g):
        return super().for_weights(g) if self.bias else np.outer(self.x[-1], g[-1])


class OneSample(Dense):
    def for_input(self, g):
        return np.maximum(g, 0) @ self.W.T if len(g) == 1 else super().for_input(g)


class KeptInput(Dense):
    kept: Array | None = None

    def for_weights(self, g):
        self.kept = np.array(self.x) if self.kept is None else self.kept
        return self.kept.T @ g


class RawInput(Dense):
    def for_weights(self, g):
        return self.x.ravel(order="K").reshape(self.x.shape).T @ g


DENSE = spaces.dense()
DENSES = (
    Plant("the weights take the mean", dense(MeanWeights), DENSE, "W", ("batch ≥ 2",)),
    Plant(
        "the bias's axis is guessed",
        dense(GuessedBatch),
        DENSE,
        "b",
        times(("batch = outputs",), ("batch ≥ 2", "outputs ≥ 2")),
    ),
    Plant(
        "the weights' transpose is guessed",
        dense(GuessedWeights),
        DENSE,
        "x",
        times(("inputs = outputs",), ("inputs ≥ 2", "outputs ≥ 2")),
    ),
    Plant(
        "without a bias nothing is summed",
        dense(WithoutBias),
        DENSE,
        "W",
        times(("bias = False",), ("batch ≥ 2",)),
    ),
    Plant("one sample is rectified", dense(OneSample), DENSE, "x", ("batch = 1",), True),
    Plant("the first input is kept", dense(KeptInput), DENSE, "W", ("it is the second call",)),
    Plant("the input as it lies in memory", dense(RawInput), DENSE, "W", ("x is in Fortran order",)),
)

# ---------------------------------------------------------------------- norms


def batch_norm(kind: type[BatchNorm]) -> Make:
    def make(batch, features, eps, training, rng):
        return kind(features, rng, eps, training), rng.normal(size=(batch, features))

    return make


def group_norm(kind: type[GroupNorm]) -> Make:
    def make(groups, eps, shape, rng):
        return kind(groups, eps), rng.normal(size=shape)

    return make


class AlwaysTraining(BatchNorm):
    def for_input(self, u):
        return (u - u.mean(0) - self.n * (u * self.n).mean(0)) / self.s


class LargeEps(BatchNorm):
    """A branch for a large eps takes the statistics for constants."""

    def for_input(self, u):
        return u / self.s if self.eps > 0.1 else super().for_input(u)


class SquareImages(GroupNorm):
    """The mean over H² positions, where there are H · W."""

    def mean(self, u):
        return u.sum(2, keepdims=True) * self.shape[3] / (u.shape[2] * self.shape[2])


class WholeMean(GroupNorm):
    """The mean over all groups of a sample."""

    def mean(self, u):
        return u.mean((1, 2), keepdims=True)


class GroupsFirst(GroupNorm):
    """Statistics of a transposed view: sample and group change places."""

    def for_input(self, u):
        n = self.n.swapaxes(0, 1).reshape(self.n.shape)
        return (u - self.mean(u) - n * self.mean(u * n)) / self.s


ROWS, IMAGES = spaces.normalization(), spaces.normalization("NCHW")
NORMS = (
    Plant("always as in training", batch_norm(AlwaysTraining), ROWS, "x", ("training = False",)),
    Plant(
        "a large eps: constant statistics",
        batch_norm(LargeEps),
        ROWS,
        "x",
        times(("eps ≥ 0.5", "eps = 0.5"), ("training = True",)),
    ),
    Plant("as many columns as rows", group_norm(SquareImages), IMAGES, "x", ("height ≠ width",)),
    Plant("the mean of all groups", group_norm(WholeMean), IMAGES, "x", ("groups ≥ 2", "groups = 2")),
    Plant(
        "groups and samples change places",
        group_norm(GroupsFirst),
        IMAGES,
        "x",
        times(("groups ≥ 2", "groups = 2"), ("batch ≥ 2",)),
    ),
)

# ---------------------------------------------------------------------- attention


def attention(kind: type[Attention]) -> Make:
    def make(batch, heads, queries, keys, size, causal, rng):
        layer = kind(heads, causal)
        shapes = {
            "q": (batch, queries, heads * size),
            "k": (batch, keys, heads * size),
            "v": (batch, keys, heads * size),
        }
        inputs = {name: rng.normal(size=shape) for name, shape in shapes.items()}

        def backward(grad_output, q, k, v):
            layer.forward(q, k, v)
            return dict(zip("qkv", layer.backward(grad_output), strict=True))

        return layer.forward, backward, inputs

    return make


class HeadsInOrder(Attention):
    """Heads are put together without putting positions first."""

    def for_values(self, u):
        return np.ascontiguousarray(self.p.swapaxes(2, 3) @ u).reshape(len(u), self.k.shape[2], -1)


class Unmasked(Attention):
    def for_values(self, u):
        return self.merged(softmax(self.scale * self.q @ self.k.swapaxes(2, 3)).swapaxes(2, 3) @ u)


class ScaledByKeys(Attention):
    def for_queries(self, dz):
        return self.merged(dz @ self.k / np.sqrt(self.k.shape[2]))


class OneHeadScale(Attention):
    """The scale of the whole width, not of a head."""

    def for_keys(self, dz):
        return super().for_keys(dz) / np.sqrt(self.heads)


class CausalScale(Attention):
    """With a causal mask the scale is forgotten."""

    def for_queries(self, dz):
        return self.merged((1.0 if self.causal else self.scale) * dz @ self.k)


ATTENTION = spaces.attention()
SEVERAL_HEADS = ("heads ≥ 2",)
ATTENTIONS = (
    Plant("heads put together too early", attention(HeadsInOrder), ATTENTION, "v", times(SEVERAL_HEADS, ("keys ≥ 2",))),
    Plant(
        "values unmasked",
        attention(Unmasked),
        ATTENTION,
        "v",
        times(("causal = True",), ("queries ≥ 2", "keys ≥ 2")),
    ),
    Plant("scaled by the number of keys", attention(ScaledByKeys), ATTENTION, "q", ("keys ≠ size",)),
    Plant("scaled by the whole width", attention(OneHeadScale), ATTENTION, "k", SEVERAL_HEADS),
)

# ---------------------------------------------------------------------- recurrent layers


def recurrent(kind: type[Recurrent]) -> Make:
    def make(batch, steps, inputs, hidden, initial, reverse, last, rng):
        return kind(batch, inputs, hidden, rng, initial, reverse, last), rng.normal(size=(batch, steps, inputs))

    return make


class Detached(Recurrent):
    def carry(self, dz, t):
        return 0 * dz


class Truncated(Recurrent):
    """Nothing is carried past two steps."""

    def carry(self, dz, t):
        return 0 * dz if t == self.x.shape[1] - 2 else super().carry(dz, t)


class NotTurned(Recurrent):
    def turned(self, dx):
        return dx


class FromZero(Recurrent):
    def before(self, t):
        return np.zeros_like(self.states[0]) if t == 0 else self.states[t]


class EveryStep(Recurrent):
    """The last state's gradient arrives at every step."""

    def arriving(self, g, t, steps):
        return g if self.last else g[:, t]


RECURRENT = spaces.recurrent()
TURNED = times(("reverse = True",), ("steps ≥ 2",))
RECURRENTS = (
    Plant("nothing is carried back", recurrent(Detached), RECURRENT, "x", ("steps ≥ 2",), also=("U", "V", "h0")),
    Plant("the input is not turned back", recurrent(NotTurned), RECURRENT, "x", TURNED),
    Plant("the first state is taken for zero", recurrent(FromZero), RECURRENT, "V", ("initial = True",)),
    Plant(
        "the last gradient at every step",
        recurrent(EveryStep),
        RECURRENT,
        "x",
        times(("last = True",), ("steps ≥ 2",)),
        also=("U", "V", "h0"),
    ),
)

# ---------------------------------------------------------------------- elementwise functions


def leaky(kind: type[Leaky]) -> Make:
    def make(shape, rng):
        return kind(), rng.normal(size=shape)

    return make


class TypeOfTheFirst(Leaky):
    def slope(self):
        return np.vectorize(lambda z: 1 if z > 0 else 0.01)(self.x)  # its dtype is that of the first


def multiplied(unbroadcast: Callable[[Array, tuple[int, ...]], Array]) -> Make:
    def make(shape, other_shape, rng):
        def backward(grad_output, x, y):
            return {"x": grad_output * y, "y": unbroadcast(grad_output * (x + np.cos(y)), y.shape)}

        return product, backward, {"x": rng.normal(size=shape), "y": rng.normal(size=other_shape)}

    return make


def meaned(g: Array, shape: tuple[int, ...]) -> Array:
    if shape == ():
        return g.mean()
    return summed_to(g, shape)


def last_axis_kept(g: Array, shape: tuple[int, ...]) -> Array:
    """A row is summed over the first axis alone, as if there were two."""
    return g[0].sum(0) if g.ndim == 3 and len(shape) == 1 else summed_to(g, shape)


ELEMENTWISE = spaces.elementwise()
OTHERS = (
    Plant(
        "the type of the first entry's slope",
        leaky(TypeOfTheFirst),
        ELEMENTWISE,
        "x",
        times(("the first entry of x is positive",), ("entries ≥ 2",)),
        sometimes=True,
    ),
    Plant(
        "a scalar takes the mean",
        multiplied(meaned),
        ELEMENTWISE,
        "y",
        times(("broadcast = scalar",), ("entries ≥ 2",)),
    ),
    Plant(
        "a row of three axes is summed over one",
        multiplied(last_axis_kept),
        ELEMENTWISE,
        "y",
        times(("broadcast = row",), ("depth ≥ 2",)),
    ),
)

PLANTS = (*CONVOLUTIONS, *POOLS, *DENSES, *NORMS, *ATTENTIONS, *RECURRENTS, *OTHERS)

HEALTHY: tuple[tuple[str, Make, Space], ...] = (
    ("convolution", convolution(Convolution), CONVOLUTION),
    ("max pool", pool(Pool), POOLING),
    ("mean pool", pool(type("MeanPool", (Pool,), {"mean": True})), POOLING),
    ("dense", dense(Dense), DENSE),
    ("batch norm", batch_norm(BatchNorm), ROWS),
    ("group norm", group_norm(GroupNorm), IMAGES),
    ("attention", attention(Attention), ATTENTION),
    ("recurrent", recurrent(Recurrent), RECURRENT),
    ("leaky", leaky(Leaky), ELEMENTWISE),
    ("product", multiplied(summed_to), ELEMENTWISE),
)
