"""What our layers and losses could have been configured to instead: for the diagnosis of a gradient that is of that.

One option is another at a time: a switch is turned over, a word is another of its kind, and everything else is what it
is by default.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

import numpy as np

import reference.network
from manual.loss import REDUCTIONS
from manual.resampling import PLACINGS, ROUNDINGS, RULES

WORDS = {
    "placing": PLACINGS,
    "rounding": ROUNDINGS,
    "rule": RULES,
    "reduction": REDUCTIONS,
    "mode": ("constant", "reflect", "edge", "wrap"),
}
NONE_GIVEN = {"groups": 1}  # of what has no default, the choice that does nothing
MOST_STAGES = 8  # of a layer that is asked: each choice of each is traced

Forwards = dict[str, Callable[..., Any]]


def others(operation: str, options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every option with another value."""
    parameters = inspect.signature(import_module(f"reference.{operation}").forward).parameters
    for name, value in options.items():
        if isinstance(value, bool):
            yield name, not value
            continue
        if isinstance(value, str) and name in WORDS:
            yield from ((name, word) for word in WORDS[name] if word != value)
            continue
        default: Any = parameters[name].default if name in parameters else inspect.Parameter.empty
        default = NONE_GIVEN.get(name, default)
        if default is not inspect.Parameter.empty and not np.array_equal(value, default):
            yield name, default


def layers_otherwise(program: list[tuple[Any, ...]], state: Mapping[str, Any]) -> Forwards:
    """The forwards of a layer with one option of one stage changed, by what is different in words."""
    found: Forwards = {}
    if len(program) > MOST_STAGES:
        return found
    for place, (operation, parameters, options, *rest) in enumerate(program):
        for name, value in others(operation, options):
            changed = [*program]
            changed[place] = (operation, parameters, {**options, name: value}, *rest)
            of = "" if len(program) == 1 else f" in {operation}"
            found[f"{name} = {value!r}{of}"] = forward_of(changed, state)
    return found


def forward_of(program: list[tuple[Any, ...]], state: Mapping[str, Any]) -> Callable[..., Any]:
    def forward(x: Any, **parameters: Any) -> Any:
        return reference.network.forward(x, {**state, **parameters}, stages=program)

    return forward


def losses_otherwise(operation: str, options: Mapping[str, Any]) -> Forwards:
    """The same of a loss alone."""
    twin = import_module(f"reference.{operation}").forward

    def changed(name: str, value: Any) -> Callable[..., Any]:
        return lambda prediction, target: twin(prediction, target=target, **{**options, name: value})

    return {f"{name} = {value!r}": changed(name, value) for name, value in others(operation, options)}
