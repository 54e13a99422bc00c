"""Images in the two layouts, and what windows leave of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LAYOUTS = ("NCHW", "NHWC")
SIDES = ("height", "width")


def layouts_of(layout: str | tuple[str, ...]) -> tuple[str, ...]:
    """The layouts that were asked for, one or several; a ValueError where one is not known."""
    given = (layout,) if isinstance(layout, str) else tuple(layout)
    for one in given:
        if one not in LAYOUTS:
            raise ValueError(f"layout is {one!r}; it must be one of {', '.join(LAYOUTS)}, or a tuple of them")
    return given


def image_shape(configuration: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape of a batch of images in the configuration's layout."""
    sizes = {"N": "batch", "C": "channels", "H": "height", "W": "width"}
    return tuple(configuration[sizes[letter]] for letter in configuration["layout"])


def of_side(value: int | tuple[int, int], side: int) -> int:
    """One number of a hyper-parameter that is one for both sides, or a pair."""
    return value[side] if isinstance(value, tuple) else value


def free(configuration: Mapping[str, Any], side: int) -> int:
    """By how much the padded image is larger than the window: negative where it has no place."""
    reach = of_side(configuration.get("dilation", 1), side) * (of_side(configuration["kernel"], side) - 1) + 1
    return configuration[SIDES[side]] + 2 * of_side(configuration.get("padding", 0), side) - reach


def remainder(configuration: Mapping[str, Any], side: int) -> int:
    """What the last step of the window leaves of the padded image."""
    return free(configuration, side) % of_side(configuration["stride"], side)


def window_facts(configuration: Mapping[str, Any]) -> dict[Any, Any]:
    """The sizes of the output, and whether windows reach every row and column."""
    outputs = {
        f"output {name}": free(configuration, side) // of_side(configuration["stride"], side) + 1
        for side, name in enumerate(SIDES)
    }
    left = [remainder(configuration, side) > 0 for side in (0, 1)]
    rows, columns = (f"{name} + 2 padding − kernel" for name in SIDES)
    return {
        **outputs,
        "output positions": outputs["output height"] * outputs["output width"],
        divided(rows): left[0],
        divided(columns): left[1],
        (
            f"stride does not divide {rows}, or not {columns}",
            f"stride divides {rows}, and {columns}",
        ): any(left),
    }


def divided(what: str) -> tuple[str, str]:
    """The sentences for a remainder and for none."""
    return f"stride does not divide {what}", f"stride divides {what}"
