"""Hard swish, elementwise: a SiLU of straight lines and one parabola.

    Y = 0 where X ≤ -3, X where X ≥ 3, else X·(X + 3)/6                        (1)

Nudge X by Ẋ. Inside, Ẏ = (2·X + 3)/6·Ẋ, and with G = ∂L/∂Y from the next layer

    ∂L/∂X = 0 where X ≤ -3, G where X ≥ 3, else G·(2·X + 3)/6                  (2)

At the kinks the convention is the straight side, as in PyTorch.

Letters: X input; Y output; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: A. Howard et al., *Searching for MobileNetV3*, arXiv 1905.02244.
"""

from typing import NamedTuple

import numpy as np

from manual import checks
from manual.layer import Layer, Stage

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    x: Array  # the input


def forward(x: Array) -> tuple[Array, Saved]:
    """The hard swish (1), the branch chosen by the real part. x: any shape; float32, float64 or complex128."""
    return np.where(np.real(x) <= -3, 0 * x, np.where(np.real(x) >= 3, x, x * (x + 3) / 6)), Saved(x)  # (1)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    g, x = grad_output, saved.x
    checks.same_shape(g, x.shape, "grad_output", "the output")
    slope = np.where(np.real(x) <= -3, 0, np.where(np.real(x) >= 3, 1, (2 * x + 3) / 6))
    return (g * slope,)  # (2)


class HardSwish(Layer):
    """x · min(max(x + 3, 0), 6) / 6, elementwise."""

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("hard_swish"),)
