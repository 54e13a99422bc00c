"""What a network costs, layer by layer: shapes, parameters, and floating-point operations of a forward pass.

    convolution   2 · C_out · H_out · W_out · C_in · K_h · K_w                  (1)
    linear        2 · D · O                                                    (2)

and of a transposed convolution as many as of the convolution from its output back to its input.

Letters: C channels; H, W rows and columns; K size of the window; h, w along rows and columns; D inputs; O outputs.

Per image: a multiplication and an addition for every product in the layer's sum. What grows with the number of outputs
only (biases, activations, comparisons of a pooling) is left out. A backward pass costs about twice as much.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from manual import checks
from manual.layer import Layer
from manual.program import Step, run_forward

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
    if not network.runs_its_stages:
        network.stages()  # raises where a layer does not say them
    shapes: dict[str, tuple[int, ...]] = {}
    counts: dict[str, list[int]] = {}
    y, _, _ = run_forward([counted(step, shapes, counts) for step in network.program()], x)
    found = [Cost(name, shapes[name], sum(sizes), flops) for name, (flops, *sizes) in counts.items()]
    total = Cost("all", y.shape[1:], network.parameters.size, sum(c.flops for c in found))
    return [*found, total]


def counted(step: Step, shapes: dict[str, tuple[int, ...]], counts: dict[str, list[int]]) -> Step:
    """The step, which notes under its layer what comes out of it, its flops, and the sizes of its parameters."""
    name = f"{step.place} {step.layer}".strip()

    def forward(*inputs: Array) -> tuple[Array, Any, dict[str, Array]]:
        y, saved, state = step.forward(*inputs)
        shapes[name] = y.shape[1:]
        sizes = [a.size for a in step.parameters.values()]
        flops = 0
        if step.operation == "convolution":
            filters = next(iter(step.parameters.values()))
            flops = 2 * prod(y.shape) * prod(filters.shape[1:])  # (1)
        elif step.operation == "transposed_convolution":
            filters = next(iter(step.parameters.values()))
            flops = 2 * prod(inputs[0].shape) * prod(filters.shape[1:])  # (1), with its input for the output
        elif step.operation == "linear":
            flops = 2 * inputs[0].shape[1] * y.shape[1]  # (2)
        before = counts.setdefault(name, [0])
        before[0] += flops
        before += sizes
        return y, saved, state

    return step._replace(forward=forward)


def table(network: Layer, image_shape: tuple[int, ...]) -> str:
    """`costs` as text."""
    lines = [f"{'layer':<26} {'output of one image':<20} {'parameters':>10} {'flops':>10}"]
    for cost in costs(network, image_shape):
        shape = " x ".join(map(str, cost.output_shape))
        lines.append(f"{cost.name:<26} {shape:<20} {cost.parameters:>10,} {cost.flops:>10,}")
    return "\n".join(lines)
