"""Concatenation: arrays side by side along one axis; branches of a network that join.

    Y = [X₀, X₁, …] along the axis, X_n at its places o_n ≤ place < o_{n+1}    (1)

Every number is copied once, and so is every nudge:

    Ẏ = [Ẋ₀, Ẋ₁, …] along the axis, Ẋ_n at the places of X_n                   (2)

With G = ∂L/∂Y from the next layer, Σ G·Ẏ pairs Ẋ_n with the part of G at these places:

    ∂L/∂X_n = G at o_n ≤ place < o_{n+1}                                       (3)

Letters: X inputs; Y output; n number of an input; o the place where it begins; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: C. Szegedy et al., *Going deeper with convolutions*, arXiv 1409.4842.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from manual import checks
from manual.composite import Composite
from manual.layer import Layer
from manual.program import INPUT, Inner, Stage

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    shape: tuple[int, ...]  # of the output
    axis: int
    begins: tuple[int, ...]  # o of every input but the first


def forward(*arrays: Array, axis: int = 1) -> tuple[Array, Saved]:
    """The arrays side by side (1).

    Args:
        arrays: at least one, of any shape, equal but along the axis; float32, float64 or complex128.
        axis: along which; negative: counted from the end.

    Raises:
        ValueError: shapes that do not fit, or no such axis.
    """
    if not arrays:
        raise ValueError("there is nothing to concatenate; give at least one array")
    first = arrays[0].shape
    place = checks.axis(axis, first, "axis")
    for number, array in enumerate(arrays):
        if array.ndim != len(first) or without(array.shape, place) != without(first, place):
            raise ValueError(
                f"array {number} has shape {array.shape}, the first {first}; they must be equal but along axis {place}"
            )
    ends = np.cumsum([array.shape[place] for array in arrays])
    y = np.concatenate(arrays, axis=place)  # (1)
    return y, Saved(y.shape, place, tuple(int(n) for n in ends[:-1]))


def without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def tangent(*nudges: Array, saved: Saved) -> Array:
    """Ẏ from the nudge of every array. Raises ValueError for another shape."""
    ends = (*saved.begins, saved.shape[saved.axis])
    for number, (nudge, begin, end) in enumerate(zip(nudges, (0, *saved.begins), ends, strict=True)):
        shape = (*saved.shape[: saved.axis], end - begin, *saved.shape[saved.axis + 1 :])
        checks.same_shape(nudge, shape, f"nudge {number}", f"array {number}")
    return np.concatenate(nudges, axis=saved.axis)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array, ...]:
    """∂L/∂ of every array from G = grad_output. Raises ValueError for another shape."""
    checks.same_shape(grad_output, saved.shape, "grad_output", "the output")
    return tuple(np.array(part) for part in np.split(grad_output, saved.begins, axis=saved.axis))  # (3)


class Concat(Composite):
    """Layers side by side: each takes the same input, and what they give stands side by side along an axis.

    Args:
        branches: at least one layer.
        axis: 1 for the channels.
        passed: whether the input itself is the last part.

    Raises:
        TypeError, ValueError: as for layers of a network.
    """

    noun = "concatenation"

    def __init__(self, branches: Iterable[Layer], axis: int = 1, *, passed: bool = False) -> None:
        self.axis, self.passed = checks.integer(axis, "axis"), passed
        super().__init__(branches)

    def wiring(self) -> tuple[Inner | Stage, ...]:
        branches = tuple(Inner(str(place), layer, (INPUT,)) for place, layer in enumerate(self.layers))
        reads = (*(branch.place for branch in branches), *((INPUT,) if self.passed else ()))
        return (*branches, Stage("concatenation", hyperparameters={"axis": self.axis}, reads=reads))
