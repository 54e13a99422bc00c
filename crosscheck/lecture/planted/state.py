"""Ways of being wrong that show in the next call, or in the caller's arrays: writing, remembering, and chance."""

from __future__ import annotations

from typing import Any

import numpy as np

from crosscheck.lecture.planted.changes import Array, Backward
from crosscheck.operation import Arrays, Operation


def writes_cotangent(base: Operation) -> Backward:
    def backward(g: Array, values: Arrays) -> Any:
        found = {k: np.array(a) for k, a in base.backward(g.copy(), values).items()}
        g *= 0.5
        return found

    return backward


def writes_input(base: Operation) -> Backward:
    def backward(g: Array, values: Arrays) -> Any:
        found = {k: np.array(a) for k, a in base.backward(g, values).items()}
        values["x"] += 1
        return found

    return backward


def accumulates(base: Operation) -> Backward:
    total: dict[str, Array] = {}

    def backward(g: Array, values: Arrays) -> Any:
        for k, a in base.backward(g, values).items():
            total[k] = total[k] + a if k in total else np.array(a)
        return dict(total)

    return backward


def buffers(base: Operation) -> Backward:
    kept: dict[str, Array] = {}

    def backward(g: Array, values: Arrays) -> Any:
        for k, a in base.backward(g, values).items():
            kept.setdefault(k, np.empty_like(a))[...] = a
        return dict(kept)

    return backward


def dice(base: Operation) -> Backward:
    rng = np.random.default_rng()

    def backward(g: Array, values: Arrays) -> Any:
        found = {k: np.array(a) for k, a in base.backward(g, values).items()}
        found["filters"] = found["filters"] * (1 + 1e-3 * rng.random())
        return found

    return backward


def stale(base: Operation) -> Backward:
    seen: dict[str, Array] = {}

    def backward(g: Array, values: Arrays) -> Any:
        seen.setdefault("x", values["x"].copy())
        right = {k: np.array(a) for k, a in base.backward(g, values).items()}
        old = base.backward(g, {**values, "x": seen["x"]})
        return {**right, "filters": np.array(old["filters"])}

    return backward


def memo(base: Operation) -> Backward:
    kept: dict[str, Array] = {}

    def backward(g: Array, values: Arrays) -> Any:
        if not kept:
            kept.update({k: np.array(a) for k, a in base.backward(g, values).items()})
        return {k: a.copy() for k, a in kept.items()}

    return backward
