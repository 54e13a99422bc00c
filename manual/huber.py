"""The Huber loss: squared where an error is small, absolute where it is large.

    L = (1/D) Σ_n H(P[n] - T[n]),  H(e) = ½·e² where |e| ≤ d, else d·(|e| - ½·d)  (1)

n runs over all entries, and D is how many there are (`loss`: a sum divides by 1). H'(e) = e, or d·sign(e) beyond d: e
cut off at ±d, with no jump. Nudge P by Ṗ:

    L̇ = (1/D) Σ_n H'(P[n] - T[n]) · Ṗ[n]                                       (2)

and with G, the derivative by L of what is minimised,

    ∂L/∂P[n] = G · min(max(P[n] - T[n], -d), d) / D                            (3)

which moves with P where nothing is cut off. At exactly ±d it has no derivative; the convention is that of (1), ≤.

    ∂²L/∂P² · Ṗ[n] = G · Ṗ[n] / D where |P[n] - T[n]| ≤ d, else 0              (4)

Letters: P prediction; T target; L loss; H the loss of one error; e an error; d where it becomes a straight line; D what
the terms are divided by; G the derivative by L; n entry; a dot marks a nudge.

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
    width: float  # d
    reduction: str


def forward(prediction: Array, *, target: Array, reduction: str = "mean", width: float = 1.0) -> tuple[Any, Saved]:
    """The loss (1).

    Args:
        prediction: any shape; float32, float64 or complex128.
        target: the same shape; read in the prediction's dtype, not differentiated.
        reduction: "mean", "sum" or "none".
        width: d, above 0: up to which errors count by their square.

    Raises:
        ValueError: shapes that differ, nothing to average, or an argument out of range.
    """
    width = checks.positive(width, "width")
    difference = prediction - target_like(target, prediction)
    d, size = np.real(prediction).dtype.type(width), np.abs(np.real(difference))
    signed = difference * np.sign(np.real(difference))
    terms = np.where(size <= d, difference * difference / 2, d * (signed - d / 2))
    return reduced(terms, reduction), Saved(difference, width, reduction)  # (1)


def cut_off(difference: Array, width: float) -> Array:
    """H' of it."""
    return np.clip(difference, -difference.dtype.type(width), difference.dtype.type(width))


def tangent(nudge_prediction: Array, saved: Saved) -> Any:
    """L̇ from Ṗ = nudge_prediction, the shape of the prediction. Raises ValueError for another shape."""
    difference, width, reduction = saved
    checks.nudges(prediction=(nudge_prediction, difference.shape))
    return reduced(cut_off(difference, width) * nudge_prediction, reduction)  # (2)


def hessian_product(nudge_prediction: Array, grad_output: Any, saved: Saved) -> Array:
    """The nudge of ∂L/∂prediction from Ṗ and G; shapes as in `tangent` and `backward`."""
    difference, width, reduction = saved
    checks.nudges(prediction=(nudge_prediction, difference.shape))
    g = spread(grad_output, difference.shape, reduction, difference.dtype)
    return np.where(np.abs(np.real(difference)) <= width, g * nudge_prediction, 0)  # (4)


def backward(grad_output: Any, saved: Saved) -> tuple[Array]:
    """∂L/∂prediction from G = grad_output, a number, or the prediction's shape where nothing was reduced."""
    difference, width, reduction = saved
    g = spread(grad_output, difference.shape, reduction, difference.dtype)
    return (g * cut_off(difference, width),)  # (3)


class Huber(Loss):
    """The mean over every entry of the Huber loss of prediction - target, or their sum, or each."""

    operation: ClassVar[str] = "huber"

    def __init__(self, width: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.width = checks.positive(width, "width")

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The keyword-only arguments of the operation, beside the target."""
        return {"reduction": self.reduction, "width": self.width}
