"""Convolutions with a mistake that shows at some configurations only."""

from __future__ import annotations

import numpy as np

from crosscheck import spaces
from tests.survey.layers import (
    Convolution,
    bordered,
    windows,
)
from tests.survey.plants.plant import Make, Plant, times

Array = np.ndarray


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
