"""What all doors have in common: arguments are looked at first, and what is wrong with them is one sentence.

A mistake in the call is the caller's to mend: its traceback is the caller's line and the door, not our insides. An
exception of the user's own code keeps all of its traceback.
"""

from __future__ import annotations

import dis
import functools
import inspect
import operator
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from crosscheck.evidence.result import Result

F = TypeVar("F", bound=Callable[..., Any])

HERE = Path(__file__).parent.parent
RAISE = dis.opmap["RAISE_VARARGS"]


def door(function: F) -> F:
    """A function that users call, with its arguments checked by their names (`RULES`)."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def asked(*args: Any, **kwargs: Any) -> Any:
        try:
            for name, value in bound(function.__name__, signature, args, kwargs).items():
                rule = RULES.get(f"{function.__name__}.{name}", RULES.get(name))
                if rule is not None:
                    rule(name, value)
            result = function(*args, **kwargs)
            if isinstance(result, Result):
                result = replace(result, call=call_of(path_of(function), signature, args, kwargs))
            return result
        except Exception as error:
            if not is_a_refusal(error.__traceback__):
                raise
            said = error
        raise said.with_traceback(None) from None

    return asked  # type: ignore[return-value]


def bound(who: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    try:
        return dict(signature.bind(*args, **kwargs).arguments)
    except TypeError as error:
        raise TypeError(f"{who}{signature_of(signature)}: {error}") from None


def signature_of(signature: inspect.Signature) -> str:
    """The names that a door takes."""
    words, starred = [], False
    for p in signature.parameters.values():
        if p.kind is p.KEYWORD_ONLY and not starred:
            words, starred = [*words, "*"], True
        words.append(p.name if p.default is p.empty else f"{p.name}=")
    return f"({', '.join(words)})"


def call_of(who: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The call as code: what was given by its name, plain values as they are, and the seed in any case."""
    given = signature.bind(*args, **kwargs).arguments
    words = []
    for name, p in signature.parameters.items():
        if p.default is p.empty:
            words += (
                [f"*{name}"]
                if p.kind is p.VAR_POSITIONAL and given.get(name)
                else [name] * (p.kind is not p.VAR_POSITIONAL)
            )
        elif name == "seed":
            words.append(f"seed={given.get(name, p.default)}")
        elif name in given and given[name] is not p.default:
            value = repr(given[name]) if isinstance(given[name], (bool, int, float, str)) else name
            words.append(f"{name}={value if len(value) <= 40 else name}")
    return f"{who}({', '.join(words)})"


def path_of(function: Callable[..., Any]) -> str:
    """By which name a door is called: those of a framework stand in its own module."""
    rooms = [room for room in ("jax", "torch") if function.__module__.startswith(f"crosscheck.{room}.")]
    return ".".join(["crosscheck", *rooms, function.__name__])


def is_a_refusal(traceback: TracebackType | None) -> bool:
    """Whether an exception was raised on purpose, by a raise statement of ours."""
    if traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    code = traceback.tb_frame.f_code
    return Path(code.co_filename).is_relative_to(HERE) and code.co_code[traceback.tb_lasti] == RAISE


# ---------------------------------------------------------------------- what an argument must be


def a_function(name: str, value: Any) -> None:
    if not callable(value):
        raise TypeError(f"{name} is {shown(value)}; it must be a function")


def a_name_or_none(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} is {shown(value)}; it must be the name of a method of the layer, or None")


def a_title(name: str, value: Any) -> None:
    rule = "it must be a line of text, the name of the check on its page, or None"
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} is {shown(value)}; {rule}")
    if value is not None and (not value.strip() or not value.isprintable()):
        raise ValueError(f"{name} is {value!r}; {rule}")


def a_function_or_none(name: str, value: Any) -> None:
    if value is not None and not callable(value):
        raise TypeError(f"{name} is {shown(value)}; it must be a function, or None")


def a_seed(name: str, value: Any) -> None:
    rule = "it must be an integer, 0 or more"
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {shown(value)}; {rule}") from None
    if isinstance(value, bool):
        raise TypeError(f"{name} is {value}; {rule}")
    if number < 0:
        raise ValueError(f"{name} is {number}; {rule}")


def a_choice(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name} is {shown(value)}; it must be True or False")


def an_object(name: str, value: Any) -> None:
    if value is None:
        raise TypeError(f"{name} is None; it must be an object with forward and backward")


def an_instance(name: str, value: Any) -> None:
    an_object(name, value)
    if isinstance(value, type):
        raise TypeError(f"{name} is the class {value.__name__}; it must be an instance, as {value.__name__}(...) makes")


RULES: dict[str, Callable[[str, Any], None]] = {
    "forward": a_function,
    "backward": a_function,
    "reference": a_function_or_none,
    "seed": a_seed,
    "diagnose": a_choice,
    "name": a_title,
    "make": a_function,
    "operation": an_object,
    "layer": an_instance,
    "check_layer.forward": a_name_or_none,
    "check_layer.backward": a_name_or_none,
}


def shown(value: Any) -> str:
    """A value that is not what it should be, briefly, and its type."""
    text = repr(value)
    if value is None:
        return text
    kind = type(value).__name__
    article = "an" if kind[0] in "aeiou" else "a"
    return f"{text if len(text) <= 40 else text[:37] + '...'}, {article} {kind}"
