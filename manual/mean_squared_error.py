"""The mean squared error: how far a prediction is from its target, on average over every entry.

    L = (1/D) Σ_n (P[n] - T[n])²                                               (1)

n runs over all entries, and D is how many there are (`loss`: a sum divides by 1). Nudge P by Ṗ:

    L̇ = (1/D) Σ_n 2 · (P[n] - T[n]) · Ṗ[n]                                     (2)

G is the derivative by L of what is minimised: 1 if that is L itself. So

    ∂L/∂P[n] = G · 2 · (P[n] - T[n]) / D                                       (3)

and this moves with P by

    ∂²L/∂P² · Ṗ[n] = G · 2 · Ṗ[n] / D                                          (4)

Letters: P prediction; T target; L loss; D what the terms are divided by; G the derivative by L; n entry; a dot marks a
nudge.

Source: a loss of the lecture's code.
"""

from typing import Any, ClassVar, NamedTuple

import numpy as np

from manual import checks
from manual.loss import Loss, reduced, spread, target_like

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    difference: Array  # P - T
    reduction: str


def forward(prediction: Array, *, target: Array, reduction: str = "mean") -> tuple[Any, Saved]:
    """The loss (1).

    Args:
        prediction: any shape; float32, float64 or complex128.
        target: the same shape; read in the prediction's dtype, not differentiated.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: shapes that differ, nothing to average, or an argument out of range.
    """
    difference = prediction - target_like(target, prediction)
    return reduced(difference * difference, reduction), Saved(difference, reduction)  # (1)


def tangent(nudge_prediction: Array, saved: Saved) -> Any:
    """L̇ from Ṗ = nudge_prediction, the shape of the prediction. Raises ValueError for another shape."""
    difference, reduction = saved
    checks.nudges(prediction=(nudge_prediction, difference.shape))
    return reduced(2 * difference * nudge_prediction, reduction)  # (2)


def hessian_product(nudge_prediction: Array, grad_output: Any, saved: Saved) -> Array:
    """The nudge of ∂L/∂prediction from Ṗ and G; shapes as in `tangent` and `backward`."""
    difference, reduction = saved
    checks.nudges(prediction=(nudge_prediction, difference.shape))
    return spread(grad_output, difference.shape, reduction, difference.dtype) * (2 * nudge_prediction)  # (4)


def backward(grad_output: Any, saved: Saved) -> tuple[Array]:
    """∂L/∂prediction from G = grad_output, a number, or the prediction's shape where nothing was reduced."""
    difference, reduction = saved
    return (spread(grad_output, difference.shape, reduction, difference.dtype) * (2 * difference),)  # (3)


class MeanSquaredError(Loss):
    """The mean over every entry of (prediction - target)², or their sum, or each."""

    operation: ClassVar[str] = "mean_squared_error"
