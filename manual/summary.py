"""What a network costs, layer by layer: shapes, parameters, and floating-point operations of a forward pass.

    convolution   2 · C_out · H_out · W_out · C_in · K_h · K_w                  (1)
    linear        2 · D · O                                                    (2)

Letters: C channels; H, W rows and columns; K size of the window; h, w along rows and columns; D inputs; O outputs.

Per image: a multiplication and an addition for every product in the layer's sum. What grows with the number of outputs
only (biases, activations, comparisons of a pooling) is left out. A backward pass costs about twice as much.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np

from manual import checks
from manual.layer import Layer, operation
from manual.network import LayeredNeuralNetwork

Array = np.ndarray


class Cost(NamedTuple):
    """One layer, or a whole network."""

    name: str
    output_shape: tuple[int, ...]  # of one image, without B
    parameters: int
    flops: int  # of a forward pass, per image


def costs(network: Layer, image_shape: tuple[int, ...]) -> list[Cost]:
    """The cost of every layer for images of `image_shape`, such as (1, 8, 8), and of all together as the last entry.

    Raises:
        ValueError: images that the network does not take.
        NotImplementedError: a layer that does not say what operations it is made of.
    """
    x = np.zeros((1, *(checks.integer(n, "image_shape", 1) for n in image_shape)), network.dtype)
    network.predict(x)  # so that a shape that does not fit is refused with the layer's name
    found = []
    for name, layer in leaves(network, ""):
        named, flops = layer.named_parameters(), 0
        for stage in layer.stages():
            given = x
            x, _ = operation(stage).forward(x, *(named[k] for k in stage.parameters), **stage.hyperparameters)
            if stage.operation == "convolution":
                flops += 2 * prod(x.shape) * prod(named[stage.parameters[0]].shape[1:])  # (1)
            elif stage.operation == "linear":
                flops += 2 * given.shape[1] * x.shape[1]  # (2)
        found.append(Cost(name, x.shape[1:], layer.parameters.size, flops))
    total = Cost("all", found[-1].output_shape, sum(c.parameters for c in found), sum(c.flops for c in found))
    return [*found, total]


def leaves(layer: Layer, place: str) -> list[tuple[str, Layer]]:
    """The layers that are no networks, in order, named by place and class."""
    if not isinstance(layer, LayeredNeuralNetwork):
        return [(f"{place} {type(layer).__name__}".strip(), layer)]
    return [
        leaf
        for number, inner in enumerate(layer.layers)
        for leaf in leaves(inner, f"{place}.{number}" if place else str(number))
    ]


def table(network: Layer, image_shape: tuple[int, ...]) -> str:
    """`costs` as text."""
    lines = [f"{'layer':<26} {'output of one image':<20} {'parameters':>10} {'flops':>10}"]
    for cost in costs(network, image_shape):
        shape = " x ".join(map(str, cost.output_shape))
        lines.append(f"{cost.name:<26} {shape:<20} {cost.parameters:>10,} {cost.flops:>10,}")
    return "\n".join(lines)
