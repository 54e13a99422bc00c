"""Gather and scatter by NumPy: XLA's are described by roles of axes, NumPy's by one index for every axis.

    gather      Y[o] = X[i(o)]                        o over the result
    scatter     X[i(u)] = U[u], or += U[u]            u over the updates, in row-major order

`places` writes i out, an array of integers for each axis of X: the window's start, read from the list of starts, plus
the position in the window. An axis of X has one of three roles: a position of the window (a *window* axis of the
result), *collapsed* (a window of length one), or a *batch* axis that is common with the starts; and any of them may be
one that the starts move. The rest of the result's axes count the windows. (XLA's operation semantics, "Gather".)

Called with all warnings off; starts are concrete integers, the last axis being the vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.lax import GatherScatterMode

AnyArray = Any


class Roles(NamedTuple):
    """What the axes are.

    Args:
        window: axes of the result (or of the updates) that are positions in the window, in order.
        collapsed: axes of X that the window has length one on, and the result leaves out.
        batch: axes of X that are common with axes of the starts, and the result has once.
        batch_starts: these axes of the starts.
        moved: for each number of a start the axis of X that it moves.
    """

    window: Sequence[int]
    collapsed: Sequence[int]
    batch: Sequence[int]
    batch_starts: Sequence[int]
    moved: Sequence[int]


def places(
    roles: Roles, shape: tuple[int, ...], starts: AnyArray, sizes: Sequence[int], out: tuple[int, ...], clip: bool
) -> tuple[list[AnyArray], AnyArray]:
    """i, an array of the shape `out` (or one that broadcasts to it) for every axis of X, and which windows lie inside.

    Args:
        shape: of X.
        sizes: of the window, by axis of X.
        clip: whether windows that stick out are moved inside; else the second result is False where they do.
    """
    counting = [axis for axis in range(len(out)) if axis not in roles.window]

    def spread(a: AnyArray) -> AnyArray:
        """An array over the windows, as one over the result."""
        lengths = iter(a.shape)
        return a.reshape([next(lengths) if axis in counting else 1 for axis in range(len(out))])

    def along(axis: int) -> AnyArray:
        return np.arange(out[axis]).reshape([-1 if i == axis else 1 for i in range(len(out))])

    within = iter(roles.window)
    found: list[AnyArray] = []
    inside = np.ones((1,) * len(out), bool)
    for axis, (length, size) in enumerate(zip(shape, sizes, strict=True)):
        index: AnyArray = np.zeros((1,) * len(out), np.int64)
        if axis in roles.moved:
            start = spread(starts[..., list(roles.moved).index(axis)].astype(np.int64))
            index = np.clip(start, 0, length - size) if clip else start
            inside = inside & (index >= 0) & (index <= length - size)
        if axis in roles.batch:
            index = index + along(counting[roles.batch_starts[list(roles.batch).index(axis)]])
        elif axis not in roles.collapsed:
            index = index + along(next(within))
        found.append(index)
    return found, inside


def gather(params: dict[str, Any], x: Sequence[AnyArray]) -> AnyArray:
    operand, starts = x
    d, sizes, mode = params["dimension_numbers"], params["slice_sizes"], params["mode"]
    roles = Roles(
        d.offset_dims,
        d.collapsed_slice_dims,
        d.operand_batching_dims,
        d.start_indices_batching_dims,
        d.start_index_map,
    )
    shape = shape_of_result(roles, starts, sizes)
    drop = mode == GatherScatterMode.FILL_OR_DROP
    index, inside = places(roles, operand.shape, starts, sizes, shape, clip=not drop)
    if not operand.size:  # nothing to read, and nothing of it is asked for
        return np.full(shape, fill_of(params, operand.dtype), operand.dtype)
    found = operand[tuple(np.clip(i, 0, n - 1) for i, n in zip(index, operand.shape, strict=True))]
    found = np.broadcast_to(found, shape)
    return np.where(inside, found, fill_of(params, operand.dtype)).astype(operand.dtype) if drop else found


def shape_of_result(roles: Roles, starts: AnyArray, sizes: Sequence[int]) -> tuple[int, ...]:
    """The windows' own axes at the places that they are given, what counts the windows at the others."""
    left_out = {*roles.collapsed, *roles.batch}
    window = iter([size for axis, size in enumerate(sizes) if axis not in left_out])
    counts = iter(starts.shape[:-1])
    rank = len(roles.window) + starts.ndim - 1
    return tuple(next(window) if axis in roles.window else next(counts) for axis in range(rank))


def fill_of(params: dict[str, Any], dtype: np.dtype[Any]) -> Any:
    """What stands for a window outside: NaN, the smallest of the signed integers, the largest of the others."""
    given = params["fill_value"]
    if given is not None:
        return given
    if dtype.kind in "fc":
        return np.nan
    if dtype.kind == "b":
        return True
    return np.iinfo(dtype).min if dtype.kind == "i" else np.iinfo(dtype).max


def scatter(params: dict[str, Any], x: Sequence[AnyArray]) -> AnyArray:
    """Later updates stand over earlier ones."""
    out, index, updates = written(params, x)
    out[index] = updates
    return out


def scatter_add(params: dict[str, Any], x: Sequence[AnyArray]) -> AnyArray:
    out, index, updates = written(params, x)
    np.add.at(out, index, updates)
    return out


def written(params: dict[str, Any], x: Sequence[AnyArray]) -> tuple[AnyArray, tuple[AnyArray, ...], AnyArray]:
    """A copy of X, the places that are written to, and what is written, one after the other."""
    operand, starts, updates = x
    d, mode = params["dimension_numbers"], params["mode"]
    roles = Roles(
        d.update_window_dims,
        d.inserted_window_dims,
        d.operand_batching_dims,
        d.scatter_indices_batching_dims,
        d.scatter_dims_to_operand_dims,
    )
    left_out = {*roles.collapsed, *roles.batch}
    lengths = iter([updates.shape[axis] for axis in roles.window])
    sizes = [1 if axis in left_out else next(lengths) for axis in range(operand.ndim)]
    clip = mode == GatherScatterMode.CLIP
    index, inside = places(roles, operand.shape, starts, sizes, updates.shape, clip=clip)
    kept = np.broadcast_to(inside, updates.shape)
    return operand.copy(), tuple(np.broadcast_to(i, updates.shape)[kept] for i in index), updates[kept]
