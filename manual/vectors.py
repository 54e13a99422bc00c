"""Arrays by name as one flat vector in their order, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from manual import checks

Array = np.ndarray
Arrays = dict[str, Array]


def real(value: Any, name: str) -> Array:
    """`value` as an array of real numbers."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} has dtype {array.dtype}; it must be real numbers")
    return array


def read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def flat(arrays: Mapping[str, Array], dtype: np.dtype[Any]) -> Array:
    """All of them as one vector, read-only."""
    vector = np.concatenate([a.ravel() for a in arrays.values()]) if arrays else np.zeros(0, dtype)
    return read_only(vector)


def pieces(vector: Any, arrays: Mapping[str, Array], name: str, owner: str, dtype: np.dtype[Any]) -> Arrays:
    """A vector cut into arrays of the names and shapes of `arrays`; an error names the vector and its owner."""
    vector = real(vector, name).astype(dtype)
    size = sum(a.size for a in arrays.values())
    if vector.shape != (size,):
        raise ValueError(f"{name} has shape {vector.shape}; {owner} takes a vector of length {size}")
    cut, start = {}, 0
    for k, a in arrays.items():
        cut[k], start = vector[start : start + a.size].reshape(a.shape), start + a.size
    return cut


def nudges(given: Any, arrays: Mapping[str, Array], owner: str, dtype: np.dtype[Any]) -> Arrays:
    """A nudge for each of `arrays`, from a vector, or from some by name; the others stand still.

    Raises:
        TypeError: what is no real number.
        ValueError: a name that there is not, another shape, or another length.
    """
    if given is not None and not isinstance(given, Mapping):
        return pieces(given, arrays, "nudge_parameters", owner, dtype)
    some = {} if given is None else given
    if unknown := sorted(set(some) - set(arrays)):
        known = ", ".join(arrays) or "none"
        raise ValueError(f"nudge_parameters names {unknown[0]!r}; the parameters of {owner} are {known}")
    found = {k: real(some.get(k, np.zeros_like(a)), f"the nudge of {k}") for k, a in arrays.items()}
    for name, array in found.items():
        checks.same_shape(array, arrays[name].shape, f"the nudge of {name}", "the parameter")
    return {k: a.astype(dtype, copy=False) for k, a in found.items()}
