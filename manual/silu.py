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
from manual.machine.elementwise import in_blocks
from manual.sigmoid import both, logistic

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    x: Array  # the input


def forward(x: Array) -> tuple[Array, Saved]:
    """x times its sigmoid (1). x: any shape; float32, float64 or complex128."""
    return in_blocks(lambda x: x * logistic(x), x), Saved(x)  # (1)


def slope(x: Array) -> Array:
    """S + X·S·(1 - S)."""
    s, rest = both(x)
    return s + x * s * rest


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.x.shape))
    return in_blocks(lambda x, nudge: nudge * slope(x), saved.x, nudge_x)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    checks.same_shape(grad_output, saved.x.shape, "grad_output", "the output")
    return (in_blocks(lambda x, g: g * slope(x), saved.x, grad_output),)  # (3)


class SiLU(Layer):
    """x · sigmoid(x), elementwise."""

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("silu"),)
