"""Sliding windows as matrices, so that a mistake in the indices is another matrix.

Along one axis, output position h reads with kernel position i the input entry r = stride·h +
dilation·i - before:

    R[h,i,r] = 1 where r = stride·h + dilation·i - before, else 0                    (1)

and with such an R for the rows and an S for the columns the gradients of a convolution are

    ∂L/∂X[b,k,r,s] = Σ_{c,h,w,i,j} G[b,c,h,w] · W[c,k,i,j] · R[h,i,r] · S[w,j,s]     (2)
    ∂L/∂W[c,k,i,j] = Σ_{b,h,w,r,s} X[b,k,r,s] · G[b,c,h,w] · R[h,i,r] · S[w,j,s]     (3)

A forgotten stride, a padding off by one, an unflipped filter, an overlap overwritten instead of
added: each is a change of R and S. Pooling is the same with the winner's place, P[b,c,h,w,i,j],
instead of W.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from crosscheck.traces.tape import Step, Tape

Array = np.ndarray


class Axis(NamedTuple):
    """One axis of a sliding window."""

    out: int
    kernel: int
    size: int
    stride: int
    dilation: int
    before: int
    after: int
    flipped: bool = False  # the kernel read from its end
    only: str = ""  # of the positions that cover an entry, only the "last" or the "first"
    whole: bool = False  # of the positions only those whose window lies wholly inside

    def matrix(self) -> Array:
        """(1), of shape (out, kernel, size)."""
        h, i, r = np.ogrid[: self.out, : self.kernel, : self.size]
        matrix = (r == self.stride * h + self.dilation * i - self.before).astype(np.float64)
        if self.flipped:
            matrix = matrix[:, ::-1]
        if self.whole:
            matrix = matrix * (matrix.sum((1, 2)) == self.kernel)[:, None, None]
        return only(matrix, last=self.only == "last") if self.only else matrix

    @property
    def overlaps(self) -> bool:
        return self.out > 1 and self.stride < self.dilation * (self.kernel - 1) + 1


class Windows(NamedTuple):
    """The rows and columns of a windowed step, and the orders in which its arrays come."""

    rows: Axis
    columns: Axis
    x_order: tuple[int, ...]  # axes of x as batch, channels, rows, columns
    w_order: tuple[int, ...]  # axes of the filters as output channels, input channels, rows, columns; () for pools
    y_order: tuple[int, ...]  # axes of the output as batch, channels, rows, columns

    def read_by(self, rows: Axis, columns: Axis) -> Windows:
        """The same arrays read with other indices."""
        return self._replace(rows=rows, columns=columns)

    def matrices(self) -> tuple[Array, Array]:
        return self.rows.matrix(), self.columns.matrix()


def windows_of(tape: Tape, step: Step) -> Windows | None:
    """The windows of a two-dimensional convolution without groups, or of a pool over two axes; None for others."""
    p = step.eqn.params
    x, y = tape.avals[step.reads[0]].shape, tape.avals[step.writes[0]].shape
    if step.name == "conv_general_dilated":
        numbers = p["dimension_numbers"]
        plain = p["feature_group_count"] == p["batch_group_count"] == 1
        if len(x) != 4 or not plain or any(d != 1 for d in p["lhs_dilation"]):
            return None
        w = tape.avals[step.reads[1]].shape
        rows, columns = (
            Axis(y[o], w[f], x[a], s, d, lo, hi)
            for o, f, a, s, d, (lo, hi) in zip(
                numbers.out_spec[2:],
                numbers.rhs_spec[2:],
                numbers.lhs_spec[2:],
                p["window_strides"],
                p["rhs_dilation"],
                p["padding"],
                strict=True,
            )
        )
        return Windows(rows, columns, numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec)
    if step.name in ("reduce_window_max", "reduce_window_min", "reduce_window_sum"):
        size, strides, padding = p["window_dimensions"], p["window_strides"], p["padding"]
        if len(x) != 4 or any(d != 1 for d in p["base_dilation"]):
            return None
        moving = [a for a in range(4) if size[a] > 1 or strides[a] > 1]
        if len(moving) > 2:
            return None
        still = [a for a in (3, 2, 1, 0) if a not in moving]
        spatial = sorted([*moving, *still[: 2 - len(moving)]])
        rows, columns = (
            Axis(y[a], size[a], x[a], strides[a], p["window_dilation"][a], padding[a][0], padding[a][1])
            for a in spatial
        )
        order = tuple(a for a in range(4) if a not in spatial) + tuple(spatial)
        return Windows(rows, columns, order, (), order)
    return None


def gradient_of_x(g: Array, w: Array, windows: Windows) -> Array:
    """(2), every array in its own order of axes."""
    g, w = g.transpose(windows.y_order), w.transpose(windows.w_order)
    part = np.einsum("bchw,ckij->bkhwij", g, w, optimize=True)
    grad = np.einsum("bkhwij,hir,wjs->bkrs", part, *windows.matrices(), optimize=True)  # (2)
    return back(grad, windows.x_order)


def gradient_of_w(g: Array, x: Array, windows: Windows) -> Array:
    """(3), every array in its own order of axes."""
    g, x = g.transpose(windows.y_order), x.transpose(windows.x_order)
    part = np.einsum("bkrs,hir,wjs->bkhwij", x, *windows.matrices(), optimize=True)
    grad = np.einsum("bkhwij,bchw->ckij", part, g, optimize=True)  # (3)
    return back(grad, windows.w_order)


def gradient_of_pool(g: Array, places: Array, windows: Windows) -> Array:
    """(2) with the places P[b,c,h,w,i,j] that are rewarded in place of the filters."""
    part = g.transpose(windows.y_order)[..., None, None] * places
    grad = np.einsum("bchwij,hir,wjs->bcrs", part, *windows.matrices(), optimize=True)
    return back(grad, windows.x_order)


def back(canonical: Array, order: tuple[int, ...]) -> Array:
    return canonical.transpose([int(i) for i in np.argsort(order)])


# ---------------------------------------------------------------------- mistakes in the indices


class Misreading(NamedTuple):
    """A mistaken (1): a sentence, and how the rows and columns are read."""

    kind: str
    text: str
    rows: Axis
    columns: Axis


def index_mistakes(rows: Axis, columns: Axis) -> Iterator[Misreading]:
    """The common mistakes in (1), for the rows, the columns, or both."""

    def both(kind: str, text: str, changed_rows: Axis, changed_columns: Axis) -> Iterator[Misreading]:
        for r, c, where in (
            (changed_rows, changed_columns, ""),
            (changed_rows, columns, ", along the rows"),
            (rows, changed_columns, ", along the columns"),
        ):
            pairs = ((r, rows), (c, columns))
            if not all(np.array_equal(a.matrix(), b.matrix()) for a, b in pairs):
                yield Misreading(kind, text + where, r, c)

    def moved(text: str, **fields: int) -> Iterator[Misreading]:
        return both("shifted", text, rows._replace(**fields), columns._replace(**fields))

    turned = rows._replace(flipped=True), columns._replace(flipped=True)
    yield from both("flipped", "with the filters flipped the wrong way round", *turned)
    yield from overwriting(rows, columns)
    if rows.stride > 1 or columns.stride > 1:
        yield from moved("with the stride forgotten (taken as 1)", stride=1)
    if rows.dilation > 1 or columns.dilation > 1:
        yield from moved("with the dilation forgotten (taken as 1)", dilation=1)
    if rows.before or columns.before:
        yield from moved("with the padding not taken off", before=0)
        unpadded = (axis._replace(before=0, whole=True) for axis in (rows, columns))
        yield from both("border", "reading the image without its padding (windows over the border left out)", *unpadded)
        inside = (axis._replace(whole=True) for axis in (rows, columns))
        yield from both("border", "without the windows that reach into the padding", *inside)
        twice = rows._replace(before=2 * rows.before), columns._replace(before=2 * columns.before)
        yield from both("shifted", "with the padding taken off twice", *twice)
    for by in (1, -1, 2, -2):
        offset = rows._replace(before=rows.before + by), columns._replace(before=columns.before + by)
        yield from both("shifted", f"with the padding off by {by:+d}", *offset)
    kernel = rows._replace(stride=rows.kernel), columns._replace(stride=columns.kernel)
    yield from both("shifted", "with the window's size in place of the stride", *kernel)


def overwriting(rows: Axis, columns: Axis) -> Iterator[Misreading]:
    """Of the windows that cover an entry, only the last or the first along each axis."""
    if not (rows.overlaps or columns.overlaps):
        return
    text = "with overlapping windows overwriting one another instead of adding up"
    for row, column in product(("last", "first"), repeat=2):
        kept = f"the {row} window is" if row == column else "one window along each axis is"
        yield Misreading(
            "overwritten", f"{text} (only {kept} kept)", rows._replace(only=row), columns._replace(only=column)
        )


def only(matrix: Array, *, last: bool) -> Array:
    """R with, for every entry r, only the last (first) position h that covers it."""
    positions = np.arange(len(matrix))
    covers: Array = np.any(matrix, axis=1)  # (out, size)
    order = np.where(covers, positions[:, None] if last else -positions[:, None], -len(matrix))
    winner = np.abs(order.max(0))
    return matrix * (positions[:, None] == winner)[:, None, :]
