"""What layers with weights share: an activation after them, and how the weights start."""

from __future__ import annotations

from typing import Any

import numpy as np

from manual.layer import Layer, Stage

Array = np.ndarray

Activation = Layer | type[Layer] | None


def as_activation(activation: Activation, dtype: np.dtype[Any]) -> Layer | None:
    """An activation layer that computes in `dtype`, from an instance, a class, or None.

    Raises:
        TypeError: anything else; a layer with parameters, or one that is not a chain of stages: the layer that it
            belongs to runs its stages, and would pass over a forward or backward of its own.
    """
    if activation is None:
        return None
    kind = activation if isinstance(activation, type) else type(activation)
    if not issubclass(kind, Layer) or kind.parameter_names:
        raise TypeError(f"activation is {activation!r}; it must be an activation layer, its class, or None")
    inherited = kind.forward is Layer.forward and kind.backward is Layer.backward
    if not inherited or kind.stages is Layer.stages or kind.wiring is not Layer.wiring:
        raise TypeError(
            f"activation is a {kind.__name__}, with a forward or backward of its own; put it into a network, after the "
            "layer"
        )
    return (kind() if isinstance(activation, type) else activation).astype(dtype)


def stages_of(activation: Layer | None) -> tuple[Stage, ...]:
    return () if activation is None else activation.stages()


def he_normal(rng: np.random.Generator | int | None, shape: tuple[int, ...], *, fan_in: int) -> Array:
    """Normal draws with variance 2 / fan_in: a ReLU's output then keeps its scale (He et al., arXiv 1502.01852)."""
    return np.random.default_rng(rng).normal(scale=np.sqrt(2.0 / fan_in), size=shape)
