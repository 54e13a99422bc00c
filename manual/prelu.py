"""PReLU, elementwise: a ReLU that lets a learned share of the negative numbers through.

    Y[b,c,…] = X where X > 0, else A[c] · X                                    (1)

A holds one share per channel, or one for all. Nudge X and A. Away from 0

    Ẏ[b,c,…] = Ẋ where X > 0, else A[c] · Ẋ + Ȧ[c] · X                         (2)

and with G = ∂L/∂Y from the next layer, collecting what multiplies a nudge,

    ∂L/∂X = G where X > 0, else A[c] · G                                       (3)
    ∂L/∂A[c] = Σ_{b,…: X ≤ 0} G · X                                            (4)

(for one share the sum runs over the channels too). At exactly 0 the convention is that of X < 0, as in PyTorch.

Letters: X input; Y output; A shares; b sample; c channel; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: K. He et al., *Delving deep into rectifiers*, arXiv 1502.01852.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage
from manual.machine.elementwise import where
from manual.machine.rows import in_parts

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    x: Array
    shares: Array  # A


def forward(x: Array, shares: Array) -> tuple[Array, Saved]:
    """x where its real part is positive, else A · x (1).

    Args:
        x: (B, C, ...); float32, float64 or complex128.
        shares: (C,), or (1,) for all channels.

    Raises:
        ValueError: another number of shares, or x without channels.
    """
    if x.ndim < 2 or shares.shape not in ((1,), (x.shape[1],)):
        raise ValueError(
            f"shares has shape {shares.shape}; x has shape {x.shape}: it takes one share, or one per channel (axis 1)"
        )

    def shared(x: Array) -> tuple[Array]:
        positive = np.real(x) > 0
        y = where(~positive, x)
        y *= along(shares, x)
        y += where(positive, x)  # of the two one is 0
        return (y,)

    return in_parts(shared, x)[0], Saved(x, shares)  # (1)


def along(shares: Array, x: Array) -> Array:
    """A as it multiplies x."""
    return shares.reshape(1, -1, *(1,) * (x.ndim - 2))


def tangent(nudge_x: Array, nudge_shares: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ and Ȧ, the shapes of x and shares. Raises ValueError for another shape."""
    x, shares = saved
    checks.nudges(x=(nudge_x, x.shape), shares=(nudge_shares, shares.shape))
    return np.where(np.real(x) > 0, nudge_x, along(shares, x) * nudge_x + along(nudge_shares, x) * x)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array, Array]:
    """∂L/∂x and ∂L/∂shares from G = grad_output, the shape of x. Raises ValueError for another shape."""
    g, (x, shares) = grad_output, saved
    checks.same_shape(g, x.shape, "grad_output", "the output")
    axes = tuple(a for a in range(x.ndim) if a != 1 or shares.shape == (1,))

    def gradients(g: Array, x: Array) -> tuple[Array, Array]:
        positive = np.real(x) > 0
        low = where(~positive, g)
        grad_x = low * along(shares, x)
        grad_x += where(positive, g)  # of the two one is 0
        low *= x
        return grad_x, np.array(low.sum(axes))  # (3), (4)

    grad_x, grad_shares = in_parts(gradients, g, x, sums=1)
    return grad_x, grad_shares.reshape(shares.shape)


class PReLU(Layer):
    """max(x, 0) + a · min(x, 0), with a learned.

    Args:
        channels: C, for one share each; None: one for all.
        share: what they start with.
        dtype: float64 or float32.

    Attributes:
        shares (C,) or (1,), gettable and settable.

    Raises:
        TypeError: channels that are no integer, or another dtype.
        ValueError: fewer than one channel.
    """

    parameter_names = ("shares",)
    shares: Array

    def __init__(self, channels: int | None = None, share: float = 0.25, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        count = 1 if channels is None else checks.integer(channels, "channels", 1)
        self.shares = np.full(count, share)

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("prelu", ("shares",)),)
