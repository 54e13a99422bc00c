"""The mean absolute error: how far a prediction is from its target, large errors no worse than many small ones.

    L = (1/D) Σ_n |P[n] - T[n]|                                                (1)

n runs over all entries, and D is how many there are (`loss`: a sum divides by 1). Nudge P by Ṗ. Away from P = T the
sign stays, so

    L̇ = (1/D) Σ_n sign(P[n] - T[n]) · Ṗ[n]                                     (2)

and with G, the derivative by L of what is minimised,

    ∂L/∂P[n] = G · sign(P[n] - T[n]) / D                                       (3)

which does not move with P:

    ∂²L/∂P² · Ṗ[n] = 0                                                         (4)

Where P = T there is no derivative; the convention is 0, as in PyTorch and JAX, for both.

Letters: P prediction; T target; L loss; D what the terms are divided by; G the derivative by L; n entry; a dot marks a
nudge.

Source: P. Huber, *Robust Estimation of a Location Parameter*, Ann. Math. Stat. 35 (1964) 73-101.
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
    return reduced(difference * sign(difference), reduction), Saved(difference, reduction)  # (1)


def sign(difference: Array) -> Array:
    """1, 0 or -1, by the real part."""
    return np.sign(np.real(difference))


def tangent(nudge_prediction: Array, saved: Saved) -> Any:
    """L̇ from Ṗ = nudge_prediction, the shape of the prediction. Raises ValueError for another shape."""
    difference, reduction = saved
    checks.nudges(prediction=(nudge_prediction, difference.shape))
    return reduced(sign(difference) * nudge_prediction, reduction)  # (2)


def hessian_product(nudge_prediction: Array, grad_output: Any, saved: Saved) -> Array:
    """The nudge of ∂L/∂prediction from Ṗ and G; shapes as in `tangent` and `backward`."""
    difference, reduction = saved
    checks.nudges(prediction=(nudge_prediction, difference.shape))
    spread(grad_output, difference.shape, reduction, difference.dtype)  # its shape is checked, and that is all
    return np.zeros_like(nudge_prediction)  # (4)


def backward(grad_output: Any, saved: Saved) -> tuple[Array]:
    """∂L/∂prediction from G = grad_output, a number, or the prediction's shape where nothing was reduced."""
    difference, reduction = saved
    return (spread(grad_output, difference.shape, reduction, difference.dtype) * sign(difference),)  # (3)


class MeanAbsoluteError(Loss):
    """The mean over every entry of |prediction - target|, or their sum, or each."""

    operation: ClassVar[str] = "mean_absolute_error"
