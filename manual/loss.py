"""What every loss can do, written once: a loss is an operation of a prediction, with a target that is given.

Terms are reduced in one of three ways: their mean, their sum, or not at all; a mean of n terms divides by D = n, the
others by 1, and what arrives for the loss is spread over the terms in the same way.

Beside `forward`, `tangent` and `backward`, a loss has a function `hessian_product`: where its prediction is nudged, its
gradient moves too, and by what, is the product of its second derivatives with the nudge.

Letters: n number of terms; D what they are divided by.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from manual import checks
from manual.vectors import real

Array = np.ndarray

REDUCTIONS = ("mean", "sum", "none")


class Loss:
    """A loss: how far a prediction is from its target.

    Args:
        reduction: "mean", "sum", or "none": a loss for every term.

    Raises:
        ValueError: another reduction.
    """

    operation: ClassVar[str]

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = known(reduction)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The keyword-only arguments of the operation, beside the target."""
        return {"reduction": self.reduction}

    def forward(self, prediction: Array, target: Array) -> Any:
        """The loss. prediction: float32 or float64; target: as the operation says."""
        return self._run(floating(prediction), target)[0]

    def gradient(self, prediction: Array, target: Array, grad_output: Any = 1) -> Array:
        """∂L/∂prediction, the shape and dtype of the prediction.

        grad_output: the derivative by the loss of what is minimised; where nothing is reduced, one number for all
        terms, or one each.
        """
        prediction = floating(prediction)
        loss, saved = self._run(prediction, target)
        return self._module.backward(arriving(grad_output, loss, prediction.dtype), saved)[0]

    def tangent(self, prediction: Array, target: Array, nudge_prediction: Array) -> Any:
        """How the loss moves with the prediction, to first order. nudge_prediction: its shape and dtype."""
        prediction = floating(prediction)
        _, saved = self._run(prediction, target)
        return self._module.tangent(nudge_of(prediction, nudge_prediction), saved)

    def hessian_product(self, prediction: Array, target: Array, nudge_prediction: Array, grad_output: Any = 1) -> Array:
        """How ∂L/∂prediction moves with the prediction, to first order: the second derivatives times the nudge.

        grad_output: as in `gradient`. nudge_prediction: the shape and dtype of the prediction.
        """
        prediction = floating(prediction)
        loss, saved = self._run(prediction, target)
        nudge = nudge_of(prediction, nudge_prediction)
        return self._module.hessian_product(nudge, arriving(grad_output, loss, prediction.dtype), saved)

    @property
    def _module(self) -> Any:
        name = f"manual.{self.operation}"
        return sys.modules.get(name) or import_module(name)

    def _run(self, prediction: Array, target: Array) -> Any:
        return self._module.forward(prediction, target=real(target, "target"), **self.hyperparameters)


def arriving(grad_output: Any, loss: Any, dtype: np.dtype) -> Any:
    """G of the shape of the loss, from that or from one number for all terms."""
    if np.ndim(loss) == 0 and type(grad_output) in (int, float):
        return dtype.type(grad_output)
    g = np.broadcast_to(np.asarray(grad_output, dtype), np.shape(loss))
    return g if g.ndim else g[()]


def nudge_of(prediction: Array, nudge: Any) -> Array:
    """A nudge comes in the prediction's dtype; its shape is looked at by the operation."""
    nudge = np.asarray(nudge)
    if nudge.dtype != prediction.dtype:
        raise TypeError(f"nudge_prediction has dtype {nudge.dtype}; the prediction has {prediction.dtype}")
    return nudge


def known(reduction: Any) -> str:
    """A reduction that there is."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction is {reduction!r}; it must be one of {', '.join(REDUCTIONS)}")
    return reduction


def reduced(terms: Array, reduction: str) -> Any:
    """The terms' mean or sum, in their dtype, or the terms themselves.

    Raises ValueError for another reduction, and for the mean of nothing.
    """
    if known(reduction) == "none":
        return terms
    if reduction == "mean" and terms.size == 0:
        raise ValueError(f"prediction has shape {terms.shape}; a mean over nothing has no value")
    return terms.mean(dtype=terms.dtype) if reduction == "mean" else terms.sum(dtype=terms.dtype)


def spread(grad_output: Any, terms: tuple[int, ...], reduction: str, dtype: np.dtype) -> Any:
    """What arrives for every term, of this shape."""
    checks.same_shape(grad_output, terms if reduction == "none" else (), "grad_output", "the loss")
    count = int(np.prod(terms, dtype=np.int64)) if reduction == "mean" else 1
    return grad_output / dtype.type(count)


def floating(prediction: Array) -> Array:
    """A prediction must come in a precision that a layer computes in."""
    prediction = np.asarray(prediction)
    if prediction.dtype not in checks.PRECISIONS:
        raise TypeError(f"prediction has dtype {prediction.dtype}; a loss takes float32 or float64")
    return prediction


def target_like(target: Any, prediction: Array) -> Array:
    """A target of the prediction's shape, in its dtype."""
    checks.same_shape(target, prediction.shape, "target", "the prediction")
    return np.asarray(target, np.real(prediction).dtype)
