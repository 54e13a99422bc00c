"""Functions of two or three numbers, broadcast against each other.

Each derivative is as large as y; what was repeated to get there is added up by the caller.
"""

from __future__ import annotations

from typing import Any

from tests.programs.ops.row import Drawn, Op, binary


def of_squares(xp: Any, x: Any, y: Any) -> Any:
    return x * x + y * y


def drawn_lerp(sketch: Any, x: str) -> Drawn:
    y = sketch.partner(sketch.shape(x))
    t = sketch.fit(sketch.partner(sketch.broadcastable(sketch.shape(x))), "unit")
    return (x, y, t), {}


OPS = [
    Op("add", "add", lambda xp, x, y: x + y, lambda xp, g, out, x, y: (g, g), binary()),
    Op("subtract", "add", lambda xp, x, y: x - y, lambda xp, g, out, x, y: (g, -g), binary()),
    Op("multiply", "multiply", lambda xp, x, y: x * y, lambda xp, g, out, x, y: (g * y, g * x), binary()),
    Op(
        "divide",
        "multiply",
        lambda xp, x, y: x / y,
        lambda xp, g, out, x, y: (g / y, -g * out / y),
        binary("any", "nonzero"),
    ),
    Op(
        "power",
        "function",
        lambda xp, x, y: xp.power(x, y),
        lambda xp, g, out, x, y: (g * y * xp.power(x, y - 1), g * out * xp.log(x)),
        binary("positive", "moderate"),
    ),
    Op(
        "logaddexp",
        "function",
        lambda xp, x, y: xp.logaddexp(x, y),
        lambda xp, g, out, x, y: (g * xp.exp(x - out), g * xp.exp(y - out)),
        binary(),
    ),
    Op(
        "hypot",
        "function",
        lambda xp, x, y: xp.hypot(x, y),
        lambda xp, g, out, x, y: (g * x / out, g * y / out),
        binary("nonzero", "any"),
    ),
    Op(
        "arctan2",
        "function",
        lambda xp, x, y: xp.arctan2(x, y),
        lambda xp, g, out, x, y: (g * y / of_squares(xp, x, y), -g * x / of_squares(xp, x, y)),
        binary("nonzero", "nonzero"),
    ),
    Op(
        "squared_difference",
        "function",
        lambda xp, x, y: (x - y) ** 2,
        lambda xp, g, out, x, y: (2 * g * (x - y), -2 * g * (x - y)),
        binary(),
    ),
    Op(
        "lerp",
        "function",
        lambda xp, x, y, t: x + t * (y - x),
        lambda xp, g, out, x, y, t: (g * (1 - t), g * t, g * (y - x)),
        drawn_lerp,
    ),
]
