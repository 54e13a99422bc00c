"""What a factory gave for one configuration, as an operation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from crosscheck.doors.functions import from_functions
from crosscheck.doors.layers import Ways, from_layer
from crosscheck.doors.modules import from_module
from crosscheck.operation import Operation
from crosscheck.spaces.space import Choices, Rng, Space
from crosscheck.surveys.circumstances import CHOICES

RNG = "rng"
RULE = (
    "it must give (layer, x), (layer, x, reference), (forward, backward, inputs), (forward, backward, inputs, "
    "reference), or a dictionary of these names and more of what check, check_layer or check_operation take"
)
# What a dictionary must have, and what it may have beside.
WAYS: dict[tuple[str, ...], set[str]] = {
    ("layer", "x"): {"layer", "x", "reference"} | {f.name for f in fields(Ways)},
    ("operation", "inputs"): {"operation", "inputs", "reference", "hyperparameters", "wrt"},
    ("forward", "backward", "inputs"): {"forward", "backward", "inputs", "reference", "wrt", "name", "fixed"},
}


class Factory:
    """The caller's `make`, and which of a space's dimensions it takes.

    `takes` are names; `everything` is true where it takes any keyword.
    """

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make
        try:
            parameters = inspect.signature(make).parameters.values()
        except (TypeError, ValueError):  # built in: it takes what it is given
            self.takes, self.needs, self.everything = frozenset(), frozenset(), True
            return
        named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        self.takes = frozenset(p.name for p in named)
        self.needs = frozenset(p.name for p in named if p.default is p.empty)
        self.everything = any(p.kind is p.VAR_KEYWORD for p in parameters)

    def __call__(self, configuration: Choices, rng: Rng) -> Any:
        """What `make` gives, called with what it takes of a configuration."""
        given = {**configuration, RNG: rng} if RNG in self.takes else dict(configuration)
        return self.make(**(given if self.everything else {k: v for k, v in given.items() if k in self.takes}))

    def shown(self, configuration: Choices) -> Choices:
        """What `make` is called with, and the circumstances that are not the ordinary ones."""
        beside = {k: v for k, v in configuration.items() if k in CHOICES and k not in self.takes}
        given = {k: v for k, v in configuration.items() if k not in beside and (self.everything or k in self.takes)}
        return {**given, **{k: v for k, v in beside.items() if v != CHOICES[k][0]}}

    def names_of(self, space: Space) -> set[str]:
        """The dimensions that matter to it; a TypeError where it takes none, or needs what there is not.

        A dimension that is no part of a configuration (that two sizes are equal) matters where sizes do.
        """
        example = space.settle(space.simplest(), None)
        example = example if example is not None else space.settle(space.simplest(), np.random.default_rng(0))
        assert example is not None
        missing = sorted(self.needs - set(example) - {RNG})
        if missing:
            raise TypeError(
                f"make needs {', '.join(missing)}, which the space {space.name} does not have; it has "
                f"{', '.join(example)}"
            )
        if self.everything:
            return set(space.dimensions)
        if not self.takes & set(example):
            raise TypeError(f"make takes none of what the space {space.name} has: {', '.join(example)}")
        of_shapes = {k for name in space.repeats if name in self.takes for k in space.shaped}
        return {k for k in space.dimensions if k in self.takes or k not in example or k in of_shapes}


class NotAnswer(TypeError):
    """What a factory gave is nothing that can be judged, whatever the configuration."""


def described(made: Any) -> Operation | dict[str, Any]:
    """A factory's answer by names, or an operation; a TypeError that says what it must give."""
    if isinstance(made, Operation):
        return made
    if isinstance(made, Mapping):
        return with_known_names({str(k): a for k, a in made.items()})
    if not isinstance(made, tuple) or not 2 <= len(made) <= 4:
        said = f"a tuple of {len(made)}" if isinstance(made, tuple) else f"{type(made).__name__}"
        raise NotAnswer(f"make gave {said}; {RULE}")
    if len(made) > 2 and callable(made[0]) and callable(made[1]):
        return dict(zip(("forward", "backward", "inputs", "reference"), made, strict=False))
    if len(made) == 4:
        raise NotAnswer(f"make gave a tuple of 4 that does not begin with two functions; {RULE}")
    return dict(zip(("layer", "x", "reference"), made, strict=False))


def with_known_names(made: dict[str, Any]) -> dict[str, Any]:
    for needed, known in WAYS.items():
        if set(needed) <= set(made):
            unknown = sorted(set(made) - known)
            if unknown:
                raise NotAnswer(f"make gave {', '.join(unknown)} beside {' and '.join(needed)}; {RULE}")
            return made
    raise NotAnswer(f"make gave a dictionary of {', '.join(made) or 'nothing'}; {RULE}")


def operation_of(described: Operation | dict[str, Any]) -> Operation:
    """The operation that was described. What is wrong with its numbers, the doors say."""
    if isinstance(described, Operation):
        return described
    if "layer" in described:
        ways = {k: a for k, a in described.items() if k not in ("layer", "x", "reference")}
        return from_layer(described["layer"], described["x"], described.get("reference"), Ways(**ways))
    return from_module(**described) if "operation" in described else from_functions(**described)
