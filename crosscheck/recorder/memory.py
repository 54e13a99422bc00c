"""Memory: what views share. A write through one is seen by all, as NumPy has it.

Every recorded array is a view of real memory, and what the code does to it is done to it: whether `reshape` copies,
which entries a slice of a transpose means and what an overlapping assignment gives is NumPy's own answer. The tape
follows. It knows for each memory the place of its present content; a view's entries have *positions* in it, read off
addresses and strides, whatever made the view:

    write    content ← put(content, positions of what is written, value)
    read     take(content, positions of the view), where the memory was written to since the view was made
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray


class Memory:
    """Contiguous memory, and where its content is on the tape.

    Args:
        owner: the array that takes up all of it.
        place: of its content, in the owner's shape; None while it is constant.
    """

    __slots__ = ("labels", "owner", "place", "version")

    def __init__(self, owner: Array, place: int | None) -> None:
        self.owner, self.place = owner, place
        self.version = 0
        self.labels: Array | None = None

    def holds(self, a: Array) -> bool:
        """Whether an array lies in this memory."""
        return a.size > 0 and np.may_share_memory(a, self.owner)  # both are contiguous stretches: no guess

    def all_of_it(self, a: Array) -> bool:
        """Whether an array is the owner, entry by entry."""
        owner = self.owner
        return a is owner or (a.shape == owner.shape and a.strides == owner.strides and address(a) == address(owner))

    def positions(self, a: Array) -> Array:
        """Of each entry of a view, its number in the owner, counted row by row."""
        if self.labels is None:
            self.labels = np.empty_like(self.owner, np.int64, subok=False)
            self.labels[...] = np.arange(self.owner.size).reshape(self.owner.shape)
        if not a.size:
            return np.zeros(a.shape, np.int64)
        size, wide = self.owner.itemsize, self.labels.itemsize
        start = (address(a) - address(self.owner)) // size * wide
        strides = tuple(s // size * wide for s in a.strides)
        return np.ndarray(a.shape, np.int64, self.labels.ravel(order="K"), start, strides)


def address(a: Array) -> int:
    return a.__array_interface__["data"][0]


def contiguous(a: Array) -> Array:
    """The array, or a copy of it where it leaves gaps in its memory."""
    return a if a.flags.forc and a.flags.writeable else a.copy(order="K")


def put(content: Array, positions: Array, value: Array) -> Array:
    """The content with other values at these positions; of several for one position, the last."""
    new = np.array(content, order="C")
    new.reshape(-1)[positions] = value
    return new


def take(content: Array, positions: Array) -> Array:
    """The entries at these positions."""
    return content.reshape(-1)[positions]


def add(content: Array, positions: Array, value: Array) -> Array:
    """The content with values added at these positions, one after another."""
    new = np.array(content, order="C")
    add_at(new.reshape(-1), positions, value)
    return new


def add_at(flat: Array, positions: Array, value: Array) -> None:
    """`numpy.add.at`, which of NumPy 2.4 reads beyond a value that is spread over positions of several axes."""
    np.add.at(flat, positions.reshape(-1), np.broadcast_to(value, positions.shape).reshape(-1))


def put_all(content: Array, positions: tuple[Array, ...], given: tuple[Any, ...]) -> Array:
    """Writes one after another."""
    new = np.array(content, order="C")
    for i, value in zip(positions, given, strict=True):
        new.reshape(-1)[i] = value
    return new


def add_all(content: Array, positions: tuple[Array, ...], given: tuple[Any, ...]) -> Array:
    """Additions one after another."""
    new = np.array(content, order="C")
    for i, value in zip(positions, given, strict=True):
        add_at(new.reshape(-1), i, value)
    return new
