"""Operations that compare and choose.

At a tie, where no derivative exists, the hand-written code says what JAX says: half to each side of a maximum, 1
for |x| at 0, 0 for ReLU there, and 0 for steps. (The sum of magnitudes says 0 at 0, as most people do: as right.)
"""

from __future__ import annotations

from typing import Any

from tests.programs.ops.row import Drawn, Op, binary, unary


def half_at_ties(xp: Any, g: Any, wins: Any, tie: Any) -> Any:
    return xp.where(tie, 0.5 * g, xp.where(wins, g, 0 * g))


def larger(xp: Any, g: Any, y: Any, a: Any, b: Any) -> Any:
    return half_at_ties(xp, g, a > b, a == b), half_at_ties(xp, g, b > a, a == b)


def smaller(xp: Any, g: Any, y: Any, a: Any, b: Any) -> Any:
    return half_at_ties(xp, g, a < b, a == b), half_at_ties(xp, g, b < a, a == b)


def clip(xp: Any, x: Any, low: float, high: float) -> Any:
    return xp.minimum(xp.maximum(x, low), high)


def clip_vjp(xp: Any, g: Any, y: Any, x: Any, low: float, high: float) -> Any:
    return (half_at_ties(xp, g, (x > low) & (x < high), (x == low) | (x == high)),)


def drawn_clip(sketch: Any, x: str) -> Drawn:
    low, high = sorted((sketch.number(), sketch.number()))
    return ((x,), {"low": low, "high": high}) if low < high else None


def drawn_mask(sketch: Any, x: str) -> Drawn:
    mask = sketch.mask(sketch.shape(x))
    return (x, sketch.partner(sketch.shape(x))), {"mask": mask}


def safe_log(xp: Any, x: Any) -> Any:
    """log x where it exists, 0 elsewhere, with the argument made harmless first."""
    return xp.where(x > 0, xp.log(xp.where(x > 0, x, 1 + 0 * x)), 0 * x)


def safe_log_vjp(xp: Any, g: Any, y: Any, x: Any) -> Any:
    return (xp.where(x > 0, g / xp.where(x > 0, x, 1 + 0 * x), 0 * g),)


def trapped_sqrt(xp: Any, x: Any) -> Any:
    """What every framework's manual warns of: the branch not taken gives NaN, and so does JAX's gradient."""
    return xp.where(x > 0, xp.sqrt(x), 0 * x)


def trapped_sqrt_exact(xp: Any, x: Any) -> Any:
    return xp.where(x > 0, xp.sqrt(xp.where(x > 0, x, 0 * x)), 0 * x)


def trapped_sqrt_vjp(xp: Any, g: Any, y: Any, x: Any) -> Any:
    return (xp.where(x > 0, 0.5 * g / xp.where(x > 0, y, 1 + 0 * y), 0 * g),)


def elu(xp: Any, x: Any) -> Any:
    return xp.where(x > 0, x, xp.expm1(xp.where(x > 0, 0 * x, x)))


def branch(xp: Any, x: Any, c: float) -> Any:
    return xp.sin(x) if xp.sum(x) > c else x * x


def branch_vjp(xp: Any, g: Any, y: Any, x: Any, c: float) -> Any:
    return (g * xp.cos(x),) if xp.sum(x) > c else (2 * g * x,)


def branch_in_jax(xp: Any, x: Any, c: float) -> Any:
    return xp.lax.cond(xp.sum(x) > c, xp.sin, lambda z: z * z, x)


def zero(xp: Any, g: Any, y: Any, x: Any) -> Any:
    return (0 * g,)


OPS = [
    Op("maximum", "decide", lambda xp, a, b: xp.maximum(a, b), larger, binary()),
    Op("minimum", "decide", lambda xp, a, b: xp.minimum(a, b), smaller, binary()),
    Op("absolute", "decide", lambda xp, x: xp.abs(x), lambda xp, g, y, x: (xp.where(x >= 0, g, -g),), unary()),
    Op("sign", "decide", lambda xp, x: xp.sign(x), zero, unary()),
    Op("floor", "decide", lambda xp, x: xp.floor(x), zero, unary()),
    Op(
        "relu",
        "decide",
        lambda xp, x: xp.maximum(x, 0.0),
        lambda xp, g, y, x: (xp.where(x > 0, g, 0 * g),),
        unary(),
        jax=lambda xp, x: xp.nn.relu(x),
    ),
    Op(
        "leaky_relu",
        "decide",
        lambda xp, x: xp.where(x >= 0, x, 0.125 * x),
        lambda xp, g, y, x: (xp.where(x >= 0, g, 0.125 * g),),
        unary(),
    ),
    Op(
        "elu",
        "decide",
        elu,
        lambda xp, g, y, x: (xp.where(x > 0, g, g * xp.exp(xp.where(x > 0, 0 * x, x))),),
        unary(),
    ),
    Op("clip", "decide", clip, clip_vjp, drawn_clip, jax=lambda xp, x, low, high: xp.clip(x, low, high)),
    Op(
        "where_mask",
        "decide",
        lambda xp, x, y, mask: xp.where(xp.asarray(mask), x, y),
        lambda xp, g, out, x, y, mask: (xp.where(xp.asarray(mask), g, 0 * g), xp.where(xp.asarray(mask), 0 * g, g)),
        drawn_mask,
    ),
    Op(
        "where_greater",
        "decide",
        lambda xp, x, y: xp.where(x > y, 2 * x, x * y),
        lambda xp, g, out, x, y: (xp.where(x > y, 2 * g, g * y), xp.where(x > y, 0 * g, g * x)),
        binary(),
    ),
    Op("safe_log", "decide", safe_log, safe_log_vjp, unary()),
    Op("trapped_sqrt", "decide", trapped_sqrt, trapped_sqrt_vjp, unary(), exact=trapped_sqrt_exact),
    Op(
        "softsign",
        "decide",
        lambda xp, x: x / (1 + xp.abs(x)),
        lambda xp, g, y, x: (g / (1 + xp.abs(x)) ** 2,),
        unary(),
    ),
    Op(
        "branch",
        "decide",
        branch,
        branch_vjp,
        lambda sketch, x: ((x,), {"c": sketch.number()}),
        jax=branch_in_jax,
    ),
]
