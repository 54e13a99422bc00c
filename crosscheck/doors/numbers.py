"""What a leaf is: an array of floats, of complex numbers, of integers, a plain number, or nothing of the judge's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def kind_of(leaf: Any) -> str:
    """f, c and i of what is an array or a number that may be differentiated; "" of all else, integers among it."""
    if isinstance(leaf, (bool, int, str, bytes)) or leaf is None:
        return ""
    if isinstance(leaf, (float, complex)) and not isinstance(leaf, np.generic):
        return "f" if isinstance(leaf, float) else "c"
    kind = getattr(getattr(leaf, "dtype", None), "kind", "")
    if kind in ("i", "u", "b"):
        return "" if isinstance(leaf, np.generic) else "i"
    return kind if kind in ("f", "c") else ""


def is_scalar(leaf: Any) -> bool:
    return isinstance(leaf, np.generic)


def number_like(given: Any, a: Any) -> Any:
    """A plain number where one was given, NumPy's or Python's; an array as it is."""
    if not (type(a) is np.ndarray or is_scalar(a)) or a.ndim:
        return a
    if is_scalar(given):
        return np.asarray(a)[()]
    return np.asarray(a) if hasattr(given, "shape") else a.item()


def is_complex(a: Any) -> bool:
    return getattr(getattr(a, "dtype", None), "kind", "") == "c"


def joined(a: Any, b: Any) -> Any:
    """a + ib."""
    return a + 1j * b


def shapes_of(values: Mapping[str, Any]) -> Any:
    return tuple((k, tuple(np.shape(values[k]))) for k in sorted(values))
