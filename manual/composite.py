"""A layer that is made of layers: its parameters are theirs, named by their places.

What is inside has a place, "0", "1", ...; the parameters of place 0 are `0.filters`, `0.biases`, and so on. A subclass
says in `wiring` which layer reads what, and how what they give is brought together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from manual.layer import Layer, Stage
from manual.program import wired
from manual.steps import placed

Array = np.ndarray


class Composite(Layer):
    """Layers inside a layer.

    Args:
        layers: at least one; composites may nest. They compute in one dtype, which is the composite's.

    Raises:
        TypeError: something that is not a layer, or layers of different dtypes.
        ValueError: no layers, or one instance twice (its gradients would overwrite each other).
    """

    def __init__(self, layers: Iterable[Layer]) -> None:
        self.layers = tuple(layers)
        if not self.layers:
            raise ValueError(f"layers is empty; a {self.noun} needs at least one layer")
        for place, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise TypeError(f"layers[{place}] is {layer!r}, which is not a Layer (an instance of one)")
        seen: dict[int, str] = {}
        for name, layer in walk(self.layers, ""):
            if id(layer) in seen:
                raise ValueError(
                    f"layers {seen[id(layer)]} and {name} are the same {type(layer).__name__}; make two, or the "
                    "gradients of one overwrite the other's"
                )
            seen[id(layer)] = name
        dtypes = {f"layer {place} ({type(layer).__name__})": layer.dtype for place, layer in enumerate(self.layers)}
        if len(set(dtypes.values())) > 1:
            said = ", ".join(f"{who} in {dtype}" for who, dtype in dtypes.items())
            raise TypeError(
                f"the layers of a {self.noun} compute in one dtype: {said}; use astype on the {self.noun} or dtype="
            )
        super().__init__(dtype=self.layers[0].dtype)

    noun = "composite"

    def stages(self) -> tuple[Stage, ...]:
        found: list[Stage] = []
        for node in wired(self.wiring()):
            found += [node] if isinstance(node, Stage) else placed(wired(node.layer.stages()), node)
        return tuple(found)

    def __setattr__(self, name: str, value: Any) -> None:
        """Training or not is so for every layer inside."""
        super().__setattr__(name, value)
        if name == "training":
            for layer in self.layers:
                layer.training = value

    def astype(self, dtype: DTypeLike) -> Self:
        """A copy that computes in `dtype`; it has seen no forward pass."""
        other = super().astype(dtype)
        other.__dict__["layers"] = tuple(layer.astype(dtype) for layer in self.layers)
        return other

    def received(self, value: Array, name: str) -> Array:
        return value  # the layer inside that takes it says what is wrong with it

    def _parameter_arrays(self) -> dict[str, Array]:
        return {
            f"{place}.{name}": array
            for place, layer in enumerate(self.layers)
            if layer.parameter_names or isinstance(layer, Composite)
            for name, array in layer._parameter_arrays().items()
        }

    def _gradient_arrays(self) -> dict[str, Array]:
        return {
            f"{place}.{name}": array
            for place, layer in enumerate(self.layers)
            if layer.parameter_names or isinstance(layer, Composite)
            for name, array in layer._gradient_arrays().items()
        }

    def named_state(self) -> dict[str, Array]:
        """What the layers inside carry on, by place and name."""
        return {
            f"{place}.{name}": array
            for place, layer in enumerate(self.layers)
            for name, array in layer.named_state().items()
        }

    def _assign(self, values: Mapping[str, Array]) -> None:
        by_place: dict[str, dict[str, Array]] = {}
        for name, value in values.items():
            place, _, inner = name.partition(".")
            by_place.setdefault(place, {})[inner] = value
        for place, inner_values in by_place.items():
            self.layers[int(place)]._assign(inner_values)


def walk(layers: Iterable[Layer], prefix: str) -> Iterator[tuple[str, Layer]]:
    """Every layer with its place, composites and what they hold included."""
    for place, layer in enumerate(layers):
        yield f"{prefix}{place}", layer
        if isinstance(layer, Composite):
            yield from walk(layer.layers, f"{prefix}{place}.")
