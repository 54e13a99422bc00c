"""Side effects: healthy operations are not accused, and every planted effect is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from crosscheck.effects.audit import Audit, audit
from crosscheck.effects.calls import Point
from crosscheck.operation import Operation, from_functions, from_layer

Array = np.ndarray
Arrays = dict[str, Array]
Rng = np.random.Generator

# ---------------------------------------------------------------------- healthy operations


def windows(x: Array, size: int, stride: int) -> Array:
    return sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]


def convolution(x: Array, filters: Array, biases: Array) -> Array:
    y = np.einsum("bkhwij,ckij->bchw", windows(x, filters.shape[2], 1), filters)
    return y + biases[:, None, None]


def convolution_backward(g: Array, x: Array, filters: Array, biases: Array) -> Arrays:
    size, (_, _, rows, columns) = filters.shape[2], g.shape
    grad_x = np.zeros_like(x)
    for i in range(size):
        for j in range(size):
            grad_x[:, :, i : i + rows, j : j + columns] += np.einsum("bchw,ck->bkhw", g, filters[:, :, i, j])
    grad_filters = np.einsum("bkhwij,bchw->ckij", windows(x, size, 1), g)
    return {"x": grad_x, "filters": grad_filters, "biases": g.sum((0, 2, 3))}


def dense(x: Array, w: Array, b: Array) -> Array:
    return x @ w + b


def dense_backward(g: Array, x: Array, w: Array, b: Array) -> Arrays:
    return {"x": g @ w.T, "w": x.T @ g, "b": g.sum(0)}


def pool_backward(g: Array, x: Array) -> Arrays:
    b, c, h, w = np.indices(g.shape)
    winner = windows(x, 2, 1).reshape(*g.shape, 4).argmax(-1)
    grad_x = np.zeros_like(x)
    np.add.at(grad_x, (b, c, h + winner // 2, w + winner % 2), g)
    return {"x": grad_x}


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def softmax_backward(g: Array, x: Array) -> Arrays:
    y = softmax(x)
    return {"x": y * (g - (g * y).sum(-1, keepdims=True))}


def cross_entropy(x: Array, labels: Array) -> Array:
    return np.mean(-np.log(softmax(x)[np.arange(len(x)), labels]), dtype=x.dtype)


def cross_entropy_backward(g: Array, x: Array, labels: Array) -> Arrays:
    y = softmax(x)
    y[np.arange(len(x)), labels] -= 1
    return {"x": g * y / x.dtype.type(len(x))}


def normalise(x: Array) -> tuple[Array, Array]:
    centred = x - x.mean(0)
    inverse = 1 / np.sqrt((centred**2).mean(0) + x.dtype.type(1e-3))
    return centred * inverse, inverse


def batch_norm(x: Array, gamma: Array, beta: Array) -> Array:
    return normalise(x)[0] * gamma + beta


def batch_norm_backward(g: Array, x: Array, gamma: Array, beta: Array) -> Arrays:
    unit, inverse = normalise(x)
    h = g * gamma
    grad_x = inverse * (h - h.mean(0) - unit * (h * unit).mean(0))
    return {"x": grad_x, "gamma": (g * unit).sum(0), "beta": g.sum(0)}


def mean_square(p: Array, t: Array) -> Array:
    return np.mean((p - t) ** 2, dtype=p.dtype)


def mean_square_backward(g: Array, p: Array, t: Array) -> Arrays:
    d = g * 2 * (p - t) / p.dtype.type(p.size)
    return {"p": d, "t": -d}


def images(rng: Rng) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.integers(1, 4, 2)) + tuple(int(n) for n in rng.integers(3, 9, 2))


def matrix(rng: Rng) -> tuple[int, int]:
    return int(rng.integers(1, 12)), int(rng.integers(1, 30))


def convolution_shapes(rng: Rng) -> dict[str, tuple[int, ...]]:
    x, size, out = images(rng), int(rng.integers(1, 4)), int(rng.integers(1, 5))
    return {"x": x, "filters": (out, x[1], size, size), "biases": (out,)}


def dense_shapes(rng: Rng) -> dict[str, tuple[int, ...]]:
    (n, d), o = matrix(rng), int(rng.integers(1, 9))
    return {"x": (n, d), "w": (d, o), "b": (o,)}


def norm_shapes(rng: Rng) -> dict[str, tuple[int, ...]]:
    n, d = matrix(rng)
    return {"x": (n + 1, d), "gamma": (d,), "beta": (d,)}


def pair_shapes(rng: Rng) -> dict[str, tuple[int, ...]]:
    shape = matrix(rng)
    return {"p": shape, "t": shape}


HEALTHY: dict[str, tuple[Callable[..., Any], Callable[..., Arrays], Callable[[Rng], Any]]] = {
    "convolution": (convolution, convolution_backward, convolution_shapes),
    "dense": (dense, dense_backward, dense_shapes),
    "relu": (
        lambda x: np.where(x > 0, x, 0 * x),
        lambda g, x: {"x": np.where(x > 0, g, 0 * g)},
        lambda rng: {"x": matrix(rng)},
    ),
    "max pooling": (
        lambda x: windows(x, 2, 1).max((4, 5)),
        pool_backward,
        lambda rng: {"x": images(rng)},
    ),
    "flatten": (  # a view out and a view back is how it is done
        lambda x: x.reshape(len(x), -1),
        lambda g, x: {"x": g.reshape(x.shape)},
        lambda rng: {"x": images(rng)},
    ),
    "softmax": (softmax, softmax_backward, lambda rng: {"x": matrix(rng)}),
    "cross-entropy": (cross_entropy, cross_entropy_backward, lambda rng: {"x": matrix(rng)}),
    "batch norm": (batch_norm, batch_norm_backward, norm_shapes),
    "mean square": (mean_square, mean_square_backward, pair_shapes),
    "tanh": (
        np.tanh,
        lambda g, x: {"x": g * (1 - np.tanh(x) ** 2)},
        lambda rng: {"x": matrix(rng)},
    ),
}


def watched(operation: Operation, rng: Rng, **options: Any) -> Audit:
    """The audit at the operation's point and a second one drawn beside it, with random cotangents."""
    shape = np.shape(operation.forward({k: a.copy() for k, a in operation.inputs.items()}))
    other = {
        k: rng.normal(size=a.shape).astype(a.dtype) if a.dtype.kind == "f" else np.roll(a, 1)
        for k, a in operation.inputs.items()
    }
    v, w = (np.asarray(rng.normal(size=shape), operation.dtype) for _ in range(2))
    return audit(operation, v, Point(other, w), {}, **options)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_operations_are_not_accused(name: str, dtype: type, rng: Rng) -> None:
    forward, backward, shapes = HEALTHY[name]
    for _ in range(25):
        inputs = {k: rng.normal(size=s).astype(dtype) for k, s in shapes(rng).items()}
        if name == "cross-entropy":
            inputs["labels"] = rng.integers(0, inputs["x"].shape[1], len(inputs["x"]))
        found = watched(keywords(forward, backward, inputs), rng)
        told = [f for f in found.findings if f.kind != "zero-size" and name != "flatten"]
        assert not told
        assert not [f for f in found.findings if f.fails]
        assert {f.kind for f in found.findings} <= {"zero-size", "aliased"}


def keywords(forward: Callable[..., Any], backward: Callable[..., Any], inputs: Arrays) -> Operation:
    """`from_functions`, for ufuncs too."""
    return from_functions(
        lambda **values: forward(*values.values()),
        lambda grad_output, **values: backward(grad_output, *values.values()),
        inputs,
    )


def test_one_look_costs_two_forwards_and_three_backwards(rng: Rng) -> None:
    calls = {"forward": 0, "backward": 0}

    def forward(x: Array) -> Array:
        calls["forward"] += 1
        return np.outer(x, x)

    def backward(g: Array, x: Array) -> Arrays:
        calls["backward"] += 1
        return {"x": (g + g.T) @ x}

    x, other = rng.normal(size=4), rng.normal(size=4)
    v, w = rng.normal(size=(4, 4)), rng.normal(size=(4, 4))
    operation = from_functions(forward, lambda grad_output, x: backward(grad_output, x), {"x": x})
    truth = {"x": (w + w.T) @ other}
    found = audit(operation, v, Point({"x": other}, w, truth), {})
    assert not found.findings
    assert calls == {"forward": 3, "backward": 3}  # the third forward: is axis 0 a batch? it is not
    assert np.array_equal(found.gradients["x"], (v + v.T) @ x)
    assert np.array_equal(found.gradients_at_other["x"], truth["x"])
    assert found.output_at_other is not None


# ---------------------------------------------------------------------- planted effects


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
    return dict(m.kept)


def reuses_a_buffer(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    for k, a in dense_backward(g, x, w, b).items():
        m.kept.setdefault(k, np.empty_like(a))[...] = a
    return dict(m.kept)


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
    if not x.flags.c_contiguous:
        raise TypeError("x must be contiguous")
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


def one_more_for_nothing(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
    found = dense_backward(g, x, w, b)
    return {**found, "b": found["b"] + (1 if len(x) == 0 else 0)}


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
    (one_more_for_nothing, "zero-size"),
]
TOLD = [
    (wants_contiguous, "noncontiguous"),
    (wants_writeable, "readonly"),
    (single_precision, "dtype"),
]


def planted(effect: Callable[..., Arrays], rng: Rng, dtype: type = np.float64) -> Audit:
    memory = Memory()
    shapes = {"x": (5, 6), "w": (6, 4), "b": (4,)}
    a, b = ({k: rng.normal(size=s).astype(dtype) for k, s in shapes.items()} for _ in range(2))
    v, w = (rng.normal(size=(5, 4)).astype(dtype) for _ in range(2))

    def forward(**values: Array) -> Array:
        memory.kept["forward x"] = values["x"].copy()
        return dense(**values)

    operation = from_functions(forward, lambda grad_output, **values: effect(memory, grad_output, **values), a)
    truth = dense_backward(w, **b)
    return audit(operation, v, Point(b, w, truth), {}, lambda d, v: dense_backward(v, **d))


@pytest.mark.parametrize(("effect", "kind"), FAILING, ids=lambda p: getattr(p, "__name__", p))
def test_planted_effects_fail_under_their_names(effect: Callable[..., Arrays], kind: str, rng: Rng) -> None:
    for _ in range(5):
        failing = [f.kind for f in planted(effect, rng).findings if f.fails]
        assert failing
        assert failing[0] == kind


@pytest.mark.parametrize(("effect", "kind"), TOLD, ids=lambda p: getattr(p, "__name__", p))
def test_harmless_effects_are_told_and_do_not_fail(effect: Callable[..., Arrays], kind: str, rng: Rng) -> None:
    for _ in range(5):
        findings = planted(effect, rng).findings
        assert {f.kind for f in findings} == {kind}
        assert not any(f.fails for f in findings)


def test_a_reused_buffer_is_told(rng: Rng) -> None:
    findings = planted(reuses_a_buffer, rng).findings
    assert [f.kind for f in findings] == ["aliased", "zero-size"]  # its buffer fits one batch only
    assert not any(f.fails for f in findings)


def test_an_array_returned_twice_is_told(rng: Rng) -> None:
    operation = from_functions(
        lambda x, y: x + y,
        lambda grad_output, x, y: {"x": grad_output, "y": grad_output},
        {"x": rng.normal(size=(2, 3)), "y": rng.normal(size=(2, 3))},
    )
    findings = watched(operation, rng).findings
    assert [(f.kind, f.fails) for f in findings] == [("aliased", False)] * 3
    assert "the gradients of x and y share memory" in [f.explanation for f in findings]


def test_a_promoted_dtype_is_told(rng: Rng) -> None:
    findings = planted(double_precision, rng, np.float32).findings
    assert [f.kind for f in findings] == ["dtype"] * 3
    assert "float64 instead of float32" in findings[0].explanation


def test_a_missing_mask_is_not_called_stale(rng: Rng) -> None:
    x, other = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    v, w = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    operation = from_functions(
        lambda x, b: np.maximum(x, 0) + b,
        lambda grad_output, x, b: {"x": grad_output, "b": grad_output.sum(0)},
        {"x": x, "b": np.ones(4)},
    )

    def vjp(d: Arrays, v: Array) -> Arrays:
        return {"x": v * (d["x"] > 0), "b": v.sum(0)}

    b = {"x": other, "b": np.zeros(4)}
    found = audit(operation, v, Point(b, w, vjp(b, w)), {}, vjp)
    assert [f.kind for f in found.findings] == ["aliased"]  # x's gradient is the cotangent


@pytest.mark.parametrize("effect", [cached_by_identity, last_forward, memoised])
def test_most_stale_answers_need_no_truth(effect: Callable[..., Arrays], rng: Rng) -> None:
    memory = Memory()

    def forward(**values: Array) -> Array:
        memory.kept["forward x"] = values["x"].copy()
        return dense(**values)

    inputs = {"x": rng.normal(size=(5, 6)), "w": rng.normal(size=(6, 4)), "b": rng.normal(size=4)}
    operation = from_functions(forward, lambda grad_output, **values: effect(memory, grad_output, **values), inputs)
    assert [f.kind for f in watched(operation, rng).findings if f.fails] == ["stale"]


def test_the_first_answer_is_copied_before_it_can_change(rng: Rng) -> None:
    memory = Memory()
    x, v = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))

    def backward(grad_output: Array, x: Array) -> Arrays:
        memory.kept.setdefault("x", np.empty_like(x))[...] = 2 * grad_output * x
        return {"x": memory.kept["x"]}

    operation = from_functions(lambda x: x * x, backward, {"x": x})
    found = audit(operation, v, Point({"x": x + 1}, v + 1), {})
    assert np.array_equal(found.gradients["x"], 2 * v * x)
    assert "overwritten" in found.findings[0].explanation


def test_an_output_that_changes_later_is_told(rng: Rng) -> None:
    buffer = np.empty((3, 4))

    def forward(x: Array) -> Array:
        return np.multiply(x, x, out=buffer)

    operation = from_functions(
        forward, lambda grad_output, x: {"x": 2 * grad_output * x}, {"x": rng.normal(size=(3, 4))}
    )
    v = rng.normal(size=(3, 4))
    found = audit(operation, v, Point({"x": rng.normal(size=(3, 4))}, v + 1), {})
    assert next(f.kind for f in found.findings if not f.fails) == "aliased"
    assert "forward" in found.findings[0].explanation


def test_integer_inputs_are_watched_too(rng: Rng) -> None:
    def backward(grad_output: Array, x: Array, labels: Array) -> Arrays:
        found = cross_entropy_backward(grad_output, x, labels)
        labels[:] = 0
        return found

    inputs = {"x": rng.normal(size=(4, 3)), "labels": np.array([0, 2, 1, 1])}
    found = watched(from_functions(cross_entropy, backward, inputs), rng)
    assert found.findings[0].explanation == "backward writes to its argument labels"


def test_an_exception_on_plain_arrays_passes_through() -> None:
    def backward(grad_output: Array, x: Array) -> Arrays:
        raise ZeroDivisionError("mine")

    operation = from_functions(lambda x: x, backward, {"x": np.ones(3)})
    with pytest.raises(ZeroDivisionError, match="mine"):
        audit(operation, np.ones(3), Point({"x": np.zeros(3)}, np.ones(3)), {})


def test_an_exception_at_the_second_call_passes_through() -> None:
    memory = Memory()

    def backward(grad_output: Array, x: Array) -> Arrays:
        if memory.kept.setdefault("called", 0):
            raise RuntimeError("only once")
        memory.kept["called"] = 1
        return {"x": grad_output}

    operation = from_functions(lambda x: x.copy(), backward, {"x": np.ones(3)})
    with pytest.raises(RuntimeError, match="only once"):
        audit(operation, np.ones(3), Point({"x": np.zeros(3)}, np.ones(3)), {})


def test_a_refused_second_point_is_left_out(rng: Rng) -> None:
    def root(x: Array) -> Array:
        if (x < 0).any():
            raise ValueError("x must not be negative")
        return np.sqrt(x)

    def backward(grad_output: Array, x: Array) -> Arrays:
        return {"x": grad_output / (2 * root(x))}

    operation = from_functions(root, backward, {"x": rng.uniform(1, 2, (3, 4))})
    v = rng.normal(size=(3, 4))
    found = audit(operation, v, Point({"x": -np.ones((3, 4))}, v), {})
    assert found.output_at_other is None
    assert not found.findings


# ---------------------------------------------------------------------- layers


class Scale:
    """A layer of the kind that stores its gradient: y = x · factor, one factor per column."""

    def __init__(self, store: str) -> None:
        self.store = store
        self.factor = np.array([1.5, -2.0, 0.5])
        self.gradient = np.zeros(3)
        self.x = np.zeros(0)

    @property
    def parameters(self) -> Array:
        return self.factor

    @parameters.setter
    def parameters(self, flat: Array) -> None:
        self.factor = np.array(flat)

    def named_parameters(self) -> Arrays:
        return {"factor": self.factor}

    def named_gradients(self) -> Arrays:
        return {"factor": self.gradient}

    def forward(self, x: Array) -> Array:
        self.x = x
        return x * self.factor

    def backward(self, grad_output: Array) -> Array:
        gradient = (grad_output * self.x).sum(0)
        if self.store == "new":
            self.gradient = gradient
        elif self.store == "same":
            self.gradient[...] = gradient
        else:
            self.gradient = self.gradient + gradient
        return grad_output * self.factor


@pytest.mark.parametrize(
    ("store", "expected"),
    [("new", []), ("same", [("aliased", False)]), ("adds", [("accumulates", True)])],
)
def test_a_layer_may_return_its_own_gradient(store: str, expected: list[tuple[str, bool]], rng: Rng) -> None:
    found = watched(from_layer(Scale(store), rng.normal(size=(4, 3))), rng)
    assert [(f.kind, f.fails) for f in found.findings] == expected
