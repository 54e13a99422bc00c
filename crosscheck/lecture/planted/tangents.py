"""Mistakes in hand-derived tangents: in steps along directions, where a tangent is what a gradient is elsewhere.

The mistake is in the tangent itself, from which the judge's operation is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from crosscheck.lecture.nonzero import nonzero
from crosscheck.lecture.planted.changes import Array, Backward, Wrong
from crosscheck.lecture.planted.healthy import Healthy, Rng
from crosscheck.lecture.planted.passes import logistic, softmax
from crosscheck.lecture.tangents import Moved, moved, tangent_of
from crosscheck.operation import Arrays, Operation
from manual import (
    Dropout,
    Layer,
    LinearLayer,
    MaxPoolingLayer,
    ReLUActivation,
    SigmoidActivation,
    Softmax,
    Standardization,
)

Planted = tuple[str, str, Healthy, Wrong]  # name, kind, what it is planted in, the mistake
Derived = Callable[[Arrays, Arrays], Array]  # (nudges, what moves) -> Ẏ


def along(make: Callable[[Rng], Layer], *shape: int) -> Healthy:
    """A layer's tangent, on normal inputs."""
    return lambda rng: moved(nonzero(make(rng), rng), rng.normal(size=shape))


def derived(tangent: Derived) -> Wrong:
    """Another tangent in the place of the right one."""

    def wrong(base: Operation) -> Backward:
        assert isinstance(base, Moved)
        assert base.with_tangent is not None
        return base.with_tangent(lambda nudges, **values: tangent(nudges, values)).backward

    return wrong


def linear(nudges: Arrays, values: Arrays) -> Array:
    """The right one of the layer below, from which mistakes are made by changing a nudge."""
    return tangent_of(LinearLayer(3, 2), values, nudges)


def standardized(nudges: Arrays, values: Arrays, mean: Callable[[Array], Array]) -> Array:
    """The right one over axis 0, for the mean over the batch."""
    x, nudge = values["x"], nudges["x"]
    scale = 1 / np.sqrt(x.var(0) + 1e-5)
    y = (x - x.mean(0)) * scale
    return scale * (nudge - mean(nudge) - y * mean(y * nudge))


def first_of_window(nudges: Arrays, _: Arrays) -> Array:
    return nudges["x"][:, :, ::2, ::2].copy()


along_linear = along(lambda rng: LinearLayer(3, 2, rng=rng), 4, 3)
along_batch = along(lambda rng: Standardization((0,)), 5, 3)


def planted_tangents() -> Iterator[Planted]:
    """Some that people make: a sign, a factor, a term dropped, a mask, another's statistics."""
    yield "tangent of linear: x negated", "sign", along_linear, derived(lambda n, v: linear({**n, "x": -n["x"]}, v))
    doubled = derived(lambda n, v: linear({**n, "weights": 2 * n["weights"]}, v))
    yield "tangent of linear: weights doubled", "scaled", along_linear, doubled
    forgotten = derived(lambda n, v: linear({**n, "biases": 0 * n["biases"]}, v))
    yield "tangent of linear: biases forgotten", "zero", along_linear, forgotten
    relu = along(lambda rng: ReLUActivation(), 4, 7)
    yield "tangent of relu: the mask forgotten", "missing-mask", relu, derived(lambda n, v: n["x"].copy())
    sigmoid = along(lambda rng: SigmoidActivation(), 4, 7)
    once = derived(lambda n, v: n["x"] * logistic(v["x"]))
    yield "tangent of sigmoid: Y for Y·(1 - Y)", "missing-terms", sigmoid, once
    alone = derived(lambda n, v: n["x"] * softmax(v["x"]))
    yield "tangent of softmax: only the diagonal", "missing-terms", along(lambda rng: Softmax(), 3, 5), alone
    first = derived(lambda n, v: standardized(n, v, lambda a: a[:1]))
    yield "tangent of standardization: one sample's statistics", "missing-terms", along_batch, first
    constant = derived(lambda n, v: standardized(n, v, lambda a: np.zeros(3)))
    yield "tangent of standardization: statistics as constants", "missing-terms", along_batch, constant
    pooled = along(lambda rng: MaxPoolingLayer(2), 2, 2, 4, 6)
    yield "tangent of max pooling: the first of the window", "wrong-winner", pooled, derived(first_of_window)
    dropped = along(lambda rng: Dropout(0.5, seed=3), 4, 5)
    yield "tangent of dropout: the mask forgotten", "missing-mask", dropped, derived(lambda n, v: 2 * n["x"])
