"""What is found out about a rule before it is judged: the names of its arguments, and whether it takes float32 only."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol

from crosscheck.operation import Notice, describe


def argument_names(f: Callable[..., Any], count: int, *, beside: int = 0) -> list[str]:
    """The arguments by their names in a signature, but for the first `beside`; arg0, arg1, ... where it has none."""
    try:
        parameters = list(inspect.signature(f).parameters.values())[beside:]
    except (TypeError, ValueError):  # a built-in function
        parameters = []
    found = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [found[i] if i < len(found) else f"arg{i}" for i in range(count)]


class Called(Protocol):
    """What calls a rule: in float32, where it is `single`."""

    single: bool


def float32_only(called: Called, once: Callable[[], Any]) -> list[Notice]:
    """Sets a rule to float32 that takes nothing else, as one call at float64 shows; what is said of it."""
    try:
        once()
        return []
    except Exception as error:
        called.single = True
        try:
            once()
        except Exception:
            called.single = False
            return []  # its own exception comes when it is judged
        said = describe(error)
    return [Notice("float32-only", f"it takes float32 only, and is called so: to float64 it raises {said}", False)]
