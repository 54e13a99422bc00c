"""Argument checks at the public edge: each names the argument, its value and the rule."""

from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

Array = np.ndarray

PRECISIONS = (np.dtype(np.float32), np.dtype(np.float64))


def integer(value: Any, name: str, least: int | None = None) -> int:
    """`value` as an int that is at least `least`."""
    if type(value) is int and (least is None or value >= least):
        return value
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be an integer, not the bool {value}")
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {value!r}") from None
    if least is not None and number < least:
        raise ValueError(f"{name} is {number}; it must be at least {least}")
    return number


def pair(value: Any, name: str, least: int) -> tuple[int, int]:
    """An int, or a (rows, columns) pair of ints, as a pair."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"{name} is {value!r}; it must be an integer or a (rows, columns) pair")
        return integer(value[0], f"rows of {name}", least), integer(value[1], f"columns of {name}", least)
    number = integer(value, name, least)
    return number, number


def axis(number: Any, shape: tuple[int, ...], name: str) -> int:
    """An axis of an array of this shape, counted from the front."""
    axes = len(shape)
    if not -axes <= integer(number, name) < axes:
        raise ValueError(f"{name} is {number}; x has shape {shape}, and its axes are {-axes} to {axes - 1}")
    return number % axes


def number(value: Any, name: str) -> float:
    """`value` as a finite float."""
    if isinstance(value, (bool, np.bool_, str)) or np.ndim(value):
        raise TypeError(f"{name} must be a number, not {value!r}")
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, not {value!r}") from None
    if not np.isfinite(found):
        raise ValueError(f"{name} is {found}; it must be finite")
    return found


def positive(value: Any, name: str) -> float:
    """`value` as a finite float above 0."""
    found = number(value, name)
    if found <= 0:
        raise ValueError(f"{name} is {found}; it must be above 0")
    return found


def share(value: Any, name: str) -> float:
    """`value` as a float from 0 to 1."""
    found = number(value, name)
    if not 0 <= found <= 1:
        raise ValueError(f"{name} is {found}; it must be from 0 to 1")
    return found


def precision(dtype: DTypeLike) -> np.dtype[Any]:
    """The dtype of a layer: float32 or float64."""
    if dtype is None:  # to NumPy, None means float64
        raise TypeError("dtype must be float32 or float64, not None")
    try:
        found = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"dtype must be float32 or float64, not {dtype!r}") from None
    if found not in PRECISIONS:
        raise TypeError(f"dtype must be float32 or float64, not {found}")
    return found


def array(value: Any, name: str, dtype: np.dtype[Any]) -> Array:
    """`value` as an array of exactly this dtype."""
    found = np.asarray(value)
    if found.dtype != dtype:
        raise TypeError(
            f"{name} has dtype {found.dtype}, the layer computes in {dtype}: convert one of them with astype"
        )
    return found


def rank(value: Array, name: str, axes: str) -> None:
    """`axes` names the axes that the array must have, as in "B C H W"."""
    if value.ndim != axes.count(" ") + 1:
        names = axes.split()
        raise ValueError(f"{name} has shape {value.shape}; it must have {len(names)} axes ({', '.join(names)})")


def same_shape(value: ArrayLike, shape: tuple[int, ...], name: str, what: str) -> None:
    found = value.shape if isinstance(value, np.ndarray) else np.shape(value)
    if found != shape:
        raise ValueError(f"{name} has shape {found}; {what} has shape {shape}")


def nudges(**given: tuple[ArrayLike, tuple[int, ...]]) -> None:
    """A nudge has the shape of what it moves: name = (nudge, shape)."""
    for name, (nudge, shape) in given.items():
        same_shape(nudge, shape, f"nudge_{name}", name)


def hyperparameter_pairs(**pairs: tuple[Any, int]) -> None:
    """Function-level hyper-parameters must already be pairs of integers: name = (value, least)."""
    for name, (value, least) in pairs.items():
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise ValueError(f"{name} is {value!r}; it must be a (rows, columns) pair")
        pair(value, name, least)


def plain(value: Any) -> bool:
    """Whether it is made of ints, words and tuples alone: True and 1.0 equal 1, and must not be answered for it."""
    kind = type(value)
    return kind is int or kind is str or (kind is tuple and all(map(plain, value)))
