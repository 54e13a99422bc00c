"""Maxout: of every k channels that follow each other, the largest.

    Y[b,c,…] = max_{0≤i<k} X[b,k·c+i,…]                                        (1)

Let i*[b,c,…] be where the maximum is; of equal ones the first. Nudge X. Away from ties the winner stays the winner:

    Ẏ[b,c,…] = Ẋ[b,k·c+i*,…]                                                   (2)

With G = ∂L/∂Y from the next layer

    ∂L/∂X[b,k·c+i,…] = G[b,c,…] where i = i*, else 0                           (3)

Letters: X input; Y output; b sample; c output channel; k channels of a piece; i one of them; a star marks the winner; G
= ∂L/∂Y; L loss; a dot marks a nudge.

Source: I. Goodfellow et al., *Maxout Networks*, arXiv 1302.4389.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    winner: Array  # i*, with an axis of length 1 after the channels
    shape: tuple[int, ...]  # of x
    pieces: int


def forward(x: Array, *, pieces: int) -> tuple[Array, Saved]:
    """The largest of every `pieces` channels (1), by real part.

    Args:
        x: (B, C, ...); float32, float64 or complex128.
        pieces: k, divides C.

    Raises:
        ValueError: x without channels, or pieces that do not divide them.
    """
    pieces = checks.integer(pieces, "pieces", 1)
    if x.ndim < 2 or x.shape[1] % pieces:
        raise ValueError(f"pieces is {pieces}; it must divide the channels (axis 1) of x, which has shape {x.shape}")
    winner = np.argmax(np.real(split(x, pieces)), axis=2)[:, :, None]
    return taken(split(x, pieces), winner), Saved(winner, x.shape, pieces)  # (1)


def split(x: Array, pieces: int) -> Array:
    """[b, c, i, …]: the channels of a piece along an axis of their own."""
    return x.reshape(len(x), x.shape[1] // pieces, pieces, *x.shape[2:])


def taken(pieces: Array, winner: Array) -> Array:
    return np.take_along_axis(pieces, winner, axis=2)[:, :, 0]


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.shape))
    return taken(split(nudge_x, saved.pieces), saved.winner)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of y. Raises ValueError for another shape."""
    winner, shape, pieces = saved
    checks.same_shape(grad_output, (*winner.shape[:2], *winner.shape[3:]), "grad_output", "the output")
    grad_pieces = np.zeros((*winner.shape[:2], pieces, *winner.shape[3:]), grad_output.dtype)
    np.put_along_axis(grad_pieces, winner, grad_output[:, :, None], axis=2)  # (3)
    return (grad_pieces.reshape(shape),)


class Maxout(Layer):
    """The largest of every few channels.

    Args:
        pieces: how many; divides the channels.
        dtype: float64 or float32.

    Raises:
        TypeError, ValueError: pieces that are no integer or below 1.
    """

    def __init__(self, pieces: int, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        self.pieces = checks.integer(pieces, "pieces", 1)

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("maxout", hyperparameters={"pieces": self.pieces}),)
