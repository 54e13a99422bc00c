"""A network: layers one after another, itself a layer.

    X₀ = X,  X_{n+1} = layer_n(X_n),  Y = X_N          ∂L/∂X_n = layer_n.backward(∂L/∂X_{n+1})                    (1)

Letters: X input, of layer n as X_n; Y output; L loss; n number of a layer; N how many there are.

Each layer computes its own gradients from what arrives; the network only passes them on (the lecture, "CNN Chain Rule
Implementation"). Its parameters are its layers' parameters, named by position: `0.filters`, `0.biases`, `3.weights`,
...
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Self

import numpy as np
from numpy.typing import DTypeLike

from manual.layer import Layer, Stage

Array = np.ndarray


class LayeredNeuralNetwork(Layer):
    """Layers in order.

    Args:
        layers: at least one; networks may nest. They compute in one dtype, which is the network's.

    Raises:
        TypeError: something that is not a layer, or layers of different dtypes.
        ValueError: no layers, or one instance twice (its gradients would overwrite each other).
    """

    def __init__(self, layers: Iterable[Layer]) -> None:
        self.layers = tuple(layers)
        if not self.layers:
            raise ValueError("layers is empty; a network needs at least one layer")
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
                f"the layers of a network compute in one dtype: {said}; use astype on the network or dtype="
            )
        super().__init__(dtype=self.layers[0].dtype)
        self._ready = False

    def forward(self, x: Array) -> Array:
        """The last layer's output.

        Raises what the layers raise; the message names the layer.
        """
        self._ready = False
        for place, layer in enumerate(self.layers):
            with naming(place, layer):
                x = layer.forward(x)  # (1)
        self._ready = True
        return x

    def predict(self, x: Array) -> Array:
        """The last layer's output; leaves what an earlier `forward` and `backward` kept untouched."""
        if type(self).forward is not LayeredNeuralNetwork.forward:
            return super().predict(x)
        for place, layer in enumerate(self.layers):
            with naming(place, layer):
                x = layer.predict(x)
        return x

    def backward(self, grad_output: Array) -> Array:
        """∂L/∂x from ∂L/∂y; every layer keeps the gradients of its parameters.

        Raises:
            RuntimeError: no forward pass came before.
            TypeError, ValueError: a gradient of another dtype or shape than the output; the message names the layer.
        """
        if not self._ready:
            raise RuntimeError("backward of LayeredNeuralNetwork was called before forward")
        g = grad_output
        for place, layer in reversed(list(enumerate(self.layers))):
            with naming(place, layer):
                g = layer.backward(g)  # (1)
        return g

    def stages(self) -> tuple[Stage, ...]:
        return tuple(
            stage._replace(parameters=tuple(f"{place}.{name}" for name in stage.parameters))
            for place, layer in enumerate(self.layers)
            for stage in layer.stages()
        )

    def astype(self, dtype: DTypeLike) -> Self:
        """A copy of the network that computes in `dtype`; it has seen no forward pass."""
        other = super().astype(dtype)
        other.layers = tuple(layer.astype(dtype) for layer in self.layers)
        other._ready = False
        return other

    def _parameter_arrays(self) -> dict[str, Array]:
        return {
            f"{place}.{name}": array
            for place, layer in enumerate(self.layers)
            for name, array in layer._parameter_arrays().items()
        }

    def _gradient_arrays(self) -> dict[str, Array]:
        return {
            f"{place}.{name}": array
            for place, layer in enumerate(self.layers)
            for name, array in layer._gradient_arrays().items()
        }

    def _assign(self, values: Mapping[str, Array]) -> None:
        for name, value in values.items():
            place, _, inner = name.partition(".")
            self.layers[int(place)]._assign({inner: value})


def walk(layers: Iterable[Layer], prefix: str) -> Iterator[tuple[str, Layer]]:
    """Every layer with its place, networks and what they hold included."""
    for place, layer in enumerate(layers):
        yield f"{prefix}{place}", layer
        if isinstance(layer, LayeredNeuralNetwork):
            yield from walk(layer.layers, f"{prefix}{place}.")


@contextmanager
def naming(place: int, layer: Layer) -> Iterator[None]:
    """Say in an error which layer it comes from."""
    try:
        yield
    except Exception as error:
        where = f"layer {place} ({type(layer).__name__})"
        if type(error) in (ValueError, TypeError, RuntimeError):
            raise type(error)(f"{where}: {error}") from error
        error.add_note(where)
        raise
