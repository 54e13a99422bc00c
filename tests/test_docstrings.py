"""Whatever a user is offered says what it is: exported names, their methods and properties, every operation."""

import inspect
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import crosscheck
import manual

ROOT = Path(__file__).parents[1]


def offered() -> Iterator[tuple[str, Any]]:
    """Every public name with what it names: exported ones, and the forward and backward of every operation."""
    for package in (crosscheck, manual):
        for name in package.__all__:
            yield f"{package.__name__}.{name}", getattr(package, name)
    for package in ("manual", "reference"):
        for path in sorted((ROOT / package).glob("[a-z]*.py")):
            module = import_module(f"{package}.{path.stem}")
            for name in ("forward", "backward"):
                if inspect.isfunction(getattr(module, name, None)):
                    yield f"{module.__name__}.{name}", getattr(module, name)


def undocumented(name: str, thing: Any) -> list[str]:
    """Of a name and, if it is a class, of its public methods and properties: those that say nothing.

    A method that a base class documents says what that one says.
    """
    silent = [] if documented(thing) else [name]
    for own, part in inspect.getmembers(thing, speaks) if inspect.isclass(thing) else []:
        if not own.startswith("_") and not inspect.getdoc(part):
            silent.append(f"{name}.{own}")
    return silent


def speaks(part: Any) -> bool:
    return inspect.isfunction(part) or isinstance(part, (property, cached_property))


def documented(thing: Any) -> bool:
    """Whether it has a docstring of its own: a dataclass and a named tuple write their signature there."""
    text = thing.__doc__ if inspect.isclass(thing) else inspect.getdoc(thing)
    return bool(text) and not text.startswith(f"{thing.__name__}(")


OFFERED = {name: thing for name, thing in offered() if callable(thing)}


@pytest.mark.parametrize("name", OFFERED)
def test_what_is_offered_says_what_it_is(name: str) -> None:
    assert not undocumented(name, OFFERED[name])


class Silent:
    def method(self) -> None: ...

    @property
    def part(self) -> None: ...


def test_the_proof_can_fail() -> None:
    assert undocumented("Silent", Silent) == ["Silent", "Silent.method", "Silent.part"]
    assert {"crosscheck.check", "manual.ReLUActivation", "reference.relu.forward", "manual.relu.backward"} <= set(
        OFFERED
    )
