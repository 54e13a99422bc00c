"""Log-softmax along an axis: the logarithms of softmax's shares, without overflow.

    Y[k] = X[k] - log Σ_l exp(X[l])                                            (1)

k and l run along the axis. With P[k] = exp(Y[k]), the shares,

    Ẏ[k] = Ẋ[k] - Σ_l P[l]·Ẋ[l]                                                (2)

and with G = ∂L/∂Y from the next layer, collecting what multiplies Ẋ[k],

    ∂L/∂X[k] = G[k] - P[k]·Σ_l G[l]                                            (3)

Subtracting the largest X first changes nothing and keeps exp at most 1.

Letters: X input; Y output; P shares; k, l places along the axis; G = ∂L/∂Y; L loss; a dot marks a nudge.

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

    shares: Array  # P
    axis: int


def forward(x: Array, *, axis: int = -1) -> tuple[Array, Saved]:
    """The logarithms of the shares (1).

    Args:
        x: any shape but none; float32, float64 or complex128.
        axis: along which; negative: counted from the end.

    Raises:
        ValueError: no such axis.
    """
    axis = checks.axis(axis, x.shape, "axis")

    def logarithms(x: Array) -> tuple[Array, Array]:
        y = x - largest(x, axis)
        shares = np.exp(y)
        sums = total(shares, (axis,))
        y -= np.log(sums)  # (1)
        shares /= sums
        return y, shares

    y, shares = in_parts(logarithms, x) if axis else logarithms(x)
    return y, Saved(shares, axis)


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    shares, axis = saved
    checks.nudges(x=(nudge_x, shares.shape))
    return nudge_x - (shares * nudge_x).sum(axis, keepdims=True)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    g, (shares, axis) = grad_output, saved
    checks.same_shape(g, shares.shape, "grad_output", "the output")

    def gradient(g: Array, shares: Array) -> tuple[Array]:
        taken = shares * total(g, (axis,))
        return (np.subtract(g, taken, out=taken),)  # (3)

    return in_parts(gradient, g, shares) if axis else gradient(g, shares)


class LogSoftmax(Layer):
    """Log-softmax along an axis.

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
        return (Stage("log_softmax", hyperparameters={"axis": self.axis}),)
