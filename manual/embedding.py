"""An embedding: rows of a table, looked up by their numbers.

    Y[…,d] = T[X[…],d]                                                         (1)

X holds whole numbers, the places … are those of a sequence, of a batch of them, or any others. Where X is the padding
index, if there is one, Y is 0 whatever T holds: a place that stands for nothing. Elsewhere, nudge T by Ṫ:

    Ẏ[…,d] = Ṫ[X[…],d]                                                         (2)

A row that is looked up at several places moves the output at each, so what arrives there adds up. With G = ∂L/∂Y from
the next layer

    ∂L/∂T[v,d] = Σ_{…: X[…]=v} G[…,d]                                          (3)

A row that is looked up nowhere gets 0, and so does that of the padding index, which no output reads. (PyTorch's output
there is the row, and its gradient 0 all the same: the same thing as long as the row is 0, as it is at the start.) X
cannot be nudged; where a gradient of it is asked for, it is 0.

Letters: X indices; Y output; T table; G = ∂L/∂Y; L loss; v row of the table; d feature; a dot marks a nudge.

Source: Y. Bengio, R. Ducharme, P. Vincent, C. Jauvin, *A neural probabilistic language model*, JMLR 3 (2003) 1137-1155.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage

Array = np.ndarray

SHORT = 2**16  # numbers of so few bits are sorted in a tenth of the time
ROUNDS = 16  # of a number that comes more often, what is left is one long sum


class Saved(NamedTuple):
    """What the backward pass needs."""

    rows: Array  # X, flat
    places: tuple[int, ...]  # the shape of X
    table: tuple[int, int]  # its shape
    padding_index: int | None


def forward(x: Array, table: Array, *, padding_index: int | None = None) -> tuple[Array, Saved]:
    """The rows (1).

    Args:
        x: integers of any shape, from 0 to the last row.
        table: (V, D); float32, float64 or complex128.
        padding_index: the row that is looked up as zeros; None: none.

    Raises:
        TypeError: x is not made of integers.
        ValueError: an index outside the table.
    """
    checks.rank(table, "table", "V D")
    rows = checked_indices(x, len(table)).ravel()
    if padding_index is not None:
        padding_index = row(padding_index, len(table))
    y = looked_up(rows, table, padding_index)  # (1)
    return y.reshape(*x.shape, table.shape[1]), Saved(rows, x.shape, (len(table), table.shape[1]), padding_index)


def looked_up(rows: Array, table: Array, padding_index: int | None) -> Array:
    """The rows, and zeros for the padding."""
    found = table[rows]
    if padding_index is not None:
        found[rows == padding_index] = 0
    return found


def tangent(nudge_x: Array, nudge_table: Array, saved: Saved) -> Array:
    """Ẏ from Ṫ, the shape of the table; X has the shape of its nudge, and no nudge moves it.

    Raises ValueError for another shape.
    """
    checks.nudges(x=(nudge_x, saved.places), table=(nudge_table, saved.table))
    nudge = looked_up(saved.rows, nudge_table, saved.padding_index)  # (2)
    return nudge.reshape(*saved.places, nudge_table.shape[1])


def backward(grad_output: Array, saved: Saved) -> tuple[Array, Array]:
    """∂L/∂x, which is 0, and ∂L/∂table from G = grad_output (..., D). Raises ValueError for another shape."""
    rows, places, (count, features), padding_index = saved
    checks.same_shape(grad_output, (*places, features), "grad_output", "the output")
    grad_table = added(rows, grad_output.reshape(-1, features), count)  # (3)
    if padding_index is not None:
        grad_table[padding_index] = 0
    return np.zeros(places, grad_output.dtype), grad_table


def added(rows: Array, g: Array, count: int) -> Array:
    """The sum of those rows of g that carry the same number.

    A round adds the next row of every number that has one left, all at once, since no two of them are the same.
    """
    total = np.zeros((count, g.shape[1]), g.dtype)
    order = np.argsort(rows.astype(np.uint16) if count <= SHORT else rows, kind="stable")
    ordered = rows[order].astype(np.int64)
    first = np.flatnonzero(np.diff(ordered, prepend=-1))
    numbers, often = ordered[first], np.diff(first, append=len(rows))
    total[numbers] = g[order[first]]
    for turn in range(1, min(ROUNDS, int(often.max(initial=0)))):
        left = often > turn
        total[numbers[left]] += g[order[first[left] + turn]]
    for n in np.flatnonzero(often > ROUNDS):
        total[numbers[n]] += g[order[first[n] + ROUNDS : first[n] + often[n]]].sum(axis=0)
    return total


def checked_indices(x: Any, count: int) -> Array:
    """x, if it holds rows of a table of so many."""
    if x.dtype.kind not in "iu":
        raise TypeError(f"x has dtype {x.dtype}; it must be integers, the rows of the table that are looked up")
    outside = (x < 0) | (x >= count)
    if outside.any():
        at = tuple(int(n) for n in np.argwhere(outside)[0])
        raise ValueError(f"x{list(at)} is {x[at]}; the table has the rows 0 to {count - 1}")
    return x


def row(index: Any, count: int) -> int:
    """The padding index, if the table has that row."""
    if checks.integer(index, "padding_index", 0) >= count:
        raise ValueError(f"padding_index is {index}; the table has the rows 0 to {count - 1}")
    return int(index)


class Embedding(Layer):
    """A table of vectors, one for each of some things with numbers: the first layer of a network that reads indices.

    Args:
        count: how many there are, V.
        features: the length of a vector, D.
        padding_index: the row that stands for padding, looked up as zeros; None: none.
        dtype: float64 or float32.
        rng: a Generator or a seed; the table is drawn from it, standard normal.

    Attributes:
        table (V, D), gettable and settable.

    Raises:
        TypeError: a size that is not an integer, another dtype.
        ValueError: a size below 1, a padding index outside the table.
    """

    parameter_names = ("table",)
    table: Array

    def __init__(
        self,
        count: int,
        features: int,
        padding_index: int | None = None,
        *,
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        super().__init__(dtype=dtype)
        shape = (checks.integer(count, "count", 1), checks.integer(features, "features", 1))
        table = np.random.default_rng(rng).normal(size=shape)
        self.padding_index = None if padding_index is None else row(padding_index, count)
        if self.padding_index is not None:
            table[self.padding_index] = 0
        self.table = table

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("embedding", ("table",), {"padding_index": self.padding_index}),)

    def received(self, value: Array, name: str) -> Array:
        """The input has integers, whatever the layer computes in."""
        return np.asarray(value) if name == "x" else super().received(value, name)
