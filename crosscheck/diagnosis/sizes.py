"""The numbers that a derivation at some sizes may have multiplied or divided by, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from crosscheck.diagnosis.factors import Size
from crosscheck.diagnosis.words import AREAS, area

# More would make products of two sizes that are any number at all.
MOST_SIZES = 18


def sizes_of(
    shapes: Mapping[str, tuple[int, ...]],
    axes: Mapping[str, tuple[str, ...]],
    output: tuple[int, ...],
    output_axes: tuple[str, ...],
    windows: list[tuple[int, ...]],
) -> list[Size]:
    """The numbers that a derivation here may have multiplied or divided by, each once, the likeliest first."""
    found: dict[str, float] = {}

    def add(name: str, value: float) -> None:
        if value > 1:
            found.setdefault(name, float(value))

    def all_axes() -> Iterator[tuple[str, int]]:
        for name, shape in shapes.items():
            yield from zip(axes[name], shape, strict=True)
        yield from zip(output_axes, output, strict=True)

    add("2", 2)
    for word, size in all_axes():
        if word != "entries":
            add(word, size)
    for window in windows:
        if len(window) == 2:
            add("window rows", window[0])
            add("window columns", window[1])
    for a, b in AREAS:
        if a in found and b in found:
            add(area(a, b), found[a] * found[b])
    if not output_axes or output_axes == ("entries",):
        for name, shape in shapes.items():
            if len(shape) > 1:
                add(f"entries of {name}", math.prod(shape))
    if output:
        add("entries of the output", math.prod(output))
    # An area is one thing, and likelier than a single length that happens to be as large.
    costs = {"2": 0.85, "batch": 0.8} | {area(a, b): 0.9 for a, b in AREAS}
    return [Size(name, value, costs.get(name, 1.9 if "entries" in name else 1.0)) for name, value in found.items()][
        :MOST_SIZES
    ]
