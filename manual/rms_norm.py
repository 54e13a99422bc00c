"""RMS normalization: every sample over the root of its mean square; a layer normalization without the mean.

    Y[b,n] = A[n]·Z[b,n]                                                       (1)
    Z[b,n] = X[b,n]·R[b],  R[b] = 1 / √((1/N) Σ_n X[b,n]² + ε)                 (2)

n runs over the N entries of the last axes, b over all before. Nudge X: Ṙ = -R³·(1/N) Σ_n X·Ẋ = -R²·(1/N) Σ_n Z·Ẋ, so

    Ż = R·Ẋ + X·Ṙ = R·( Ẋ - Z·(1/N) Σ_n Z·Ẋ )                                  (3)

    Ẏ = Ȧ·Z + A·Ż                                                              (4)

With G = ∂L/∂Y from the next layer, and since (3) is its own transpose (one line of code computes both),

    ∂L/∂A[n] = Σ_b G[b,n]·Z[b,n]                                               (5)
    ∂L/∂X    = R·( A·G - Z·(1/N) Σ_n Z·A·G )                                   (6)

Letters: X input; Y output; Z scaled input; A scales; R one over the root mean square; N number of entries; b sample; n
entry; ε keeps the square root away from 0; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: B. Zhang and R. Sennrich, *Root Mean Square Layer Normalization*, arXiv 1910.07467.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage
from manual.machine.rows import in_parts, mean_product

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    z: Array
    scales: Array  # A
    inverse: Array  # R


def forward(x: Array, scales: Array, *, eps: float = 1e-5) -> tuple[Array, Saved]:
    """The scaled samples (1).

    Args:
        x: at least one axis, the last ones those of scales; float32, float64 or complex128.
        scales: the shape of x's last axes.
        eps: ε, above 0.

    Raises:
        ValueError: shapes that do not fit.
    """
    if scales.ndim == 0 or x.shape[-scales.ndim :] != scales.shape:
        raise ValueError(f"scales has shape {scales.shape}; it must be the last axes of x, which has shape {x.shape}")
    eps = checks.positive(eps, "eps")

    def normalized(x: Array) -> tuple[Array, Array, Array]:
        power = mean_product(x, x, last(x, scales))
        inverse = 1 / np.sqrt(power + x.dtype.type(eps))
        z = x * inverse  # (2)
        return scales * z, z, inverse  # (1)

    y, z, inverse = in_parts(normalized, x) if x.ndim > scales.ndim else normalized(x)
    return y, Saved(z, scales, inverse)


def last(x: Array, scales: Array) -> tuple[int, ...]:
    """The axes of x that scales have, too."""
    return tuple(range(x.ndim - scales.ndim, x.ndim))


def through(moved: Array, z: Array, inverse: Array, axes: tuple[int, ...]) -> Array:
    """Ż from `moved` = Ẋ; or, since the map is its own transpose, ∂L/∂X from ∂L/∂Z = A·G."""
    back = z * mean_product(z, moved, axes)
    np.subtract(moved, back, out=back)
    back *= inverse
    return back  # (3), (6)


def tangent(nudge_x: Array, nudge_scales: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ and Ȧ, the shapes of x and scales. Raises ValueError for another shape."""
    z, scales, inverse = saved
    checks.nudges(x=(nudge_x, z.shape), scales=(nudge_scales, scales.shape))
    return nudge_scales * z + scales * through(nudge_x, z, inverse, last(z, scales))  # (4)


def backward(grad_output: Array, saved: Saved) -> tuple[Array, Array]:
    """∂L/∂x and ∂L/∂scales from G = grad_output, the shape of x. Raises ValueError for another shape."""
    g, (z, scales, inverse) = grad_output, saved
    checks.same_shape(g, z.shape, "grad_output", "the output")
    samples = tuple(range(z.ndim - scales.ndim))

    def gradients(g: Array, z: Array, inverse: Array) -> tuple[Array, Array]:
        grad_x = through(scales * g, z, inverse, last(z, scales))
        return grad_x, (g * z).sum(samples)  # (5)

    return in_parts(gradients, g, z, inverse, sums=1) if samples else gradients(g, z, inverse)


class RMSNorm(Layer):
    """RMS normalization over the last axes.

    Args:
        shape: of these axes; an int for the last one alone.
        eps: what keeps the square root away from 0.
        dtype: float64 or float32.

    Attributes:
        scales: of that shape, 1 at the start.

    Raises:
        TypeError, ValueError: a size that is no integer or below 1, an eps that is not positive.
    """

    parameter_names = ("scales",)
    scales: Array

    def __init__(self, shape: int | tuple[int, ...], eps: float = 1e-5, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
        if not sizes:
            raise ValueError(f"shape is {shape}; it must name at least one axis")
        self.eps = checks.positive(eps, "eps")
        self.scales = np.ones(tuple(checks.integer(size, "shape", 1) for size in sizes))

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("rms_norm", self.parameter_names, {"eps": self.eps}),)
