"""Maxout: of every k channels that follow each other, the largest.

    Y[b,c,…] = max_{0≤i<k} X[b,k·c+i,…]                                        (1)

Let i*[b,c,…] be where the maximum is; of equal ones the first. Nudge X: away from ties the winner stays the winner, Ẏ =
Ẋ[b,k·c+i*,…]. With G = ∂L/∂Y from the next layer

    ∂L/∂X[b,k·c+i,…] = G[b,c,…] where i = i*, else 0                           (2)

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
    split = x.reshape(len(x), x.shape[1] // pieces, pieces, *x.shape[2:])
    winner = np.argmax(np.real(split), axis=2)[:, :, None]
    return np.take_along_axis(split, winner, axis=2)[:, :, 0], Saved(winner, x.shape, pieces)  # (1)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of y. Raises ValueError for another shape."""
    winner, shape, pieces = saved
    checks.same_shape(grad_output, (*winner.shape[:2], *winner.shape[3:]), "grad_output", "the output")
    split = np.zeros((*winner.shape[:2], pieces, *winner.shape[3:]), grad_output.dtype)
    np.put_along_axis(split, winner, grad_output[:, :, None], axis=2)  # (2)
    return (split.reshape(shape),)


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
