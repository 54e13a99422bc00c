"""Padding: rows and columns around images, zeros or the image mirrored; negative padding crops.

    Y[b,c,h,w] = X[b,c,r(h),q(w)], or 0 where there is none                    (1)

r(h) is the row that row h of the output copies: h - p for p rows at the top, and mirrored at the first and the last row
where it reaches beyond them and the padding reflects. Every number is a copy, which moves with what it copies:

    Ẏ[b,c,h,w] = Ẋ[b,c,r(h),q(w)], or 0 where there is none                    (2)

With G = ∂L/∂Y from the next layer, an entry collects from all its copies, of which a mirrored one has several:

    ∂L/∂X[b,c,m,n] = Σ_{h: r(h)=m} Σ_{w: q(w)=n} G[b,c,h,w]                    (3)

Letters: X input; Y output; b sample; c channel; h, w output position; m, n input position; r, q row and column that is
copied; p rows at the top; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: V. Dumoulin and F. Visin, *A guide to convolution arithmetic for deep learning*, arXiv 1603.07285.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage

Array = np.ndarray
Sides = tuple[tuple[int, int], tuple[int, int]]


class Saved(NamedTuple):
    """What the backward pass needs."""

    rows: Array  # r, -1 where there is none
    columns: Array  # q
    shape: tuple[int, ...]  # of x


def forward(x: Array, *, sides: Sides, reflect: bool = False) -> tuple[Array, Saved]:
    """Images with padding around them (1).

    Args:
        x: (B, C, H, W); float32, float64 or complex128.
        sides: ((top, bottom), (left, right)); negative: cropped by as many.
        reflect: whether the padding mirrors the image, without repeating its border.

    Raises:
        ValueError: a rank that does not fit, nothing left, or more to mirror than the image has.
    """
    checks.rank(x, "x", "B C H W")
    (n_rows, n_columns), (vertical, horizontal) = x.shape[2:], four(sides)
    rows, columns = copied("rows", n_rows, vertical, reflect), copied("columns", n_columns, horizontal, reflect)
    return copies(x, rows, columns), Saved(rows, columns, x.shape)  # (1)


def copies(x: Array, rows: Array, columns: Array) -> Array:
    """x at these rows and columns, 0 where one is -1."""
    y = x[:, :, rows][:, :, :, columns]
    y[:, :, rows < 0], y[:, :, :, columns < 0] = 0, 0
    return y


def four(sides: Any) -> Sides:
    """((top, bottom), (left, right)) of integers."""
    try:
        (top, bottom), (left, right) = sides
    except (TypeError, ValueError):
        raise ValueError(f"sides is {sides!r}; it must be ((top, bottom), (left, right))") from None
    top, bottom, left, right = (checks.integer(n, "sides") for n in (top, bottom, left, right))
    return (top, bottom), (left, right)


def copied(name: str, entries: int, side: tuple[int, int], reflect: bool) -> Array:
    """The places of the input that the output copies along one axis, -1 where there is none."""
    before, after = side
    if entries + before + after < 1:
        raise ValueError(f"sides {side} of the {name} leave nothing of {entries}")
    if reflect and max(before, after) >= entries:
        raise ValueError(f"sides {side} of the {name} mirror more than there is: at most {entries - 1} of {entries}")
    places = np.arange(-before, entries + after)
    if not reflect:
        return np.where((places >= 0) & (places < entries), places, -1)
    places = np.abs(places)
    return np.where(places < entries, places, 2 * (entries - 1) - places)


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.shape))
    return copies(nudge_x, saved.rows, saved.columns)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of y. Raises ValueError for another shape."""
    rows, columns, shape = saved
    checks.same_shape(grad_output, (*shape[:2], len(rows), len(columns)), "grad_output", "the output")
    tall = np.zeros((*shape[:3], len(columns)), grad_output.dtype)
    for h, m in enumerate(rows):
        if m >= 0:
            tall[:, :, m] += grad_output[:, :, h]
    grad_x = np.zeros(shape, grad_output.dtype)
    for w, n in enumerate(columns):
        if n >= 0:
            grad_x[..., n] += tall[..., w]  # (3)
    return (grad_x,)


class ZeroPadding(Layer):
    """Zeros around images.

    Args:
        sides: an int, a (rows, columns) pair, or ((top, bottom), (left, right)).
        dtype: float64 or float32.

    Raises:
        TypeError, ValueError: sides that are no integers; for an int or a pair, below 0.
    """

    reflect = False

    def __init__(self, sides: int | tuple[int, int] | Sides, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        if isinstance(sides, (tuple, list)) and sides and isinstance(sides[0], (tuple, list)):
            self.sides = four(sides)
        else:
            rows, columns = checks.pair(sides, "sides", 0)
            self.sides = (rows, rows), (columns, columns)

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("pad", hyperparameters={"sides": self.sides, "reflect": self.reflect}),)


class ReflectionPadding(ZeroPadding):
    """Images mirrored at their border. Arguments and errors are those of `ZeroPadding`."""

    reflect = True


class Crop(ZeroPadding):
    """The inner part of images.

    Args:
        sides: what is cut off: an int, a (rows, columns) pair, or ((top, bottom), (left, right)).
        dtype: float64 or float32.

    Raises:
        TypeError, ValueError: sides that are no integers; for an int or a pair, below 0.
    """

    def __init__(self, sides: int | tuple[int, int] | Sides, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(sides, dtype=dtype)
        (top, bottom), (left, right) = self.sides
        self.sides = (-top, -bottom), (-left, -right)
