"""What a planted mistake is: a subject that is right, and its derivation with one slip in it.

    forward(**inputs), reference(**inputs)      the same function in NumPy and in JAX
    backward(g, slip, **inputs)                 the derivation; `slip` names the mistake to make in it, "" none
    draw(rng, size)                             inputs: `size` 0 is where a mistake is named, 1 has other sizes

A name is true if the judge, asked afresh at other sizes and other values, finds the same one: a coincidence of the
numbers at hand (a length that is another length, too) does not survive that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from crosscheck.doors.functions import from_functions
from crosscheck.operation import Operation

Array = np.ndarray
Arrays = dict[str, Array]
Rng = np.random.Generator


class Slip(NamedTuple):
    """One mistake: what `backward` knows it by, the kinds that are true of it, and words of which one must be said."""

    name: str
    kinds: str  # separated by spaces
    words: tuple[str, ...] = ()


class Subject(NamedTuple):
    """An operation beyond convolutions, and the mistakes that people make in its derivation."""

    name: str
    draw: Callable[[Rng, int], Arrays]
    forward: Callable[..., Array]
    backward: Callable[..., Arrays]
    reference: Callable[..., Any]
    slips: tuple[Slip, ...]

    def operation(self, slip: str, size: int, seed: int, *, alone: bool = False) -> Operation:
        """The operation with a mistake in its derivation; `slip` "" for the right one; `alone` without a reference."""
        inputs = self.draw(np.random.default_rng(seed), size)

        def backward(g: Array, **values: Array) -> Arrays:
            return self.backward(g, slip, **values)

        return from_functions(self.forward, backward, inputs, None if alone else self.reference, name=self.name)


def of_size(size: int, *pairs: tuple[int, int]) -> tuple[int, ...]:
    """Of each pair of lengths the first or the second."""
    return tuple(pair[size] for pair in pairs)


def spd(rng: Rng, n: int) -> Array:
    """A symmetric positive definite matrix, well conditioned."""
    m = rng.normal(size=(n, n))
    return m @ m.T / n + np.eye(n)


def sigmoid(a: Array) -> Array:
    return special.expit(a)


def softmax(a: Array, axis: int = -1) -> Array:
    e = np.exp(a - a.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)
