"""Recurrent layers with a mistake that shows at some configurations only."""

from __future__ import annotations

import numpy as np

from crosscheck import spaces
from tests.survey.layers import (
    Recurrent,
)
from tests.survey.plants.plant import Make, Plant, times

Array = np.ndarray


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
