"""Parameters for a check: none of them zero.

A layer starts with zero biases, and a zero hides mistakes: a term that is multiplied by it may be anything, and a unit
that gets zeros lies on its kink. So every parameter is moved off where it starts, by a size that is never small, with
both signs. The sizes stay below the weights' own, so that activations keep their range.
"""

import numpy as np

from manual import Layer

SMALLEST, LARGEST = 0.05, 0.3


def nonzero(layer: Layer, rng: np.random.Generator) -> Layer:
    """The layer, every parameter moved by between `SMALLEST` and `LARGEST` up or down."""
    if layer.parameters.size:
        size = layer.parameters.size
        layer.parameters = layer.parameters + rng.choice([-1.0, 1.0], size) * rng.uniform(SMALLEST, LARGEST, size)
    return layer
