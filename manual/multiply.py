"""Multiplication: two arrays entry by entry; a gate lets a share of each number, or of each channel, through.

    Y = X ⊙ Z                                                                  (1)

Z has the shape of X, or an axis of length 1 where one number serves many: a gate per channel is (B, C, 1, 1). Nudge
both:

    Ẏ = Ẋ ⊙ Z + X ⊙ Ż                                                          (2)

With G = ∂L/∂Y from the next layer

    ∂L/∂X = G ⊙ Z                                                              (3)
    ∂L/∂Z = Σ G ⊙ X                                                            (4)

where the sum runs over the axes along which a number of Z serves many: what it does, it does to all of them.

Letters: X, Z inputs; Y output; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: J. Hu, L. Shen, G. Sun, *Squeeze-and-Excitation Networks*, arXiv 1709.01507.
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

    x: Array
    other: Array  # Z


def forward(x: Array, other: Array) -> tuple[Array, Saved]:
    """The products (1).

    Args:
        x: any shape; float32, float64 or complex128.
        other: as many axes, each as long as that of x or 1.

    Raises:
        ValueError: shapes that do not fit.
    """
    if x.ndim != other.ndim or any(k not in (1, n) for n, k in zip(x.shape, other.shape, strict=True)):
        raise ValueError(f"the gate has shape {other.shape}; x has shape {x.shape}: each axis must be as long, or 1")
    return x * other, Saved(x, other)  # (1)


def tangent(nudge_x: Array, nudge_other: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x and Ż = nudge_other. Raises ValueError for another shape than that of x and other."""
    x, other = saved
    checks.nudges(x=(nudge_x, x.shape), other=(nudge_other, other.shape))
    return nudge_x * other + x * nudge_other  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array, Array]:
    """∂L/∂x and ∂L/∂other from G = grad_output, the shape of x. Raises ValueError for another shape."""
    g, (x, other) = grad_output, saved
    checks.same_shape(g, x.shape, "grad_output", "the output")
    shared = tuple(a for a in range(x.ndim) if other.shape[a] != x.shape[a])
    return g * other, (g * x).sum(shared, keepdims=True)  # (3), (4)


class Gate(Composite):
    """A layer's output times what another layer makes of it: body(x) ⊙ gate(body(x)), or x ⊙ gate(x).

    Args:
        gate: a layer whose output has the shape of its input, or axes of length 1.
        body: a layer before both; None: none.

    Raises:
        TypeError, ValueError: as for layers of a network.
    """

    noun = "gate"

    def __init__(self, gate: Layer, body: Layer | None = None) -> None:
        super().__init__([gate] if body is None else [gate, body])

    def wiring(self) -> tuple[Inner | Stage, ...]:
        gate, *body = self.layers
        before = tuple(Inner("1", layer, (INPUT,)) for layer in body)
        gated = "1" if body else INPUT
        return (*before, Inner("0", gate, (gated,)), Stage("multiply", reads=(gated, "0")))
