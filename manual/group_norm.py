"""Group normalization: every sample by itself, its channels in equal groups.

    Y[b,c,…] = A[c]·Z[b,c,…] + bias[c]                                         (1)

Z is X standardized over the channels of one group and all positions of sample b (`standardization`). One group takes
all channels together; as many groups as channels each by itself, which is instance normalization. Nudge A, the bias
and X; Ż follows from Ẋ by `standardization` (6), in every group by itself:

    Ẏ = Ȧ[c]·Z + A[c]·Ż + ḃ[c]                                                 (2)

With G = ∂L/∂Y from the next layer

    ∂L/∂A[c]    = Σ_{b,…} G[b,c,…]·Z[b,c,…]                                    (3)
    ∂L/∂bias[c] = Σ_{b,…} G[b,c,…]                                             (4)
    ∂L/∂Z       = A[c]·G                                                       (5)

and ∂L/∂X follows from ∂L/∂Z by `standardization` (7), every group through its own mean and variance:

    ∂L/∂X = R·( ∂L/∂Z - mean of ∂L/∂Z - Z·mean of Z·∂L/∂Z )                    (6)

Letters: X input; Y output; Z standardized input; A scales; R one over the standard deviation; b sample, and with a dot
the bias; c channel; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: Y. Wu and K. He, *Group Normalization*, arXiv 1803.08494.
"""

from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage
from manual.machine.rows import in_parts, total
from manual.standardization import affine, standardized, through

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    z: Array  # (B, groups, the rest), standardized over its last axis
    scales: Array  # A
    inverse: Array  # R
    shape: tuple[int, ...]  # of x


def forward(x: Array, scales: Array, biases: Array, *, groups: int, eps: float = 1e-5) -> tuple[Array, Saved]:
    """The normalized groups (1).

    Args:
        x: (B, C, ...); float32, float64 or complex128, as scales and biases (C,).
        groups: divides C.
        eps: what keeps the square root away from 0, above it.

    Raises:
        ValueError: shapes that do not fit, or groups that do not divide the channels.
    """
    if x.ndim < 2:
        raise ValueError(f"x has shape {x.shape}; group normalization takes samples and channels (B, C, ...)")
    channels, groups = x.shape[1], checks.integer(groups, "groups", 1)
    if channels % groups:
        raise ValueError(f"groups is {groups}; it does not divide the {channels} channels of x")
    for name, array in (("scales", scales), ("biases", biases)):
        checks.same_shape(array, (channels,), name, "one per channel of x")

    def normalized(x: Array, scales: Array, biases: Array) -> tuple[Array, Array, Array]:
        z, _, _, inverse = standardized(x, (1, 2), eps)
        return affine(z, scales, biases), z, inverse  # (1)

    rows = one_by_one(x, groups)
    y, z, inverse = in_parts(normalized, rows, beside(scales, x, groups), beside(biases, x, groups))
    whole = (len(x), groups, prod(rows.shape[1:]))
    return y.reshape(x.shape), Saved(z.reshape(whole), scales, inverse.reshape(len(x), groups, 1), x.shape)


def one_by_one(x: Array, groups: int) -> Array:
    """The groups of all samples, one after the other: (B · groups, the channels of a group, the rest)."""
    return x.reshape(len(x) * groups, x.shape[1] // groups, prod(x.shape[2:]))


def beside(values: Array, x: Array, groups: int) -> Array:
    """One number per channel, beside the groups of all samples of x."""
    return np.tile(values.reshape(groups, x.shape[1] // groups, 1), (len(x), 1, 1))


def along(values: Array, axes: int) -> Array:
    """One number per channel as it meets x."""
    return values.reshape(1, -1, *(1,) * (axes - 2))


def tangent(nudge_x: Array, nudge_scales: Array, nudge_biases: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ, Ȧ, ḃ, the shapes of x, scales and biases. Raises ValueError for another shape."""
    z, scales, inverse, shape = saved
    biases = (nudge_biases, scales.shape)
    checks.nudges(x=(nudge_x, shape), scales=(nudge_scales, scales.shape), biases=biases)
    axes, nudge_z = len(shape), through(nudge_x.reshape(z.shape), z, inverse, (2,)).reshape(shape)
    return (
        along(nudge_scales, axes) * z.reshape(shape) + along(scales, axes) * nudge_z + along(nudge_biases, axes)
    )  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array, Array, Array]:
    """∂L/∂x, ∂L/∂scales, ∂L/∂biases from G = grad_output, the shape of x. Raises ValueError for another shape."""
    g, (z, scales, inverse, shape) = grad_output, saved
    checks.same_shape(g, shape, "grad_output", "the output")
    groups = z.shape[1]

    def gradients(g: Array, z: Array, inverse: Array, scales: Array) -> tuple[Array, Array, Array]:
        grad_x = through(scales * g, z, inverse, (1, 2))  # (5), (6)
        return grad_x, total(g, (2,), z), total(g, (2,))  # (3), (4) of one sample

    rows = one_by_one(g, groups)
    arrays = z.reshape(rows.shape), inverse.reshape(-1, 1, 1), beside(scales, g, groups)
    grad_x, grad_scales, grad_biases = in_parts(gradients, rows, *arrays)
    samples = len(g), len(scales)
    return grad_x.reshape(shape), grad_scales.reshape(samples).sum(0), grad_biases.reshape(samples).sum(0)


class GroupNorm(Layer):
    """Group normalization of (B, C, ...).

    Args:
        groups: divides the channels.
        channels: C.
        eps: what keeps the square root away from 0.
        dtype: float64 or float32.

    Attributes:
        scales, biases (C,): 1 and 0 at the start.

    Raises:
        TypeError, ValueError: groups or channels that are no integers, below 1, or do not divide.
    """

    parameter_names = ("scales", "biases")
    scales: Array
    biases: Array

    def __init__(self, groups: int, channels: int, eps: float = 1e-5, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        self.groups, count = checks.integer(groups, "groups", 1), checks.integer(channels, "channels", 1)
        if count % self.groups:
            raise ValueError(f"groups is {self.groups}; it does not divide channels, {count}")
        self.eps = checks.positive(eps, "eps")
        self.scales, self.biases = np.ones(count), np.zeros(count)

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("group_norm", self.parameter_names, {"groups": self.groups, "eps": self.eps}),)


class InstanceNorm(GroupNorm):
    """Instance normalization: every channel of every sample by itself (D. Ulyanov et al., arXiv 1607.08022).

    Args:
        channels: C.
        eps: what keeps the square root away from 0.
        dtype: float64 or float32.
    """

    def __init__(self, channels: int, eps: float = 1e-5, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(channels, channels, eps, dtype=dtype)
