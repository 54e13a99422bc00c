"""Our own layers as operations: with their reference, a forward that is quick to evaluate again, and their bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

import reference.network
from crosscheck.doors.layers import adapter, any_layer, from_layer, identical
from crosscheck.operation import OUTPUT, Array, Arrays, Operation, wide
from manual import Layer, LayeredNeuralNetwork, kernels


@adapter.register
def our_layer(layer: Layer, x: Any, reference: Callable[..., Any] | None = None) -> Operation:
    """A layer or network of `manual`; `reference` replaces its twin."""
    twin_or_given = twin(layer) if reference is None else reference
    chain = Chain.of(layer)
    return replace(
        any_layer(layer, x, twin_or_given),
        widen=lambda: from_layer(layer.astype(np.float64), wide(np.asarray(x)), twin_or_given),
        moving_forward=None if chain is None else chain.forward,
        own_bounds=None if chain is None else chain.own_bounds,
    )


class Chain:
    """The forward of our own layers as the chain of functions that it is, for witnesses that evaluate it many times.

    It takes complex numbers, and it keeps what every stage gave: stages before the first changed array are not run
    again.
    """

    def __init__(self, layer: Layer) -> None:
        self.stages = layer.stages()
        self.functions = [import_module(f"manual.{stage.operation}").forward for stage in self.stages]
        self.last: list[tuple[list[Array], Array]] = []

    @classmethod
    def of(cls, layer: Layer) -> Chain | None:
        """The chain of a layer whose forward is the inherited one; None where a layer brings its own."""
        plain = type(layer).forward in (Layer.forward, LayeredNeuralNetwork.forward)
        if not plain or any(cls.of(inner) is None for inner in getattr(layer, "layers", ())):
            return None
        try:
            return cls(layer)
        except NotImplementedError:
            return None

    def forward(self, values: Arrays) -> Array:
        with kernels.use("exact"):  # an engine that mixes entries would make every output depend on every input
            return self.run(values)

    def run(self, values: Arrays) -> Array:
        y, fresh = values["x"], False
        for place, (stage, function) in enumerate(zip(self.stages, self.functions, strict=True)):
            arrays = [values[name] for name in stage.parameters]
            seen = [y, *arrays] if place == 0 else arrays
            if not fresh and place < len(self.last) and all(map(identical, self.last[place][0], seen)):
                y = self.last[place][1]
                continue
            fresh = True
            y, _ = function(y, *arrays, **stage.hyperparameters)
            self.last[place:] = [([np.array(a, copy=True) for a in seen], y)]
        return y

    def own_bounds(self, values: Arrays, grad_output: Array) -> Arrays | None:
        """The bound of the engine that computes a single convolution, where that engine mixes entries.

        With a ReLU after it the bound passes through unchanged; behind any other step it would have to be carried on.
        """
        first, *rest = self.stages
        if first.operation != "convolution" or any(s.operation not in ("relu", "linear_activation") for s in rest):
            return None
        arrays = [values[name] for name in first.parameters]
        y, saved = self.functions[0](values["x"], *arrays, **first.hyperparameters, **first.options)
        if kernels.ENGINES[saved.kernel.engine].exact:
            return None
        later = []
        for stage, function in zip(rest, self.functions[1:], strict=True):
            y, kept = function(y, **stage.hyperparameters)
            later.append((stage, kept))
        g = grad_output.astype(y.dtype)
        for stage, kept in reversed(later):
            (g,) = import_module(f"manual.{stage.operation}").backward(g, kept)
        gradients = kernels.gradient_bounds(g, saved.kernel, kernels.probable)
        named = dict(zip(("x", *first.parameters), gradients, strict=True))
        return {**named, OUTPUT: kernels.output_bound(saved.kernel, kernels.probable)}


def twin(layer: Layer) -> Callable[..., Any] | None:
    """The reference of one of our own layers, composed from the operations it is made of."""
    try:
        stages = [(stage.operation, stage.parameters, stage.hyperparameters) for stage in layer.stages()]
    except NotImplementedError:
        return None

    def forward(x: Any, **parameters: Any) -> Any:
        return reference.network.forward(x, parameters, stages=stages)

    return forward
