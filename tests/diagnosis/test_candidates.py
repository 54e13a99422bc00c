"""The one interpreter of candidates, against backward passes written out by hand."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck.diagnosis.candidates import Candidate, Part, evaluate
from crosscheck.diagnosis.expressions import HERE, Arriving, Call
from crosscheck.diagnosis.points import COTANGENT, Array, Jacobian, Point, true, value
from crosscheck.traces.tape import record


@pytest.fixture
def point(rng: np.random.Generator) -> Point:
    """y = sin(x · w) of matrices; step 0 is the product, step 1 the sine."""
    inputs = {"x": rng.normal(size=(3, 3)), "w": rng.normal(size=(3, 3))}
    tape = record(lambda x, w: jnp.sin(x @ w), inputs, ("x", "w"))
    v = rng.normal(size=(3, 3))
    truth = tape.pull(tape.run(inputs), v).gradients
    return Point(inputs, v, {k: 2 * a for k, a in truth.items()}, truth, {k: 0 * a for k, a in truth.items()}, tape)


def pulled(x: Array, w: Array, v: Array, residual: Array | None = None) -> tuple[Array, Array]:
    g = v * np.cos(x @ w)
    return g @ (w if residual is None else residual).T, x.T @ g


def given(candidate: Candidate, point: Point) -> tuple[Array, Array]:
    found = tuple(evaluate(candidate, point, name) for name in ("x", "w"))
    assert found[0] is not None
    assert found[1] is not None
    return found[0], found[1]


def same(found: tuple[Array, Array], wanted: tuple[Array, Array]) -> None:
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def test_a_result_stands_for_itself(point: Point) -> None:
    candidate = Candidate("flipped", "", result=Call(np.flip, (true("x"), (0,))))
    np.testing.assert_array_equal(evaluate(candidate, point, "x"), point.truth["x"][::-1])
    assert not candidate.whole
    assert candidate.passes == 0


def test_another_cotangent_and_other_inputs(point: Point) -> None:
    x, w, v = point.inputs["x"], point.inputs["w"], point.v
    same(given(Candidate("", "", cotangent=Call(np.abs, (COTANGENT,))), point), pulled(x, w, np.abs(v)))
    turned = Candidate("", "", inputs=(("w", Call(np.transpose, (Call(Point.input, (HERE, "w")),))),))
    same(given(turned, point), pulled(x, w.T, v))
    both = dataclasses.replace(turned, cotangent=Call(np.abs, (COTANGENT,)))
    same(given(both, point), pulled(x, w.T, np.abs(v)))


def test_edges_that_are_scaled(point: Point) -> None:
    right = pulled(point.inputs["x"], point.inputs["w"], point.v)
    same(given(Candidate("", "", scales=(((0, 1), -1.0),)), point), (right[0], -right[1]))
    same(given(Candidate("", "", scales=(((1, 0), 2.0),)), point), (2 * right[0], 2 * right[1]))


def test_a_step_that_reads_or_gives_something_else(point: Point) -> None:
    x, w, v = point.inputs["x"], point.inputs["w"], point.v
    assert point.tape is not None
    at_w = value(point.tape.steps[0].reads[1])
    reads = Part(0, "", reads=((1, Call(np.transpose, (at_w,))),))
    same(given(Candidate("", "", parts=(reads,)), point), pulled(x, w, v, w.T))
    gives = Part(1, "", gives=((0, Arriving(1)),))  # the cosine left out
    same(given(Candidate("", "", parts=(gives,)), point), (v @ w.T, x.T @ v))


def test_what_arrives_at_a_step_knows_of_the_steps_behind_it(point: Point) -> None:
    x, w, v = point.inputs["x"], point.inputs["w"], point.v
    later = Part(1, "", gives=((0, Arriving(1)),))
    earlier = Part(0, "", gives=((0, Call(np.negative, (Arriving(0),))),))
    for parts in ((later, earlier), (earlier, later)):
        candidate = Candidate("", "", parts=parts)
        same(given(candidate, point), (-v, x.T @ v))
        assert candidate.passes == 2
    assert w.shape == x.shape


def test_the_same_candidate_is_evaluated_once(point: Point) -> None:
    make = [Candidate("sign", "words", scales=(((0, 1), -1.0),)) for _ in range(2)]
    assert make[0] == make[1]
    assert make[0].whole
    evaluate(make[0], point, "x")
    assert make[1] in point.memo
    other = Candidate("sign", "words", scales=(((0, 1), 2.0),))  # the same words for something else
    assert other not in point.memo
    np.testing.assert_allclose(given(other, point)[1], -2 * given(make[0], point)[1])
    assert "scales=(((0, 1), -1.0),)" in repr(make[0])


def test_without_a_tape_only_cotangents_are_tried(rng: np.random.Generator) -> None:
    x, v = rng.normal(size=(2, 4))
    truth = {"x": v * np.cos(x)}
    point = Point({"x": x}, v, truth, truth, truth, jacobians={"x": Jacobian(np.diag(np.cos(x)), 1e-12)})
    ones = Candidate("", "", cotangent=Call(np.ones_like, (COTANGENT,)))
    np.testing.assert_allclose(np.asarray(evaluate(ones, point, "x")), np.cos(x))
    assert evaluate(Candidate("", "", scales=(((0, 0), 0.0),)), point, "x") is None
