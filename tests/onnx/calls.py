"""What an ONNX node is here: operations of `manual/` at given arrays, as one layer.

An adapter makes a `Call` of a node, or says why there is none (`NotHere`). It may move axes, cut, join and repeat what
the node reads, which has no rounding, and leaves all arithmetic to the layer.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from manual import Layer, Stage
from tests.onnx.nodes import Node

Array = np.ndarray


class NotHere(Exception):
    """Why a node is no layer here."""


@dataclass(frozen=True)
class Call:
    """Operations at arrays.

    Args:
        stages: what is computed; the first reads x.
        x: the first array.
        parameters: the others, by the names in the stages.
        state: what the operation carries, by name.
        read: the layer's output as the node gives it.
        further: by the place of another output, (layer, after its forward, and x) -> that output, as ours.
        also: by the place of another output, what it is here.
        stated: how far ONNX's output is off because it is stated to so many decimals.
        note: what is to be said of it in the table.
    """

    stages: tuple[Stage, ...]
    x: Array
    parameters: Mapping[str, Array] = field(default_factory=dict)
    state: Mapping[str, Array] = field(default_factory=dict)
    read: Callable[[Array], Array] = lambda y: y
    further: Mapping[int, Callable[[Layer, Array], Array]] = field(default_factory=dict)
    also: Mapping[int, Call] = field(default_factory=dict)
    stated: float = 0.0
    note: str = ""

    def layer(self) -> Layer:
        """The layer that runs the stages, in the dtype of the arrays."""
        dtype = next(a.dtype for a in (self.x, *self.parameters.values()) if a.dtype.kind == "f")
        names = {"parameter_names": tuple(self.parameters), "state_names": tuple(self.state)}
        made = type("Node", (Nodes,), names)(dtype=dtype)
        made.program_of = self.stages
        for name, array in {**self.parameters, **self.state}.items():
            setattr(made, name, array)
        return made


class Nodes(Layer):
    """A layer that is told what it is made of."""

    program_of: tuple[Stage, ...]

    def stages(self) -> tuple[Stage, ...]:
        return self.program_of

    def received(self, value: Array, name: str) -> Array:
        """Indices are not converted."""
        return value if value.dtype.kind in "iu" else super().received(value, name)


def call(operation: str, *arrays: Array, hyper: Mapping[str, Any] | None = None, **rest: Any) -> Call:
    """One operation at arrays."""
    x, *others = arrays
    signature = inspect.signature(import_module(f"manual.{operation}").forward).parameters.values()
    named = [p.name for p in signature if p.kind is p.POSITIONAL_OR_KEYWORD] or ["x"]
    names = [*named[1:], *(f"array {place}" for place in range(len(named), len(arrays)))]
    parameters = dict(zip(names, others, strict=True))
    return Call((Stage(operation, tuple(parameters), hyper or {}),), x, parameters, **rest)


Adapter = Callable[[Node], Call]
ADAPTERS: dict[str, Adapter] = {}


def adapts(*operators: str) -> Callable[[Adapter], Adapter]:
    """Register an adapter of these operators."""

    def register(adapter: Adapter) -> Adapter:
        ADAPTERS.update(dict.fromkeys(operators, adapter))
        return adapter

    return register


def constant(array: Array) -> Any:
    """Numbers that the layer is told, as plain ones: an array inside it would be nudged for a parameter."""
    return [constant(part) for part in array] if array.ndim else array.item()


def floating(array: Any) -> Array:
    """An array as the layers compute: float64 as it is, anything else in float32, which holds it exactly."""
    found = np.asarray(array)
    wide = found.astype(np.float64)
    if found.dtype == np.float64:
        return found
    single = wide.astype(np.float32)
    if not np.array_equal(single, wide, equal_nan=True):
        return wide  # large integers
    return single
