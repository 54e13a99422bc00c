"""The logistic sigmoid, elementwise: from (-∞, ∞) to (0, 1).

    Y = 1 / (1 + exp(-X))                                                      (1)

Nudge X by Ẋ. With E = exp(-X), ∂Y/∂X = E / (1 + E)² = Y · (1 - Y), so

    Ẏ = Ẋ · Y · (1 - Y)                                                        (2)

and with G = ∂L/∂Y from the next layer

    ∂L/∂X = G · Y · (1 - Y)                                                    (3)

exp overflows for large arguments, so (1) is computed with exp(-|X|) ≤ 1: where X < 0, as exp(X) / (1 + exp(X)).

Both as computed lose digits where Y is near 1. Y is rounded there, by up to u, the unit roundoff, and that is all of
the error of 1 - Y: relative to it u / (1 - Y), about u · exp(X). Of float64's sixteen digits three are left at X = 30;
beyond X = 37, Y is 1 and (3) exactly 0, where the truth is G · exp(-X). In float32 the same happens from X = 10 and 17
on. (On the other side, where Y is near 0, nothing is lost.) E / (1 + E)² would keep all digits; the textbooks, the
lecture and JAX take Y · (1 - Y), from what the forward pass has at hand.

Letters: X input; Y output; G = ∂L/∂Y; L loss; E = exp(-X); u the unit roundoff; a dot marks a nudge.

Source: an activation of the lecture's code.
"""

from typing import NamedTuple

import numpy as np

from manual import checks
from manual.layer import Layer, Stage
from manual.machine.elementwise import each_block, written

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    y: Array  # a copy of the output: the caller may write to his


def logistic(x: Array, out: Array | None = None) -> Array:
    """1 / (1 + exp(-x)) without overflow, into `out` if it is given; the branch is chosen by the real part."""
    positive = np.real(x) >= 0
    small = falling(x, positive)
    y = one_or(positive, small, np.empty_like(x) if out is None else out)
    small += 1
    y /= small
    return y


def both(x: Array) -> tuple[Array, Array]:
    """The sigmoid of x, and that of -x: 1 less the first, without its loss of digits. They share an exponential."""
    positive = np.real(x) >= 0
    small = falling(x, positive)
    y, other = one_or(positive, small, np.empty_like(x)), one_or(~positive, small, np.empty_like(x))
    small += 1
    y /= small
    other /= small
    return y, other


def one_or(mask: Array, small: Array, y: Array) -> Array:
    """1 where mask, else `small`, which is at most 1, into y."""
    if small.dtype.kind != "f":
        y[...] = np.where(mask, 1, small)
        return y
    np.copyto(y, mask)
    return np.maximum(y, small, out=y)


def falling(x: Array, positive: Array) -> Array:
    """exp(-x) where `positive`, else exp(x): never more than 1."""
    if x.dtype.kind != "f":
        return np.exp(x * (1 - 2 * positive.view(np.int8)))
    small = np.abs(x, out=np.empty_like(x))
    np.negative(small, out=small)
    return np.exp(small, out=small)


def forward(x: Array) -> tuple[Array, Saved]:
    """The sigmoid (1). x: any shape; float32, float64 or complex128."""
    y, kept = np.empty_like(x), np.empty_like(x)

    def work(y: Array, kept: Array, x: Array) -> None:
        logistic(x, out=y)  # (1)
        kept[...] = y

    each_block(work, (y, kept), (x,))
    return y, Saved(kept)


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.y.shape))
    return written(through, saved.y, nudge_x)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    g, y = grad_output, saved.y
    checks.same_shape(g, y.shape, "grad_output", "the output")
    return (written(through, y, g),)  # (3)


def through(to: Array, y: Array, g: Array) -> None:
    """G·Y·(1 - Y), also Ẋ in G's place."""
    np.subtract(1, y, out=to)
    to *= y
    to *= g


class SigmoidActivation(Layer):
    """1 / (1 + exp(-x)), elementwise."""

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("sigmoid", (), {}),)
