"""What the copies say: their spread about the main run, and how far free copies left the held ones."""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np

from crosscheck.rounding.copies import Plane
from crosscheck.rounding.draws import strengths

Array = np.ndarray


class Gathered:
    """What the blocks of copies say about one output."""

    def __init__(self) -> None:
        self.value: Any = None
        self.spread: Any = None  # √ of the sum of squares over the blocks
        self.blocks = 0
        self.terms: Any = None
        self.excuse: Any = None
        self.flipped = False

    def add(self, plane: Plane, flipped: bool, *, summed: bool) -> None:
        self.value = np.asarray(plane.value)
        size = np.abs(self.value).astype(np.float64)
        self.terms = larger(self.terms, size if plane.terms is None else np.asarray(plane.terms, np.float64))
        self.blocks += 1
        if plane.copies is not None:
            seen = np.asarray(plane.copies if summed else spread(plane.copies, self.value, np), np.float64)
            # No list of blocks: of ten million entries there are eight.
            self.spread = seen if self.spread is None else np.hypot(self.spread, seen)
        self.flipped = self.flipped or flipped

    def otherwise(self, value: Array) -> None:
        """The program gave another value than its main run, which does not flush what XLA does."""
        if np.array_equal(value, self.value, equal_nan=True):
            return
        with np.errstate(invalid="ignore"):
            self.excuse = larger(self.excuse if self.flipped else None, np.nan_to_num(np.abs(value - self.value)))
        self.flipped = True

    def sigma(self, t: float) -> Array:
        return np.zeros(self.value.shape) if self.spread is None else self.spread / (t * np.sqrt(self.blocks))


def scattered(plane: Plane) -> Plane:
    """The plane with `spread` in place of the copies, for arrays of which no second one is wanted."""
    return plane if plane.copies is None else plane._replace(copies=spread(plane.copies, plane.value, jnp))


def spread(copies: Any, value: Any, xp: Any) -> Any:
    """The root mean square over the copies of how far they are from the main run for their strength, by NumPy or JAX.

    0 where both are the same infinity or NaN, ∞ where only one is finite.
    """
    copies, value = xp.asarray(copies), xp.asarray(value)
    if not jnp.issubdtype(value.dtype, jnp.inexact):
        return xp.zeros(value.shape)

    def distance(copy: Any) -> Any:
        apart = xp.abs(copy - value)
        same = (copy == value) | (xp.isnan(copy) & xp.isnan(value))
        return xp.where(same, 0.0, xp.where(xp.isnan(apart), xp.inf, apart))

    with np.errstate(invalid="ignore", over="ignore"):
        return root_mean_square([distance(copies[k]) / a for k, a in enumerate(strengths(len(copies)).tolist())], xp)


def root_mean_square(parts: list[Any], xp: Any) -> Any:
    """√ of the mean of squares, scaled so that no square overflows or vanishes; entry by entry, as XLA likes it."""
    top = functools.reduce(xp.maximum, parts)
    scale = xp.where((top > 0) & (top < xp.inf), top, 1.0)
    return xp.sqrt(sum(xp.square(part / scale) for part in parts) / len(parts)) * scale


def excused(kept: Plane, freed: Plane, t: float) -> Array:
    """How far an entry moves when the decisions within rounding fall otherwise.

    One decision gives each copy one of two values, and the excuse is their distance. Many give a sum of random parts:
    then it is the largest that was seen, and t times what lies between the extremes.
    """
    before, after = (np.asarray(p.value)[None] if p.copies is None else np.asarray(p.copies) for p in (kept, freed))
    wide = np.result_type(before, np.float64)
    with np.errstate(invalid="ignore"):
        moved = after.astype(wide) - before.astype(wide)
    moved = np.where(np.isnan(moved), np.inf, moved)
    if moved.dtype.kind == "c":
        return np.maximum(between(np.real(moved), t), between(np.imag(moved), t)) * np.sqrt(2)
    return between(moved, t)


def between(moved: Array, t: float) -> Array:
    low, high = np.minimum(0, moved.min(0)), np.maximum(0, moved.max(0))
    with np.errstate(invalid="ignore"):
        inner = np.minimum(np.abs(moved - low), np.abs(moved - high))
        wide = np.maximum(-low, high) + t * np.sqrt(np.mean(np.square(inner), axis=0))
    return np.where(np.isnan(wide), np.inf, wide)


def larger(a: Any, b: Any) -> Any:
    return b if a is None else np.maximum(a, b)
