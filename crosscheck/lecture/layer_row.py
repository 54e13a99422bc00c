"""A row of the table of layers beyond the lecture's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from manual import Layer

Shape = tuple[int, ...]
Choices = dict[str, Any]
Rng = np.random.Generator


@dataclass(frozen=True)
class LayerRow:
    """One layer.

    Args:
        operation: the file of `manual` that the row is about.
        make: (rng, point) -> the layer in float64; the point has a "shape", that of the input.
        shapes: of the input, the simplest first.
        cases: by name: the choices of a point, and "shape" where it is not the second.
        choices: of each dimension beside the shape, the simplest first.
        valid: which points exist.
        values: the kinds of numbers that the input is drawn from; None: all.
        indices: point -> how many an input of indices counts to; None: the input is no such thing.
    """

    operation: str
    make: Callable[[Rng, Choices], Layer]
    shapes: tuple[Shape, ...]
    cases: Mapping[str, Choices]
    choices: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    valid: Callable[[Choices], bool] = lambda point: True
    values: tuple[str, ...] | None = None
    indices: Callable[[Choices], int] | None = None

    def point(self, name: str) -> Choices:
        """A named point."""
        first = {k: c[0] for k, c in self.choices.items()}
        return {"shape": self.shapes[min(1, len(self.shapes) - 1)], **first, **self.cases[name]}

    def layer(self, name: str, rng: Rng) -> Layer:
        """The layer at a named point, in float64."""
        return self.make(rng, self.point(name))

    def input(self, point: Choices, rng: Rng) -> np.ndarray:
        """An input at a point: normal numbers, or indices, of which the first comes again."""
        if self.indices is None:
            return rng.normal(size=point["shape"])
        found = rng.integers(0, self.indices(point), point["shape"])
        found.flat[-1] = found.flat[0]
        return found
