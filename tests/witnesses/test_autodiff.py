"""The autodiff witness: values and rounding against closed forms, and what the reference says of itself."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core
from jax.interpreters import ad, mlir

import crosscheck
from crosscheck.evidence.estimate import AUTODIFF
from crosscheck.floats import DOUBLE, SINGLE, UNIT
from crosscheck.operation import OUTPUT
from crosscheck.rounding import quantile
from crosscheck.traces.pieces import COMPILED
from crosscheck.witnesses import autodiff as module
from crosscheck.witnesses.autodiff import ASSUMED, FORWARD, REVERSE, autodiff, output_shape, plain_gradients, typical

Array = np.ndarray

RNG = np.random.default_rng(0)
INPUTS = {"x": RNG.normal(size=(5, 3)), "w": RNG.normal(size=(3, 4))}
V = RNG.normal(size=(5, 4))


def dense(x: Any, w: Any) -> Any:
    return jnp.tanh(x @ w)


def gradients(x: Array, w: Array, v: Array) -> dict[str, Array]:
    g = v * (1 - np.tanh(x @ w) ** 2)
    return {"x": g @ w.T, "w": x.T @ g}


def test_values_and_rounding_against_the_derivation_in_longdouble() -> None:
    """Within t·σ at every entry; and σ is no more than a few of tanh's own roundings, 16 units of 1 each."""
    found = autodiff(dense, INPUTS, ("x", "w"), V, DOUBLE)
    long = {k: a.astype(np.longdouble) for k, a in INPUTS.items()}
    truth = {**gradients(**long, v=V.astype(np.longdouble)), OUTPUT: np.tanh(long["x"] @ long["w"])}
    for name, estimate in {**found.gradients, OUTPUT: found.output}.items():
        assert estimate.witness == AUTODIFF
        assert estimate.sigma is not None
        assert estimate.terms is not None
        assert estimate.entrywise
        error = np.abs(estimate.value - truth[name]).astype(float)
        assert (error <= found.t * estimate.sigma).all()
        assert (estimate.sigma > 0).all()
        assert (estimate.sigma <= 32 * UNIT[DOUBLE] * max(1.0, np.abs(estimate.value).max())).all()
        assert not estimate.bound.any()
        assert estimate.excuse is None
    assert not found.roundings.estimated


def test_the_terms_of_a_product_and_of_what_is_left_of_a_sum() -> None:
    """An entry of which nothing is left stands for its terms, whatever moved it afterwards."""
    found = autodiff(lambda x, w: x @ w, INPUTS, ("x", "w"), V, DOUBLE)
    assert found.output.terms is not None
    np.testing.assert_allclose(found.output.terms, np.abs(INPUTS["x"]) @ np.abs(INPUTS["w"]), rtol=1e-14)
    inputs = {"x": INPUTS["x"], "b": INPUTS["w"][:, 0]}
    centred = autodiff(lambda x, b: jnp.sum(x + b - (x + b).mean(0), 0), inputs, ("b",), np.ones(3), DOUBLE)
    np.testing.assert_allclose(centred.gradients["b"].value, 0, atol=1e-14)
    terms = centred.gradients["b"].terms
    assert terms is not None
    np.testing.assert_allclose(terms, 2 * len(inputs["x"]), rtol=1e-14)


def test_t_is_the_quantile_of_its_copies_and_its_numbers() -> None:
    found = autodiff(dense, INPUTS, ("x", "w"), V, DOUBLE)
    numbers = 20 + 15 + 12 + 2  # y, both gradients, both sides of (1)
    assert found.t == quantile(found.roundings.copies, numbers)


def test_another_code_is_allowed_several_times_the_rounding() -> None:
    found = autodiff(dense, INPUTS, ("x", "w"), V, DOUBLE)
    for name, estimate in {**found.gradients, OUTPUT: found.output}.items():
        assert estimate.sigma is not None
        np.testing.assert_allclose(found.allowed(name), found.t * estimate.sigma * np.sqrt(1 + ASSUMED**2), rtol=1e-12)


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


def test_the_rounding_of_float32_is_that_of_float64_in_its_own_unit() -> None:
    """The values stay those of float64: only what another code may be off is float32's."""

    def cubed(x: Any, w: Any) -> Any:  # of operations with one accuracy in both; tanh has another in float32
        return (x @ w) ** 3

    single = autodiff(cubed, INPUTS, ("x",), V, SINGLE)
    double = autodiff(cubed, INPUTS, ("x",), V, DOUBLE)
    ratio = UNIT[SINGLE] / UNIT[DOUBLE]
    for wide, narrow in ((single.output, double.output), (single.gradients["x"], double.gradients["x"])):
        assert wide.sigma is not None
        assert narrow.sigma is not None
        np.testing.assert_array_equal(wide.value, narrow.value)
        np.testing.assert_allclose(wide.sigma, ratio * narrow.sigma, rtol=0.1)  # to first order


def test_a_rearrangement_does_not_round_at_all() -> None:
    found = autodiff(lambda x: x.T[::-1], {"x": INPUTS["x"]}, ("x",), np.ones((3, 5)), DOUBLE)
    for estimate in (found.output, found.gradients["x"]):
        assert estimate.sigma is not None
        assert not estimate.sigma.any()
        assert not estimate.bound.any()


def test_a_tie_within_rounding_is_excused() -> None:
    x = np.array([1.0, 1.0, 3.0])  # x - 1/3·3 is 0 but for rounding
    found = autodiff(lambda x: jax.nn.relu(x / 3 * 3 - 1), {"x": x}, ("x",), np.ones(3), DOUBLE)
    excuse = found.gradients["x"].excuse
    assert excuse is not None
    assert (excuse[:2] >= 1 - 1e-12).all()  # the derivative is 0 on one side and 1 on the other
    assert excuse[2] <= 1e-12


def test_a_primitive_of_unknown_rounding_is_named() -> None:
    unknown = core.Primitive("mystery")
    unknown.def_impl(lambda x: 2 * x)
    unknown.def_abstract_eval(lambda x: x)
    mlir.register_lowering(unknown, mlir.lower_fun(lambda x: 2 * x, multiple_results=False))
    ad.deflinear2(unknown, lambda g, x: [2 * g])
    found = autodiff(lambda x: unknown.bind(x), {"x": INPUTS["x"]}, ("x",), np.ones((5, 3)), DOUBLE)
    assert found.roundings.estimated == {"mystery"}
    np.testing.assert_array_equal(found.output.value, 2 * INPUTS["x"])
    np.testing.assert_array_equal(found.gradients["x"].value, np.full((5, 3), 2.0))


def test_sorting_does_not_round_and_is_known() -> None:
    """Its gradient is scattered: an addition to nothing, which is counted as any other."""
    v = np.ones((5, 3))
    found = autodiff(lambda x: jnp.sort(x, 0), {"x": INPUTS["x"]}, ("x",), v, DOUBLE)
    assert not found.roundings.estimated
    assert found.output.sigma is not None
    assert not found.output.sigma.any()
    np.testing.assert_array_equal(found.output.value, np.sort(INPUTS["x"], 0))
    np.testing.assert_array_equal(found.gradients["x"].value, v)
    assert found.gradients["x"].sigma is not None
    assert (found.gradients["x"].sigma <= UNIT[DOUBLE]).all()


def test_plain_gradients_are_the_witnesses_bit_for_bit() -> None:
    found = autodiff(dense, INPUTS, ("x", "w"), V, DOUBLE)
    y, plain = plain_gradients(dense, INPUTS, ("w", "x"), V)
    np.testing.assert_array_equal(y, found.output.value)
    assert set(plain) == {"x", "w"}
    for name, gradient in plain.items():
        np.testing.assert_array_equal(gradient, found.gradients[name].value)


# ---------------------------------------------------------------------- forward mode


def test_reverse_mode_is_the_adjoint_of_forward_mode() -> None:
    """Compared within rounding, which is what is left of the sides' 27 terms."""
    adjoint = autodiff(dense, INPUTS, ("x", "w"), V, DOUBLE).adjoint
    assert adjoint is not None
    assert (adjoint.first, adjoint.second) == (FORWARD, REVERSE)
    assert adjoint.difference.shape == ()
    assert adjoint.agree.all()
    assert adjoint.bounds < 1e-12


@pytest.mark.parametrize("slip", [1e-9, 1.0])
def test_a_transpose_that_is_wrong_is_no_adjoint(slip: float) -> None:
    @jax.custom_jvp
    def twisted(x: Any) -> Any:
        return x * x

    def rule(primals: Any, tangents: Any) -> Any:
        (x,), (d,) = primals, tangents
        solved = jax.custom_derivatives.linear_call(lambda x, d: 2 * x * d, lambda x, g: 2 * (1 + slip) * x * g, x, d)
        return x * x, solved

    twisted.defjvp(rule)
    adjoint = autodiff(lambda x: twisted(x), {"x": INPUTS["x"]}, ("x",), np.ones((5, 3)), DOUBLE).adjoint
    assert adjoint is not None
    assert adjoint.disagree.all()


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
    before = set(COMPILED.kept)
    autodiff(scaled(0.75), {"x": x}, ("x",), v, DOUBLE)
    assert set(COMPILED.kept) == before
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


def test_a_second_check_of_the_same_shapes_compiles_nothing() -> None:
    """What the reference closes over is an argument."""
    compiled: list[str] = []

    def listen(event: str, duration: float, **more: Any) -> None:
        compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)  # pyright: ignore[reportArgumentType]

    def check(factors: Array) -> bool:
        def reference(x: Any) -> Any:
            return jnp.sort(jnp.tanh(x * jnp.asarray(factors))) @ jnp.asarray(factors)

        def forward(x: Array) -> Array:
            return np.sort(np.tanh(x * factors)) @ factors

        def backward(grad_output: Array, x: Array) -> dict[str, Array]:
            t = np.tanh(x * factors)
            arriving = np.empty_like(x)
            arriving[np.argsort(t)] = grad_output * factors
            return {"x": arriving * (1 - t**2) * factors}

        return bool(crosscheck.check(forward, backward, {"x": np.array([0.3, -0.2, 0.9, 0.5])}, reference))

    assert check(np.array([1.3, 0.7, -0.4, 0.9]))
    assert any("backend_compile" in name for name in compiled)
    compiled.clear()
    assert check(np.array([0.6, -1.1, 0.8, 1.2]))
    assert not any("backend_compile" in name for name in compiled)
