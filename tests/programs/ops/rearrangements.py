"""Operations that move numbers, repeat them, or add them up where they land."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.programs.ops.row import Drawn, Op, along


def zeros_like(g: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of g's arithmetic in another shape."""
    return np.zeros(shape, dtype=g.dtype)


def rank_of_at_least(n: int) -> Any:
    return lambda sketch, x: ((x,), {}) if len(sketch.shape(x)) >= n else None


def drawn_transpose(sketch: Any, x: str) -> Drawn:
    rank = len(sketch.shape(x))
    return ((x,), {"axes": sketch.order(rank)}) if rank > 1 else None


def transpose_vjp(xp: Any, g: Any, y: Any, x: Any, axes: tuple[int, ...]) -> Any:
    return (xp.transpose(g, tuple(axes.index(i) for i in range(len(axes)))),)


def drawn_reshape(sketch: Any, x: str) -> Drawn:
    size = int(np.prod(sketch.shape(x)))
    first = sketch.choose([n for n in range(1, size + 1) if size % n == 0])
    rest = size // first
    shapes = [(size,), (first, rest)] + ([(first, 2, rest // 2)] if rest % 2 == 0 else [])
    return (x,), {"shape": sketch.choose(shapes)}


def drawn_pad(sketch: Any, x: str) -> Drawn:
    rank = len(sketch.shape(x))
    return ((x,), {"width": tuple((sketch.integer(0, 1), sketch.integer(0, 2)) for _ in range(rank))}) if rank else None


def pad_vjp(xp: Any, g: Any, y: Any, x: Any, width: Any) -> Any:
    return (g[tuple(slice(before, before + n) for (before, _), n in zip(width, x.shape, strict=True))],)


def drawn_slice(sketch: Any, x: str) -> Drawn:
    shape = sketch.shape(x)
    if not shape:
        return None
    cuts = []
    for n in shape:
        start = sketch.integer(0, n - 1)
        cuts.append(sketch.choose([(0, n, 1), (start, n, 1), (start, n, 2), (0, start + 1, 1), (n - 1, None, -1)]))
    return (x,), {"cuts": tuple(cuts)}


def cut(cuts: Any) -> tuple[slice, ...]:
    return tuple(slice(*c) for c in cuts)


def slice_vjp(xp: Any, g: Any, y: Any, x: Any, cuts: Any) -> Any:
    grad = zeros_like(g, x.shape)
    grad[cut(cuts)] = g
    return (grad,)


def drawn_joined(sketch: Any, x: str) -> Drawn:
    shape = sketch.shape(x)
    if not shape:
        return None
    axis = sketch.integer(0, len(shape) - 1)
    other = tuple(sketch.integer(1, 3) if i == axis else n for i, n in enumerate(shape))
    return (x, sketch.partner(other)), {"axis": axis}


def concatenate_vjp(xp: Any, g: Any, y: Any, a: Any, b: Any, axis: int) -> Any:
    before = (slice(None),) * axis
    n = a.shape[axis]
    return g[(*before, slice(None, n))], g[(*before, slice(n, None))]


def drawn_stack(sketch: Any, x: str) -> Drawn:
    shape = sketch.shape(x)
    return (x, sketch.partner(shape)), {"axis": sketch.integer(0, len(shape))}


def stack_vjp(xp: Any, g: Any, y: Any, a: Any, b: Any, axis: int) -> Any:
    before = (slice(None),) * axis
    return g[(*before, 0)], g[(*before, 1)]


def drawn_roll(sketch: Any, x: str) -> Drawn:
    rank = len(sketch.shape(x))
    return ((x,), {"shift": sketch.integer(1, 3), "axis": sketch.integer(0, rank - 1)}) if rank else None


def drawn_take(sketch: Any, x: str) -> Drawn:
    """Rows by number, some of them twice."""
    shape = sketch.shape(x)
    if not shape:
        return None
    axis = sketch.integer(0, len(shape) - 1)
    return (x,), {"rows": sketch.integers(0, shape[axis] - 1, sketch.integer(2, 5)), "axis": axis}


def take(xp: Any, x: Any, rows: tuple[int, ...], axis: int) -> Any:
    return xp.take(x, xp.asarray(rows), axis=axis)


def take_vjp(xp: Any, g: Any, y: Any, x: Any, rows: tuple[int, ...], axis: int) -> Any:
    grad = zeros_like(g, x.shape)
    np.add.at(np.moveaxis(grad, axis, 0), np.asarray(rows), np.moveaxis(g, axis, 0))
    return (grad,)


def drawn_scatter(sketch: Any, x: str) -> Drawn:
    """Rows added into a few places, several to the same."""
    shape = sketch.shape(x)
    if not shape:
        return None
    places = sketch.integer(2, 4)
    base = sketch.partner((places, *shape[1:]))
    return (base, x), {"rows": sketch.integers(0, places - 1, shape[0])}


def scatter_add(xp: Any, base: Any, x: Any, rows: tuple[int, ...]) -> Any:
    y = base.copy()
    np.add.at(y, np.asarray(rows), x)
    return y


def scatter_add_in_jax(xp: Any, base: Any, x: Any, rows: tuple[int, ...]) -> Any:
    return base.at[xp.asarray(rows)].add(x)


def drawn_overwrite(sketch: Any, x: str) -> Drawn:
    shape = sketch.shape(x)
    if not shape or shape[0] < 2:
        return None
    start = sketch.integer(0, shape[0] - 1)
    size = sketch.integer(1, shape[0] - start)
    return (x, sketch.partner((size, *shape[1:]))), {"start": start}


def overwrite(xp: Any, x: Any, new: Any, start: int) -> Any:
    y = x.copy()
    y[start : start + len(new)] = new
    return y


def overwrite_in_jax(xp: Any, x: Any, new: Any, start: int) -> Any:
    return x.at[start : start + len(new)].set(new)


def overwrite_vjp(xp: Any, g: Any, y: Any, x: Any, new: Any, start: int) -> Any:
    kept = g.copy()
    kept[start : start + len(new)] = 0 * new
    return kept, g[start : start + len(new)]


def drawn_tile(sketch: Any, x: str) -> Drawn:
    rank = len(sketch.shape(x))
    return ((x,), {"times": tuple(sketch.integer(1, 2) for _ in range(rank))}) if rank else None


def tile_vjp(xp: Any, g: Any, y: Any, x: Any, times: tuple[int, ...]) -> Any:
    split = tuple(n for pair in zip(times, x.shape, strict=True) for n in pair)
    return (xp.sum(xp.reshape(g, split), axis=tuple(range(0, 2 * len(times), 2))),)


def drawn_repeat(sketch: Any, x: str) -> Drawn:
    rank = len(sketch.shape(x))
    return ((x,), {"times": sketch.integer(2, 3), "axis": sketch.integer(0, rank - 1)}) if rank else None


def repeat_vjp(xp: Any, g: Any, y: Any, x: Any, times: int, axis: int) -> Any:
    split = (*x.shape[: axis + 1], times, *x.shape[axis + 1 :])
    return (xp.sum(xp.reshape(g, split), axis=axis + 1),)


def drawn_broadcast(sketch: Any, x: str) -> Drawn:
    return (x,), {"shape": (sketch.integer(2, 3), *sketch.shape(x))}


def diagonal_vjp(xp: Any, g: Any, y: Any, x: Any) -> Any:
    grad = zeros_like(g, x.shape)
    np.einsum("ii->i", grad)[...] = g
    return (grad,)


def sort_vjp(xp: Any, g: Any, y: Any, x: Any, axis: int) -> Any:
    """Each number's gradient goes back to where it came from; equal numbers keep their order."""
    places = np.argsort(x, axis=axis, kind="stable")
    grad = zeros_like(g, x.shape)
    np.put_along_axis(grad, places, g, axis=axis)
    return (grad,)


def drawn_along(sketch: Any, x: str) -> Drawn:
    """One index per row: the labels of a classifier."""
    shape = sketch.shape(x)
    return ((x,), {"columns": sketch.integers(0, shape[1] - 1, shape[0])}) if len(shape) == 2 else None


def pick(xp: Any, x: Any, columns: tuple[int, ...]) -> Any:
    return xp.take_along_axis(x, xp.asarray(columns)[:, None], axis=1)


def pick_vjp(xp: Any, g: Any, y: Any, x: Any, columns: tuple[int, ...]) -> Any:
    grad = zeros_like(g, x.shape)
    np.put_along_axis(grad, np.asarray(columns)[:, None], g, axis=1)
    return (grad,)


def triangle(xp: Any, x: Any, k: int) -> Any:
    """The lower triangle, by a product with ones and zeros."""
    return x * np.tri(*x.shape[-2:], k=k, dtype=bool)


OPS = [
    Op("transpose", "rearrange", lambda xp, x, axes: xp.transpose(x, axes), transpose_vjp, drawn_transpose),
    Op(
        "reshape",
        "rearrange",
        lambda xp, x, shape: xp.reshape(x, shape),
        lambda xp, g, y, x, shape: (xp.reshape(g, x.shape),),
        drawn_reshape,
    ),
    Op("pad", "rearrange", lambda xp, x, width: xp.pad(x, width), pad_vjp, drawn_pad),
    Op("slice", "rearrange", lambda xp, x, cuts: x[cut(cuts)], slice_vjp, drawn_slice),
    Op(
        "concatenate",
        "rearrange",
        lambda xp, a, b, axis: xp.concatenate([a, b], axis=axis),
        concatenate_vjp,
        drawn_joined,
    ),
    Op("stack", "rearrange", lambda xp, a, b, axis: xp.stack([a, b], axis=axis), stack_vjp, drawn_stack),
    Op(
        "flip",
        "rearrange",
        lambda xp, x, axis: xp.flip(x, axis=axis),
        lambda xp, g, y, x, axis: (xp.flip(g, axis=axis),),
        along(),
    ),
    Op(
        "roll",
        "rearrange",
        lambda xp, x, shift, axis: xp.roll(x, shift, axis=axis),
        lambda xp, g, y, x, shift, axis: (xp.roll(g, -shift, axis=axis),),
        drawn_roll,
    ),
    Op("take", "rearrange", take, take_vjp, drawn_take),
    Op("pick", "rearrange", pick, pick_vjp, drawn_along),
    Op(
        "scatter_add",
        "rearrange",
        scatter_add,
        lambda xp, g, y, base, x, rows: (g, g[np.asarray(rows)]),
        drawn_scatter,
        jax=scatter_add_in_jax,
    ),
    Op("overwrite", "rearrange", overwrite, overwrite_vjp, drawn_overwrite, jax=overwrite_in_jax),
    Op("tile", "rearrange", lambda xp, x, times: xp.tile(x, times), tile_vjp, drawn_tile),
    Op("repeat", "rearrange", lambda xp, x, times, axis: xp.repeat(x, times, axis=axis), repeat_vjp, drawn_repeat),
    Op(
        "broadcast",
        "rearrange",
        lambda xp, x, shape: xp.broadcast_to(x, shape),
        lambda xp, g, y, x, shape: (xp.sum(g, axis=0),),
        drawn_broadcast,
    ),
    Op(
        "diagonal",
        "rearrange",
        lambda xp, x: xp.diagonal(x),
        diagonal_vjp,
        lambda sketch, x: ((x,), {}) if sketch.is_square(x) else None,
    ),
    Op(
        "diagonal_matrix",
        "rearrange",
        lambda xp, x: xp.diag(x),
        lambda xp, g, y, x: (xp.diagonal(g),),
        lambda sketch, x: ((x,), {}) if len(sketch.shape(x)) == 1 and sketch.shape(x)[0] <= 5 else None,
    ),
    Op(
        "triangle",
        "rearrange",
        triangle,
        lambda xp, g, y, x, k: (triangle(xp, g, k),),
        lambda sketch, x: ((x,), {"k": sketch.integer(-1, 1)}) if len(sketch.shape(x)) >= 2 else None,
    ),
    Op("sort", "rearrange", lambda xp, x, axis: xp.sort(x, axis=axis), sort_vjp, along()),
]
