"""How a user's function takes its arrays: by name or by position, or not at all, which is said before it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def by_name(who: str, function: Callable[..., Any], names: tuple[str, ...], first: str = "") -> Callable[..., Any]:
    """The function as one of keyword arguments; one that takes its arrays by position only gets them in order.

    Args:
        who: forward, backward or the reference, for the sentence.
        names: of the inputs.
        first: what comes before them by position, the cotangent of a backward.

    Raises:
        TypeError: it takes other names, or another number of arrays.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a built-in without a signature: it will say itself what it wants
        return function
    leading = [first] if first else []
    try:
        signature.bind(*leading, **dict.fromkeys(names))
    except TypeError:
        pass
    else:
        return function
    if first and bindable(signature, (first, *names)):  # all by name only

        def named_call(given: Any, /, **values: Any) -> Any:
            return function(**{first: given}, **values)

        named_call.__name__ = getattr(function, "__name__", who)
        return named_call
    ordered = [p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = len(leading) + len(names)
    by_position = any(p.kind is p.POSITIONAL_ONLY for p in ordered[len(leading) : needed])
    if (by_position or any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values())) and takes(
        signature, needed
    ):

        def ordered_call(*given: Any, **values: Any) -> Any:
            return function(*given, *(values[name] for name in names))

        ordered_call.__name__ = getattr(function, "__name__", who)
        return ordered_call
    named = ", ".join(p.name for p in signature.parameters.values()) or "nothing"
    raise TypeError(f"{who} takes {named}; it is called with {', '.join([*leading, *(f'{k}=' for k in names)])}")


def bindable(signature: inspect.Signature, names: tuple[str, ...]) -> bool:
    """Whether it can be called with these arguments by name."""
    try:
        signature.bind(**dict.fromkeys(names))
    except TypeError:
        return False
    return True


def takes(signature: inspect.Signature, count: int) -> bool:
    """Whether it can be called with so many arguments by position."""
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True
