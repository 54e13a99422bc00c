"""Softmax along an axis: numbers turned into shares that add up to 1.

    Y[k] = exp(X[k]) / Σ_l exp(X[l])                                           (1)

k and l run along the axis. Nudge X: the logarithm of Y[k] moves by Ẋ[k] - Σ_l Y[l]·Ẋ[l], so

    Ẏ[k] = Y[k]·( Ẋ[k] - Σ_l Y[l]·Ẋ[l] )                                       (2)

and with G = ∂L/∂Y from the next layer, collecting what multiplies Ẋ[k],

    ∂L/∂X[k] = Y[k]·( G[k] - Σ_l G[l]·Y[l] )                                   (3)

Subtracting the largest X changes no share and keeps exp at most 1.

Letters: X input; Y output; k, l places along the axis; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: J. Bridle, *Probabilistic interpretation of feedforward classification network outputs*, Neurocomputing, 1990.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage
from manual.machine.rows import in_parts, largest, total

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    y: Array  # a copy of the output: the caller may write to his
    axis: int


def forward(x: Array, *, axis: int = -1) -> tuple[Array, Saved]:
    """The shares (1).

    Args:
        x: any shape but none; float32, float64 or complex128.
        axis: along which; negative: counted from the end.

    Raises:
        ValueError: no such axis.
    """
    axis = checks.axis(axis, x.shape, "axis")
    y, kept = in_parts(lambda x: (shares(x, axis),) * 2, x) if axis else (shares(x, axis),) * 2
    return y, Saved(y.copy() if kept is y else kept, axis)


def shares(x: Array, axis: int) -> Array:
    """Y."""
    y = x - largest(x, axis)
    np.exp(y, out=y)
    y /= total(y, (axis,))  # (1)
    return y


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    y, axis = saved
    checks.nudges(x=(nudge_x, y.shape))
    return y * (nudge_x - (y * nudge_x).sum(axis, keepdims=True))  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    g, (y, axis) = grad_output, saved
    checks.same_shape(g, y.shape, "grad_output", "the output")

    def gradient(g: Array, y: Array) -> tuple[Array]:
        grad_x = g - total(y, (axis,), g)
        grad_x *= y
        return (grad_x,)  # (3)

    return in_parts(gradient, g, y) if axis else gradient(g, y)


class Softmax(Layer):
    """Softmax along an axis.

    Args:
        axis: along which; negative: counted from the end.
        dtype: float64 or float32.

    Raises:
        TypeError: an axis that is no integer, or another dtype.
    """

    def __init__(self, axis: int = -1, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        self.axis = checks.integer(axis, "axis")

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("softmax", hyperparameters={"axis": self.axis}),)
