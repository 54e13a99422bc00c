"""The mean squared error: how far a prediction is from its target, on average over every entry.

    L = (1/N) Σ_n (P[n] - T[n])²                                               (1)

n runs over all N entries. Nudge P by Ṗ: L̇ = (2/N) Σ_n (P[n] - T[n]) · Ṗ[n]. G is the derivative by L of what is
minimised: 1 if that is L itself. So

    ∂L/∂P[n] = G · 2 · (P[n] - T[n]) / N                                       (2)

Letters: P prediction; T target; L loss; G the derivative by L; n entry; N number of entries; a dot marks a nudge.

Source: a loss of the lecture's code.
"""

from typing import Any, ClassVar, NamedTuple

import numpy as np

from manual import checks
from manual.layer import real

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    difference: Array  # P - T


def forward(prediction: Array, *, target: Array) -> tuple[Array, Saved]:
    """The loss (1), a scalar of the prediction's dtype.

    Args:
        prediction: any shape with at least one entry; float32, float64 or complex128.
        target: the same shape; read in the prediction's dtype, not differentiated.

    Raises:
        ValueError: shapes that differ, or nothing to average.
    """
    checks.same_shape(target, prediction.shape, "target", "the prediction")
    if prediction.size == 0:
        raise ValueError(f"prediction has shape {prediction.shape}; a mean over nothing has no value")
    difference = prediction - np.asarray(target, prediction.dtype)
    return np.mean(difference * difference, dtype=prediction.dtype), Saved(difference)  # (1)


def backward(grad_output: Array | np.floating[Any] | float, saved: Saved) -> tuple[Array]:
    """∂L/∂prediction from G = grad_output, a scalar."""
    checks.same_shape(grad_output, (), "grad_output", "the loss")
    difference = saved.difference
    return (grad_output * (2 * difference / difference.dtype.type(difference.size)),)  # (2)


class MeanSquaredError:
    """The mean over every entry of (prediction - target)²."""

    operation: ClassVar[str] = "mean_squared_error"

    def forward(self, prediction: Array, target: Array) -> Array:
        """The loss, a scalar. prediction: float32 or float64, any shape; target: the same shape."""
        prediction = floating(prediction)
        return forward(prediction, target=real(target, "target"))[0]

    def gradient(self, prediction: Array, target: Array) -> Array:
        """∂L/∂prediction, the shape and dtype of the prediction."""
        prediction = floating(prediction)
        return backward(prediction.dtype.type(1), forward(prediction, target=real(target, "target"))[1])[0]


def floating(prediction: Array) -> Array:
    """A prediction must come in a precision that a layer computes in."""
    prediction = np.asarray(prediction)
    if prediction.dtype not in checks.PRECISIONS:
        raise TypeError(f"prediction has dtype {prediction.dtype}; a loss takes float32 or float64")
    return prediction
