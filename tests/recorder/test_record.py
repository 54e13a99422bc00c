"""What is believed of a recording, and what is said of what cannot be recorded."""

from __future__ import annotations

import math
import queue
import threading
from typing import Any

import jax
import numpy as np
import pytest
from jax.extend import core

from crosscheck.recorder.record import Recorded, Silent, record
from crosscheck.traces.pointwise import at_point, is_guarded
from crosscheck.traces.precision import double_precision
from crosscheck.traces.sources import source_of

X = np.random.default_rng(0).normal(size=(4, 3))
BUFFER = np.zeros(3)


def of(forward: Any, **inputs: Any) -> Recorded:
    return record(lambda values: forward(**values), {"x": X, **inputs})


def replayed(found: Recorded, x: np.ndarray) -> np.ndarray:
    assert found.reference is not None, found.why_not
    with double_precision():
        return np.asarray(found.reference.at({"x": x})(x=x))


# ---------------------------------------------------------------------- points and guards


def by_sign(x):
    return np.sin(x) if x.sum() > 0 else x**2


def test_a_decision_is_recorded_anew_where_it_falls_otherwise():
    up, down = np.abs(X), -np.abs(X)
    found = record(lambda values: by_sign(**values), {"x": up})
    assert found.reference is not None
    assert is_guarded(found.reference)
    np.testing.assert_allclose(replayed(found, up), np.sin(up))
    np.testing.assert_allclose(replayed(found, down), down**2)
    assert found.reference.at({"x": 2 * up}) is found.reference
    assert found.reference.at({"x": down}) is found.reference.at({"x": down})


def test_a_mask_that_selects_is_no_decision():
    found = of(lambda x: np.where(x > 0, x, 0.1 * x) * (x < 1))
    assert found.reference is not None
    assert not found.reference.guarded
    np.testing.assert_allclose(replayed(found, -X), np.where(X < 0, -X, -0.1 * X) * (X > -1))


def test_an_order_is_a_decision():
    found = of(lambda x: x[np.argsort(x[:, 0])])
    other = X[::-1].copy()
    np.testing.assert_array_equal(replayed(found, other), other[np.argsort(other[:, 0])])


def test_other_shapes_and_other_labels_are_recorded_anew():
    labels = np.array([0, 1, 2, 0])
    found = record(lambda v: v["x"][np.arange(4), v["labels"]], {"x": X, "labels": labels})
    assert found.reference is not None
    other = np.array([2, 2, 1, 1])
    with double_precision():
        there = found.reference.at({"x": X, "labels": other})(x=X, labels=other)
    np.testing.assert_array_equal(there, X[np.arange(4), other])
    assert replayed(of(lambda x: x.sum(0)), X[:2]).shape == (3,)


def test_where_nothing_can_be_recorded_nothing_finite_is_said():
    def refuses(x):
        if x.sum() > 0:
            raise ValueError("positive")
        return x * 2

    found = record(lambda v: refuses(**v), {"x": -np.abs(X)})
    assert found.reference is not None
    there = at_point(found.reference, {"x": np.abs(X)})
    assert isinstance(there, Silent)
    assert np.isnan(there(x=X))


# ---------------------------------------------------------------------- what cannot be recorded


def turned_into_a_list(x):
    return np.array([float(str(v)) for v in x.ravel()])


def written_out_of_reach(x):
    a = np.random.default_rng(0).normal(size=x.shape)
    a[0] = x[0]
    return a


def added_out_of_reach(x):
    a = np.random.default_rng(0).normal(size=x.shape)
    a += x
    return a


def bits(x):
    return x.view(np.int64).astype(float)


def random(x):
    return x * (np.random.default_rng().random(x.shape) < 0.5)


def loses_it_and_goes_on(x):
    try:
        return x * math.ldexp(float(x.sum()), 2)
    except Exception:
        return x


def constant(x):
    return np.ones(3)


def two(x):
    return x, x


def endless(x):
    for _ in range(10**9):
        x = x + 1
    return x


def on_a_thread(x):
    found = []
    worker = threading.Thread(target=lambda: found.append(x * 2))
    worker.start()
    worker.join()
    return found[0] if found else x


CANNOT = {
    written_out_of_reach: "out of reach",
    added_out_of_reach: "made out of reach",
    bits: "bits of a recorded value",
    random: "twice",
    constant: "does not depend on its inputs",
    two: "returns a tuple",
    endless: "steps",
    turned_into_a_list: "by anything that was seen",
}


@pytest.mark.parametrize("forward", CANNOT, ids=lambda f: f.__name__)
def test_what_cannot_be_recorded_says_why_in_one_line(forward):
    found = record(lambda v: forward(**v), {"x": X}, most=2_000) if forward is not endless else of_endless()
    assert found.reference is None
    assert CANNOT[forward] in found.why_not
    assert "\n" not in found.why_not
    assert len(found.why_not) < 300


def of_endless() -> Recorded:
    def long(x):
        for _ in range(3_000):
            x = x + 1
        return x

    return record(lambda v: long(**v), {"x": X}, most=2_000)


def test_what_is_caught_by_the_code_is_given_up_all_the_same():
    assert of(loses_it_and_goes_on).reference is None


def test_the_line_is_said():
    assert "test_record.py:" in of(bits).why_not


def test_the_names_are_put_back_when_the_code_raises():
    def raises(x):
        assert np.zeros(2) is not None
        raise KeyError("mine")

    assert "KeyError" in of(raises).why_not
    assert "np" in globals()
    assert globals()["np"] is np
    assert type(BUFFER) is np.ndarray


def test_a_buffer_of_the_module_is_left_as_it_was():
    def fills(x):
        BUFFER[:] = x[0]
        return BUFFER * 2

    np.testing.assert_allclose(replayed(of(fills), X), 2 * X[0])
    assert type(BUFFER) is np.ndarray


def test_other_threads_see_numpy():
    seen: queue.SimpleQueue[type] = queue.SimpleQueue()  # a list would be put back as it was

    def forward(x):
        def look():
            seen.put(type(np.zeros(2)))

        worker = threading.Thread(target=look)
        worker.start()
        worker.join()
        return np.zeros(3) + x

    assert of(forward).reference is not None
    assert {seen.get_nowait() for _ in range(3)} == {np.ndarray}


# ---------------------------------------------------------------------- lines


def test_every_equation_is_led_back_to_a_line():
    def forward(x):
        y = np.tanh(x)
        return y @ y.T

    found = of(forward)
    assert found.reference is not None
    with double_precision():
        closed = jax.make_jaxpr(jax.grad(lambda x: found.reference(x=x).sum()))(X)  # type: ignore[misc]
    first = forward.__code__.co_firstlineno
    sources = [source for source in map(source_of, flat(closed.jaxpr)) if source is not None]
    assert {source.file for source in sources} == {__file__}
    assert {source.line for source in sources} >= {first + 1, first + 2}  # and that of the sum above
    assert {source.text for source in sources} >= {"y = np.tanh(x)", "return y @ y.T"}
    assert [line.number for line in found.lines] == [first + 1, first + 2]


def flat(jaxpr: core.Jaxpr) -> list[Any]:
    return [e for e in jaxpr.eqns if e.primitive.name not in ("jit", "pjit")]
