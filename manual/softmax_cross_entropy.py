"""Softmax and cross-entropy in one: how surprised a classifier is by the right class, on average over samples.

    P[b,k] = exp(X[b,k]) / Σ_l exp(X[b,l])                                     (1)
    L = -(1/D) Σ_{b,k} T[b,k] · log P[b,k]                                     (2)

X are the logits (the prediction), T the target: probabilities, or labels, which stand for T[b,k] = 1 at the label and 0
elsewhere; D is the number of samples B. Three things may change T and D, none of which is differentiated: smoothing by
e puts (1 - e)·T + e/K for T, with K classes; a weight per class multiplies T[b,k] by it, and D is then the sum of the
labels' weights; a sample whose label is ignored has T[b,k] = 0, and does not count in D. A sum has D = 1.

Nudge X. log P[b,k] = X[b,k] - log Σ_l exp(X[b,l]) moves by Ẋ[b,k] - Σ_l P[b,l]·Ẋ[b,l], so

    L̇ = -(1/D) Σ_{b,k} T[b,k] · (Ẋ[b,k] - Σ_l P[b,l]·Ẋ[b,l])                   (3)

G is the derivative by L of what is minimised: 1 if that is L itself. Collecting what multiplies Ẋ[b,k] in G·L̇
(Σ_l T[b,l] is 1 for probabilities, and is kept for targets that are not):

    ∂L/∂X[b,k] = G · (P[b,k] · Σ_l T[b,l] - T[b,k]) / D                        (4)

In it, P alone moves with X (`softmax`, (2)), and so the gradient moves by

    Ṗ[b,k] = P[b,k] · (Ẋ[b,k] - Σ_l P[b,l]·Ẋ[b,l])                             (5)
    ∂²L/∂X² · Ẋ[b,k] = G · Ṗ[b,k] · Σ_l T[b,l] / D                             (6)

Subtracting each row's largest logit changes neither P nor log P and keeps exp at most 1.

Letters: X logits; P probabilities; T target; L loss; G the derivative by L; D what the sum is divided by; b sample; k,
l class; B number of samples; K number of classes; e share of smoothing; a dot marks a nudge.

Source: the loss of the lecture's classification example; C. Bishop, *Pattern Recognition and Machine Learning*, 2006,
section 4.3.4.
"""

from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from manual import checks
from manual.loss import Loss, known
from manual.machine.elementwise import where
from manual.machine.rows import in_parts, largest, total

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    probabilities: Array  # P (B, K)
    target: Array  # T (B, K)
    divisor: Any  # D
    reduced: bool


def forward(
    prediction: Array,
    *,
    target: Array,
    weights: Array | None = None,
    ignored: int | None = None,
    smoothing: float = 0.0,
    reduction: str = "mean",
) -> tuple[Any, Saved]:
    """The loss (2), a scalar of the prediction's dtype, or one for each sample.

    Args:
        prediction: logits (B, K), B and K at least 1; float32, float64 or complex128.
        target: integer labels (B,) from 0 to K - 1, or probabilities (B, K); not differentiated.
        weights: (K,), at least 0: what a sample of each class counts; None: all the same.
        ignored: a label, also one outside the classes, whose samples count nothing.
        smoothing: e, from 0 to 1.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: a shape that does not fit, a label outside the classes; for a mean, no samples, or none that counts.
    """
    checks.rank(prediction, "prediction", "B K")
    if prediction.size == 0 and (known(reduction) == "mean" or 0 in prediction.shape[1:]):
        raise ValueError(f"prediction has shape {prediction.shape}; a mean over nothing has no value")
    t, counted = counting(np.asarray(target), prediction, weights, ignored, checks.share(smoothing, "smoothing"))
    probabilities, each = in_parts(of_samples, prediction, t)
    if counted == 0 and known(reduction) == "mean":
        raise ValueError("no sample counts: every label is ignored, or of a class without weight")
    divisor = prediction.dtype.type(counted if reduction == "mean" else 1)
    loss = each if reduction == "none" else each.sum() / divisor  # (2)
    return loss, Saved(probabilities, t, divisor, reduction != "none")


def of_samples(x: Array, t: Array) -> tuple[Array, Array]:
    """P, and -Σ_k T[b,k] · log P[b,k] of every sample."""
    surprise = x - largest(x, 1)
    p = np.exp(surprise)
    sums = total(p, (1,))
    p /= sums  # (1)
    np.subtract(np.log(sums), surprise, out=surprise)  # -log P
    # T is 0 at most places, and 0 · (-∞) must not be NaN: only what T selects is summed.
    terms = where(t != 0, surprise)
    return p, total(terms, (1,), t)[:, 0]


def tangent(nudge_prediction: Array, saved: Saved) -> Any:
    """L̇ from Ẋ = nudge_prediction, the shape of the prediction. Raises ValueError for another shape."""
    p, t, divisor, reduced = saved
    checks.nudges(prediction=(nudge_prediction, p.shape))
    terms = t * ((p * nudge_prediction).sum(axis=1, keepdims=True) - nudge_prediction)
    return terms.sum() / divisor if reduced else terms.sum(axis=1)  # (3)


def hessian_product(nudge_prediction: Array, grad_output: Any, saved: Saved) -> Array:
    """The nudge of ∂L/∂prediction from Ẋ and G; shapes as in `tangent` and `backward`."""
    p, t, divisor, reduced = saved
    checks.nudges(prediction=(nudge_prediction, p.shape))
    checks.same_shape(grad_output, () if reduced else (len(p),), "grad_output", "the loss")
    g = grad_output if reduced else grad_output[:, None]
    nudge_p = p * (nudge_prediction - (p * nudge_prediction).sum(axis=1, keepdims=True))  # (5)
    return g * (nudge_p * t.sum(axis=1, keepdims=True) / divisor)  # (6)


def backward(grad_output: Any, saved: Saved) -> tuple[Array]:
    """∂L/∂prediction from G = grad_output, a number, or (B,) where nothing was reduced."""
    p, t, divisor, reduced = saved
    checks.same_shape(grad_output, () if reduced else (len(p),), "grad_output", "the loss")

    def gradient(p: Array, t: Array, g: Any) -> tuple[Array]:
        grad_x = p * total(t, (1,))
        grad_x -= t
        grad_x /= divisor
        return (g * grad_x,)  # (4)

    if reduced:
        return in_parts(lambda p, t: gradient(p, t, grad_output), p, t)
    return in_parts(gradient, p, t, grad_output[:, None])


def counting(
    target: Array, prediction: Array, weights: Array | None, ignored: int | None, smoothing: float
) -> tuple[Array, float]:
    """T, and D of a mean."""
    samples, classes = prediction.shape
    labels = target.dtype.kind in "iu" and target.shape == (samples,)
    if weights is None and ignored is None and not smoothing:
        return distribution(target, prediction.shape, prediction.dtype), samples
    left_out = np.zeros(samples, bool)
    if labels and ignored is not None:
        left_out = target == checks.integer(ignored, "ignored")
        target = np.where(left_out, 0, target)
    t = distribution(target, prediction.shape, prediction.dtype)
    each = t.dtype.type(1) if weights is None else np.asarray(weights, t.dtype)
    if weights is not None:
        checks.same_shape(each, (classes,), "weights", "one per class")
        checked_weights(each)
    counted = float(np.real((t * each)[~left_out].sum())) if labels else samples
    if smoothing:
        t = t * t.dtype.type(1 - smoothing) + t.dtype.type(smoothing / classes)
    t = t * each
    t[left_out] = 0
    return t, counted


def checked_weights(weights: Array) -> None:
    """A class counts nothing or more."""
    for place in np.flatnonzero(~((np.real(weights) >= 0) & np.isfinite(weights)))[:1]:
        raise ValueError(f"weights[{place}] is {weights[place]}; what a class counts must be finite and at least 0")


def distribution(target: Array, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Labels or probabilities as probabilities (B, K)."""
    samples, classes = shape
    if target.dtype.kind in "iu" and target.shape == (samples,):
        if target.min(initial=0) < 0 or target.max(initial=0) >= classes:
            outside = (target < 0) | (target >= classes)
            at = int(np.argmax(outside))
            raise ValueError(f"target[{at}] is {target[at]}; the labels of {classes} classes are 0 to {classes - 1}")
        t = np.zeros(shape, dtype)
        t[np.arange(samples), target] = 1
        return t
    if target.dtype.kind == "f" and target.shape == shape:
        return target.astype(dtype)
    raise ValueError(
        f"target has shape {target.shape} and dtype {target.dtype}; it must be integer labels of shape {(samples,)} or "
        f"probabilities of shape {shape}"
    )


class SoftmaxCrossEntropy(Loss):
    """The mean over samples of the cross-entropy between softmax(prediction) and the target.

    Args:
        weights: (K,), what a sample of each class counts; None: all the same.
        ignored: a label whose samples count nothing; None: none.
        smoothing: the share of every target that is spread over all classes, from 0 to 1.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: a smoothing or a reduction that there is not.
    """

    operation: ClassVar[str] = "softmax_cross_entropy"

    def __init__(
        self,
        weights: ArrayLike | None = None,
        ignored: int | None = None,
        smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.weights = None if weights is None else np.array(weights, np.float64)
        self.ignored = None if ignored is None else checks.integer(ignored, "ignored")
        self.smoothing = checks.share(smoothing, "smoothing")

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The keyword-only arguments of the operation, beside the target."""
        return {
            "weights": self.weights,
            "ignored": self.ignored,
            "smoothing": self.smoothing,
            "reduction": self.reduction,
        }
