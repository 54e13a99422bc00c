"""Weight normalization: weights as directions and lengths, learned apart.

    Y[o,n] = A[o] · V[o,n] / ‖V[o,·]‖                                          (1)

o numbers the output that a weight belongs to, n runs over all weights of that output; the result takes the place of a
layer's weights. Nudge A and V. With U[o,n] = V[o,n] / ‖V[o,·]‖ and M[o] = Σ_n U[o,n]·V̇[o,n], the nudge of the length
of V,

    Ẏ[o,n] = Ȧ[o]·U[o,n] + A[o]·( V̇[o,n] - U[o,n]·M[o] ) / ‖V[o,·]‖            (2)

With G = ∂L/∂Y, the gradient of the weights,

    ∂L/∂A[o]   = Σ_n G[o,n]·U[o,n]                                             (3)
    ∂L/∂V[o,n] = A[o] / ‖V[o,·]‖ · ( G[o,n] - U[o,n]·∂L/∂A[o] )                (4)

which is at a right angle to V: a direction's length changes nothing.

Letters: Y weights; V directions; A lengths; U directions of length 1; M nudge of a length; o output; n weight; ‖·‖ root
of the sum of squares; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: T. Salimans and D. Kingma, *Weight Normalization*, arXiv 1602.07868.
"""

from typing import NamedTuple

import numpy as np

from manual import checks
from manual.layer import Layer
from manual.program import INPUT, Stage

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    units: Array  # U
    lengths: Array  # A, with axes of length 1
    norms: Array  # ‖V‖, with axes of length 1
    axis: int


def forward(directions: Array, lengths: Array, *, axis: int = 0) -> tuple[Array, Saved]:
    """The weights (1).

    Args:
        directions: any shape; float32, float64 or complex128.
        lengths: one for each index of the axis.
        axis: that of the outputs.

    Raises:
        ValueError: shapes that do not fit, no such axis, or a direction that is zero.
    """
    place = checks.axis(axis, directions.shape, "axis")
    checks.same_shape(lengths, (directions.shape[place],), "lengths", "one per output of the directions")
    rest = tuple(a for a in range(directions.ndim) if a != place)
    norms = np.sqrt((directions * directions).sum(rest, keepdims=True))
    if (norms == 0).any():
        raise ValueError(f"direction {int(np.argmax(norms.ravel() == 0))} is zero; it has no direction")
    units, along = directions / norms, lengths.reshape(norms.shape)
    return along * units, Saved(units, along, norms, place)  # (1)


def tangent(nudge_directions: Array, nudge_lengths: Array, saved: Saved) -> Array:
    """Ẏ from V̇ and Ȧ, the shapes of directions and lengths. Raises ValueError for another shape."""
    units, lengths, norms, axis = saved
    checks.nudges(directions=(nudge_directions, units.shape), lengths=(nudge_lengths, (units.shape[axis],)))
    rest = tuple(a for a in range(units.ndim) if a != axis)
    of_norms = (units * nudge_directions).sum(rest, keepdims=True)
    turned = lengths * (nudge_directions - units * of_norms) / norms
    return nudge_lengths.reshape(norms.shape) * units + turned  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array, Array]:
    """∂L/∂directions and ∂L/∂lengths from G = grad_output, the shape of directions.

    Raises ValueError for another shape.
    """
    g, (units, lengths, norms, axis) = grad_output, saved
    checks.same_shape(g, units.shape, "grad_output", "the weights")
    rest = tuple(a for a in range(units.ndim) if a != axis)
    along = (g * units).sum(rest, keepdims=True)
    return lengths / norms * (g - units * along), along.ravel()  # (4), (3)


class WeightNorm(Layer):
    """A layer with weights whose directions and lengths are learned apart.

    Args:
        layer: a convolutional or a fully connected layer; it is left as it is, and its weights are where these start.

    Attributes:
        directions: the shape of the layer's weights.
        lengths (outputs,): at the start, the lengths of these.
        biases: the layer's.

    Raises:
        TypeError: a layer without weights and biases.
    """

    parameter_names = ("directions", "lengths", "biases")
    directions: Array
    lengths: Array
    biases: Array

    def __init__(self, layer: Layer) -> None:
        if layer.parameter_names not in (("filters", "biases"), ("weights", "biases")):
            raise TypeError(f"layer is a {type(layer).__name__}, which has no weights and biases to learn apart")
        super().__init__(dtype=layer.dtype)
        self.axis = 0 if "filters" in layer.parameter_names else 1
        self.inner = layer.stages()
        self.directions, self.biases = layer.named_parameters().values()
        rest = tuple(a for a in range(self.directions.ndim) if a != self.axis)
        self.lengths = np.sqrt((self.directions**2).sum(rest))

    def stages(self) -> tuple[Stage, ...]:
        first, *behind = self.inner
        normed = Stage("weight_norm", ("directions", "lengths"), {"axis": self.axis}, reads=(), writes="weights")
        return (normed, first._replace(reads=(INPUT, "weights"), parameters=("biases",)), *behind)
