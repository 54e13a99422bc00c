"""A forward and backward pair with saved values as an operation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from crosscheck.operation import Array, Arrays, Operation, checked_inputs


def positional_names(function: Callable[..., Any]) -> list[str]:
    """The names of the positional parameters: the arrays of an operation."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in inspect.signature(function).parameters.values() if p.kind in kinds]


class Context:
    """What `forward(ctx, ...)` keeps for `backward(ctx, grad_output)`: any attribute, and saved tensors."""

    saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *saved: Any) -> None:
        """Keep these as `saved_tensors`."""
        self.saved_tensors = saved


def checked_pair(operation: Any) -> Any:
    """An object with the two functions; of a tuple of them, one.

    Raises:
        TypeError: it has not both.
    """
    rule = "it must have the functions forward and backward, or be a tuple of the two"
    if isinstance(operation, tuple) and len(operation) == 2 and all(map(callable, operation)):
        forward, backward = operation
        return SimpleNamespace(forward=forward, backward=backward, __name__=getattr(forward, "__name__", "forward"))
    for role in ("forward", "backward"):
        if not callable(getattr(operation, role, None)):
            said = "None" if operation is None else f"{operation!r:.80}, a {type(operation).__name__}"
            raise TypeError(f"operation is {said}, without a function {role}; {rule}")
    return operation


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
    operation = checked_pair(operation)
    if reference is not None and not callable(reference):
        raise TypeError(f"reference is {reference!r}; it must be a function in jax.numpy, or None")
    if not isinstance(inputs, Mapping):
        raise TypeError(f"inputs must be a non-empty dictionary of arrays by name, not {type(inputs).__name__}")
    hyper = dict(hyperparameters or {})
    known = positional_names(operation.forward)
    with_context = known[:1] in (["ctx"], ["context"])
    saved_first = positional_names(operation.backward)[:1] in (["ctx"], ["context"], ["cache"], ["saved"])
    positional = [k for k in known if k in inputs]
    if wrt is None:
        wrt = tuple(k for k in positional if np.asarray(inputs[k]).dtype.kind == "f")
    arrays, names = checked_inputs(inputs, wrt)
    keyword = [k for k in arrays if k not in positional]
    title = getattr(operation, "__name__", type(operation).__name__).rsplit(".", 1)[-1]

    def run(values: Arrays) -> tuple[Any, Any]:
        if with_context:
            context = Context()
            given = [values[k] for k in positional]
            return operation.forward(context, *given, **{k: values[k] for k in keyword}, **hyper), context
        result = operation.forward(*[values[k] for k in positional], **{k: values[k] for k in keyword}, **hyper)
        if not (isinstance(result, tuple) and len(result) == 2):
            raise TypeError(f"forward of {title} must return (y, saved), not {type(result).__name__}")
        return result

    def backward(grad_output: Array, values: Arrays) -> Arrays:
        saved = run(values)[1]
        returned = operation.backward(*((saved, grad_output) if saved_first else (grad_output, saved)))
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
