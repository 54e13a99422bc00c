"""What is collected: every witness that can be had, once, frozen, and without a mark on what the caller passed."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck import collect as module
from crosscheck.collect import collect, cotangent, elsewhere
from crosscheck.doors.functions import from_functions
from crosscheck.evidence.estimate import AUTODIFF, AUTODIFF_SINGLE, DIFFERENCE, HAND, HAND_SINGLE
from crosscheck.floats import DOUBLE, SINGLE, UNIT
from crosscheck.operation import OUTPUT, Operation

Array = np.ndarray


def forward(x: Array, w: Array) -> Array:
    return (x @ w) ** 2


def backward(grad_output: Array, x: Array, w: Array) -> dict[str, Array]:
    g = 2 * grad_output * (x @ w)
    return {"x": g @ w.T, "w": x.T @ g}


def reference(x: Any, w: Any) -> Any:
    return (x @ w) ** 2


def operation(dtype: type = np.float64, given: Any = reference, back: Any = backward) -> Operation:
    rng = np.random.default_rng(0)
    inputs = {"x": rng.normal(size=(4, 3)).astype(dtype), "w": rng.normal(size=(3, 2)).astype(dtype)}
    return from_functions(forward, back, inputs, given)


# ---------------------------------------------------------------------- what there is


def test_with_a_reference() -> None:
    evidence = collect(operation())
    assert list(evidence.gradients) == ["x", "w"]
    for gradient in evidence.gradients.values():
        assert set(gradient.estimates) == {HAND, AUTODIFF, DIFFERENCE}
        assert gradient.right_shape
    assert evidence.forward is not None
    assert evidence.forward.agree.all()
    assert evidence.forward_single is None
    assert evidence.reference is not None
    assert evidence.reference.adjoint is not None
    assert evidence.reference.adjoint.agree.all()
    assert set(evidence.exact.outcomes.values()) == {"equal"}
    np.testing.assert_array_equal(evidence.output, operation().output())


def test_without_a_reference() -> None:
    evidence = collect(operation(given=None))
    assert all(set(g.estimates) == {HAND, DIFFERENCE} for g in evidence.gradients.values())
    assert evidence.forward is None
    assert evidence.reference is None


def test_what_is_not_asked_for_is_not_there() -> None:
    evidence = collect(operation(), differences=False, exact=False)
    assert all(set(g.estimates) == {HAND, AUTODIFF} for g in evidence.gradients.values())
    assert not evidence.exact.applies
    assert "not asked for" in evidence.exact.reason


def test_a_gradient_of_another_shape_has_no_estimate_of_the_hand() -> None:
    evidence = collect(operation(back=lambda grad_output, x, w: {**backward(grad_output, x, w), "w": w.T}))
    assert HAND not in evidence.gradients["w"].estimates
    assert evidence.gradients["w"].returned == (2, 3)
    assert HAND in evidence.gradients["x"].estimates
    assert "another shape" in evidence.exact.reason


def test_the_same_seed_collects_the_same() -> None:
    first, again = collect(operation(), seed=3), collect(operation(), seed=3)
    assert (first.cotangent == again.cotangent).all()
    for name, gradient in first.gradients.items():
        for witness, estimate in gradient.estimates.items():
            other = again.gradients[name].estimates[witness]
            assert (estimate.value == other.value).all()
            assert (estimate.bound == other.bound).all()
    assert (first.exact.cotangent == again.exact.cotangent).all()


def test_exact_points_are_drawn_once_for_both_who_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    class Counted(module.Points):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            made.append(self)

    monkeypatch.setattr(module, "Points", Counted)
    evidence = collect(operation())
    (points,) = made
    assert evidence.exact.inputs is points.drawn[0].inputs


def test_an_engines_own_bound_counts() -> None:
    subject = operation()
    own = {"w": np.full((3, 2), 1e-3), OUTPUT: np.full((4, 2), 1e-3)}
    evidence = collect(replace(subject, own_bounds=lambda inputs, v: own), exact=False)
    plain = collect(subject, exact=False)
    assert (evidence.gradients["w"].estimates[HAND].bound == module.SAFETY * 1e-3).all()
    assert (evidence.gradients["w"].estimates[AUTODIFF].bound < 1e-9).all()
    np.testing.assert_array_equal(
        evidence.gradients["x"].estimates[HAND].bound, plain.gradients["x"].estimates[HAND].bound
    )
    assert evidence.forward is not None
    assert (evidence.forward.bounds > 1e-3).all()


# ---------------------------------------------------------------------- frozen, and private


def test_evidence_is_frozen() -> None:
    evidence = collect(operation(), differences=False, exact=False)
    for record in (evidence, evidence.gradients["x"], evidence.gradients["x"].estimates[HAND], evidence.reference):
        field = next(iter(vars(record)))
        with pytest.raises(FrozenInstanceError):
            setattr(record, field, None)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_nothing_that_the_caller_passed_is_written_to(dtype: type) -> None:
    def scribbling(grad_output: Array, x: Array, w: Array) -> dict[str, Array]:
        found = backward(grad_output, x, w)
        for a in (grad_output, x, w):
            a[...] = 0
        return found

    rng = np.random.default_rng(0)
    inputs = {"x": rng.normal(size=(4, 3)).astype(dtype), "w": rng.normal(size=(3, 2)).astype(dtype)}
    grad_output = np.ones((4, 2), dtype)
    before = [a.tobytes() for a in (*inputs.values(), grad_output)]
    subject = from_functions(forward, scribbling, inputs, reference)
    point = [a.tobytes() for a in subject.inputs.values()]
    evidence = collect(subject, grad_output=grad_output)
    assert [a.tobytes() for a in (*inputs.values(), grad_output)] == before
    assert [a.tobytes() for a in subject.inputs.values()] == point
    assert evidence.effects  # that it writes to its arguments is noticed, on copies


# ---------------------------------------------------------------------- float32


def test_float32_is_the_same_steps_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = module.against_reference

    def spied(subject: Operation, v: Array, auto: Any, y: Array, hand: Any, names: Any, dtype: Any) -> Any:
        calls.append((names, dtype, y.dtype, {a.dtype for a in hand.values()}))
        return original(subject, v, auto, y, hand, names, dtype)

    monkeypatch.setattr(module, "against_reference", spied)
    collect(operation(np.float32))
    assert calls == [
        ((HAND, AUTODIFF), DOUBLE, DOUBLE, {DOUBLE}),
        ((HAND_SINGLE, AUTODIFF_SINGLE), SINGLE, SINGLE, {SINGLE}),
    ]


def test_float32_is_judged_as_a_formula_and_as_arithmetic() -> None:
    subject = operation(np.float32)
    evidence = collect(subject)
    assert evidence.forward_single is not None
    v = evidence.cotangent
    assert v.dtype == np.float64
    assert (v == v.astype(np.float32)).all()
    for name, gradient in evidence.gradients.items():
        assert set(gradient.estimates) == {HAND, AUTODIFF, DIFFERENCE, HAND_SINGLE, AUTODIFF_SINGLE}
        formula, arithmetic = gradient.estimates[HAND], gradient.estimates[HAND_SINGLE]
        np.testing.assert_array_equal(formula.value, subject.widened().gradients(v)[name])
        np.testing.assert_array_equal(arithmetic.value, subject.gradients(v.astype(np.float32))[name])
        ratio = arithmetic.bound / formula.bound
        assert (ratio > 0.5 * UNIT[SINGLE] / UNIT[DOUBLE]).all()


def test_a_large_float32_operation_has_no_exact_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE_SINGLE", 17)  # it has 18 entries
    assert "float32" in collect(operation(np.float32)).exact.reason
    assert collect(operation()).exact.applies


# ---------------------------------------------------------------------- the point


def test_a_cotangent_has_both_signs_and_neither_zeros_nor_ones() -> None:
    v = cotangent(np.zeros((20, 20)), None, np.random.default_rng(0))
    assert (np.abs(v) >= 0.5).all()
    assert (np.abs(v) <= 2).all()
    assert 0.4 < (v > 0).mean() < 0.6
    assert np.unique(v).size == v.size


def test_a_given_cotangent_must_fit() -> None:
    y, rng = np.zeros((2, 3)), np.random.default_rng(0)
    assert cotangent(y, np.arange(6).reshape(2, 3), rng).dtype == np.float64
    with pytest.raises(ValueError, match=r"grad_output.*\(3,\).*\(2, 3\)"):
        cotangent(y, np.ones(3), rng)
    for bad in (np.full((2, 3), np.nan), np.ones((2, 3), complex), np.full((2, 3), "a")):
        with pytest.raises(ValueError, match=r"grad_output.*finite real"):
            cotangent(y, bad, rng)


def test_elsewhere_every_number_has_moved_and_integers_stay() -> None:
    rng = np.random.default_rng(0)
    a = np.array([0.0, 1.0, -1e6, 1e-6], np.float32)
    moved = elsewhere(a, rng)
    assert moved.dtype == a.dtype
    assert (moved != a).all()
    whole = np.arange(3)
    assert elsewhere(whole, rng) is whole


# ---------------------------------------------------------------------- two answers that should be equal


# ---------------------------------------------------------------------- conventions


def relu(slope: float, slip: float = 1.0) -> Operation:
    def back(grad_output: Array, x: Array) -> dict[str, Array]:
        return {"x": slip * grad_output * np.where(x > 0, 1.0, np.where(x == 0, slope, 0.0))}

    x = np.array([-1.0, 0.0, 2.0, 0.0])
    return from_functions(lambda x: np.maximum(x, 0), back, {"x": x}, lambda x: jnp.where(x > 0, x, 0.0))


def test_a_convention_is_counted_where_only_kinks_are_open() -> None:
    assert collect(relu(0.5), exact=False).gradients["x"].conventions == 2
    assert collect(relu(0.0), exact=False).gradients["x"].conventions == 0  # nothing is open
    assert collect(relu(1.5), exact=False).gradients["x"].conventions == 0
    assert collect(relu(0.5, slip=1 + 1e-6), exact=False).gradients["x"].conventions == 0  # the rest is wrong, too
    assert collect(relu(0.5), exact=False, differences=False).gradients["x"].conventions == 0
