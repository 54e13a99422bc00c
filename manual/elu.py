"""ELU, elementwise: a ReLU that bends to a plateau instead of breaking off.

    Y = X where X > 0, else a·(exp(X) - 1)                                     (1)

Nudge X by Ẋ:

    Ẏ = Ẋ where X > 0, else a·exp(X)·Ẋ                                         (2)

and with G = ∂L/∂Y from the next layer

    ∂L/∂X = G where X > 0, else a·exp(X)·G                                     (3)

At 0 both slopes are 1 if a is; else the convention there is a, as in PyTorch and JAX. exp(X) - 1 keeps its digits near
0 by expm1, and is not computed where X > 0, where it would overflow.

Letters: X input; Y output; a depth of the plateau; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: D. Clevert, T. Unterthiner, S. Hochreiter, arXiv 1511.07289.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage
from manual.machine.elementwise import one_of, written

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    x: Array  # the input
    depth: float


def forward(x: Array, *, depth: float = 1.0) -> tuple[Array, Saved]:
    """The ELU (1), the branch chosen by the real part. x: any shape; float32, float64 or complex128."""
    depth = checks.number(depth, "depth")
    return written(lambda y, x: bent(y, x, depth), x), Saved(x, depth)


def bent(y: Array, x: Array, depth: float) -> None:
    """Y: of the two parts of x one is 0, and so is what it gives."""
    low = not_positive(x)
    positive(x, y)
    np.expm1(low, out=low)
    low *= x.dtype.type(depth)
    y += low  # (1)


def positive(x: Array, y: Array) -> None:
    """x where it is positive, else 0, into y."""
    if x.dtype.kind == "f":
        np.clip(x, 0, np.inf, out=y)
    else:
        np.copyto(y, np.where(np.real(x) > 0, x, 0))


def not_positive(x: Array) -> Array:
    """x where it is not positive, else 0, of which exp does not overflow."""
    low = np.empty_like(x)
    if x.dtype.kind == "f":
        return np.clip(x, -np.inf, 0, out=low)
    low[...] = np.where(np.real(x) > 0, 0, x)
    return low


def along(to: Array, x: Array, moved: Array, depth: float) -> None:
    """`moved`, which is Ẋ or G, times 1 or a·exp(X)."""
    rising = not_positive(x)
    np.exp(rising, out=rising)
    rising *= one_of(np.real(x) > 0, 1, depth, out=to if to.dtype.kind == "f" else np.empty_like(np.real(to)))
    np.multiply(rising, moved, out=to)


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.x.shape))
    return written(lambda to, x, nudge: along(to, x, nudge, saved.depth), saved.x, nudge_x)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    checks.same_shape(grad_output, saved.x.shape, "grad_output", "the output")
    return (written(lambda to, x, g: along(to, x, g, saved.depth), saved.x, grad_output),)  # (3)


class ELU(Layer):
    """x where it is positive, else depth · (exp(x) - 1), elementwise."""

    def __init__(self, depth: float = 1.0, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        self.depth = checks.number(depth, "depth")

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("elu", hyperparameters={"depth": self.depth}),)
