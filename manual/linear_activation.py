"""The linear activation, elementwise: nothing changes.

    Y = X                                                                      (1)

Ẏ = Ẋ, so

    ∂L/∂X = G                                                                  (2)

Source: the lecture's list of activations; the identity lets a layer be written as "with an activation" throughout.
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


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    checks.same_shape(grad_output, saved.shape, "grad_output", "the output")
    return (grad_output.copy(),)  # (2)


class LinearActivation(Layer):
    """x itself, elementwise."""

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("linear_activation", (), {}),)
