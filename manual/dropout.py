"""Dropout: in training a random share of the numbers is set to zero, and the rest grows to keep the mean.

    Y = K ⊙ X / (1 - p)                                                        (1)

K is 1 where a number is kept, and 0 with probability p, the rate. It is drawn, and then it is a constant:

    Ẏ = K ⊙ Ẋ / (1 - p)                                                        (2)

and with G = ∂L/∂Y from the next layer

    ∂L/∂X = K ⊙ G / (1 - p)                                                    (3)

with the same mask, which therefore is what is saved. In evaluation Y = X.

The mask is a function of a seed, the state, and of nothing else: entry number n of x is kept if the first 53 bits of
the n-th number of a SplitMix64 generator, as a fraction, are at least p. The seed moves on by as many numbers as were
drawn, so that every forward pass draws another mask, and the same ones again from the same seed.

Letters: X input; Y output; K mask; p rate; n number of an entry; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: N. Srivastava et al., *Dropout*, JMLR 15 (2014) 1929-1958; G. Steele, D. Lea, C. Flood, *Fast splittable
pseudorandom number generators*, OOPSLA 2014, for SplitMix64.
"""

from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage
from manual.machine.elementwise import each_block, each_slice, where

Array = np.ndarray

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # the step of SplitMix64: 2⁶⁴ over the golden ratio, odd
# Its two mixing factors, and by how many bits the product is moved then.
MIXES = (
    (np.uint64(0xBF58476D1CE4E5B9), np.uint64(27)),
    (np.uint64(0x94D049BB133111EB), np.uint64(31)),
)


class Saved(NamedTuple):
    """What the backward pass needs."""

    kept: Array  # K, boolean
    rate: float


def forward(x: Array, *, seed: Array, rate: float, training: bool = True) -> tuple[Array, Saved, tuple[Array]]:
    """x with a random share of zeros (1), what `backward` needs, and the seed afterwards.

    Args:
        x: any shape; float32, float64 or complex128.
        seed: a number of 64 bits, the state.
        rate: p, from 0 to below 1.
        training: whether anything is dropped.

    Raises:
        ValueError: a rate out of range.
    """
    rate = below_one(rate)
    if not training:
        return np.array(x), Saved(np.ones(x.shape, bool), 0.0), (np.array(seed),)
    kept = drawn(seed, x.size, rate).reshape(x.shape)
    moved = np.asarray(seed, np.uint64) + np.uint64(x.size) * np.asarray([GOLDEN])
    return kept_of(x, kept, rate), Saved(kept, rate), (moved.reshape(np.shape(seed)),)  # (1)


def below_one(rate: Any) -> float:
    rate = checks.share(rate, "rate")
    if rate == 1:
        raise ValueError("rate is 1.0; it must be below 1, or nothing is left to grow")
    return rate


def drawn(seed: Array, count: int, rate: float) -> Array:
    """K for so many entries: of their SplitMix64 numbers the first 53 bits, as a fraction, are at least p."""
    first, least = np.asarray(seed, np.uint64).reshape(1), np.uint64(ceil(rate * 2.0**53))
    kept = np.empty(count, bool)

    def work(at: slice) -> None:
        state = np.arange(at.start + 1, at.stop + 1, dtype=np.uint64)
        state *= GOLDEN
        state += first
        mixed = state >> np.uint64(30)
        for factor, shift in MIXES:
            state ^= mixed
            state *= factor
            np.right_shift(state, shift, out=mixed)
        state ^= mixed
        state >>= np.uint64(11)
        np.greater_equal(state, least, out=kept[at])

    each_slice(work, count)
    return kept


def kept_of(a: Array, kept: Array, rate: float) -> Array:
    """a where it is kept, grown, and 0 elsewhere."""

    def work(y: Array, kept: Array, a: Array) -> None:
        where(kept, a, y)
        y /= np.real(a).dtype.type(1 - rate)

    y = np.empty_like(a)
    each_block(work, (y,), (kept, a))
    return y


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.kept.shape))
    return kept_of(nudge_x, *saved)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of x. Raises ValueError for another shape."""
    checks.same_shape(grad_output, saved.kept.shape, "grad_output", "the output")
    return (kept_of(grad_output, *saved),)  # (3)


class Dropout(Layer):
    """A random share of zeros in training, nothing in evaluation and in `predict`.

    Args:
        rate: the share, from 0 to below 1.
        seed: where the masks begin.
        dtype: float64 or float32.

    Attributes:
        seed: the state, a number of 64 bits as an array (1,); it moves on with every forward pass.

    Raises:
        TypeError, ValueError: a rate or a seed out of range.
    """

    state_names = ("seed",)
    seed: Array

    def __init__(self, rate: float = 0.5, seed: int = 0, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        self.rate = below_one(rate)
        self.seed = np.array([checks.integer(seed, "seed", 0) % 2**64], np.uint64)

    def stages(self) -> tuple[Stage, ...]:
        hyper = {"rate": self.rate, "training": self.training}
        return (Stage("dropout", hyperparameters=hyper, state=("seed",)),)
