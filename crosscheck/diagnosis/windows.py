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
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

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

    def matrix(self) -> Array:
        """(1), of shape (out, kernel, size)."""
        h, i, r = np.ogrid[: self.out, : self.kernel, : self.size]
        return (r == self.stride * h + self.dilation * i - self.before).astype(np.float64)

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


def gradient_of_x(g: Array, w: Array, rows: Array, columns: Array) -> Array:
    part = np.einsum("bchw,ckij->bkhwij", g, w, optimize=True)
    return np.einsum("bkhwij,hir,wjs->bkrs", part, rows, columns, optimize=True)  # (2)


def gradient_of_w(g: Array, x: Array, rows: Array, columns: Array) -> Array:
    part = np.einsum("bkrs,hir,wjs->bkhwij", x, rows, columns, optimize=True)
    return np.einsum("bkhwij,bchw->ckij", part, g, optimize=True)  # (3)


def gradient_of_pool(g: Array, places: Array, rows: Array, columns: Array) -> Array:
    part = g[..., None, None] * places
    return np.einsum("bchwij,hir,wjs->bcrs", part, rows, columns, optimize=True)


# ---------------------------------------------------------------------- mistakes in the indices

Variant = tuple[str, str, Array, Array]  # kind, sentence, R, S


def index_mistakes(rows: Axis, columns: Axis) -> Iterator[Variant]:
    """The matrices of common mistakes in (1), for the rows, the columns, or both."""

    def both(kind: str, text: str, changed: tuple[Array | None, Array | None]) -> Iterator[Variant]:
        right = (rows.matrix(), columns.matrix())
        for use_rows, use_columns, where in (
            (1, 1, ""),
            (1, 0, ", along the rows"),
            (0, 1, ", along the columns"),
        ):
            pair = [
                c if use and c is not None else r
                for r, c, use in zip(right, changed, (use_rows, use_columns), strict=True)
            ]
            if not all(np.array_equal(p, r) for p, r in zip(pair, right, strict=True)):
                yield kind, text + where, pair[0], pair[1]

    def moved(**fields: Any) -> tuple[Array, Array]:
        return rows._replace(**fields).matrix(), columns._replace(**fields).matrix()

    flips = (rows.matrix()[:, ::-1], columns.matrix()[:, ::-1])
    yield from both("flipped", "with the filters flipped the wrong way round", flips)
    yield from overwriting(rows, columns)
    if rows.stride > 1 or columns.stride > 1:
        yield from both("shifted", "with the stride forgotten (taken as 1)", moved(stride=1))
    if rows.dilation > 1 or columns.dilation > 1:
        yield from both("shifted", "with the dilation forgotten (taken as 1)", moved(dilation=1))
    if rows.before or columns.before:
        yield from both("shifted", "with the padding not taken off", moved(before=0))
        twice = (
            rows._replace(before=2 * rows.before).matrix(),
            columns._replace(before=2 * columns.before).matrix(),
        )
        yield from both("shifted", "with the padding taken off twice", twice)
    for by in (1, -1, 2, -2):
        offset = (
            rows._replace(before=rows.before + by).matrix(),
            columns._replace(before=columns.before + by).matrix(),
        )
        yield from both("shifted", f"with the padding off by {by:+d}", offset)
    kernel = (
        rows._replace(stride=rows.kernel).matrix(),
        columns._replace(stride=columns.kernel).matrix(),
    )
    yield from both("shifted", "with the window's size in place of the stride", kernel)


def overwriting(rows: Axis, columns: Axis) -> Iterator[Variant]:
    """Of the windows that cover an entry, only the last or the first along each axis."""
    if not (rows.overlaps or columns.overlaps):
        return
    text = "with overlapping windows overwriting one another instead of adding up"
    for last_row, last_column in product((True, False), repeat=2):
        which = {(True, True): "last", (False, False): "first"}.get((last_row, last_column))
        kept = f"the {which} window is" if which else "one window along each axis is"
        yield (
            "overwritten",
            f"{text} (only {kept} kept)",
            only(rows.matrix(), last=last_row),
            only(columns.matrix(), last=last_column),
        )


def only(matrix: Array, *, last: bool) -> Array:
    """R with, for every entry r, only the last (first) position h that covers it."""
    positions = np.arange(len(matrix))
    covers: Array = np.any(matrix, axis=1)  # (out, size)
    order = np.where(covers, positions[:, None] if last else -positions[:, None], -len(matrix))
    winner = np.abs(order.max(0))
    return matrix * (positions[:, None] == winner)[:, None, :]


# ---------------------------------------------------------------------- the winner of a window

Winner = tuple[str, str, Array]  # kind, sentence, places (b, c, h, w, i, j)


def windows_view(x: Array, rows: Axis, columns: Axis, fill: float) -> Array:
    """(B, C, H, W, I, J): what each window sees, padding as `fill`."""
    pads = [(max(a.before, 0), max(a.after, 0)) for a in (rows, columns)]
    padded = np.pad(x, ((0, 0), (0, 0), *pads), constant_values=fill)
    spans = tuple(a.dilation * (a.kernel - 1) + 1 for a in (rows, columns))
    view = sliding_window_view(padded, spans, axis=(2, 3))
    return view[:, :, :: rows.stride, :: columns.stride, :: rows.dilation, :: columns.dilation][
        :, :, : rows.out, : columns.out
    ]


def at_places(flat: Array, kernel: tuple[int, int]) -> Array:
    """One-hot over the window at flat places (b, c, h, w)."""
    return np.eye(kernel[0] * kernel[1])[flat].reshape(*flat.shape, *kernel)


def winner_mistakes(x: Array, rows: Axis, columns: Axis) -> Iterator[Winner]:
    """Other entries of each window that a gradient of the maximum was given to."""
    high, low = rows.kernel, columns.kernel
    kernel, area = (high, low), high * low
    if area == 1:
        return
    seen = windows_view(x, rows, columns, -np.inf)
    flat = seen.reshape(*seen.shape[:4], area)
    winner = flat.argmax(-1)
    everyone = np.ones(seen.shape)
    ties = (flat == flat.max(-1, keepdims=True)).reshape(seen.shape).astype(np.float64)
    if (ties.sum((-1, -2)) > 1).any():
        yield "spread", "to every one of several equal maxima", ties
        shared = ties / ties.sum((-1, -2), keepdims=True)
        yield "spread", "in equal parts to equal maxima", shared
    yield "spread", "in equal parts to every entry of the window", everyone / area
    yield "spread", "in full to every entry of the window", everyone
    i, j = np.divmod(winner, low)
    if high == low:
        swapped = at_places(j * low + i, kernel)
        yield "wrong-winner", "to the winner's row and column swapped", swapped
    else:
        wrong_i, wrong_j = np.divmod(winner, high)
        inside = (wrong_i < high) & (wrong_j < low)
        place = np.where(inside, wrong_i * low + wrong_j, 0)
        divided = at_places(place, kernel) * inside[..., None, None]
        yield "wrong-winner", "to a winner found by dividing by rows instead of columns", divided
    smallest = windows_view(x, rows, columns, np.inf).reshape(flat.shape).argmin(-1)
    yield (
        "wrong-winner",
        "to the smallest entry instead of the largest",
        at_places(smallest, kernel),
    )
    largest = np.abs(np.where(np.isfinite(flat), flat, 0.0)).argmax(-1)
    yield "wrong-winner", "to the entry of largest absolute value", at_places(largest, kernel)
    last = area - 1 - flat[..., ::-1].argmax(-1)
    yield (
        "wrong-winner",
        "to the last of equal maxima instead of the first",
        at_places(last, kernel),
    )
    for name, place in (("first", 0), ("last", area - 1), ("middle", area // 2)):
        at = at_places(np.full(winner.shape, place), kernel)
        yield "wrong-winner", f"to the {name} entry of each window, whoever won", at
    for name, place in (
        ("mirrored", (high - 1 - i) * low + (low - 1 - j)),
        ("mirrored along the rows", (high - 1 - i) * low + j),
        ("mirrored along the columns", i * low + (low - 1 - j)),
    ):
        yield (
            "wrong-winner",
            f"to the winner's place {name} in the window",
            at_places(place, kernel),
        )
    second = np.argsort(-flat, axis=-1, kind="stable")[..., 1]
    yield "wrong-winner", "to the second largest entry", at_places(second, kernel)


def winners(x: Array, rows: Axis, columns: Axis) -> Array:
    """The right places: the first maximum in row-major order."""
    seen = windows_view(x, rows, columns, -np.inf)
    flat = seen.reshape(*seen.shape[:4], -1)
    return at_places(flat.argmax(-1), (rows.kernel, columns.kernel))


def assigned(g: Array, places: Array, rows: Axis, columns: Axis, *, last: bool) -> Array:
    """The winners' gradients assigned one after another instead of added: the last (first) window
    that an entry wins stays.
    """
    b, c, h, w, i, j = (index.ravel() for index in np.nonzero(places))
    r = rows.stride * h + rows.dilation * i - rows.before
    s = columns.stride * w + columns.dilation * j - columns.before
    inside = (r >= 0) & (r < rows.size) & (s >= 0) & (s < columns.size)
    order = np.lexsort((w, h))
    order = order if last else order[::-1]
    order = order[inside[order]]
    out = np.zeros((*g.shape[:2], rows.size, columns.size))
    for n in order:  # one after another, as the mistaken loop does
        out[b[n], c[n], r[n], s[n]] = g[b[n], c[n], h[n], w[n]]
    return out
