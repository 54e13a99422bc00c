"""Softmax and cross-entropy in one: how surprised a classifier is by the right class, on average over samples.

    P[b,k] = exp(X[b,k]) / Σ_l exp(X[b,l])                                     (1)
    L = -(1/B) Σ_{b,k} T[b,k] · log P[b,k]                                     (2)

X are the logits (the prediction), T the target: probabilities, or labels, which stand for T[b,k] = 1 at the label and 0
elsewhere. Nudge X. log P[b,k] = X[b,k] - log Σ_l exp(X[b,l]) moves by Ẋ[b,k] - Σ_l P[b,l]·Ẋ[b,l], so

    L̇ = -(1/B) Σ_{b,k} T[b,k] · (Ẋ[b,k] - Σ_l P[b,l]·Ẋ[b,l])                   (3)

G is the derivative by L of what is minimised: 1 if that is L itself. Collecting what multiplies Ẋ[b,k] in G·L̇
(Σ_l T[b,l] is 1 for probabilities, and is kept for targets that are not):

    ∂L/∂X[b,k] = G · (P[b,k] · Σ_l T[b,l] - T[b,k]) / B                        (4)

Subtracting each row's largest logit changes neither P nor log P and keeps exp at most 1.

Letters: X logits; P probabilities; T target; L loss; G the derivative by L; b sample; k, l class; B number of samples;
a dot marks a nudge.

Source: the loss of the lecture's classification example; C. Bishop, *Pattern Recognition and Machine Learning*, 2006,
section 4.3.4.
"""

from typing import Any, ClassVar, NamedTuple

import numpy as np

from manual import checks
from manual.mean_squared_error import floating

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    probabilities: Array  # P (B, K)
    target: Array  # T (B, K)


def forward(prediction: Array, *, target: Array) -> tuple[Array, Saved]:
    """The loss (2), a scalar of the prediction's dtype.

    Args:
        prediction: logits (B, K), B and K at least 1; float32, float64 or complex128.
        target: integer labels (B,) from 0 to K - 1, or probabilities (B, K); not differentiated.

    Raises:
        ValueError: a shape that does not fit, a label outside the classes, or no samples.
    """
    checks.rank(prediction, "prediction", "B K")
    if prediction.size == 0:
        raise ValueError(f"prediction has shape {prediction.shape}; a mean over nothing has no value")
    t = distribution(np.asarray(target), prediction.shape, prediction.dtype)
    largest = np.take_along_axis(prediction, np.argmax(np.real(prediction), axis=1)[:, None], axis=1)
    shifted = prediction - largest
    exponentials = np.exp(shifted)
    total = exponentials.sum(axis=1, keepdims=True)
    probabilities = exponentials / total  # (1)
    surprise = np.log(total) - shifted  # -log P
    samples = prediction.dtype.type(prediction.shape[0])
    # T is 0 at most places, and 0 · (-∞) must not be NaN: only what T selects is summed.
    terms = np.multiply(t, surprise, where=t != 0, out=np.zeros_like(surprise))
    return terms.sum() / samples, Saved(probabilities, t)  # (2)


def backward(grad_output: Array | np.floating[Any] | float, saved: Saved) -> tuple[Array]:
    """∂L/∂prediction from G = grad_output, a scalar."""
    checks.same_shape(grad_output, (), "grad_output", "the loss")
    p, t = saved
    samples = p.dtype.type(p.shape[0])
    return (grad_output * ((p * t.sum(axis=1, keepdims=True) - t) / samples),)  # (4)


def distribution(target: Array, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Labels or probabilities as probabilities (B, K)."""
    samples, classes = shape
    if target.dtype.kind in "iu" and target.shape == (samples,):
        outside = (target < 0) | (target >= classes)
        if outside.any():
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


class SoftmaxCrossEntropy:
    """The mean over samples of the cross-entropy between softmax(prediction) and the target."""

    operation: ClassVar[str] = "softmax_cross_entropy"

    def forward(self, prediction: Array, target: Array) -> Array:
        """The loss, a scalar. prediction: logits (B, K), float32 or float64; target: labels (B,) or probabilities (B,
        K)."""
        return forward(floating(prediction), target=target)[0]

    def gradient(self, prediction: Array, target: Array) -> Array:
        """∂L/∂prediction, the shape and dtype of the prediction."""
        prediction = floating(prediction)
        return backward(prediction.dtype.type(1), forward(prediction, target=target)[1])[0]
