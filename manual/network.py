"""A network: layers one after another, itself a layer.

    Y = X_N,  X₀ = X,  X_{n+1} = layer_n(X_n)                                  (1)

Letters: X input, of layer n as X_n; Y output; n number of a layer; N how many there are.

Each layer computes its own gradients from what arrives; the network only passes them on (the lecture, "CNN Chain Rule
Implementation"). Its parameters are its layers' parameters, named by position: `0.filters`, `0.biases`, `3.weights`,
...

A batch of small images is laid out with its samples innermost on the way in (`machine/layout.py`): the same numbers in
the same axes, whose runs of memory are then as long as the batch, for the layers that follow.
"""

from __future__ import annotations

import numpy as np

from manual.composite import Composite
from manual.machine.layout import samples_first, samples_last
from manual.program import Inner

Array = np.ndarray

SMALL = 16 * 16  # positions of an image
BATCH = 16  # samples from which their runs are long


class LayeredNeuralNetwork(Composite):
    """Layers in order.

    Args:
        layers: at least one; networks may nest. They compute in one dtype, which is the network's.

    Raises:
        TypeError: something that is not a layer, or layers of different dtypes.
        ValueError: no layers, or one instance twice (its gradients would overwrite each other).
    """

    noun = "network"

    def wiring(self) -> tuple[Inner, ...]:
        return tuple(Inner(str(place), layer) for place, layer in enumerate(self.layers))  # (1)

    def received(self, value: Array, name: str) -> Array:
        small = isinstance(value, np.ndarray) and value.ndim == 4 and value.shape[2] * value.shape[3] <= SMALL
        if name == "x" and small and len(value) >= BATCH:
            value = samples_first(np.ascontiguousarray(samples_last(value)))
        return super().received(value, name)
