"""Hard swish, elementwise: a SiLU of straight lines and one parabola.

    Y = 0 where X ≤ -3, X where X ≥ 3, else X·(X + 3)/6                        (1)

Nudge X by Ẋ:

    Ẏ = 0 where X ≤ -3, Ẋ where X ≥ 3, else Ẋ·(2·X + 3)/6                      (2)

and with G = ∂L/∂Y from the next layer

    ∂L/∂X = 0 where X ≤ -3, G where X ≥ 3, else G·(2·X + 3)/6                  (3)

At the kinks the convention is the straight side, as in PyTorch.

Letters: X input; Y output; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: A. Howard et al., *Searching for MobileNetV3*, arXiv 1905.02244.
"""

from typing import NamedTuple

import numpy as np

from manual import checks
from manual.layer import Layer, Stage
from manual.machine.elementwise import where, written

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    x: Array  # the input


def forward(x: Array) -> tuple[Array, Saved]:
    """The hard swish (1), the branch chosen by the real part. x: any shape; float32, float64 or complex128."""
    return written(bent, x), Saved(x)


def bent(y: Array, x: Array) -> None:
    """Y: X times a number that is 0 on one side, 1 on the other, and (X + 3)/6 between."""
    np.add(x, 3, out=y)
    if x.dtype.kind == "f":
        np.clip(y, 0, 6, out=y)
    else:
        y[np.real(x) <= -3], y[np.real(x) >= 3] = 0, 6
    y /= 6
    y *= x  # (1)


def along(to: Array, x: Array, moved: Array) -> None:
    """`moved`, which is Ẋ or G, times 0, 1 or (2·X + 3)/6."""
    np.multiply(x, 2, out=to)
    to += 3
    to /= 6
    real = np.real(x)
    slope = where(~(np.abs(real) >= 3), to)
    np.copyto(to, real >= 3)
    to += slope
    to *= moved


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.x.shape))
    return written(along, saved.x, nudge_x)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    checks.same_shape(grad_output, saved.x.shape, "grad_output", "the output")
    return (written(along, saved.x, grad_output),)  # (3)


class HardSwish(Layer):
    """x · min(max(x + 3, 0), 6) / 6, elementwise."""

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("hard_swish"),)
