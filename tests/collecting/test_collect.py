"""What is collected: every witness that can be had, once, frozen, and without a mark on what the caller passed."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck.collecting import arithmetic, setting
from crosscheck.collecting import collect as module
from crosscheck.collecting.collect import another, collect
from crosscheck.collecting.setting import arriving
from crosscheck.doors.functions import from_functions
from crosscheck.evidence.decision import COMPARED, decide
from crosscheck.evidence.estimate import AUTODIFF, AUTODIFF_SINGLE, COMPLEX_STEP, DIFFERENCE, HAND, HAND_SINGLE
from crosscheck.evidence.pair import compare
from crosscheck.floats import DOUBLE, SINGLE, UNIT
from crosscheck.operation import OUTPUT, Operation
from crosscheck.rounding import quantile

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
        assert set(gradient.estimates) == {HAND, AUTODIFF, DIFFERENCE, COMPLEX_STEP}
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
    assert all(set(g.estimates) == {HAND, DIFFERENCE, COMPLEX_STEP} for g in evidence.gradients.values())
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
            assert estimate.sigma is None or (estimate.sigma == other.sigma).all()
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
    assert (evidence.gradients["w"].estimates[HAND].bound == 1e-3).all()
    for name, witness in (("w", AUTODIFF), ("x", HAND), ("x", AUTODIFF)):
        assert not evidence.gradients[name].estimates[witness].bound.any()
    for name in ("x", "w"):  # beside its rounding, not instead
        found, expected = (e.gradients[name].estimates[HAND].sigma for e in (evidence, plain))
        np.testing.assert_array_equal(found, expected)
    assert evidence.forward is not None
    assert plain.forward is not None
    np.testing.assert_allclose(evidence.forward.bounds, plain.forward.bounds + 1e-3, rtol=1e-14)


def test_t_is_of_all_comparisons_of_the_check() -> None:
    """Each of 8 outputs, 12 and 6 gradients may be compared by every pair of witnesses."""
    evidence = collect(operation(), differences=False, exact=False)
    assert evidence.reference is not None
    assert evidence.t == quantile(evidence.reference.copies, (8 + 12 + 6) * len(COMPARED))
    assert collect(operation(given=None), exact=False).t == quantile(setting.RUNS, (8 + 12 + 6) * len(COMPARED))


def test_how_the_rounding_of_the_hand_written_code_was_had() -> None:
    def careless(grad_output: Array, x: Array, w: Array) -> dict[str, Array]:
        found = backward(grad_output, x, w)
        return {**found, "w": (found["w"] + 4096) - 4096}

    evidence = collect(operation(back=careless), differences=False, exact=False)
    x, w = evidence.gradients["x"], evidence.gradients["w"]
    assert (x.how, x.lost) == ("assumed", None)
    if np.finfo(np.longdouble).nmant > 52:
        assert w.how == "longdouble"
        assert w.lost is not None
        assert 2.0**-44 < w.lost.max() <= 2.0**-41  # a number beside 4096 is rounded to multiples of 2^-40


def test_further_points_are_visited_and_what_is_wrong_there_is_kept() -> None:
    def positive(grad_output: Array, x: Array, w: Array) -> dict[str, Array]:
        sign = np.sign(operation().inputs["x"])  # remembers which entries were negative
        return backward(grad_output, sign * np.abs(x), w)

    healthy = collect(operation(), exact=False)
    assert healthy.further_points == 4
    assert all(g.elsewhere is None for g in healthy.gradients.values())
    wrong = collect(operation(back=positive), exact=False)
    assert {k for k, g in wrong.gradients.items() if g.elsewhere is not None} == {"x", "w"}
    decided = decide(wrong)
    assert decided.verdict == "disagree"
    pair = compare(wrong.gradients["x"].estimates[HAND], wrong.gradients["x"].estimates[AUTODIFF], wrong.t)
    assert pair.agree.all()  # at the caller's own point nothing shows


def test_what_is_not_differentiated_stays_at_the_second_point_too(monkeypatch: pytest.MonkeyPatch) -> None:
    others = []
    original = module.audit

    def spied(subject: Any, v: Any, other: Any, *more: Any) -> Any:
        others.append(other.inputs)
        return original(subject, v, other, *more)

    monkeypatch.setattr(module, "audit", spied)
    subject = operation()
    subject = replace(subject, wrt=("x",))
    for exact in (True, False):
        collect(subject, exact=exact)
        assert (others[-1]["w"] == subject.inputs["w"]).all() or exact
        assert (others[-1]["x"] != subject.inputs["x"]).all()


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


def asked_of_autodiff(subject: Operation, monkeypatch: pytest.MonkeyPatch) -> list[np.dtype]:
    """The precisions of whose rounding autodiff is asked in a check."""
    asked = []
    original = setting.autodiff

    def spied(reference: Any, inputs: Any, wrt: Any, v: Any, dtype: np.dtype, **more: Any) -> Any:
        asked.append(dtype)
        return original(reference, inputs, wrt, v, dtype, **more)

    with monkeypatch.context() as patch:
        for reader in (setting, arithmetic):
            patch.setattr(reader, "autodiff", spied)
        collect(subject, exact=False)
    return asked


def test_the_rounding_of_float32_is_asked_for_only_where_that_of_float64_scaled_does_not_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def careless(grad_output: Array, x: Array, w: Array) -> dict[str, Array]:
        return {k: (a + np.float32(4096)) - np.float32(4096) for k, a in backward(grad_output, x, w).items()}

    assert asked_of_autodiff(operation(np.float64), monkeypatch) == [DOUBLE]
    assert asked_of_autodiff(operation(np.float32), monkeypatch) == [DOUBLE]
    assert asked_of_autodiff(operation(np.float32, back=careless), monkeypatch) == [DOUBLE, SINGLE]


def test_float32_is_judged_as_a_formula_and_as_arithmetic() -> None:
    subject = operation(np.float32)
    evidence = collect(subject)
    assert evidence.forward_single is not None
    v = evidence.cotangent
    assert v.dtype == np.float64
    assert (v == v.astype(np.float32)).all()
    for name, gradient in evidence.gradients.items():
        assert set(gradient.estimates) == {HAND, AUTODIFF, DIFFERENCE, COMPLEX_STEP, HAND_SINGLE, AUTODIFF_SINGLE}
        formula, arithmetic = gradient.estimates[HAND], gradient.estimates[HAND_SINGLE]
        np.testing.assert_array_equal(formula.value, subject.widened().gradients(v)[name])
        np.testing.assert_array_equal(arithmetic.value, subject.gradients(v.astype(np.float32))[name])
        assert formula.sigma is not None
        assert arithmetic.sigma is not None
        assert (formula.sigma > 0).all()
        np.testing.assert_allclose(arithmetic.sigma, formula.sigma * UNIT[SINGLE] / UNIT[DOUBLE], rtol=1e-12)


def test_a_large_float32_operation_has_no_exact_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE_SINGLE", 17)  # it has 18 entries
    assert "float32" in collect(operation(np.float32)).exact.reason
    assert collect(operation()).exact.applies


# ---------------------------------------------------------------------- the point


def test_a_cotangent_has_both_signs_and_neither_zeros_nor_ones() -> None:
    v = arriving(np.zeros((20, 20)), None, np.random.default_rng(0))
    assert (np.abs(v) >= 0.5).all()
    assert (np.abs(v) <= 2).all()
    assert 0.4 < (v > 0).mean() < 0.6
    assert np.unique(v).size == v.size


def test_a_given_cotangent_must_fit() -> None:
    y, rng = np.zeros((2, 3)), np.random.default_rng(0)
    assert arriving(y, np.arange(6).reshape(2, 3), rng).dtype == np.float64
    with pytest.raises(ValueError, match=r"grad_output.*\(3,\).*\(2, 3\)"):
        arriving(y, np.ones(3), rng)
    for bad in (np.full((2, 3), np.nan), np.ones((2, 3), complex), np.full((2, 3), "a")):
        with pytest.raises(ValueError, match=r"grad_output.*finite real"):
            arriving(y, bad, rng)


def test_elsewhere_every_number_has_moved_and_none_across_zero() -> None:
    rng = np.random.default_rng(0)
    a = np.array([0.0, 1.0, -1e6, 1e-6], np.float32)
    moved = another(a, rng)
    assert moved.dtype == a.dtype
    assert (np.sign(moved) == np.sign(a)).all()
    assert (moved[1:] != a[1:]).all()
    assert (np.abs(np.log(moved[1:] / a[1:])) < 1.5).all()


def test_an_array_of_zeros_moves_too() -> None:
    moved = another(np.zeros((2, 3), np.float32), np.random.default_rng(0))
    assert (moved.dtype, moved.shape) == (np.float32, (2, 3))
    assert moved.all()


# ---------------------------------------------------------------------- conventions


def relu(slope: float, slip: float = 1.0) -> Operation:
    def back(grad_output: Array, x: Array) -> dict[str, Array]:
        return {"x": slip * grad_output * np.where(x > 0, 1.0, np.where(x == 0, slope, 0.0))}

    x = np.array([-1.0, 0.0, 2.0, 0.0])
    return from_functions(lambda x: np.maximum(x, 0), back, {"x": x}, lambda x: jnp.where(x > 0, x, 0.0))


def test_a_convention_is_counted_where_only_kinks_are_open() -> None:
    legitimate = collect(relu(0.5), exact=False).gradients["x"].conventions
    assert legitimate is not None
    assert legitimate.sum() == 2
    assert collect(relu(0.0), exact=False).gradients["x"].conventions is None  # nothing is open
    assert collect(relu(1.5), exact=False).gradients["x"].conventions is None
    assert collect(relu(0.5, slip=1 + 1e-6), exact=False).gradients["x"].conventions is None  # the rest is wrong, too
    assert collect(relu(0.5), exact=False, differences=False).gradients["x"].conventions is None
