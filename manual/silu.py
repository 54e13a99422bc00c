"""SiLU (swish), elementwise: a number times its own sigmoid.

    Y = X·S,  S = 1 / (1 + exp(-X))                                            (1)

Nudge X by Ẋ. Ṡ = S·(1 - S)·Ẋ (`sigmoid`), so Ẏ = S·Ẋ + X·Ṡ:

    Ẏ = Ẋ·( S + X·S·(1 - S) )                                                  (2)

and with G = ∂L/∂Y from the next layer

    ∂L/∂X = G·( S + X·S·(1 - S) )                                              (3)

1 - S is computed as the sigmoid of -X (`both`), which loses no digits where S is near 1.

Letters: X input; Y output; S sigmoid of X; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: S. Elfwing, E. Uchibe, K. Doya, arXiv 1702.03118.
"""

from typing import NamedTuple

import numpy as np

from manual import checks
from manual.layer import Layer, Stage
from manual.machine.elementwise import each_block, in_blocks
from manual.sigmoid import both

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    slope: Array  # S + X·S·(1 - S), which shares the exponential with Y


def forward(x: Array) -> tuple[Array, Saved]:
    """x times its sigmoid (1). x: any shape; float32, float64 or complex128."""
    y, slope = np.empty_like(x), np.empty_like(x)

    def work(y: Array, slope: Array, x: Array) -> None:
        s, rest = both(x)
        np.multiply(x, s, out=y)  # (1)
        np.multiply(y, rest, out=slope)
        slope += s

    each_block(work, (y, slope), (x,))
    return y, Saved(slope)


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.slope.shape))
    return nudge_x * saved.slope  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    checks.same_shape(grad_output, saved.slope.shape, "grad_output", "the output")
    return (in_blocks(np.multiply, saved.slope, grad_output),)  # (3)


class SiLU(Layer):
    """x · sigmoid(x), elementwise."""

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("silu"),)
