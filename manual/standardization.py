"""Standardization: numbers moved and scaled so that over some axes their mean is 0 and their variance 1.

    Y = (X - M) · R                                                            (1)
    M = (1/N) Σ X                                                              (2)
    R = 1 / √(V + ε),  V = (1/N) Σ (X - M)²                                    (3)

Every sum runs over the N entries that share a mean. Nudge X. Ṁ is the mean of Ẋ. Σ (X - M) is 0, so in V only the
nudge of X itself counts:

    V̇ = (2/N) Σ (X - M)·Ẋ                                                      (4)

    Ṙ = -½·R³·V̇ = -R²·(1/N) Σ Y·Ẋ                                              (5)

    Ẏ = R·(Ẋ - Ṁ) + (X - M)·Ṙ = R·( Ẋ - (1/N) Σ Ẋ - Y·(1/N) Σ Y·Ẋ )            (6)

That map is its own transpose: what it makes of a nudge it makes of G = ∂L/∂Y, and one line of code computes both,

    ∂L/∂X = R·( G - (1/N) Σ G - Y·(1/N) Σ Y·G )                                (7)

so a gradient that is constant over the N entries, or along Y, does not get through: neither changes Y.

V is computed from X - M, not from the mean of X²: that would lose all digits where M is large.

Letters: X input; Y output; M mean; V variance; R one over the standard deviation; N number of entries that share
them; G = ∂L/∂Y; L loss; ε keeps the square root away from 0; a dot marks a nudge.

Source: S. Ioffe and C. Szegedy, *Batch Normalization*, arXiv 1502.03167, section 3; J. Ba et al., arXiv 1607.06450.
"""

from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage
from manual.machine.rows import mean, mean_product

Array = np.ndarray
Axes = tuple[int, ...]


class Saved(NamedTuple):
    """What the backward pass needs."""

    y: Array  # a copy of the output: the caller may write to his
    scale: Array  # R, with axes of length 1
    axes: Axes


class Standardized(NamedTuple):
    """Numbers that were standardized, and by what."""

    y: Array
    mean: Array  # M, with axes of length 1
    variance: Array  # V
    scale: Array  # R


def forward(x: Array, *, axes: Axes = (-1,), eps: float = 1e-5) -> tuple[Array, Saved]:
    """x over its standard deviation around its mean (1).

    Args:
        x: any shape; float32, float64 or complex128.
        axes: those of the entries that share a mean; negative ones count from the end.
        eps: ε, above 0.

    Raises:
        ValueError: an axis that x does not have or is named twice, no entries to average, an ε that is not positive.
    """
    places = tuple(checks.axis(axis, x.shape, "axes") for axis in axes)
    if len(set(places)) < len(places):
        raise ValueError(f"axes is {tuple(axes)}; x has shape {x.shape}, and one of its axes is named twice")
    done = standardized(x, places, eps)
    return done.y, Saved(done.y.copy(), done.scale, places)


def standardized(x: Array, axes: Axes, eps: float) -> Standardized:
    """x over its standard deviation around its mean, with both."""
    eps = checks.positive(eps, "eps")
    if prod(x.shape[axis] for axis in axes) == 0 and x.size == 0 and 0 in [x.shape[axis] for axis in axes]:
        raise ValueError(f"x has shape {x.shape}; a mean over its axes {axes} is one over nothing")
    middle = mean(x, axes)  # (2)
    centred = x - middle
    variance = mean_product(centred, centred, axes)
    scale = 1 / np.sqrt(variance + x.dtype.type(eps))  # (3)
    centred *= scale
    return Standardized(centred, middle, variance, scale)  # (1)


def through(moved: Array, y: Array, scale: Array, axes: Axes) -> Array:
    """Ẏ from `moved` = Ẋ; or, since the map is its own transpose, ∂L/∂X from G."""
    back = y * mean_product(y, moved, axes)
    np.subtract(moved - mean(moved, axes), back, out=back)
    back *= scale
    return back  # (6), (7)


def affine(z: Array, scales: Array, biases: Array) -> Array:
    """A·Z and the bias, as every normalization ends."""
    y = scales * z
    y += biases
    return y


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.y.shape))
    return through(nudge_x, *saved)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    y, scale, axes = saved
    checks.same_shape(grad_output, y.shape, "grad_output", "the output")
    return (through(grad_output, y, scale, axes),)


class Standardization(Layer):
    """Numbers with mean 0 and variance 1 over some axes; no parameters.

    Args:
        axes: those of the entries that share a mean.
        eps: what keeps the square root away from 0.
        dtype: float64 or float32.
    """

    def __init__(self, axes: Axes = (-1,), eps: float = 1e-5, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        self.axes, self.eps = tuple(checks.integer(axis, "axes") for axis in axes), checks.positive(eps, "eps")

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("standardization", hyperparameters={"axes": self.axes, "eps": self.eps}),)
