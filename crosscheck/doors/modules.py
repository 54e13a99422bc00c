"""A forward and backward pair with saved values as an operation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from crosscheck.operation import Array, Arrays, Operation, checked_inputs


def positional_names(function: Callable[..., Any]) -> list[str]:
    """The names of the positional parameters: the arrays of an operation."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in inspect.signature(function).parameters.values() if p.kind in kinds]


def from_module(
    operation: ModuleType | Any,
    inputs: Mapping[str, Any],
    reference: Callable[..., Any] | None = None,
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    wrt: tuple[str, ...] | None = None,
) -> Operation:
    """A pair `forward(*arrays, **hyper) -> (y, saved)` and `backward(grad_output, saved) -> gradients in order`.

    The positional parameters of `forward` are the arrays; inputs beyond them are passed by keyword and not
    differentiated (a loss's target).
    """
    hyper = dict(hyperparameters or {})
    known = positional_names(operation.forward)
    positional = [k for k in known if k in inputs]
    if wrt is None:
        wrt = tuple(k for k in positional if np.asarray(inputs[k]).dtype.kind == "f")
    arrays, names = checked_inputs(inputs, wrt)
    keyword = [k for k in arrays if k not in positional]
    title = getattr(operation, "__name__", type(operation).__name__).rsplit(".", 1)[-1]

    def run(values: Arrays) -> tuple[Any, Any]:
        result = operation.forward(*[values[k] for k in positional], **{k: values[k] for k in keyword}, **hyper)
        if not (isinstance(result, tuple) and len(result) == 2):
            raise TypeError(f"forward of {title} must return (y, saved), not {type(result).__name__}")
        return result

    def backward(grad_output: Array, values: Arrays) -> Arrays:
        returned = operation.backward(grad_output, run(values)[1])
        if isinstance(returned, Mapping):
            return dict(returned)
        if isinstance(returned, list):
            returned = tuple(returned)
        if not isinstance(returned, tuple):
            returned = (returned,)
        if len(returned) != len(positional):
            raise ValueError(
                f"backward of {title} returned {len(returned)} gradients for the {len(positional)} arrays "
                f"{', '.join(positional)}"
            )
        return dict(zip(positional, returned, strict=True))

    bound = None if reference is None else lambda **values: reference(**values, **hyper)
    return Operation(title, lambda values: run(values)[0], backward, arrays, names, bound)
