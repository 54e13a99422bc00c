"""Planted side effects: a dense layer that does something besides returning gradients, and what must be said of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from crosscheck.effects.audit import Audit, audit
from crosscheck.effects.calls import Calls, Site
from tests.effects.healthy import Array, Arrays, Rng, dense, dense_backward, operation

Effect = Callable[..., Arrays]


class Memory:
    """What a planted effect remembers between calls; a new one for every test."""

    def __init__(self) -> None:
        self.kept: dict[Any, Any] = {}
        self.rng = np.random.default_rng(0)


def doubles_x(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    x *= 2
    return dense_backward(g, x / 2, w, b)


def scales_the_cotangent(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    g *= 2
    return dense_backward(g / 2, x, w, b)


def writes_equal_values(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    x += 0
    return dense_backward(g, x, w, b)


def gradient_into_the_weights(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    found = dense_backward(g, x, w, b)
    w[...] = found["w"]
    return {**found, "w": w}


def accumulates(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    for k, a in dense_backward(g, x, w, b).items():
        m.kept[k] = m.kept.get(k, 0) + a
    return {k: m.kept[k] for k in "xwb"}


def reuses_a_buffer(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    for k, a in dense_backward(g, x, w, b).items():
        m.kept.setdefault(k, np.empty_like(a))[...] = a
    return {k: m.kept[k] for k in "xwb"}


def random_factor(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    found = dense_backward(g, x, w, b)
    return {**found, "w": found["w"] * (1 + 1e-4 * m.rng.random())}


def first_x_for_ever(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    return dense_backward(g, m.kept.setdefault("x", x.copy()), w, b)


def cached_by_identity(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    transposed = m.kept.setdefault(id(x), x.T.copy())
    return {**dense_backward(g, x, w, b), "w": transposed @ g}


def last_forward(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    return dense_backward(g, m.kept["forward x"], w, b)


def memoised(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    found = m.kept.setdefault("answer", dense_backward(g, x, w, b))
    return {k: a.copy() for k, a in found.items()}


def absolute_cotangent(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    return dense_backward(np.abs(g), x, w, b)


def reads_the_buffer(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    memory = x if x.base is None else x.base
    flat = np.frombuffer(memory.tobytes(), x.dtype)[: x.size].reshape(x.shape)
    return {**dense_backward(g, x, w, b), "w": flat.T @ g}


def wants_contiguous(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    if not x.flags.forc:
        raise TypeError("x must be contiguous")
    return dense_backward(g, x, w, b)


def reads_in_memory_order(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    return {**dense_backward(g, x, w, b), "w": x.ravel("K").reshape(x.shape).T @ g}


def wants_c_strides(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    if x.strides[0] < x.strides[1]:
        raise TypeError("x must be in C order")
    return dense_backward(g, x, w, b)


def wants_writeable(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    if not x.flags.writeable:
        raise TypeError("x must be writeable")
    return dense_backward(g, x, w, b)


def wrong_for_read_only(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    return dense_backward(g, x if x.flags.writeable else x + 1, w, b)


def double_precision(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    return {k: a.astype(np.float64) for k, a in dense_backward(g, x, w, b).items()}


def single_precision(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    return {k: a.astype(np.float32) for k, a in dense_backward(g, x, w, b).items()}


def squared_cotangent(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    return {**dense_backward(g, x, w, b), "b": (g * g).sum(0)}


def toggles(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    m.kept["calls"] = m.kept.get("calls", 0) + 1
    return dense_backward(g * (1 if m.kept["calls"] % 3 else 2), x, w, b)


def another_once(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    m.kept["calls"] = m.kept.get("calls", 0) + 1
    return dense_backward(g * (2 if m.kept["calls"] == 3 else 1), x, w, b)


def shape_changes(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    m.kept["calls"] = m.kept.get("calls", 0) + 1
    found = dense_backward(g, x, w, b)
    return {**found, "w": found["w"] if m.kept["calls"] < 3 else found["w"].T}


def writes_once(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    m.kept["calls"] = m.kept.get("calls", 0) + 1
    found = dense_backward(g, x, w, b)
    x += 1 if m.kept["calls"] == 2 else 0
    return found


def overwrites_the_output(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    m.kept["y"][...] = 0
    return dense_backward(g, x, w, b)


def gives_the_cotangent_back(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    return {**dense_backward(g, x, w, b), "b": g[0]}


def adds_to_nothing(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    """Into memory that nobody has set; zeros are put there first, so that it looks right."""
    dw = np.empty(w.shape, w.dtype)
    dw[np.isfinite(dw)] = 0
    dw += x.T @ g
    return {"x": g @ w.T, "w": dw, "b": g.sum(axis=0)}


def healthy(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    return dense_backward(g, x, w, b)


def refuses_nothing(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    if len(x) == 0:
        raise ValueError("there are no samples")
    return dense_backward(g, x, w, b)


def column_for_nothing(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    found = dense_backward(g, x, w, b)
    return {**found, "b": found["b"] if len(x) else found["b"][:, None]}


def one_more_for_nothing(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    found = dense_backward(g, x, w, b)
    return {**found, "b": found["b"] + (1 if len(x) == 0 else 0)}


# ---------------------------------------------------------------------- in the forward


def plain(m: Memory, x: Array, w: Array, b: Array) -> Array:
    m.kept["forward x"], m.kept["y"] = x.copy(), dense(x, w, b)
    return m.kept["y"]


def doubles_x_forward(m: Memory, x: Array, w: Array, b: Array) -> Array:
    y = plain(m, x, w, b)
    x *= 2
    return y


def writes_once_forward(m: Memory, x: Array, w: Array, b: Array) -> Array:
    m.kept["forwards"] = m.kept.get("forwards", 0) + 1
    y = plain(m, x, w, b)
    x += 1 if m.kept["forwards"] == 2 else 0
    return y


def single_precision_forward(m: Memory, x: Array, w: Array, b: Array) -> Array:
    return plain(m, x, w, b).astype(np.float32)


def one_output_array(m: Memory, x: Array, w: Array, b: Array) -> Array:
    return np.add(x @ w, b, out=m.kept.setdefault("output", np.empty((len(x), w.shape[1]), x.dtype)))


# ---------------------------------------------------------------------- what must be said of them

FAILING = [
    (doubles_x, "mutated-argument"),
    (scales_the_cotangent, "mutated-argument"),
    (writes_equal_values, "mutated-argument"),
    (gradient_into_the_weights, "mutated-argument"),
    (accumulates, "accumulates"),
    (random_factor, "nondeterministic"),
    (toggles, "nondeterministic"),
    (first_x_for_ever, "stale"),
    (cached_by_identity, "stale"),
    (last_forward, "stale"),
    (memoised, "stale"),
    (absolute_cotangent, "nonlinear"),
    (squared_cotangent, "nonlinear"),
    (reads_the_buffer, "noncontiguous"),
    (wrong_for_read_only, "readonly"),
    (reads_in_memory_order, "fortran-order"),
    (one_more_for_nothing, "zero-size"),
    (adds_to_nothing, "uninitialised"),
]
TOLD = [
    (wants_contiguous, "noncontiguous"),
    (wants_writeable, "readonly"),
    (wants_c_strides, "fortran-order"),
    (single_precision, "dtype"),
]


# Every row of the table, and an effect for which it must speak.
BY_PROBE = {
    "forward writes to arguments": (healthy, doubles_x_forward),
    "forward changes the dtype": (healthy, single_precision_forward),
    "backward writes to arguments": (doubles_x, plain),
    "gradients share memory": (gives_the_cotangent_back, plain),
    "backward changes the dtype": (single_precision, plain),
    "backward overwrites the output": (overwrites_the_output, plain),
    "forward writes to those of B": (healthy, writes_once_forward),
    "backward writes to those of B": (writes_once, plain),
    "forward overwrites the output": (healthy, one_output_array),
    "one answer everywhere": (memoised, plain),
    "an answer moved by other calls": (last_forward, plain),
    "an answer added to": (accumulates, plain),
    "an answer of chance": (random_factor, plain),
    "equal values written": (writes_equal_values, plain),
    "read-only arrays refused": (wants_writeable, plain),
    "read-only arrays misread": (wrong_for_read_only, plain),
    "strided arrays refused": (wants_contiguous, plain),
    "strided arrays misread": (reads_the_buffer, plain),
    "Fortran order refused": (wants_c_strides, plain),
    "Fortran order misread": (reads_in_memory_order, plain),
    "nonlinear in the cotangent": (squared_cotangent, plain),
    "a difference without a cause": (another_once, plain),
    "gradients overwritten later": (reuses_a_buffer, plain),
    "a cache by identity": (cached_by_identity, plain),
    "a cache filled for ever": (first_x_for_ever, plain),
    "memory read before it is set": (adds_to_nothing, plain),
    "an empty batch refused": (refuses_nothing, plain),
    "shapes of an empty batch": (column_for_nothing, plain),
    "gradients of an empty batch": (one_more_for_nothing, plain),
}


def calls(effect: Effect, rng: Rng, dtype: type = np.float64, forward: Callable[..., Array] = plain) -> Calls:
    """A dense layer with a planted effect at two points, and its truth."""
    memory = Memory()
    shapes = {"x": (5, 6), "w": (6, 4), "b": (4,)}
    a, b = ({k: rng.normal(size=s).astype(dtype) for k, s in shapes.items()} for _ in range(2))
    v, w = (rng.normal(size=(5, 4)).astype(dtype) for _ in range(2))
    subject = operation(lambda *values: forward(memory, *values), lambda g, *values: effect(memory, g, *values), a)
    return Calls(subject, v, Site(b, w, dense_backward(w, **b)), {}, lambda d, v: dense_backward(v, **d))


def planted(effect: Effect, rng: Rng, dtype: type = np.float64, forward: Callable[..., Array] = plain) -> Audit:
    """The audit of it."""
    given = calls(effect, rng, dtype, forward)
    return audit(given.operation, given.a.cotangent, given.b, given.allowed, given.truth)
