"""The methods of a layer, which are called with one argument after the other.

One that takes its arguments by name only, `forward(self, *, inputs)`, is called by these names, in their order.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

Parameter = inspect.Parameter


def method_of(layer: Any, name: str) -> Callable[..., Any]:
    """A method by its name, as one that takes its arguments one by one."""
    method = getattr(layer, name)
    if not only_by_name(method):
        return method

    def one_by_one(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        return method(**bound.arguments)

    given = inspect.signature(method).parameters.values()
    kinds = [p.replace(kind=Parameter.POSITIONAL_OR_KEYWORD) if p.default is p.empty else p for p in given]
    signature = inspect.Signature(sorted(kinds, key=lambda p: p.kind))
    one_by_one.__dict__["__signature__"] = signature
    return one_by_one


def only_by_name(method: Callable[..., Any]) -> bool:
    """Whether a method takes nothing by position, and cannot be called without something by name."""
    try:
        parameters = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):
        return False
    named = bool(parameters) and all(p.kind is p.KEYWORD_ONLY for p in parameters)
    return named and any(p.default is p.empty for p in parameters)


def positional(method: Callable[..., Any]) -> tuple[str, ...] | None:
    """The names of the positional arguments that a method takes."""
    try:
        parameters = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    return tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))


TRAINING = re.compile(r"(?:is_|in_)?train(?:ing)?(?:_mode)?|cache|save|keep|store|requires_grad")


def switched_off(method: Callable[..., Any]) -> list[str]:
    """The arguments that say whether forward is to keep anything for backward, and say no unless they are given."""
    try:
        parameters = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.default is False and TRAINING.fullmatch(p.name.lower())]


def method_name(layer: Any, role: str, given: str | None, usual: tuple[str, ...]) -> str:
    """The name of the method that has a role: as the caller says, or a usual one.

    Raises:
        TypeError: the layer has none.
    """
    if given is not None:
        if not isinstance(given, str):
            raise TypeError(f"{role} is a {type(given).__name__}; it must be the name of a method of the layer")
        if not callable(getattr(layer, given, None)):
            raise TypeError(f"{role} is {given!r}; {type(layer).__name__} has no such method")
        return given
    for name in usual:
        if callable(getattr(layer, name, None)):
            return name
    raise TypeError(
        f"layer is a {type(layer).__name__} without a {role} method; name the method that it has: {role}='...'"
    )
