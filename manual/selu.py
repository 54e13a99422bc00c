"""SELU, elementwise: an ELU whose plateau and slope keep mean 0 and variance 1 from layer to layer.

    Y = λ·X where X > 0, else λ·a·(exp(X) - 1)                                 (1)

λ and a are the numbers for which a standard normal X gives a Y of mean 0 and variance 1. Nudge X by Ẋ:

    Ẏ = λ·Ẋ where X > 0, else λ·a·exp(X)·Ẋ                                     (2)

and with G = ∂L/∂Y from the next layer

    ∂L/∂X = λ·G where X > 0, else λ·a·exp(X)·G                                 (3)

At exactly 0 the convention is the slope λ·a, as in PyTorch and JAX.

Letters: X input; Y output; λ slope; a depth of the plateau over the slope; G = ∂L/∂Y; L loss; a dot marks a
nudge.

Source: G. Klambauer et al., *Self-Normalizing Neural Networks*, arXiv 1706.02515; λ and a from its appendix.
"""

from typing import NamedTuple

import numpy as np

from manual import checks
from manual.elu import along as along_elu
from manual.elu import bent as bent_by_elu
from manual.layer import Layer, Stage
from manual.machine.elementwise import written

Array = np.ndarray

SLOPE = 1.0507009873554804934193349852946  # λ
DEPTH = 1.6732632423543772848170429916717  # a


class Saved(NamedTuple):
    """What the backward pass needs."""

    x: Array  # the input


def forward(x: Array) -> tuple[Array, Saved]:
    """The SELU (1), the branch chosen by the real part. x: any shape; float32, float64 or complex128."""
    return written(bent, x), Saved(x)


def bent(y: Array, x: Array) -> None:
    """Y: λ times the ELU of depth a."""
    bent_by_elu(y, x, DEPTH)
    y *= x.dtype.type(SLOPE)  # (1)


def along(to: Array, x: Array, moved: Array) -> None:
    """`moved`, which is Ẋ or G, times λ or λ·a·exp(X)."""
    along_elu(to, x, moved, DEPTH)
    to *= x.dtype.type(SLOPE)


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.x.shape))
    return written(along, saved.x, nudge_x)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    checks.same_shape(grad_output, saved.x.shape, "grad_output", "the output")
    return (written(along, saved.x, grad_output),)  # (3)


class SELU(Layer):
    """The scaled exponential linear unit, elementwise."""

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("selu"),)
