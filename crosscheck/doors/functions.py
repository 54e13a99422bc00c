"""Two plain functions as an operation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from crosscheck.operation import Operation, checked_inputs


def from_functions(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Mapping[str, Any],
    reference: Callable[..., Any] | None = None,
    *,
    wrt: tuple[str, ...] | None = None,
    name: str | None = None,
    fixed: Mapping[str, Any] | None = None,
) -> Operation:
    """Two plain functions: `forward(**inputs) -> y`, `backward(grad_output, **inputs) -> {name: gradient}`."""
    arrays, names = checked_inputs(inputs, wrt, fixed)
    return Operation(
        name or getattr(forward, "__name__", "forward"),
        lambda values: forward(**values),
        lambda grad_output, values: backward(grad_output, **values),
        arrays,
        names,
        None if reference is None else by_name(reference, tuple(arrays)),
    )


def by_name(reference: Callable[..., Any], names: tuple[str, ...]) -> Callable[..., Any]:
    """The reference as a function of keyword arguments; one that takes its arrays by position only gets them in order.

    Raises:
        TypeError: a reference that takes other names, or another number of arrays.
    """
    try:
        parameters = inspect.signature(reference).parameters.values()
    except (TypeError, ValueError):  # a built-in without a signature: it will say itself what it wants
        return reference
    keyword = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    if any(p.kind is p.VAR_KEYWORD for p in parameters) or set(names) <= keyword:
        return reference
    ordered = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in ordered if p.default is p.empty]
    only_position = any(p.kind is p.POSITIONAL_ONLY for p in ordered[: len(names)])
    if only_position and len(required) <= len(names) <= len(ordered):
        return lambda **values: reference(*(values[name] for name in names))
    takes = ", ".join(p.name for p in parameters) or "nothing"
    raise TypeError(f"the reference takes {takes}; the inputs are {', '.join(names)}")
