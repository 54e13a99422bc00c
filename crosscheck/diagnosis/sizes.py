"""The numbers that a derivation at some sizes may have multiplied or divided by, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from crosscheck.diagnosis.factors import SCALAR, Size
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


# √ of a size is the scale of attention; a size less one is the count of an unbiased variance.
ROOT, LESS_ONE = 1.1, 1.0


def special_sizes(sizes: Sequence[Size], scalars: Mapping[str, float]) -> list[Size]:
    """Numbers that need not be whole: roots of sizes, sizes less one, and the scalars that the forward works with."""
    plain = [size for size in sizes if size.name != "2" and "·" not in size.name]
    found = [Size(f"√{grouped(size.name)}", math.sqrt(size.value), size.cost * ROOT) for size in plain]
    found += [Size(f"({size.name} - 1)", size.value - 1, size.cost * LESS_ONE) for size in plain if size.value > 2]
    return found + [Size(name, value, SCALAR) for name, value in scalars.items()]


def grouped(name: str) -> str:
    return f"({name})" if " " in name else name
