"""Elementwise functions with a mistake that shows at some configurations only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crosscheck import spaces
from tests.survey.layers import (
    Leaky,
    product,
    summed_to,
)
from tests.survey.plants.plant import Make, Plant, times

Array = np.ndarray


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
