"""SiLU (swish), elementwise: a number times its own sigmoid.

    Y = X·S,  S = 1 / (1 + exp(-X))                                            (1)

Nudge X by Ẋ. Ṡ = S·(1 - S)·Ẋ (`sigmoid`), so Ẏ = S·Ẋ + X·Ṡ, and with G = ∂L/∂Y from the next layer

    ∂L/∂X = G·( S + X·S·(1 - S) )                                              (2)

1 - S is computed as the sigmoid of -X, which loses no digits where S is near 1.

Letters: X input; Y output; S sigmoid of X; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: S. Elfwing, E. Uchibe, K. Doya, arXiv 1702.03118.
"""

from typing import NamedTuple

import numpy as np

from manual import checks
from manual.layer import Layer, Stage
from manual.sigmoid import logistic

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    x: Array  # the input


def forward(x: Array) -> tuple[Array, Saved]:
    """x times its sigmoid (1). x: any shape; float32, float64 or complex128."""
    return x * logistic(x), Saved(x)  # (1)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    g, x = grad_output, saved.x
    checks.same_shape(g, x.shape, "grad_output", "the output")
    s = logistic(x)
    return (g * (s + x * s * logistic(-x)),)  # (2)


class SiLU(Layer):
    """x · sigmoid(x), elementwise."""

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("silu"),)
