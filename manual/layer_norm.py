"""Layer normalization: every sample by itself, over its last axes, with a scale and a bias for each entry.

    Y[b,n] = A[n]·Z[b,n] + bias[n]                                             (1)

Z is X standardized over n, the entries of the last axes of sample b (`standardization`); b stands for all axes before
them. Nudge A, the bias and X; Ż follows from Ẋ by `standardization` (6):

    Ẏ[b,n] = Ȧ[n]·Z[b,n] + A[n]·Ż[b,n] + ḃ[n]                                  (2)

With G = ∂L/∂Y from the next layer

    ∂L/∂A[n]    = Σ_b G[b,n]·Z[b,n]                                            (3)
    ∂L/∂bias[n] = Σ_b G[b,n]                                                   (4)
    ∂L/∂Z[b,n]  = A[n]·G[b,n]                                                  (5)

and ∂L/∂X follows from ∂L/∂Z by `standardization` (7): through the mean and the variance of the same sample,

    ∂L/∂X = R·( ∂L/∂Z - mean of ∂L/∂Z - Z·mean of Z·∂L/∂Z )                    (6)

Letters: X input; Y output; Z standardized input; A scales; R one over the standard deviation; b sample, and with a dot
the bias; n entry; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: J. Ba, J. Kiros, G. Hinton, *Layer Normalization*, arXiv 1607.06450.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage
from manual.machine.rows import in_parts
from manual.standardization import affine, standardized, through

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    z: Array
    scales: Array  # A
    inverse: Array  # R


def forward(x: Array, scales: Array, biases: Array, *, eps: float = 1e-5) -> tuple[Array, Saved]:
    """The normalized samples (1).

    Args:
        x: at least one axis, the last ones those of scales; float32, float64 or complex128.
        scales, biases: the shape of x's last axes.
        eps: what keeps the square root away from 0, above it.

    Raises:
        ValueError: shapes that do not fit.
    """
    if scales.ndim == 0 or x.shape[-scales.ndim :] != scales.shape:
        raise ValueError(f"scales has shape {scales.shape}; it must be the last axes of x, which has shape {x.shape}")
    checks.same_shape(biases, scales.shape, "biases", "scales")

    def normalized(x: Array) -> tuple[Array, Array, Array]:
        z, _, _, inverse = standardized(x, last(x, scales), eps)
        return affine(z, scales, biases), z, inverse  # (1)

    y, z, inverse = in_parts(normalized, x) if x.ndim > scales.ndim else normalized(x)
    return y, Saved(z, scales, inverse)


def last(x: Array, scales: Array) -> tuple[int, ...]:
    """The axes of x that scales have, too."""
    return tuple(range(x.ndim - scales.ndim, x.ndim))


def tangent(nudge_x: Array, nudge_scales: Array, nudge_biases: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ, Ȧ, ḃ, the shapes of x, scales and biases. Raises ValueError for another shape."""
    z, scales, inverse = saved
    biases = (nudge_biases, scales.shape)
    checks.nudges(x=(nudge_x, z.shape), scales=(nudge_scales, scales.shape), biases=biases)
    return nudge_scales * z + scales * through(nudge_x, z, inverse, last(z, scales)) + nudge_biases  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array, Array, Array]:
    """∂L/∂x, ∂L/∂scales, ∂L/∂biases from G = grad_output, the shape of x. Raises ValueError for another shape."""
    g, (z, scales, inverse) = grad_output, saved
    checks.same_shape(g, z.shape, "grad_output", "the output")
    samples = tuple(range(z.ndim - scales.ndim))

    def gradients(g: Array, z: Array, inverse: Array) -> tuple[Array, Array, Array]:
        grad_z = scales * g  # (5)
        grad_x = through(grad_z, z, inverse, last(z, scales))  # (6)
        return grad_x, (g * z).sum(samples), np.array(g.sum(samples))  # (3), (4)

    return in_parts(gradients, g, z, inverse, sums=2) if samples else gradients(g, z, inverse)


class LayerNorm(Layer):
    """Layer normalization over the last axes.

    Args:
        shape: of these axes; an int for the last one alone.
        eps: what keeps the square root away from 0.
        dtype: float64 or float32.

    Attributes:
        scales, biases: of that shape, 1 and 0 at the start.

    Raises:
        TypeError, ValueError: a size that is no integer or below 1, an eps that is not positive.
    """

    parameter_names = ("scales", "biases")
    scales: Array
    biases: Array

    def __init__(self, shape: int | tuple[int, ...], eps: float = 1e-5, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
        if not sizes:
            raise ValueError(f"shape is {shape}; it must name at least one axis")
        sizes = tuple(checks.integer(size, "shape", 1) for size in sizes)
        self.eps = checks.positive(eps, "eps")
        self.scales, self.biases = np.ones(sizes), np.zeros(sizes)

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("layer_norm", self.parameter_names, {"eps": self.eps}),)
