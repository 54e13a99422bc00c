"""How a user's function takes its arrays: by name or by position, or not at all, which is said before it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def by_name(who: str, function: Callable[..., Any], names: tuple[str, ...], first: str = "") -> Callable[..., Any]:
    """The function as one of keyword arguments; one that takes its arrays by position only gets them in order.

    Of a backward, the one argument that is none of the inputs is the cotangent, wherever it stands, `back(x, g)`; and
    inputs that it has no argument for it does not need.

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
    arriving = the_others(signature, names) if first else []
    if len(arriving) == 1:
        taken = [k for k in names if k in signature.parameters]

        def needed_call(given: Any, /, **values: Any) -> Any:
            return function(**{arriving[0]: given}, **{k: values[k] for k in taken})

        needed_call.__name__ = getattr(function, "__name__", who)
        return needed_call
    named = ", ".join(p.name for p in signature.parameters.values()) or "nothing"
    called = getattr(function, "__name__", who)
    wrapped = f"; wrap it, lambda {', '.join([*leading, *names])}: {called if called.isidentifier() else who}(...)"
    raise TypeError(
        f"{who} takes {named}; it is called with {', '.join([*leading, *(f'{k}=' for k in names)])}"
        + (wrapped if first else "")
    )


def the_others(signature: inspect.Signature, names: tuple[str, ...]) -> list[str]:
    """The arguments without a default that are none of these names; nothing where some go by position only."""
    parameters = signature.parameters.values()
    if any(p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        return []
    return [p.name for p in parameters if p.name not in names and p.default is p.empty]


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
