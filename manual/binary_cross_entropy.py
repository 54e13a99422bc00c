"""The binary cross-entropy of logits: how surprised a classifier of two classes is by the right one.

    L = -(1/D) Σ_n ( a·T[n]·log S(P[n]) + (1 - T[n])·log S(-P[n]) )            (1)

P are logits, S the sigmoid, so S(P) is the probability of the class whose target T is 1, and S(-P) = 1 - S(P); a weighs
that class. n runs over all entries, and D is how many there are (`loss`: a sum divides by 1). The derivative of
log S(P) is 1 - S(P) = S(-P), so

    L̇ = (1/D) Σ_n ( (1 - T[n])·S(P[n]) - a·T[n]·S(-P[n]) )·Ṗ[n]                (2)

and with G, the derivative by L of what is minimised,

    ∂L/∂P[n] = G · ( (1 - T[n])·S(P[n]) - a·T[n]·S(-P[n]) ) / D                (3)

S(P) moves by S(P)·S(-P)·Ṗ, and S(-P) by as much the other way, so this moves with P by

    ∂²L/∂P² · Ṗ[n] = G · ( (1 - T[n]) + a·T[n] )·S(P[n])·S(-P[n])·Ṗ[n] / D     (4)

-log S(P) is the soft ReLU of -P, and is computed as that: no logarithm of 0, however large P.

Letters: P prediction; T target; L loss; S the sigmoid; a weight of the class whose target is 1; D what the terms are
divided by; G the derivative by L; n entry; a dot marks a nudge.

Source: C. Bishop, *Pattern Recognition and Machine Learning*, 2006, section 4.3.2.
"""

from typing import Any, ClassVar, NamedTuple

import numpy as np

from manual import checks
from manual.loss import Loss, reduced, spread, target_like
from manual.sigmoid import logistic
from manual.soft_relu import softplus

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    prediction: Array  # P
    target: Array  # T
    weight: float  # a
    reduction: str


def forward(prediction: Array, *, target: Array, reduction: str = "mean", weight: float = 1.0) -> tuple[Any, Saved]:
    """The loss (1).

    Args:
        prediction: any shape; float32, float64 or complex128.
        target: the same shape; read in the prediction's dtype, not differentiated.
        reduction: "mean", "sum" or "none".
        weight: a, above 0, of the class whose target is 1.

    Raises:
        ValueError: shapes that differ, nothing to average, or an argument out of range.
    """
    t, a = target_like(target, prediction), np.real(prediction).dtype.type(checks.positive(weight, "weight"))
    terms = a * t * softplus(-prediction) + (1 - t) * softplus(prediction)
    return reduced(terms, reduction), Saved(prediction, t, weight, reduction)  # (1)


def slope(p: Array, t: Array, weight: float) -> Array:
    """The derivative of every term."""
    return (1 - t) * logistic(p) - p.dtype.type(weight) * t * logistic(-p)


def tangent(nudge_prediction: Array, saved: Saved) -> Any:
    """L̇ from Ṗ = nudge_prediction, the shape of the prediction. Raises ValueError for another shape."""
    p, t, weight, reduction = saved
    checks.nudges(prediction=(nudge_prediction, p.shape))
    return reduced(slope(p, t, weight) * nudge_prediction, reduction)  # (2)


def hessian_product(nudge_prediction: Array, grad_output: Any, saved: Saved) -> Array:
    """The nudge of ∂L/∂prediction from Ṗ and G; shapes as in `tangent` and `backward`."""
    p, t, weight, reduction = saved
    checks.nudges(prediction=(nudge_prediction, p.shape))
    g = spread(grad_output, p.shape, reduction, p.dtype)
    return g * ((1 - t) + p.dtype.type(weight) * t) * logistic(p) * logistic(-p) * nudge_prediction  # (4)


def backward(grad_output: Any, saved: Saved) -> tuple[Array]:
    """∂L/∂prediction from G = grad_output, a number, or the prediction's shape where nothing was reduced."""
    p, t, weight, reduction = saved
    g = spread(grad_output, p.shape, reduction, p.dtype)
    return (g * slope(p, t, weight),)  # (3)


class BinaryCrossEntropy(Loss):
    """The mean of the cross-entropies between sigmoid(prediction) and the target, or their sum, or each."""

    operation: ClassVar[str] = "binary_cross_entropy"

    def __init__(self, weight: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.weight = checks.positive(weight, "weight")

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The keyword-only arguments of the operation, beside the target."""
        return {"reduction": self.reduction, "weight": self.weight}
