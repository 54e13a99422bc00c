"""What the judge draws at random, each kind of draw in one place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Array = np.ndarray


def cotangent(shape: Sequence[int], rng: np.random.Generator) -> Array:
    """A gradient that arrives: both signs, sizes between a half and two, so nowhere zero and never all ones."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 2.0, shape)


def moved_within(a: Array, rng: np.random.Generator) -> Array:
    """Every number moved by up to a factor of two, its sign kept, within the sizes that `a` has of that sign.

    Where a number may lie is the caller's to know: a logarithm, or a loop that ends for positive numbers only, is
    never asked about others, since a sign or a size that `a` does not have is not drawn. Where `a` has a single size
    (all ones), its numbers move towards zero: equal numbers would repeat the coincidences that a draw is to break.
    Zeros stay; an array of nothing else (biases that nobody has set) shows no size and becomes normal. What is not
    floating stays what it is.
    """
    if a.dtype.kind != "f" or a.size == 0:
        return a
    if not a.any():
        return np.asarray(rng.normal(size=a.shape), a.dtype)
    low, high = np.abs(a) / 2, np.abs(a) * 2
    for side in (a > 0, a < 0):
        sizes = np.abs(a[side])
        if len(sizes) and sizes.min() < sizes.max():
            low, high = (
                np.where(side, np.maximum(low, sizes.min()), low),
                np.where(side, np.minimum(high, sizes.max()), high),
            )
        else:
            high = np.where(side, np.abs(a), high)
    return np.asarray(np.copysign(low + (high - low) * rng.random(a.shape), a), a.dtype)


def adds_up(a: Array) -> int | None:
    """The axis along which every line of `a` is a distribution: nothing negative, and a sum of one to rounding."""
    if a.dtype.kind != "f" or not (a >= 0).all():
        return None
    for axis in reversed(range(a.ndim)):
        n = a.shape[axis]
        if n > 1 and (np.abs(a.sum(axis=axis, dtype=np.float64) - 1) <= n * float(np.finfo(a.dtype).eps)).all():
            return axis
    return None


def resampled(a: Array, rng: np.random.Generator) -> Array:
    """At every place another of the numbers of `a` that are not zero, moved within their range (`moved_within`)."""
    if a.dtype.kind != "f" or not a.any():
        return moved_within(a, rng)
    return moved_within(np.asarray(rng.choice(a[a != 0], a.shape), a.dtype), rng)
