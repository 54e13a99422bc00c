"""Leaky ReLU, elementwise: a ReLU that lets a fixed share of the negative numbers through.

    Y = X where X > 0, else a·X                                                (1)

Nudge X by Ẋ. Away from 0 a small nudge does not change which case holds, so

    Ẏ = Ẋ where X > 0, else a·Ẋ                                                (2)

and with G = ∂L/∂Y from the next layer

    ∂L/∂X = G where X > 0, else a·G                                            (3)

At exactly 0 the convention is the slope a, as in PyTorch.

Letters: X input; Y output; a the share; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: A. Maas et al., *Rectifier nonlinearities improve neural network acoustic models*, ICML 2013.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage
from manual.machine.elementwise import one_of, written

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    x: Array  # the input
    share: float


def forward(x: Array, *, share: float = 0.01) -> tuple[Array, Saved]:
    """x where its real part is positive, else share · x (1). x: any shape; float32, float64 or complex128."""
    share = checks.number(share, "share")
    if x.dtype.kind == "f" and share <= 1 and share != 0:
        return written(lambda y, x: larger(x, share, y), x), Saved(x, share)  # (1)
    return moved(x, x, share), Saved(x, share)  # (1)


def larger(x: Array, share: float, y: Array) -> None:
    """(1) where a is at most 1, for X is at least a·X where it is positive; and not 0, for 0 times ∞ is NaN."""
    np.multiply(x, x.dtype.type(share), out=y)
    np.maximum(x, y, out=y)


def moved(x: Array, a: Array, share: float) -> Array:
    """a where x is positive, else its share."""

    def work(y: Array, x: Array, a: Array) -> None:
        factor = y if y.dtype.kind == "f" else np.empty_like(np.real(y))
        np.multiply(a, one_of(np.real(x) > 0, 1, share, out=factor), out=y)

    return written(work, x, a)


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    x, share = saved
    checks.nudges(x=(nudge_x, x.shape))
    return moved(x, nudge_x, share)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    g, (x, share) = grad_output, saved
    checks.same_shape(g, x.shape, "grad_output", "the output")
    return (moved(x, g, share),)  # (3)


class LeakyReLU(Layer):
    """x where it is positive, else share · x, elementwise."""

    def __init__(self, share: float = 0.01, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        self.share = checks.number(share, "share")

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("leaky_relu", hyperparameters={"share": self.share}),)
