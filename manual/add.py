"""Addition: two arrays entry by entry; a residual connection adds a layer's input to its output.

    Y = X + Z                                                                  (1)

Nudge both:

    Ẏ = Ẋ + Ż                                                                  (2)

With G = ∂L/∂Y from the next layer, Σ G·Ẏ has the factor G before either nudge, so both get all of it; nothing is shared
out:

    ∂L/∂X = G                                                                  (3)
    ∂L/∂Z = G                                                                  (4)

In a residual block Y = X + f(X) the input is read twice, and its gradients add up (`program`, (3)): G arrives past f
as it is, however small what comes back through f.

Letters: X, Z inputs; Y output; f the layer beside which the input is passed on; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: K. He et al., *Deep Residual Learning for Image Recognition*, arXiv 1512.03385.
"""

from typing import NamedTuple

import numpy as np

from manual import checks
from manual.composite import Composite
from manual.layer import Layer
from manual.program import INPUT, Inner, Stage

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    shape: tuple[int, ...]  # of both


def forward(x: Array, other: Array) -> tuple[Array, Saved]:
    """The sum (1). x, other: one shape, any; float32, float64 or complex128.

    Raises ValueError for two shapes: nothing is broadcast.
    """
    checks.same_shape(other, x.shape, "what is added", "x")
    return x + other, Saved(x.shape)  # (1)


def tangent(nudge_x: Array, nudge_other: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x and Ż = nudge_other. Raises ValueError for another shape than that of x and other."""
    checks.nudges(x=(nudge_x, saved.shape), other=(nudge_other, saved.shape))
    return nudge_x + nudge_other  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array, Array]:
    """∂L/∂x and ∂L/∂other from G = grad_output, two arrays. Raises ValueError for another shape."""
    checks.same_shape(grad_output, saved.shape, "grad_output", "the output")
    return np.array(grad_output), np.array(grad_output)  # (3), (4)


class Residual(Composite):
    """A layer beside its own input: x + body(x), or shortcut(x) + body(x).

    Args:
        body: a layer; often a network.
        shortcut: a layer through which the input passes where shapes would not fit; None: as it is.

    Raises:
        TypeError, ValueError: as for layers of a network.
    """

    noun = "residual block"

    def __init__(self, body: Layer, shortcut: Layer | None = None) -> None:
        super().__init__([body] if shortcut is None else [body, shortcut])

    def wiring(self) -> tuple[Inner | Stage, ...]:
        branches = tuple(Inner(str(place), layer, (INPUT,)) for place, layer in enumerate(self.layers))
        past = INPUT if len(branches) == 1 else "1"
        return (*branches, Stage("add", reads=("0", past)))
