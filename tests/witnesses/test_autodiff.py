"""The autodiff witness: values and bounds against closed forms, and what the reference says of itself."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck.evidence.estimate import AUTODIFF
from crosscheck.floats import DOUBLE, SINGLE, UNIT
from crosscheck.witnesses import autodiff as module
from crosscheck.witnesses.autodiff import Adjoint, autodiff, output_shape, typical

Array = np.ndarray

RNG = np.random.default_rng(0)
INPUTS = {"x": RNG.normal(size=(5, 3)), "w": RNG.normal(size=(3, 4))}
V = RNG.normal(size=(5, 4))


def dense(x: Any, w: Any) -> Any:
    return jnp.tanh(x @ w)


def gradients(x: Array, w: Array, v: Array) -> dict[str, Array]:
    g = v * (1 - np.tanh(x @ w) ** 2)
    return {"x": g @ w.T, "w": x.T @ g}


def test_values_and_bounds_against_the_derivation_in_longdouble() -> None:
    found = autodiff(dense, INPUTS, ("x", "w"), V, DOUBLE)
    long = {k: a.astype(np.longdouble) for k, a in INPUTS.items()}
    truth = gradients(**long, v=V.astype(np.longdouble))
    for name, estimate in found.gradients.items():
        error = np.abs(estimate.value - truth[name]).astype(float)
        assert estimate.witness == AUTODIFF
        assert (error <= estimate.bound).all()
        assert (estimate.bound <= 1e3 * UNIT[DOUBLE] * np.abs(estimate.value).max()).all()
    assert (np.abs(found.output.value - np.tanh(INPUTS["x"] @ INPUTS["w"])) <= 2 * found.output.bound).all()
    assert not found.weak


def test_the_values_are_those_of_the_plain_vjp_bit_for_bit() -> None:
    found = autodiff(dense, INPUTS, ("w",), V, DOUBLE)
    with jax.enable_x64(True):
        plain = jax.jit(lambda x, w, v: jax.vjp(lambda w: dense(x, w), w)[1](v)[0])(INPUTS["x"], INPUTS["w"], V)
    np.testing.assert_array_equal(found.gradients["w"].value, plain)
    assert set(found.gradients) == {"w"}


def test_names_keep_their_gradients_whatever_their_order() -> None:
    forth, back = (autodiff(dense, INPUTS, wrt, V, DOUBLE).gradients for wrt in (("x", "w"), ("w", "x")))
    for name in ("x", "w"):
        assert forth[name].value.shape == INPUTS[name].shape
        np.testing.assert_array_equal(forth[name].value, back[name].value)


def test_integers_are_passed_on() -> None:
    rows = np.array([0, 2, 2])
    found = autodiff(lambda x, i: x[i] ** 2, {"x": INPUTS["x"], "i": rows}, ("x",), np.ones((3, 3)), DOUBLE)
    expected = 2 * INPUTS["x"] * np.array([1, 0, 2, 0, 0])[:, None]
    np.testing.assert_allclose(found.gradients["x"].value, expected, rtol=1e-15)


def test_float32_bounds_are_float32s_and_can_be_had_in_double() -> None:
    single = autodiff(dense, INPUTS, ("x",), V, SINGLE)
    double = autodiff(dense, INPUTS, ("x",), V, DOUBLE)
    ratio = UNIT[SINGLE] / UNIT[DOUBLE]
    assert (single.gradients["x"].bound > 0.5 * ratio * double.gradients["x"].bound).all()
    narrowed = single.in_double()
    np.testing.assert_allclose(narrowed.gradients["x"].bound * ratio, single.gradients["x"].bound, rtol=1e-14)
    np.testing.assert_allclose(narrowed.output.bound * ratio, single.output.bound, rtol=1e-14)
    assert narrowed.gradients["x"].value is single.gradients["x"].value


def test_a_rearrangement_has_no_bound_at_all() -> None:
    found = autodiff(lambda x: x.T[::-1], {"x": INPUTS["x"]}, ("x",), np.ones((3, 5)), DOUBLE)
    assert not found.output.bound.any()
    assert not found.gradients["x"].bound.any()


def test_a_tie_within_rounding_is_excused() -> None:
    x = np.array([1.0, 1.0, 3.0])  # x - 1/3·3 is 0 but for rounding
    found = autodiff(lambda x: jax.nn.relu(x / 3 * 3 - 1), {"x": x}, ("x",), np.ones(3), DOUBLE)
    excuse = found.gradients["x"].excuse
    assert excuse is not None
    assert (excuse[:2] >= 1).all()
    assert excuse[2] == 0


def test_a_primitive_without_a_rule_is_named() -> None:
    found = autodiff(lambda x: jnp.sort(x, 0), {"x": INPUTS["x"]}, ("x",), INPUTS["x"], DOUBLE)
    assert "sort" in found.weak


# ---------------------------------------------------------------------- forward mode


def test_reverse_mode_is_the_adjoint_of_forward_mode() -> None:
    found = autodiff(dense, INPUTS, ("x", "w"), V, DOUBLE)
    assert found.adjoint is not None
    values = {k: g.value for k, g in found.gradients.items()}
    bounds = {k: g.bound for k, g in found.gradients.items()}
    assert found.adjoint.disagreement(values, bounds) <= 1
    assert found.adjoint.disagreement({**values, "w": values["w"] * (1 + 1e-9)}, bounds) > 1


def test_the_share_of_a_disagreement() -> None:
    adjoint = Adjoint({"x": np.array([1.0, 2.0])}, 3.0)
    nothing = {"x": np.zeros(2)}
    assert adjoint.disagreement({"x": np.array([1.0, 1.0])}, nothing) == 0.0
    assert Adjoint({"x": np.zeros(2)}, 3.0).disagreement(nothing, nothing) == np.inf
    assert adjoint.disagreement({"x": np.array([2.0, 1.0])}, {"x": np.full(2, 0.5)}) == pytest.approx(1 / 3)


def test_a_reference_with_a_reverse_rule_only_has_no_adjoint() -> None:
    @jax.custom_vjp
    def own(x: Any) -> Any:
        return x * x

    own.defvjp(lambda x: (x * x, x), lambda x, g: (2 * g * x,))
    found = autodiff(lambda x: own(x), {"x": INPUTS["x"]}, ("x",), np.ones((5, 3)), DOUBLE)
    assert found.adjoint is None
    np.testing.assert_array_equal(found.gradients["x"].value, 2 * INPUTS["x"])


def test_forward_mode_is_not_asked_of_large_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ADJOINT_ENTRIES", 26)  # x and w have 27
    assert autodiff(dense, INPUTS, ("x", "w"), V, DOUBLE).adjoint is None


def test_the_typical_size() -> None:
    assert typical(np.array([3.0, -4.0, 0.0, 0.0])) == 2.5
    assert typical(np.zeros(3)) == typical(np.zeros(0)) == 1.0


# ---------------------------------------------------------------------- tracing


def test_one_trace_is_compiled_once_and_a_changed_closure_is_seen() -> None:
    def scaled(factor: float) -> Any:
        return lambda x: factor * x * x

    x, v = INPUTS["x"], np.ones((5, 3))
    autodiff(scaled(0.75), {"x": x}, ("x",), v, DOUBLE)
    before = set(module.PROGRAMS.kept)
    autodiff(scaled(0.75), {"x": x}, ("x",), v, DOUBLE)
    assert set(module.PROGRAMS.kept) == before
    other = autodiff(scaled(0.5), {"x": x}, ("x",), v, DOUBLE)
    np.testing.assert_array_equal(other.gradients["x"].value, x)


def test_the_output_is_foretold() -> None:
    assert output_shape(dense, INPUTS) == ((5, 4), np.dtype(np.float64))
    assert output_shape(dense, {k: a.astype(np.float32) for k, a in INPUTS.items()})[1] == np.float32


def test_a_reference_of_numpy_or_of_several_outputs_is_refused() -> None:
    with pytest.raises(TypeError, match=r"jax\.numpy"):
        output_shape(lambda x, w: np.tanh(np.asarray(x)), INPUTS)
    with pytest.raises(TypeError, match=r"tuple.*one array"):
        output_shape(lambda x, w: (x, w), INPUTS)
