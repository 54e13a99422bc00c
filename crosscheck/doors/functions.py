"""Two plain functions as an operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crosscheck.doors.signatures import by_name
from crosscheck.operation import Operation, checked_inputs


def from_functions(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Mapping[str, Any],
    reference: Callable[..., Any] | None = None,
    *,
    wrt: tuple[str, ...] | None = None,
    name: str | None = None,
) -> Operation:
    """Two plain functions: `forward(**inputs) -> y`, `backward(grad_output, **inputs) -> {name: gradient}`."""
    arrays, names = checked_inputs(inputs, wrt)
    title = name or getattr(forward, "__name__", "forward")
    forward = by_name("forward", forward, tuple(arrays))
    backward = by_name("backward", backward, tuple(arrays), "grad_output")
    return Operation(
        title,
        lambda values: forward(**values),
        lambda grad_output, values: backward(grad_output, **values),
        arrays,
        names,
        None if reference is None else by_name("the reference", reference, tuple(arrays)),
    )
