"""The lecture's two functions: a gradient and a Jacobian by finite differences, as the lecture writes them.

With a step h they are the textbook's central difference. Without one the step is chosen for every entry, the error is
known, and at a kink, where no derivative exists, the answer is NaN (`differences`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crosscheck.witnesses.differences import Differences
from crosscheck.witnesses.noise import Function
from crosscheck.witnesses.sampling import Array, Group


def checked(func: Function, x: Array, h: float | None) -> tuple[Array, Array]:
    x = np.array(x, copy=True)
    if x.dtype.kind in "biu":
        x = x.astype(np.float64)
    if x.dtype.kind != "f":
        raise TypeError(f"x has dtype {x.dtype}; finite differences need real floating-point numbers")
    if not np.isfinite(x).all():
        raise ValueError("x contains NaN or infinity; a difference there says nothing")
    if h is not None and not (np.isfinite(h) and h > 0):
        raise ValueError(f"h is {h!r}; a step must be a positive finite number")
    return x, np.asarray(func(x.copy()))


def central(func: Function, x: Array, h: float) -> Array:
    """The Jacobian (y.size, x.size) by central differences with one given step."""
    columns = []
    for i in range(x.size):
        plus, minus = x.copy(), x.copy()
        plus.flat[i] += h
        minus.flat[i] -= h
        width = float(plus.flat[i]) - float(minus.flat[i])
        if width == 0:
            raise ValueError(f"h is {h!r}; at x[{i}] = {x.flat[i]!r} that step is lost in rounding")
        difference = np.asarray(func(plus), np.float64) - np.asarray(func(minus), np.float64)
        columns.append(difference.ravel() / width)
    return np.stack(columns, axis=-1) if columns else np.zeros((np.asarray(func(x)).size, 0))


def finite_difference_gradient(func: Callable[[Array], float], x: Array, h: float | None = None) -> Array:
    """The gradient of a scalar function by central differences, every entry.

    Args:
        func: x -> a scalar (or an array with one entry); called with copies of x only.
        x: any shape, real floating point (integers are taken as float64).
        h: the step. None: chosen for every entry, with Richardson's extrapolation, as in `Differences`.

    Returns:
        ∂func/∂x, the shape of x, float64. At a kink of func, where no derivative exists, the entry is NaN when the
        step is chosen, and the mean of the two slopes when h is given.

    Raises:
        ValueError: func is not scalar, x is not finite, or h is not a positive step.
        TypeError: x is not real.
    """
    x, y = checked(func, x, h)
    if y.size != 1:
        raise ValueError(f"func returned shape {y.shape}; a gradient needs a scalar: use finite_difference_jacobian")
    return finite_difference_jacobian(func, x, h).reshape(x.shape)


def finite_difference_jacobian(func: Function, x: Array, h: float | None = None) -> Array:
    """The Jacobian of a function by central differences, every entry.

    Args:
        func: x -> array of any shape; called with copies of x only.
        x: any shape, real floating point (integers are taken as float64).
        h: the step. None: chosen for every entry of x and every output.

    Returns:
        J[o..., i...] = ∂func(x)[o...]/∂x[i...], shape y.shape + x.shape, float64; NaN at kinks when the step is chosen.

    Raises:
        ValueError: x is not finite or h is not a positive step.
        TypeError: x is not real.
    """
    x, y = checked(func, x, h)
    shape = y.shape + x.shape
    if h is not None:
        return central(func, x, h).reshape(shape)
    if y.size == 0 or x.size == 0:
        return np.zeros(shape)
    differences = Differences(func, x, np.ones(y.shape))
    every_output = np.arange(y.size)
    columns = []
    for i in range(x.size):
        found = differences.differentiate_group(Group(np.array([i]), every_output, y.size))
        columns.append(np.where(found.kink, np.nan, found.value))
    return np.stack(columns, axis=-1).reshape(shape)
