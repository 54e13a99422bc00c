"""SELU, elementwise: an ELU whose plateau and slope keep mean 0 and variance 1 from layer to layer.

    Y = λ·X where X > 0, else λ·a·(exp(X) - 1)                                 (1)

λ and a are the numbers for which a standard normal X gives a Y of mean 0 and variance 1. Nudge X by Ẋ; with G = ∂L/∂Y
from the next layer

    ∂L/∂X = λ·G where X > 0, else λ·a·exp(X)·G                                 (2)

At exactly 0 the convention is the slope λ·a, as in PyTorch and JAX.

Letters: X input; Y output; λ slope; a depth of the plateau over the slope; G = ∂L/∂Y; L loss.

Source: G. Klambauer et al., *Self-Normalizing Neural Networks*, arXiv 1706.02515; λ and a from its appendix.
"""

from typing import NamedTuple

import numpy as np

from manual import checks
from manual.elu import not_positive
from manual.layer import Layer, Stage

Array = np.ndarray

SLOPE = 1.0507009873554804934193349852946  # λ
DEPTH = 1.6732632423543772848170429916717  # a


class Saved(NamedTuple):
    """What the backward pass needs."""

    x: Array  # the input


def forward(x: Array) -> tuple[Array, Saved]:
    """The SELU (1), the branch chosen by the real part. x: any shape; float32, float64 or complex128."""
    return np.where(np.real(x) > 0, x, x.dtype.type(DEPTH) * np.expm1(not_positive(x))) * x.dtype.type(SLOPE), Saved(
        x
    )  # (1)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    g, x = grad_output, saved.x
    checks.same_shape(g, x.shape, "grad_output", "the output")
    slope = np.where(np.real(x) > 0, 1, x.dtype.type(DEPTH) * np.exp(not_positive(x)))
    return (g * (slope * x.dtype.type(SLOPE)),)  # (2)


class SELU(Layer):
    """The scaled exponential linear unit, elementwise."""

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("selu"),)
