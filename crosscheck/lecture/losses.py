"""A loss of `manual` after an operation, and alone."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from crosscheck.lecture.configurations import losses_otherwise
from crosscheck.operation import Array, Arrays, Operation, checked_inputs, wide

TARGET = "target"


def with_loss(operation: Operation, loss: Any, target: Array) -> Operation:
    """`operation` followed by a loss of `manual`: forward(prediction, target), gradient(prediction, target).

    The result is a scalar, and its cotangent a number that is not 1, so that a loss which ignores it shows. The target
    is one more input, which is not differentiated.
    """
    inner, hyper = operation, dict(loss.hyperparameters) if hasattr(loss, "hyperparameters") else {}
    last, twin_last = (import_module(f"{package}.{loss.operation}") for package in ("manual", "reference"))

    def parted(values: Arrays) -> tuple[Arrays, Any]:
        return {k: a for k, a in values.items() if k != TARGET}, values[TARGET]

    def forward(values: Arrays) -> Any:
        before, aim = parted(values)
        return loss.forward(inner.forward(before), aim)

    def backward(grad_output: Array, values: Arrays) -> Any:
        before, aim = parted(values)
        prediction = np.asarray(inner.forward(before))
        if np.ndim(grad_output):  # a loss that is not reduced
            grad_prediction = loss.gradient(prediction, aim, grad_output)
        else:
            grad_prediction = grad_output * loss.gradient(prediction, aim)
        return inner.backward(grad_prediction.astype(prediction.dtype), before)

    def reference_forward(**values: Any) -> Any:
        assert inner.reference is not None
        before, aim = parted(values)
        return twin_last.forward(inner.reference(**before), target=aim, **hyper)

    def moving(values: Arrays) -> Any:
        assert inner.moving_forward is not None
        before, aim = parted(values)
        return last.forward(inner.moving_forward(before), target=aim, **hyper)[0]

    return Operation(
        f"{inner.name} with {type(loss).__name__}",
        forward,
        backward,
        {**inner.inputs, TARGET: np.array(target, copy=True)},
        inner.wrt,
        None if inner.reference is None else reference_forward,
        lambda: with_loss(inner.widened(), loss, wide(np.asarray(target))),
        None if inner.moving_forward is None else moving,
    )


def from_loss(loss: Any, prediction: Array, target: Array) -> Operation:
    """A loss of `manual` alone: its gradient with respect to the prediction."""
    arrays, names = checked_inputs({"prediction": prediction}, None)
    identity = Operation(
        "prediction",
        lambda values: values["prediction"],
        lambda grad_output, values: {"prediction": grad_output},
        arrays,
        names,
        lambda prediction: prediction,
        moving_forward=lambda values: values["prediction"],
    )
    hyper = dict(loss.hyperparameters) if hasattr(loss, "hyperparameters") else {}
    return replace(
        with_loss(identity, loss, target),
        name=type(loss).__name__,
        configurations=lambda: losses_otherwise(loss.operation, hyper),
    )
