"""Pixel shuffle: of every s² channels one image of s times the rows and columns.

    Y[b,c,s·m+i,s·n+j] = X[b,s²·c+s·i+j,m,n]                                   (1)

Every number keeps its value and gets another place, and takes its nudge there,

    Ẏ[b,c,s·m+i,s·n+j] = Ẋ[b,s²·c+s·i+j,m,n]                                   (2)

and with G = ∂L/∂Y from the next layer

    ∂L/∂X[b,s²·c+s·i+j,m,n] = G[b,c,s·m+i,s·n+j]                               (3)

which is the way back: the inverse, of images s² times the channels, moves X by (3) and G by (1). Where the blocks come
first, the channel is (s·i+j)·C+c in the place of s²·c+s·i+j.

Letters: X input; Y output; s scale; b sample; c output channel; i, j position inside a block of the output; m, n input
position; C output channels; G = ∂L/∂Y; L loss; a dot marks a nudge.

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
    depth_first: bool
    inverse: bool


def forward(x: Array, *, scale: int, depth_first: bool = False, inverse: bool = False) -> tuple[Array, Saved]:
    """Larger images of fewer channels (1), or the inverse.

    Args:
        x: (B, C, H, W); float32, float64 or complex128.
        scale: s; s² divides C, of the inverse s both rows and columns.
        depth_first: whether a channel of x counts blocks before channels of y, as TensorFlow's depth_to_space does.
        inverse: whether blocks become channels.

    Raises:
        ValueError: a rank, channels, rows or columns that do not fit.
    """
    checks.rank(x, "x", "B C H W")
    s = checks.integer(scale, "scale", 1)
    if not inverse and x.shape[1] % s**2:
        raise ValueError(f"scale is {s}; its square does not divide the {x.shape[1]} channels of x")
    if inverse and (x.shape[2] % s or x.shape[3] % s):
        raise ValueError(f"scale is {s}; it does not divide the rows and columns of x, {x.shape[2:]}")
    saved = Saved(x.shape, s, bool(depth_first), bool(inverse))
    return moved(x, saved, saved.inverse), saved  # (1)


def moved(a: Array, saved: Saved, inverse: bool) -> Array:
    """Every number at its other place: of (1), or of the inverse."""
    (samples, channels, rows, columns), s = a.shape, saved.scale
    if inverse:
        blocks = a.reshape(samples, channels, rows // s, s, columns // s, s)
        order = (0, 3, 5, 1, 2, 4) if saved.depth_first else (0, 1, 3, 5, 2, 4)
        return np.array(blocks.transpose(order).reshape(samples, channels * s**2, rows // s, columns // s))
    few = channels // s**2
    apart = (s, s, few) if saved.depth_first else (few, s, s)
    order = (0, 3, 4, 1, 5, 2) if saved.depth_first else (0, 1, 4, 2, 5, 3)
    blocks = a.reshape(samples, *apart, rows, columns).transpose(order)
    return np.array(blocks.reshape(samples, few, s * rows, s * columns))


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.shape))
    return moved(nudge_x, saved, saved.inverse)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of y. Raises ValueError for another shape."""
    (samples, channels, rows, columns), s = saved.shape, saved.scale
    shape = (samples, channels // s**2, s * rows, s * columns)
    if saved.inverse:
        shape = (samples, channels * s**2, rows // s, columns // s)
    checks.same_shape(grad_output, shape, "grad_output", "the output")
    return (moved(grad_output, saved, not saved.inverse),)  # (3)


class PixelShuffle(Layer):
    """Of every scale² channels one image of `scale` times the rows and columns.

    Args:
        scale: at least 1; its square divides the channels.
        depth_first: whether an input channel counts blocks before output channels.
        dtype: float64 or float32.

    Raises:
        TypeError, ValueError: a scale that is no integer or below 1.
    """

    inverse = False

    def __init__(self, scale: int, depth_first: bool = False, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        self.scale, self.depth_first = checks.integer(scale, "scale", 1), bool(depth_first)

    def stages(self) -> tuple[Stage, ...]:
        hyper = {"scale": self.scale, "depth_first": self.depth_first, "inverse": self.inverse}
        return (Stage("pixel_shuffle", hyperparameters=hyper),)


class PixelUnshuffle(PixelShuffle):
    """The inverse: of every block of an image scale² channels. The scale divides rows and columns."""

    inverse = True
