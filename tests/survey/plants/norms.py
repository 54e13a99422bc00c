"""Norms with a mistake that shows at some configurations only."""

from __future__ import annotations

import numpy as np

from crosscheck import spaces
from tests.survey.layers import (
    BatchNorm,
    GroupNorm,
)
from tests.survey.plants.plant import Make, Plant, times

Array = np.ndarray


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
