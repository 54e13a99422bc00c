"""The winner of a window, and the other entries that a gradient of the maximum was given to by mistake.

Every mistake is a row: what the sentence says, when it can be made, and a function of the windows' entries,

    seen  (b, c, h, w, i·j), row-major, padding as -∞    →    weights  (b, c, h, w, i·j)

that says what share of the window's gradient each entry gets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from crosscheck.diagnosis.windows import Windows, back

Array = np.ndarray
Kernel = tuple[int, int]


class Winner(NamedTuple):
    """`share(seen, kernel, *arguments)` gets the gradient; `text` continues "gives the gradient of ... "."""

    kind: str
    text: str
    share: Callable[..., Array]
    arguments: tuple[Any, ...] = ()
    made: Callable[[Array, Kernel], bool] | None = None  # where the mistake can be made; None: everywhere


def at(place: Array, area: int) -> Array:
    """One-hot over the window at flat places (b, c, h, w)."""
    return np.eye(area)[place]


# ---------------------------------------------------------------------- who gets what


def first_maximum(seen: Array, kernel: Kernel) -> Array:
    """The right one: the first maximum in row-major order."""
    return at(seen.argmax(-1), seen.shape[-1])


def last_maximum(seen: Array, kernel: Kernel) -> Array:
    area = seen.shape[-1]
    return at(area - 1 - seen[..., ::-1].argmax(-1), area)


def every_maximum(seen: Array, kernel: Kernel) -> Array:
    return (seen == seen.max(-1, keepdims=True)).astype(np.float64)


def shared_maximum(seen: Array, kernel: Kernel) -> Array:
    ties = every_maximum(seen, kernel)
    return ties / ties.sum(-1, keepdims=True)


def everyone(seen: Array, kernel: Kernel) -> Array:
    return np.ones(seen.shape)


def equal_parts(seen: Array, kernel: Kernel) -> Array:
    return np.ones(seen.shape) / seen.shape[-1]


def swapped(seen: Array, kernel: Kernel) -> Array:
    """The winner's row taken for its column."""
    i, j = np.divmod(seen.argmax(-1), kernel[1])
    return at(j * kernel[1] + i, seen.shape[-1])


def divided_by_rows(seen: Array, kernel: Kernel) -> Array:
    """The flat place divided by the window's rows where it should be by its columns; some fall outside."""
    high, low = kernel
    i, j = np.divmod(seen.argmax(-1), high)
    inside = (i < high) & (j < low)
    return at(np.where(inside, i * low + j, 0), seen.shape[-1]) * inside[..., None]


def smallest(seen: Array, kernel: Kernel) -> Array:
    return at(np.where(np.isneginf(seen), np.inf, seen).argmin(-1), seen.shape[-1])


def largest_size(seen: Array, kernel: Kernel) -> Array:
    return at(np.abs(np.where(np.isfinite(seen), seen, 0.0)).argmax(-1), seen.shape[-1])


def second_largest(seen: Array, kernel: Kernel) -> Array:
    return at(np.argsort(-seen, axis=-1, kind="stable")[..., 1], seen.shape[-1])


def fixed(seen: Array, kernel: Kernel, where: str) -> Array:
    area = seen.shape[-1]
    place = {"first": 0, "last": area - 1, "middle": area // 2}[where]
    return at(np.full(seen.shape[:-1], place), area)


def mirrored(seen: Array, kernel: Kernel, rows: bool, columns: bool) -> Array:
    high, low = kernel
    i, j = np.divmod(seen.argmax(-1), low)
    return at((high - 1 - i if rows else i) * low + (low - 1 - j if columns else j), seen.shape[-1])


def tied(seen: Array, kernel: Kernel) -> bool:
    return bool((every_maximum(seen, kernel).sum(-1) > 1).any())


def is_square(seen: Array, kernel: Kernel) -> bool:
    return kernel[0] == kernel[1]


def is_oblong(seen: Array, kernel: Kernel) -> bool:
    return kernel[0] != kernel[1]


WINNERS = (
    Winner("spread", "to every one of several equal maxima", every_maximum, made=tied),
    Winner("spread", "in equal parts to equal maxima", shared_maximum, made=tied),
    Winner("spread", "in equal parts to every entry of the window", equal_parts),
    Winner("spread", "in full to every entry of the window", everyone),
    Winner("wrong-winner", "to the winner's row and column swapped", swapped, made=is_square),
    Winner("wrong-winner", "to a winner found by dividing by rows instead of columns", divided_by_rows, made=is_oblong),
    Winner("wrong-winner", "to the smallest entry instead of the largest", smallest),
    Winner("wrong-winner", "to the entry of largest absolute value", largest_size),
    Winner("wrong-winner", "to the last of equal maxima instead of the first", last_maximum),
    Winner("wrong-winner", "to the first entry of each window, whoever won", fixed, ("first",)),
    Winner("wrong-winner", "to the last entry of each window, whoever won", fixed, ("last",)),
    Winner("wrong-winner", "to the middle entry of each window, whoever won", fixed, ("middle",)),
    Winner("wrong-winner", "to the winner's place mirrored in the window", mirrored, (True, True)),
    Winner("wrong-winner", "to the winner's place mirrored along the rows in the window", mirrored, (True, False)),
    Winner("wrong-winner", "to the winner's place mirrored along the columns in the window", mirrored, (False, True)),
    Winner("wrong-winner", "to the second largest entry", second_largest),
)


# ---------------------------------------------------------------------- from arrays to arrays


def seen_by(x: Array, windows: Windows, sign: float = 1.0) -> tuple[Array, Kernel]:
    """(b, c, h, w, i·j): what each window sees of sign·x, padding as -∞; and the window's rows and columns."""
    rows, columns = windows.rows, windows.columns
    pads = [(max(a.before, 0), max(a.after, 0)) for a in (rows, columns)]
    padded = np.pad(sign * x.transpose(windows.x_order), ((0, 0), (0, 0), *pads), constant_values=-np.inf)
    spans = tuple(a.dilation * (a.kernel - 1) + 1 for a in (rows, columns))
    view = sliding_window_view(padded, spans, axis=(2, 3))
    view = view[:, :, :: rows.stride, :: columns.stride, :: rows.dilation, :: columns.dilation]
    view = view[:, :, : rows.out, : columns.out]
    kernel = (rows.kernel, columns.kernel)
    return view.reshape(*view.shape[:4], kernel[0] * kernel[1]), kernel


def shares(x: Array, windows: Windows, sign: float, share: Callable[..., Array], *arguments: Any) -> Array:
    """P[b,c,h,w,i,j]: what each entry of each window gets; `sign` is -1 for a pool of minima."""
    seen, kernel = seen_by(x, windows, sign)
    return share(seen, kernel, *arguments).reshape(*seen.shape[:4], *kernel)


def assigned(g: Array, x: Array, windows: Windows, sign: float, last: bool) -> Array:
    """The winners' gradients assigned one after another, not added: an entry keeps its last (first) window's."""
    rows, columns = windows.rows, windows.columns
    g = g.transpose(windows.y_order)
    b, c, h, w, i, j = (index.ravel() for index in np.nonzero(shares(x, windows, sign, first_maximum)))
    r = rows.stride * h + rows.dilation * i - rows.before
    s = columns.stride * w + columns.dilation * j - columns.before
    inside = (r >= 0) & (r < rows.size) & (s >= 0) & (s < columns.size)
    order = np.lexsort((w, h))
    order = order if last else order[::-1]
    order = order[inside[order]]
    out = np.zeros((*g.shape[:2], rows.size, columns.size))
    for n in order:  # one after another, as the mistaken loop does
        out[b[n], c[n], r[n], s[n]] = g[b[n], c[n], h[n], w[n]]
    return back(out, windows.x_order)
