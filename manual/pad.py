"""Padding: rows and columns around images, a constant or the image continued; negative padding crops.

    Y[b,c,h,w] = X[b,c,r(h),q(w)], or V where there is none                    (1)

r(h) is the row that row h of the output copies: h - p for p rows at the top. Where that is beyond the first or the last
row, there is none, or the image is continued: mirrored at that row, with that row again (edge), or from the other side
(wrap). Every number is a copy, which moves with what it copies:

    Ẏ[b,c,h,w] = Ẋ[b,c,r(h),q(w)], or 0 where there is none                    (2)

With G = ∂L/∂Y from the next layer, an entry collects from all its copies, of which a mirrored one has several:

    ∂L/∂X[b,c,m,n] = Σ_{h: r(h)=m} Σ_{w: q(w)=n} G[b,c,h,w]                    (3)

Letters: X input; Y output; V a constant; b sample; c channel; h, w output position; m, n input position; r, q row and
column that is copied; p rows at the top; G = ∂L/∂Y; L loss; a dot marks a nudge.

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


def forward(x: Array, *, sides: Sides, mode: str = "constant", value: float = 0.0) -> tuple[Array, Saved]:
    """Images with padding around them (1).

    Args:
        x: (B, C, H, W); float32, float64 or complex128.
        sides: ((top, bottom), (left, right)); negative: cropped by as many.
        mode: "constant"; "reflect", the image mirrored without repeating its border; "edge", its border again; "wrap",
            the image again.
        value: the constant.

    Raises:
        ValueError: a rank that does not fit, another mode, nothing left, or more to mirror than the image has.
    """
    checks.rank(x, "x", "B C H W")
    (n_rows, n_columns), (vertical, horizontal) = x.shape[2:], four(sides)
    rows, columns = copied("rows", n_rows, vertical, mode), copied("columns", n_columns, horizontal, mode)
    return copies(x, rows, columns, checks.number(value, "value")), Saved(rows, columns, x.shape)  # (1)


def copies(x: Array, rows: Array, columns: Array, value: float = 0.0) -> Array:
    """x at these rows and columns, a constant where one is -1."""
    y = x[:, :, rows][:, :, :, columns]
    y[:, :, rows < 0], y[:, :, :, columns < 0] = value, value
    return y


def four(sides: Any) -> Sides:
    """((top, bottom), (left, right)) of integers."""
    try:
        (top, bottom), (left, right) = sides
    except (TypeError, ValueError):
        raise ValueError(f"sides is {sides!r}; it must be ((top, bottom), (left, right))") from None
    top, bottom, left, right = (checks.integer(n, "sides") for n in (top, bottom, left, right))
    return (top, bottom), (left, right)


MODES = ("constant", "reflect", "edge", "wrap")


def copied(name: str, entries: int, side: tuple[int, int], mode: str) -> Array:
    """The places of the input that the output copies along one axis, -1 where there is none."""
    before, after = side
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}; it must be one of {', '.join(MODES)}")
    if entries + before + after < 1:
        raise ValueError(f"sides {side} of the {name} leave nothing of {entries}")
    if mode == "reflect" and max(before, after) >= entries:
        raise ValueError(f"sides {side} of the {name} mirror more than there is: at most {entries - 1} of {entries}")
    places = np.arange(-before, entries + after)
    if mode == "constant":
        return np.where((places >= 0) & (places < entries), places, -1)
    if mode == "edge":
        return np.clip(places, 0, entries - 1)
    if mode == "wrap":
        return places % entries
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
    """Zeros around images, or another constant.

    Args:
        sides: an int, a (rows, columns) pair, or ((top, bottom), (left, right)).
        value: the constant.
        dtype: float64 or float32.

    Raises:
        TypeError, ValueError: sides that are no integers; for an int or a pair, below 0.
    """

    mode = "constant"

    def __init__(
        self, sides: int | tuple[int, int] | Sides, value: float = 0.0, *, dtype: DTypeLike = np.float64
    ) -> None:
        super().__init__(dtype=dtype)
        self.value = checks.number(value, "value")
        if isinstance(sides, (tuple, list)) and sides and isinstance(sides[0], (tuple, list)):
            self.sides = four(sides)
        else:
            rows, columns = checks.pair(sides, "sides", 0)
            self.sides = (rows, rows), (columns, columns)

    def stages(self) -> tuple[Stage, ...]:
        hyper = {"sides": self.sides, "mode": self.mode, "value": self.value}
        return (Stage("pad", hyperparameters=hyper),)


class ReflectionPadding(ZeroPadding):
    """Images mirrored at their border. Arguments and errors are those of `ZeroPadding`; there is no constant."""

    mode = "reflect"

    def __init__(self, sides: int | tuple[int, int] | Sides, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(sides, dtype=dtype)


class ReplicationPadding(ReflectionPadding):
    """Images whose border is continued."""

    mode = "edge"


class CircularPadding(ReflectionPadding):
    """Images continued by their other side."""

    mode = "wrap"


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
