"""Pixel shuffle: of every s² channels one image of s times the rows and columns.

    Y[b,c,s·m+i,s·n+j] = X[b,s²·c+s·i+j,m,n]                                   (1)

Every number keeps its value and gets another place, and takes its nudge there,

    Ẏ[b,c,s·m+i,s·n+j] = Ẋ[b,s²·c+s·i+j,m,n]                                   (2)

and with G = ∂L/∂Y from the next layer

    ∂L/∂X[b,s²·c+s·i+j,m,n] = G[b,c,s·m+i,s·n+j]                               (3)

Letters: X input; Y output; s scale; b sample; c output channel; i, j position inside a block of the output; m, n input
position; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: W. Shi et al., *Real-Time Single Image and Video Super-Resolution*, arXiv 1609.05158.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    shape: tuple[int, ...]  # of x
    scale: int


def forward(x: Array, *, scale: int) -> tuple[Array, Saved]:
    """Larger images of fewer channels (1).

    Args:
        x: (B, C, H, W); float32, float64 or complex128.
        scale: s; s² divides C.

    Raises:
        ValueError: a rank or channels that do not fit.
    """
    checks.rank(x, "x", "B C H W")
    s = checks.integer(scale, "scale", 1)
    if x.shape[1] % s**2:
        raise ValueError(f"scale is {s}; its square does not divide the {x.shape[1]} channels of x")
    return shuffled(x, s), Saved(x.shape, s)  # (1)


def shuffled(x: Array, s: int) -> Array:
    """Every block of s² channels as images of s times the size."""
    samples, channels, rows, columns = x.shape
    blocks = x.reshape(samples, channels // s**2, s, s, rows, columns).transpose(0, 1, 4, 2, 5, 3)
    return np.array(blocks.reshape(samples, channels // s**2, s * rows, s * columns))


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.shape))
    return shuffled(nudge_x, saved.scale)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of y. Raises ValueError for another shape."""
    (samples, channels, rows, columns), s = saved
    shape = (samples, channels // s**2, s * rows, s * columns)
    checks.same_shape(grad_output, shape, "grad_output", "the output")
    blocks = grad_output.reshape(samples, channels // s**2, rows, s, columns, s)
    return (np.array(blocks.transpose(0, 1, 3, 5, 2, 4).reshape(samples, channels, rows, columns)),)  # (3)


class PixelShuffle(Layer):
    """Of every scale² channels one image of `scale` times the rows and columns.

    Args:
        scale: at least 1; its square divides the channels.
        dtype: float64 or float32.

    Raises:
        TypeError, ValueError: a scale that is no integer or below 1.
    """

    def __init__(self, scale: int, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        self.scale = checks.integer(scale, "scale", 1)

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("pixel_shuffle", hyperparameters={"scale": self.scale}),)
