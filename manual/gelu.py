"""GELU, elementwise: a number times the probability that a standard normal one is below it.

    Y = X·F,  F = Φ(X)                                                         (1)

Φ is the normal distribution function, with slope φ(X) = exp(-X²/2)/√(2π). So the slope of Y is

    D = F + X·φ(X)                                                             (2)

The approximation by tanh puts T for F, with an inner function V:

    F ≈ T = ½·(1 + tanh V),  V = √(2/π)·(X + c·X³)                             (3)

    D ≈ T + X·½·(1 - tanh² V)·√(2/π)·(1 + 3·c·X²)                              (4)

½·(1 + tanh V) is the sigmoid of 2·V, and is computed as that, which loses no digits where it is near 0. Nudge X by Ẋ:

    Ẏ = D·Ẋ                                                                    (5)

and with G = ∂L/∂Y from the next layer

    ∂L/∂X = G·D                                                                (6)

Letters: X input; Y output; D slope; F probability; Φ, φ normal distribution and density; T what stands for F; V
argument of tanh; c = 0.044715; π the circle's; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: D. Hendrycks and K. Gimpel, *Gaussian Error Linear Units*, arXiv 1606.08415.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage
from manual.machine.elementwise import each_block, in_blocks
from manual.machine.normal import distribution_and_density
from manual.sigmoid import both

Array = np.ndarray

ROOT, CUBIC = np.sqrt(2 / np.pi), 0.044715


class Saved(NamedTuple):
    """What the backward pass needs."""

    slope: Array  # D, which shares all that is costly with Y


def forward(x: Array, *, by_tanh: bool = False) -> tuple[Array, Saved]:
    """x times its probability (1), exact or by tanh (3). x: any shape; float32, float64 or complex128."""
    y, slope = np.empty_like(x), np.empty_like(x)

    def work(y: Array, slope: Array, x: Array) -> None:
        f, rise = by_a_sigmoid(x) if by_tanh else distribution_and_density(x)
        np.multiply(x, f, out=y)  # (1)
        np.multiply(x, rise, out=slope)
        slope += f  # (2), (4)

    each_block(work, (y, slope), (x,))
    return y, Saved(slope)


def by_a_sigmoid(x: Array) -> tuple[Array, Array]:
    """T of (3), and its slope."""
    inner = x.dtype.type(ROOT) * (x + x.dtype.type(CUBIC) * x * x * x)
    t, rest = both(2 * inner)  # (3)
    return t, 2 * t * rest * (x.dtype.type(ROOT) * (1 + 3 * x.dtype.type(CUBIC) * x * x))


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.slope.shape))
    return saved.slope * nudge_x  # (5)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    checks.same_shape(grad_output, saved.slope.shape, "grad_output", "the output")
    return (in_blocks(np.multiply, saved.slope, grad_output),)  # (6)


class GELU(Layer):
    """x · Φ(x), elementwise."""

    def __init__(self, by_tanh: bool = False, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        self.by_tanh = by_tanh

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("gelu", hyperparameters={"by_tanh": self.by_tanh}),)
