"""The soft ReLU (softplus), elementwise: a ReLU with a round corner.

    Y = log(1 + exp(X))                                                        (1)

Nudge X by Ẋ. ∂Y/∂X = exp(X) / (1 + exp(X)), the sigmoid of X, so

    Ẏ = Ẋ · sigmoid(X)                                                         (2)

and with G = ∂L/∂Y from the next layer

    ∂L/∂X = G · sigmoid(X)                                                     (3)

exp overflows for large arguments, so (1) is computed as max(X, 0) + log(1 + exp(-|X|)), which is the same number.

Letters: X input; Y output; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: an activation of the lecture's code; C. Dugas et al., NIPS 2000.
"""

from typing import NamedTuple

import numpy as np

from manual import checks
from manual.layer import Layer, Stage
from manual.machine.elementwise import in_blocks, where, written
from manual.sigmoid import falling, logistic

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    x: Array  # the input


def forward(x: Array) -> tuple[Array, Saved]:
    """The soft ReLU (1). x: any shape; float32, float64 or complex128."""
    return in_blocks(softplus, x), Saved(x)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) without overflow; the branch is chosen by the real part."""
    positive = np.real(x) > 0
    small = falling(x, positive)
    np.log1p(small, out=small)
    small += where(positive, x)
    return small  # (1)


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.x.shape))
    return written(along, saved.x, nudge_x)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    g, x = grad_output, saved.x
    checks.same_shape(g, x.shape, "grad_output", "the output")
    return (written(along, x, g),)  # (3)


def along(to: Array, x: Array, moved: Array) -> None:
    """`moved`, which is Ẋ or G, times the sigmoid of X."""
    logistic(x, out=to)
    to *= moved


class SoftReLUActivation(Layer):
    """log(1 + exp(x)), elementwise, without overflow."""

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("soft_relu", (), {}),)
