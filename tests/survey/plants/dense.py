"""Dense layers with a mistake that shows at some configurations only."""

from __future__ import annotations

import numpy as np

from crosscheck import spaces
from tests.survey.layers import (
    Dense,
)
from tests.survey.plants.plant import Make, Plant, times

Array = np.ndarray


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
