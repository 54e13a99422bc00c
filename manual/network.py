"""A network: layers one after another, itself a layer.

    Y = X_N,  X₀ = X,  X_{n+1} = layer_n(X_n)                                  (1)

Letters: X input, of layer n as X_n; Y output; n number of a layer; N how many there are.

Each layer computes its own gradients from what arrives; the network only passes them on (the lecture, "CNN Chain Rule
Implementation"). Its parameters are its layers' parameters, named by position: `0.filters`, `0.biases`, `3.weights`,
...
"""

from __future__ import annotations

from manual.composite import Composite
from manual.program import Inner


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
