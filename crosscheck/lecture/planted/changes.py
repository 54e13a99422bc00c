"""Ways of being wrong that fit any layer: a result, the gradient that arrives or an argument changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from crosscheck.operation import Arrays, Operation

Array = np.ndarray
Backward = Callable[[Array, Arrays], Any]
Wrong = Callable[[Operation], Backward]


def result(name: str, change: Callable[[Array], Array]) -> Wrong:
    """One gradient changed after it was computed."""

    def wrong(base: Operation) -> Backward:
        def backward(g: Array, values: Arrays) -> Arrays:
            found = dict(base.backward(g, values))
            found[name] = change(np.array(found[name]))
            return found

        return backward

    return wrong


def cotangent(change: Callable[[Array, Arrays], Array], *only: str) -> Wrong:
    """The gradient that arrives changed first, for all gradients or the named ones."""

    def wrong(base: Operation) -> Backward:
        def backward(g: Array, values: Arrays) -> Arrays:
            right = dict(base.backward(g.copy(), values))
            other = {k: np.array(a) for k, a in right.items()}
            changed = dict(base.backward(np.asarray(change(g, values), g.dtype), values))
            return {k: np.array(changed[k]) if not only or k in only else other[k] for k in right}

        return backward

    return wrong


def argument(name: str, change: Callable[[Array], Array], *only: str) -> Wrong:
    """The backward reads one array changed; for the named gradients."""

    def wrong(base: Operation) -> Backward:
        def backward(g: Array, values: Arrays) -> Arrays:
            right = {k: np.array(a) for k, a in base.backward(g, values).items()}
            moved = {**values, name: np.ascontiguousarray(change(values[name]))}
            changed = base.backward(g, moved)
            return {k: np.array(changed[k]) if k in only else right[k] for k in right}

        return backward

    return wrong


def only_channel(axis: int, index: int) -> Callable[[Array], Array]:
    def change(a: Array) -> Array:
        a[(slice(None),) * axis + (index,)] = 0
        return a

    return change


def rolled(axis: int) -> Callable[[Array], Array]:
    return lambda a: np.roll(a, 1, axis)


def border(a: Array) -> Array:
    a[:, :, [0, -1], :] = 0
    a[:, :, :, [0, -1]] = 0
    return a


def single_entry(a: Array) -> Array:
    a.flat[np.argmax(np.abs(a))] *= 1 + 1e-6
    return a


def every_second_column(a: Array) -> Array:
    a[..., 1::2] = 0
    return a


def to_single(a: Array) -> Array:
    return a.astype(np.float32).astype(np.float64)


def first(g: Array, _: Arrays) -> Array:
    kept = np.zeros_like(g)
    kept[0] = g[0]
    return kept


def all_but_last(g: Array, _: Arrays) -> Array:
    kept = g.copy()
    kept[-1] = 0
    return kept


def ones(g: Array, _: Arrays) -> Array:
    return np.ones_like(g)


def axes_sum(*axes: int) -> Wrong:
    """The biases summed over these axes of G."""

    def wrong(base: Operation) -> Backward:
        return lambda g, values: {**base.backward(g, values), "biases": g.sum(axes)}

    return wrong


def promoted(base: Operation) -> Backward:
    return lambda g, values: {k: np.asarray(a, np.float64) for k, a in base.backward(g, values).items()}


def half_precision(base: Operation) -> Backward:
    def backward(g: Array, values: Arrays) -> Any:
        narrow = {k: to_single(a) for k, a in values.items()}
        return {k: to_single(np.array(a)) for k, a in base.backward(to_single(g), narrow).items()}

    return backward
