"""The hyperbolic tangent, elementwise: from (-∞, ∞) to (-1, 1).

    Y = tanh(X)                                                                (1)

Nudge X by Ẋ. dY/dX = 1 - tanh(X)² = 1 - Y², so Ẏ = (1 - Y²) · Ẋ, and with G = ∂L/∂Y from the next layer

    ∂L/∂X = G · (1 - Y²)                                                       (2)

Source: an activation of the lecture's code.
"""

from typing import NamedTuple

import numpy as np

from manual import checks
from manual.layer import Layer, Stage
from manual.machine.elementwise import in_blocks

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    y: Array  # a copy of the output: the caller may write to his


def forward(x: Array) -> tuple[Array, Saved]:
    """The hyperbolic tangent (1). x: any shape; float32, float64 or complex128."""
    y = in_blocks(np.tanh, x)  # (1)
    return y, Saved(y.copy())


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    g, y = grad_output, saved.y
    checks.same_shape(g, y.shape, "grad_output", "the output")
    return (in_blocks(lambda y, g: g * (1 - y * y), y, g),)  # (2)


class TanhActivation(Layer):
    """tanh(x), elementwise."""

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("tanh", (), {}),)
