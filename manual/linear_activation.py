"""The linear activation, elementwise: nothing changes.

    Y = X                                                                      (1)

Nudge X by Ẋ:

    Ẏ = Ẋ                                                                      (2)

so with G = ∂L/∂Y from the next layer

    ∂L/∂X = G                                                                  (3)

Letters: X input; Y output; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: the linear activation of the lecture's code; with the identity every layer can be written with an activation.
"""

from typing import NamedTuple

import numpy as np

from manual import checks
from manual.layer import Layer, Stage

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    shape: tuple[int, ...]


def forward(x: Array) -> tuple[Array, Saved]:
    """A copy of x (1). x: any shape; float32, float64 or complex128."""
    return x.copy(), Saved(x.shape)  # (1)


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.shape))
    return nudge_x.copy()  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    checks.same_shape(grad_output, saved.shape, "grad_output", "the output")
    return (grad_output.copy(),)  # (3)


class LinearActivation(Layer):
    """x itself, elementwise."""

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("linear_activation", (), {}),)
