"""Where a gradient is wrong, as a small map of characters: the same on a terminal, in a file, in a test's output."""

from __future__ import annotations

import numpy as np

from crosscheck.floats import root_mean_square

Array = np.ndarray

# Error as a share of the gradient's typical size, below which a character stands.
SHADES = ((1e-6, "░"), (1e-3, "▒"), (1e-1, "▓"), (np.inf, "█"))
FINE = "·"
MEANING = {"·": "right", "░": "off by < 1e-6", "▒": "< 1e-3", "▓": "< 0.1 of its size", "█": "more"}
WIDTH, HEIGHT = 60, 16

FILTER_AXES = ("output channel", "input channel", "kernel row", "kernel column")


def heat_map(
    name: str, mismatched: Array, difference: Array, value: Array, width: int = WIDTH, shades: bool = True
) -> list[list[str]]:
    """Maps, each a title and its rows, that show where `mismatched` is true and how large the difference is there.

    The last two axes are one map, the axes before them another; each cell shows the worst entry behind it. Axes longer
    than the map are cut into equal pieces. A map in which every cell is alike is none. `shades=False` leaves out those
    that tell apart no right cell from a wrong one, too.
    """
    if mismatched.ndim == 0 or mismatched.size < 2 or not mismatched.any():
        return []
    size = root_mean_square(value) or 1.0
    relative = np.where(mismatched, np.where(np.isfinite(difference), difference, np.inf) / size, -1.0)
    filters = name.endswith("filters") and relative.ndim == 4
    maps = []
    for axes in pages(relative.ndim):
        others = tuple(a for a in range(relative.ndim) if a not in axes)
        plane = shrunk(np.atleast_2d(relative.max(axis=others) if others else relative), width)
        rows = ["".join(shade(cell) for cell in row) for row in plane]
        seen = set("".join(rows))
        if len(seen) < 2 or not (shades or FINE in seen):
            continue
        ways = ("across",) if len(axes) == 1 else ("down", "across")
        words = [FILTER_AXES[a] if filters else f"axis {a}" for a in axes]
        title = ", ".join(f"{word} {way}" for word, way in zip(words, ways, strict=True))
        maps.append([f"{title}{'; the worst over the others' if others else ''}:", *rows])
    return maps


def legend(maps: list[list[str]]) -> str:
    """What the characters of these maps mean."""
    seen = set("".join(row for _, *rows in maps for row in rows))
    if len(seen - {FINE}) == 1:
        return f"{FINE} right   {max(seen - {FINE})} wrong"
    return "   ".join(f"{character} {words}" for character, words in MEANING.items() if character in seen)


def pages(axes: int) -> list[tuple[int, ...]]:
    """Which axes each map shows: the last two, and of the others the last two before them."""
    if axes <= 2:
        return [tuple(range(axes))]
    return [tuple(range(axes - 2, axes)), tuple(range(max(axes - 4, 0), axes - 2))]


def shade(relative: float) -> str:
    if relative < 0:
        return FINE
    return next(character for limit, character in SHADES if relative < limit or limit == np.inf)


def shrunk(plane: Array, width: int = WIDTH) -> Array:
    """The plane with at most HEIGHT rows and so many columns, each cell the worst of its piece."""
    for axis, limit in ((0, HEIGHT), (1, width)):
        if plane.shape[axis] > limit:
            starts = np.linspace(0, plane.shape[axis], limit, endpoint=False).astype(int)
            plane = np.maximum.reduceat(plane, starts, axis=axis)
    return plane
