"""The hyperbolic tangent, elementwise: from (-∞, ∞) to (-1, 1).

    Y = tanh(X)                                                                (1)

Nudge X by Ẋ. ∂Y/∂X = 1 - tanh(X)² = 1 - Y², so

    Ẏ = Ẋ · (1 - Y²)                                                           (2)

and with G = ∂L/∂Y from the next layer

    ∂L/∂X = G · (1 - Y²)                                                       (3)

Both as computed lose digits where Y² is near 1. Y is rounded there, by up to u, the unit roundoff, which makes an error
of 2u in Y² beside the rounding of the square: relative to 1 - Y², about 4 · exp(-2|X|), up to 3u / (1 - Y²). Of
float64's sixteen digits three are left at |X| = 15; beyond |X| = 19, Y² is 1 and (3) exactly 0, where the truth is G ·
4 · exp(-2|X|). In float32 the same happens from |X| = 5 and 10 on.

Letters: X input; Y output; G = ∂L/∂Y; L loss; u the unit roundoff; a dot marks a nudge.

Source: an activation of the lecture's code.
"""

from typing import NamedTuple

import numpy as np

from manual import checks
from manual.layer import Layer, Stage
from manual.machine.elementwise import in_blocks, written

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    y: Array  # a copy of the output: the caller may write to his


def forward(x: Array) -> tuple[Array, Saved]:
    """The hyperbolic tangent (1). x: any shape; float32, float64 or complex128."""
    y = in_blocks(np.tanh, x)  # (1)
    return y, Saved(y.copy())


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.y.shape))
    return written(through, saved.y, nudge_x)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    g, y = grad_output, saved.y
    checks.same_shape(g, y.shape, "grad_output", "the output")
    return (written(through, y, g),)  # (3)


def through(to: Array, y: Array, moved: Array) -> None:
    """`moved`, which is Ẋ or G, times 1 - Y²."""
    np.multiply(y, y, out=to)
    np.subtract(1, to, out=to)
    to *= moved


class TanhActivation(Layer):
    """tanh(x), elementwise."""

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("tanh", (), {}),)
