"""Inputs that are given by their shapes: arrays of random numbers, the same for the same seed.

    (4, 3)  ()                    normal numbers, float64
    (4, 3, np.float32)            of another dtype; (4, 3, "complex128")
    "4, 3"  "4,3 float32"         the same as text
    "4,3 0.1..2"                  floats between these
    "5 int64 0..9"                integers from 0 to 9
    "scalar"  "scalar 1..2"       one number
    lambda rng: ...               what a function makes of a numpy.random.Generator

Whatever else it is, an array, a number, a nested value, a word, is taken as it is; in dictionaries shapes are
drawn, too.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray
Rng = np.random.Generator

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
TEXT = re.compile(
    rf"(?P<shape>scalar|\d+(?:\s*,\s*\d+)*)\s*,?(?:\s+(?P<dtype>[a-z]+\d*))?(?:\s+(?P<low>{NUMBER})\s*\.\.\s*(?P<high>{NUMBER}))?"
)


def inputs_of(given: Any, seed: int) -> dict[str, Any]:
    """The inputs by name; of each name other numbers, whichever names there are beside it.

    Raises:
        TypeError, ValueError: a sentence about the one that cannot be drawn.
    """
    if callable(given):
        given = given(np.random.default_rng(seed))
    if not isinstance(given, Mapping) or not given:
        kind = "empty" if isinstance(given, Mapping) else f"a {type(given).__name__}"
        raise TypeError(f"inputs is {kind}; it must be a dictionary of arrays, or of shapes to be drawn, by name")
    named = {str(k): a for k, a in given.items()}
    return {k: value_of(k, a, np.random.default_rng([seed, zlib.crc32(k.encode())])) for k, a in named.items()}


def value_of(name: str, given: Any, rng: Rng) -> Any:
    if isinstance(given, Mapping):
        return {k: value_of(f"{name}.{k}", a, rng) for k, a in given.items()}
    if callable(given) and not isinstance(given, type):
        return given(rng)
    if isinstance(given, str) and (given.startswith("scalar") or given[:1].isdigit()):
        return of_text(name, given, rng)
    if type(given) is tuple:
        sizes, kind = (given[:-1], given[-1]) if given and not is_size(given[-1]) else (given, np.float64)
        if all(map(is_size, sizes)) and names_a_dtype(kind):
            return drawn(name, sizes, np.dtype(kind), None, rng)
    return given


def is_size(n: Any) -> bool:
    return isinstance(n, (int, np.integer)) and not isinstance(n, bool) and int(n) >= 0


def names_a_dtype(kind: Any) -> bool:
    if not isinstance(kind, (str, type, np.dtype)):
        return False
    try:
        return np.dtype(kind).kind in "fciub"
    except TypeError:
        return False


def of_text(name: str, text: str, rng: Rng) -> Any:
    found = TEXT.fullmatch(text.strip())
    if found is None or (found["dtype"] is not None and not names_a_dtype(found["dtype"])):
        raise ValueError(
            f"input {name} is {text!r}; a shape is written '4,3', '4,3 float32', '4,3 0.1..2' or '5 int64 0..9'"
        )
    shape = () if found["shape"] == "scalar" else tuple(int(n) for n in found["shape"].split(","))
    limits = None if found["low"] is None else (float(found["low"]), float(found["high"]))
    if limits is not None and not limits[0] <= limits[1]:
        raise ValueError(f"input {name} is {text!r}; the range ends below where it begins")
    return drawn(name, shape, np.dtype(found["dtype"] or np.float64), limits, rng)


def drawn(name: str, shape: tuple[int, ...], dtype: np.dtype, limits: tuple[float, float] | None, rng: Rng) -> Array:
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        if limits is None:
            raise ValueError(f"input {name} is drawn as {dtype}: say from where to where, '5 {dtype} 0..9'")
        return rng.integers(int(limits[0]), int(limits[1]), shape, dtype, endpoint=True)

    def numbers() -> Array:
        return np.asarray(rng.normal(size=shape) if limits is None else rng.uniform(*limits, shape))

    return (numbers() + 1j * numbers() if dtype.kind == "c" else numbers()).astype(dtype)
