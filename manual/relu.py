"""ReLU, elementwise: negative numbers become zero.

    Y = X where X > 0, else 0                                                  (1)

Nudge X by Ẋ. Away from 0 a small nudge does not change which case holds, so

    Ẏ = Ẋ where X > 0, else 0                                                  (2)

and with G = ∂L/∂Y from the next layer

    ∂L/∂X = G where X > 0, else 0                                              (3)

At exactly 0 there is no derivative; the convention is 0 (the lecture's "0 if x ≤ 0").

Letters: X input; Y output; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: the lecture, "Activation Function Integration".
"""

from typing import NamedTuple

import numpy as np

from manual import checks
from manual.layer import Layer, Stage
from manual.machine.elementwise import each_block, where

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    positive: Array  # boolean, the shape of x


def forward(x: Array) -> tuple[Array, Saved]:
    """x where its real part is positive, else 0 (1). x: any shape; float32, float64 or complex128."""
    if x.dtype.kind != "f":
        return where(~(np.real(x) <= 0), x), Saved(np.real(x) > 0)  # (1)
    y, positive = np.empty_like(x), np.empty_like(x, dtype=bool)
    each_block(rectify, (y, positive), (x,))
    return y, Saved(positive)


def rectify(y: Array, positive: Array, x: Array) -> None:
    """Y of (1), and where X > 0."""
    np.clip(x, 0, np.inf, out=y)  # (1), in a third of the time of a maximum with a number; NaN stays NaN
    np.greater(x, 0, out=positive)


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.positive.shape))
    return selected(saved.positive, nudge_x)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    checks.same_shape(grad_output, saved.positive.shape, "grad_output", "the output")
    return (selected(saved.positive, grad_output),)  # (3)


def selected(positive: Array, moved: Array) -> Array:
    """What moves where X > 0, else 0: (2), (3)."""
    result = np.empty_like(moved)
    each_block(lambda to, mask, a: where(mask, a, out=to), (result,), (positive, moved))
    return result


class ReLUActivation(Layer):
    """max(x, 0), elementwise."""

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("relu", (), {}),)
