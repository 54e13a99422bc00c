"""Batch normalization: every channel with the mean and variance that it is to have, whatever the batch.

    Y[b,c,…] = A[c]·Z[b,c,…] + bias[c]                                         (1)

In training Z is X standardized over the batch and all positions, channel by channel (`standardization`); M and V are
that mean and variance, and the running statistics move towards them by a share m, the variance by the unbiased one of
N entries:

    μ[c] ← (1 - m)·μ[c] + m·M[c]                                               (2)
    σ[c] ← (1 - m)·σ[c] + m·V[c]·N/(N - 1)                                     (3)

In evaluation they stand in for the batch's, and are constants: Z = (X - μ)/√(σ + ε). Nudge A, the bias and X. In
training Ż follows from Ẋ through the batch's own mean and variance, by `standardization` (6); in evaluation Z is a
straight line of X, and Ż = Ẋ/√(σ + ε). The running statistics are state, and stand still.

    Ẏ = Ȧ[c]·Z + A[c]·Ż + ḃ[c]                                                 (4)

With G = ∂L/∂Y from the next layer, whatever multiplies a nudge is the gradient there:

    ∂L/∂A[c]    = Σ_{b,…} G[b,c,…]·Z[b,c,…]                                    (5)
    ∂L/∂bias[c] = Σ_{b,…} G[b,c,…]                                             (6)
    ∂L/∂Z       = A[c]·G                                                       (7)

and ∂L/∂X follows from ∂L/∂Z: in training through the batch's own mean and variance, by `standardization` (7); in
evaluation, where Z is a straight line of X,

    ∂L/∂X = ∂L/∂Z / √(σ[c] + ε)                                                (8)

Letters: X input; Y output; Z standardized input; A scales; M, V mean and variance over a batch; μ, σ running mean and
variance; m the share of the newest batch; N number of entries in a channel; ε keeps the square root away from 0; b
sample, and with a dot the bias; c channel; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: S. Ioffe and C. Szegedy, *Batch Normalization*, arXiv 1502.03167; the unbiased variance in (3) is their
algorithm 2, and PyTorch's.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage
from manual.machine.rows import in_parts, total
from manual.standardization import affine, standardized, through

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    z: Array  # X standardized
    scales: Array  # A
    inverse: Array  # one over the standard deviation, with axes of length 1
    training: bool


def forward(
    x: Array,
    scales: Array,
    biases: Array,
    *,
    running_mean: Array,
    running_variance: Array,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, Saved, tuple[Array, Array]]:
    """The normalized channels (1), what `backward` needs, and the running mean and variance after (2), (3).

    Args:
        x: (B, C, ...); float32, float64 or complex128, as scales and biases (C,).
        running_mean, running_variance: (C,), the state.
        training: whether the batch's own mean and variance count, and the running ones move.
        momentum: m, from 0 to 1.
        eps: ε, above 0.

    Raises:
        ValueError: a shape that does not fit; in training, channels of fewer than two entries.
    """
    if x.ndim < 2:
        raise ValueError(f"x has shape {x.shape}; batch normalization takes samples and channels (B, C, ...)")
    given = {"scales": scales, "biases": biases, "running_mean": running_mean, "running_variance": running_variance}
    for name, array in given.items():
        checks.same_shape(array, (x.shape[1],), name, "one per channel of x")
    momentum, eps = checks.share(momentum, "momentum"), checks.positive(eps, "eps")
    axes, count, real = reduced(x), x.size // max(x.shape[1], 1), np.real(x).dtype

    def of_batch(x: Array, scales: Array, biases: Array) -> tuple[Array, ...]:
        done = standardized(x, axes, eps)
        return affine(done.y, scales, biases), *done  # (1)

    if training:
        if count < 2:
            raise ValueError(
                f"x has shape {x.shape}: {count} per channel, and the variance of a batch needs two or more; take a "
                "larger batch, or evaluate (training = False)"
            )
        y, z, mean, variance, inverse = in_parts(of_batch, x, by_channel(scales, x), by_channel(biases, x), axis=1)
        old, new = real.type(1 - momentum), real.type(momentum)
        running_mean = old * running_mean + new * np.real(mean).ravel()  # (2)
        running_variance = old * running_variance + new * np.real(variance).ravel() * real.type(
            count / (count - 1)
        )  # (3)
    else:
        inverse = 1 / np.sqrt(by_channel(running_variance, x) + real.type(eps))
        z = x - by_channel(running_mean, x)
        z *= inverse
        y = affine(z, by_channel(scales, x), by_channel(biases, x))  # (1)
        running_mean, running_variance = np.array(running_mean), np.array(running_variance)
    state = running_mean.astype(real, copy=False), running_variance.astype(real, copy=False)
    return y, Saved(z, scales, inverse, training), state


def by_channel(values: Array, x: Array) -> Array:
    """One number per channel as it meets x."""
    return values.reshape(1, -1, *(1,) * (x.ndim - 2))


def reduced(x: Array) -> tuple[int, ...]:
    """All axes but the channels."""
    return (0, *range(2, x.ndim))


def tangent(nudge_x: Array, nudge_scales: Array, nudge_biases: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ, Ȧ, ḃ, the shapes of x, scales and biases. Raises ValueError for another shape."""
    z, scales, inverse, training = saved
    biases = (nudge_biases, scales.shape)
    checks.nudges(x=(nudge_x, z.shape), scales=(nudge_scales, scales.shape), biases=biases)
    nudge_z = through(nudge_x, z, inverse, reduced(z)) if training else nudge_x * inverse
    return by_channel(nudge_scales, z) * z + by_channel(scales, z) * nudge_z + by_channel(nudge_biases, z)  # (4)


def backward(grad_output: Array, saved: Saved) -> tuple[Array, Array, Array]:
    """∂L/∂x, ∂L/∂scales, ∂L/∂biases from G = grad_output, the shape of x. Raises ValueError for another shape."""
    g, (z, scales, inverse, training) = grad_output, saved
    checks.same_shape(g, z.shape, "grad_output", "the output")
    axes = reduced(z)

    def gradients(g: Array, z: Array, by: Array) -> tuple[Array, Array, Array]:
        grad_x = through(g, z, by, axes) if training else g * by  # (7), (8): A, which is constant there, goes last
        return grad_x, total(g, axes, z), total(g, axes)  # (5), (6)

    by = by_channel(scales, z) * inverse
    grad_x, grad_scales, grad_biases = in_parts(gradients, g, z, by, axis=1)
    return grad_x, grad_scales.ravel(), grad_biases.ravel()


class BatchNorm(Layer):
    """Batch normalization of (B, C, ...): of vectors, signals, images or volumes.

    `forward` normalizes by the batch and moves the running statistics; `predict`, and `forward` where `training` is
    False, normalizes by these.

    Args:
        channels: C.
        momentum: how far the running statistics move towards each batch's.
        eps: what keeps the square root away from 0.
        dtype: float64 or float32.

    Attributes:
        scales, biases (C,): parameters, 1 and 0 at the start.
        running_mean, running_variance (C,): the state, 0 and 1 at the start.

    Raises:
        TypeError: channels that are no integer, or another dtype.
        ValueError: fewer than one channel, a momentum outside 0 to 1, an eps that is not positive.
    """

    parameter_names = ("scales", "biases")
    state_names = ("running_mean", "running_variance")
    scales: Array
    biases: Array
    running_mean: Array
    running_variance: Array

    def __init__(
        self, channels: int, momentum: float = 0.1, eps: float = 1e-5, *, dtype: DTypeLike = np.float64
    ) -> None:
        super().__init__(dtype=dtype)
        count = checks.integer(channels, "channels", 1)
        self.momentum, self.eps = checks.share(momentum, "momentum"), checks.positive(eps, "eps")
        self.scales, self.biases = np.ones(count), np.zeros(count)
        self.running_mean, self.running_variance = np.zeros(count), np.ones(count)

    def stages(self) -> tuple[Stage, ...]:
        hyper: dict[str, Any] = {"training": self.training, "momentum": self.momentum, "eps": self.eps}
        return (Stage("batch_norm", self.parameter_names, hyper, state=self.state_names),)


class BatchNorm2d(BatchNorm):
    """Batch normalization of images (B, C, H, W). Arguments, attributes and errors are those of `BatchNorm`."""

    def received(self, value: Array, name: str) -> Array:
        value = super().received(value, name)
        checks.rank(value, name, "B C H W")
        return value
