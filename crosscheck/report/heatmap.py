"""Where a gradient is wrong, as a small map of characters: the same on a terminal, in a file, in a test's output."""

from __future__ import annotations

import numpy as np

Array = np.ndarray

# Error as a share of the gradient's typical size, below which a character stands.
SHADES = ((1e-6, "░"), (1e-3, "▒"), (1e-1, "▓"), (np.inf, "█"))
FINE = "·"
LEGEND = "· right   ░ ▒ ▓ wrong by under 1e-6, 1e-3, 0.1 of its size   █ more"
WIDTH, HEIGHT = 60, 16

AXES = {
    4: ("sample", "channel", "row", "column"),
    3: ("first", "row", "column"),
    2: ("row", "column"),
    1: ("entry",),
}
FILTER_AXES = ("output channel", "input channel", "kernel row", "kernel column")


def heat_map(name: str, mismatched: Array, difference: Array, value: Array) -> list[str]:
    """Lines that show where `mismatched` is true and how large the difference is there.

    The last two axes are one map, the axes before them another; each cell shows the worst entry behind it. Axes longer
    than the map are cut into equal pieces.
    """
    if mismatched.ndim == 0 or mismatched.size < 2 or not mismatched.any():
        return []
    finite = np.abs(value[np.isfinite(value)])
    size = float(np.sqrt(np.mean(finite**2))) if finite.size and finite.any() else 1.0
    relative = np.where(mismatched, np.where(np.isfinite(difference), difference, np.inf) / size, -1.0)
    words = FILTER_AXES if name.endswith("filters") and relative.ndim == 4 else AXES.get(relative.ndim, ())
    lines = []
    for axes in pages(relative.ndim):
        others = tuple(a for a in range(relative.ndim) if a not in axes)
        plane = relative.max(axis=others) if others else relative
        if plane.size == 1:
            continue
        title = " × ".join(words[a] if words else f"axis {a}" for a in axes)
        lines.append(f"{title}{', the worst over the other axes' if others else ''}:")
        lines += ["  " + "".join(shade(cell) for cell in row) for row in shrunk(np.atleast_2d(plane))]
    return [*lines, LEGEND] if lines else []


def pages(axes: int) -> list[tuple[int, ...]]:
    """Which axes each map shows: the last two, and of the others the last two before them."""
    if axes <= 2:
        return [tuple(range(axes))]
    return [tuple(range(axes - 2, axes)), tuple(range(max(axes - 4, 0), axes - 2))]


def shade(relative: float) -> str:
    if relative < 0:
        return FINE
    return next(character for limit, character in SHADES if relative < limit or limit == np.inf)


def shrunk(plane: Array) -> Array:
    """The plane with at most HEIGHT rows and WIDTH columns, each cell the worst of its piece."""
    for axis, limit in ((0, HEIGHT), (1, WIDTH)):
        if plane.shape[axis] > limit:
            starts = np.linspace(0, plane.shape[axis], limit, endpoint=False).astype(int)
            plane = np.maximum.reduceat(plane, starts, axis=axis)
    return plane
