"""Pools with a mistake that shows at some configurations only."""

from __future__ import annotations

import numpy as np

from crosscheck import spaces
from tests.survey.layers import (
    Pool,
)
from tests.survey.plants.plant import Make, Plant, times

Array = np.ndarray


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
