"""Two plain functions as an operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crosscheck.doors.signatures import by_name
from crosscheck.operation import Array, Arrays, Operation, checked_inputs


def from_functions(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Mapping[str, Any],
    reference: Callable[..., Any] | None = None,
    *,
    wrt: tuple[str, ...] | None = None,
    name: str | None = None,
) -> Operation:
    """Two plain functions: `forward(**inputs) -> y`, `backward(grad_output, **inputs) -> {name: gradient}`.

    Of one differentiated input, backward may return the gradient alone.
    """
    arrays, names = checked_inputs(inputs, wrt)
    title = name or getattr(forward, "__name__", "forward")
    forward = by_name("forward", forward, tuple(arrays))
    backward = by_name("backward", backward, tuple(arrays), "grad_output")

    def gradients(grad_output: Array, values: Arrays) -> Any:
        returned = backward(grad_output, **values)
        if len(names) == 1 and not isinstance(returned, (Mapping, tuple, list)) and returned is not None:
            return {names[0]: returned}
        return returned

    return Operation(
        title,
        lambda values: forward(**values),
        gradients,
        arrays,
        names,
        None if reference is None else by_name("the reference", reference, tuple(arrays)),
    )
