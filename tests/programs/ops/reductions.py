"""Many numbers into one, along axes; and running sums and products.

`axis` is always a tuple, `keepdims` says whether the axes stay as 1; `spread` puts them back.
"""

from __future__ import annotations

from typing import Any

from tests.programs.ops.row import Op, along, count, reducing, spread


def like(xp: Any, g: Any, x: Any) -> Any:
    return xp.broadcast_to(g, x.shape)


def mean(xp: Any, x: Any, axis: tuple[int, ...], keepdims: bool = True) -> Any:
    return xp.sum(x, axis=axis, keepdims=keepdims) / count(x.shape, axis)


def variance(xp: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return mean(xp, (x - mean(xp, x, axis)) ** 2, axis, keepdims)


def variance_vjp(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return (2 * spread(xp, g, x.shape, axis) * (x - mean(xp, x, axis)) / count(x.shape, axis),)


def deviation(xp: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return xp.sqrt(variance(xp, x, axis, keepdims))


def deviation_vjp(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    g, y = spread(xp, g, x.shape, axis), spread(xp, y, x.shape, axis)
    return (g * (x - mean(xp, x, axis)) / (y * count(x.shape, axis)),)


def extreme(name: str) -> Op:
    """max or min; equal extremes share the gradient."""

    def forward(xp: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
        return getattr(xp, name)(x, axis=axis, keepdims=keepdims)

    def vjp(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
        wins = x == forward(xp, x, axis, True)
        winners = xp.sum(xp.where(wins, 1, 0), axis=axis, keepdims=True)
        g = like(xp, spread(xp, g, x.shape, axis), x)
        return (xp.where(wins, g, 0 * g) / like(xp, winners, x).astype(x.dtype),)

    return Op(name, "reduce", forward, vjp, reducing())


def part(x: Any, axis: int, start: int, stop: int) -> Any:
    """x[start:stop] along an axis."""
    return x[(slice(None),) * axis + (slice(start, stop),)]


def prod_vjp(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """∂y/∂x_i is the product of the others: of those before it and those after it, so that a zero does no harm."""
    (a,) = axis
    one = 1 + 0 * part(x, a, 0, 1)
    body = part(x, a, 0, x.shape[a] - 1)
    before = xp.cumprod(xp.concatenate([one, body], axis=a), axis=a)
    tail = xp.flip(part(x, a, 1, x.shape[a]), axis=a)
    after = xp.flip(xp.cumprod(xp.concatenate([one, tail], axis=a), axis=a), axis=a)
    return (spread(xp, g, x.shape, axis) * before * after,)


def logsumexp(xp: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    top = xp.max(x, axis=axis, keepdims=True)
    y = top + xp.log(xp.sum(xp.exp(x - top), axis=axis, keepdims=True))
    return y if keepdims else xp.reshape(y, tuple(n for i, n in enumerate(x.shape) if i not in axis))


def logsumexp_vjp(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return (spread(xp, g, x.shape, axis) * xp.exp(x - spread(xp, y, x.shape, axis)),)


def norm(xp: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return xp.sqrt(xp.sum(x * x, axis=axis, keepdims=keepdims))


def norm_vjp(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    return (spread(xp, g, x.shape, axis) * x / spread(xp, y, x.shape, axis),)


def backwards(xp: Any, x: Any, axis: int) -> Any:
    """Running sums from the end."""
    return xp.flip(xp.cumsum(xp.flip(x, axis=axis), axis=axis), axis=axis)


def cumprod_vjp(xp: Any, g: Any, y: Any, x: Any, axis: int) -> Any:
    """y_k holds x_i for every k ≥ i: Σ_k g_k · Π_{j ≤ k, j ≠ i} x_j, term by term, so that a zero does no harm."""
    parts = []
    for i in range(x.shape[axis]):
        others = xp.concatenate(
            [
                part(x, axis, 0, i),
                1 + 0 * part(x, axis, i, i + 1),
                part(x, axis, i + 1, x.shape[axis]),
            ],
            axis=axis,
        )
        products = g * xp.cumprod(others, axis=axis)
        parts.append(xp.sum(part(products, axis, i, x.shape[axis]), axis=axis, keepdims=True))
    return (xp.concatenate(parts, axis=axis),)


def spread_like(factor: Any) -> Any:
    """A derivative that is g, spread, times a factor of x."""

    def vjp(xp: Any, g: Any, y: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
        return (like(xp, spread(xp, g, x.shape, axis) * factor(xp, x, axis), x),)

    return vjp


OPS = [
    Op(
        "sum",
        "reduce",
        lambda xp, x, axis, keepdims: xp.sum(x, axis=axis, keepdims=keepdims),
        spread_like(lambda xp, x, axis: 1.0),
        reducing(),
    ),
    Op(
        "mean",
        "reduce",
        mean,
        spread_like(lambda xp, x, axis: 1 / xp.constant(count(x.shape, axis))),
        reducing(),
        jax=lambda xp, x, axis, keepdims: xp.mean(x, axis=axis, keepdims=keepdims),
    ),
    Op(
        "variance",
        "reduce",
        variance,
        variance_vjp,
        reducing(),
        jax=lambda xp, x, axis, keepdims: xp.var(x, axis=axis, keepdims=keepdims),
    ),
    Op(
        "deviation",
        "reduce",
        deviation,
        deviation_vjp,
        reducing(),
        jax=lambda xp, x, axis, keepdims: xp.std(x, axis=axis, keepdims=keepdims),
    ),
    extreme("max"),
    extreme("min"),
    Op(
        "prod",
        "reduce",
        lambda xp, x, axis, keepdims: xp.prod(x, axis=axis, keepdims=keepdims),
        prod_vjp,
        reducing(several=False),
    ),
    Op(
        "logsumexp",
        "reduce",
        logsumexp,
        logsumexp_vjp,
        reducing(),
        jax=lambda xp, x, axis, keepdims: xp.jax.scipy.special.logsumexp(x, axis=axis, keepdims=keepdims),
    ),
    Op("norm", "reduce", norm, norm_vjp, reducing("nonzero")),
    Op(
        "sum_of_squares",
        "reduce",
        lambda xp, x, axis, keepdims: xp.sum(x * x, axis=axis, keepdims=keepdims),
        spread_like(lambda xp, x, axis: 2 * x),
        reducing(),
    ),
    Op(
        "sum_of_magnitudes",
        "reduce",
        lambda xp, x, axis, keepdims: xp.sum(xp.abs(x), axis=axis, keepdims=keepdims),
        spread_like(lambda xp, x, axis: xp.sign(x)),
        reducing(),
    ),
    Op(
        "cumsum",
        "reduce",
        lambda xp, x, axis: xp.cumsum(x, axis=axis),
        lambda xp, g, y, x, axis: (backwards(xp, g, axis),),
        along(),
    ),
    Op("cumprod", "reduce", lambda xp, x, axis: xp.cumprod(x, axis=axis), cumprod_vjp, along()),
]
