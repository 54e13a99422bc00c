"""Flatten: the same numbers, fewer axes.

    Y = X with the axes start_dim … end_dim read as one, in row-major order                  (1)

Every number keeps its place in the row-major order, and so does its nudge:

    Ẏ = Ẋ with the axes of Y                                                                 (2)

With G = ∂L/∂Y from the next layer, Σ G·Ẏ pairs every entry of G with the entry of Ẋ that stands at its place, and

    ∂L/∂X = G with the axes of X again                                                       (3)

Letters: X input; Y output; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: the lecture, "Flatten Layer Gradients".
"""

from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]


def forward(x: Array, *, start_dim: int = 1, end_dim: int = -1) -> tuple[Array, Saved]:
    """x (any shape) with the axes start_dim to end_dim, both included, as one (1). May be a view of x.

    Raises:
        ValueError: an axis that x does not have, or an end before the start.
    """
    first, last = (checks.axis(d, x.shape, name) for d, name in ((start_dim, "start_dim"), (end_dim, "end_dim")))
    if last < first:
        raise ValueError(f"end_dim {end_dim} lies before start_dim {start_dim} for x of shape {x.shape}")
    joined = prod(x.shape[first : last + 1])
    y = x.reshape(*x.shape[:first], joined, *x.shape[last + 1 :])  # (1)
    return y, Saved(x.shape, y.shape)


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. May be a view of it. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.input_shape))
    return nudge_x.reshape(saved.output_shape)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of y. May be a view of it.

    Raises:
        ValueError: grad_output has another shape than y.
    """
    checks.same_shape(grad_output, saved.output_shape, "grad_output", "the output")
    return (grad_output.reshape(saved.input_shape),)  # (3)


class FlattenLayer(Layer):
    """The lecture's flatten layer: (B, C, H, W) → (B, C·H·W) by default.

    Args:
        start_dim, end_dim: the first and the last axis to join; negative ones count from the end.
        dtype: float64 or float32.

    Raises:
        TypeError: an axis that is not an integer, or another dtype.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        self.start_dim = checks.integer(start_dim, "start_dim")
        self.end_dim = checks.integer(end_dim, "end_dim")

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("flatten", (), {"start_dim": self.start_dim, "end_dim": self.end_dim}),)
