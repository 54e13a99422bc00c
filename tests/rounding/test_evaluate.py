"""A whole program: values bit for bit, σ, S, what is compiled, and what must not crash."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend import core
from jax.interpreters import mlir

from crosscheck.rounding import copies_for, evaluate, quantile, roundings
from crosscheck.rounding.draws import entries, levels, mixed, signs, strengths
from crosscheck.traces import pieces
from tests.rounding.common import NEAR, rounded, zero

X = np.array(NEAR)
U = 2.0**-53
RNG = np.random.default_rng(0)


# ---------------------------------------------------------------------- t and the allowance


@pytest.mark.parametrize(
    ("copies", "comparisons", "t"), [(16, 10**3, 12.6), (16, 10**6, 19.9), (64, 10**3, 7.2), (64, 10**6, 8.9)]
)
def test_quantile(copies: int, comparisons: int, t: float) -> None:
    assert quantile(copies, comparisons) == pytest.approx(t, abs=0.05)


def test_copies_follow_the_size() -> None:
    assert copies_for(10) > copies_for(10**8) >= 16


# ---------------------------------------------------------------------- draws


@pytest.mark.parametrize("xp", [np, jnp], ids=["NumPy", "JAX"])
@pytest.mark.parametrize("copies", [32, 16, 8, 1])
def test_signs_are_fair_and_independent(xp: Any, copies: int) -> None:

    def draw(key: int) -> np.ndarray:
        words = mixed(entries((4096,), xp is np) + np.uint32(key))
        return np.asarray(np.sqrt(3) * np.asarray(signs(words, copies, np.float32)) / strengths(copies)[:, None])

    drawn, other = draw(7), draw(8)
    known = levels(min(32 // copies, 4))
    assert np.mean(known**2) == pytest.approx(1.0)
    assert np.allclose(np.unique(np.round(drawn, 5)), np.sort(known), atol=1e-4)
    limit = 5 / math.sqrt(4096)
    assert np.all(np.abs(drawn.mean(1)) < limit)
    assert np.all(np.abs(drawn @ drawn.T / 4096 - np.eye(copies)) < limit)
    assert np.all(np.abs((drawn * other).mean(1)) < limit)


@pytest.mark.parametrize("copies", [8, 16, 32])
def test_two_roundings_of_one_size_do_not_cancel(copies: int) -> None:
    """Of 2²⁰ sums of two equal roundings none comes out without an error in all copies: with signs alone 2^(20 - K)
    would."""
    one, two = (mixed(entries((2**20,), True) + np.uint32(key)) for key in (1, 2))
    shares = strengths(copies).reshape(-1, 1)
    total, apart = ((signs(one, copies, float) + s * signs(two, copies, float)) / shares for s in (1.0, -1.0))
    for both in (total, apart):
        assert np.sqrt(np.mean(both**2, 0)).min() > 0.05


# ---------------------------------------------------------------------- values


def long_program(x: Any) -> Any:
    for _ in range(8):
        x = jnp.tanh(x * 1.1) + 0.01
    return x


@pytest.fixture
def by_equations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "AS_ONE", 20)
    monkeypatch.setattr(evaluate, "SMALL", 0)
    monkeypatch.setattr(evaluate, "COMPILATION", 0.0)


@pytest.mark.parametrize("small", [0, 2**16])
def test_the_values_of_a_short_program_are_those_of_jit(small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "SMALL", small)
    f = lambda x, w: jax.grad(lambda x: jnp.sum(jnp.tanh(x @ w) * 0.3 + x.sum()))(x)  # noqa: E731
    x, w = RNG.normal(size=(5, 4)), RNG.normal(size=(4, 3))
    found = rounded(f, x, w)
    assert found.compiled == (small == 0)
    with jax.enable_x64(True):
        np.testing.assert_array_equal(found.outputs[0].value, jax.jit(f)(x, w))


def test_a_long_program_is_evaluated_by_equations_and_its_values_are_those_of_eager_jax(by_equations: None) -> None:
    found = rounded(long_program, X)
    assert not found.compiled
    assert found.equations > evaluate.AS_ONE
    with jax.enable_x64(True):
        np.testing.assert_array_equal(found.outputs[0].value, long_program(jnp.asarray(X)))


def test_both_ways_say_the_same(by_equations: None, monkeypatch: pytest.MonkeyPatch) -> None:
    one = rounded(long_program, X).outputs[0]
    monkeypatch.setattr(evaluate, "AS_ONE", 10**6)
    other = rounded(long_program, X)
    assert other.compiled
    np.testing.assert_allclose(one.value, other.outputs[0].value, rtol=1e-14)
    np.testing.assert_allclose(one.sigma, other.outputs[0].sigma, rtol=0.2)
    monkeypatch.setattr(evaluate, "AS_ONE", 20)
    monkeypatch.setattr(evaluate, "COMPILATION", 1e9)  # every equation pays to be interpreted
    third = rounded(long_program, X).outputs[0]
    np.testing.assert_allclose(third.value, one.value, rtol=1e-14)
    np.testing.assert_allclose(
        third.sigma, one.sigma, rtol=1 / 20
    )  # a copy is some forty units off, and rounded to one


def test_what_stands_there_with_a_shape_of_its_own_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def growing(x: Any) -> Any:
        rows = x[None]
        for _ in range(30):
            rows = jnp.concatenate([rows, jnp.tanh(rows[-1] + rows.sum(0) / 50)[None]])
        return rows[-1]

    monkeypatch.setattr(evaluate, "SMALL", 0)
    asked: list[Any] = []
    compiled = evaluate.compiled
    monkeypatch.setattr(evaluate, "compiled", lambda key, make: asked.append(key) or compiled(key, make))
    found = rounded(growing, X[0])
    assert not found.compiled
    # tanh, + and the quotient stand there thirty times alike; thirty sums and the rows' ends do not.
    assert len({str(key) for key in asked}) <= 5


def test_a_second_check_compiles_nothing() -> None:
    def program(w: Any) -> Any:
        return lambda x: jnp.tanh(x @ jnp.asarray(w))

    x = RNG.normal(size=(2, 3))
    with jax.enable_x64(True):
        first = rounded(program(RNG.normal(size=(3, 3))), x)
        made = len(pieces.COMPILED.kept)
        second = rounded(program(RNG.normal(size=(3, 3))), x)
    assert len(pieces.COMPILED.kept) == made
    assert not np.array_equal(first.outputs[0].value, second.outputs[0].value)


def test_other_literals_are_another_program() -> None:
    values = [rounded(lambda x, c=c: x * c, X).outputs[0].value for c in (0.1234567890123456, 0.1234567890123457)]
    assert not np.array_equal(values[0], values[1])


def test_the_seed_decides() -> None:
    a, b, c = (rounded(lambda x: jnp.sin(x) + x * 0.1, X, seed=s).outputs[0].sigma for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_copies_in_blocks_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    f, x = (lambda x: jnp.tanh(x) * 0.1), RNG.normal(size=50)
    whole = rounded(f, x, copies=16).outputs[0]
    monkeypatch.setattr(evaluate, "MEMORY", 4000)
    found = rounded(f, x, copies=16)
    assert found.copies >= 16
    np.testing.assert_allclose(found.outputs[0].sigma, whole.sigma, rtol=1.0)


# ---------------------------------------------------------------------- σ


def test_what_is_zero_to_first_order_is_rounded() -> None:
    for f in (lambda z: z**3, lambda z: jax.nn.relu(z) ** 2 + jax.nn.relu(-z) ** 2, lambda z: 1 - jnp.cos(z * 1e3)):
        out = rounded(lambda x, f=f: f(0.3 - (x[0] + x[1]) + 5.551115123125783e-17), X).outputs[0]
        assert out.sigma > 0


def test_what_vanishes_beside_a_large_number_does_not_move_it() -> None:
    """-1e30 for the log of zero: plus anything it is the same number, and what two of them differ by is nothing."""
    for add in (lambda x: -1e30 + x, lambda x: x - 1e30, lambda x: x + jnp.full_like(x, -1e30)):
        out = rounded(lambda x, add=add: jnp.log(jnp.sum(jnp.exp(add(x) - add(x[0])))), X).outputs[0]
        assert out.value == np.log(len(X))
        assert out.sigma < 1e-15


def test_a_phase_that_is_lost_may_be_anything() -> None:
    """sin(x³) at 10⁵: whatever the copies' two signs say of one rounding, σ does not alias."""
    x = 1e5 * (1 + np.linspace(0, 1, 200))
    out = rounded(lambda x: jnp.sin(x**3 * 0.7), x, comparisons=10**5).outputs[0]
    assert np.all(out.sigma > 0.02)


def test_a_root_at_a_cancelling_zero_stays_finite() -> None:
    """√ of 0 ± u is √u, where its derivative is infinite and half of the copies have none."""
    out = rounded(lambda x: jnp.sqrt(jnp.abs(zero(x)) * 0.0 + (x[2] - x[0] - 0.2) ** 2 + (zero(x))), X).outputs[0]
    assert 1e-10 < out.sigma < 1e-7


def test_constants_are_rounded_once_and_small_integers_not_at_all() -> None:
    for f in (lambda x: x * 2.0, lambda x: x * 0.5 + 0.0 * x, lambda x: jnp.maximum(x, 7.0)):
        np.testing.assert_array_equal(rounded(f, np.array([1.0, 2.0])).outputs[0].sigma, 0)
    same = rounded(lambda x: x * 0.1 - 0.1 * x, np.array([1.0])).outputs[0]
    other = rounded(lambda x: x * 0.1 - x * (0.1 + 1e-9), np.array([1.0])).outputs[0]
    assert other.sigma > same.sigma > 0  # the constant's own rounding has cancelled


def test_what_is_added_to_zero_is_not_rounded() -> None:
    """log(1 + exp(x)) = x + log(1 + exp(-x)): its last term is 0 from 746 on, and exp(x - that sum) is 1."""

    def share(x: jnp.ndarray) -> jnp.ndarray:
        scaled = x * 0.7
        return jnp.exp(scaled - (scaled + jnp.log1p(jnp.exp(-scaled))))

    for x in (1e4, 1e17, 1e40):
        assert rounded(share, np.array([x])).outputs[0].sigma < 1e-15
    lost = rounded(lambda x: (x * 0.7 + 1.0) - x * 0.7, np.array([1e17])).outputs[0]
    assert lost.sigma > 1  # what is small beside it is lost, and not exact


def test_a_triangular_matrix_is_its_own_factor() -> None:
    """LAPACK reflects no column that is zero below the diagonal; the least number there turns the sign of its row."""
    r = np.triu(RNG.normal(size=(4, 4))) + 3 * np.eye(4)
    factor = lambda a: jnp.linalg.qr(a)[1]  # noqa: E731
    for a in (r, r + 1e-300 * np.tri(4, k=-1)):
        assert np.all(rounded(factor, a).outputs[0].sigma < 1e-13)
    dense = RNG.normal(size=(4, 4))
    assert np.all(rounded(factor, dense).outputs[0].sigma[np.triu_indices(4)] > 1e-18)


def test_a_function_that_underflows_to_zero_is_not_exactly_zero() -> None:
    """The slope of 1/(1 + exp(-x)) at -460 is e/(1 + e)², whose square overflows: 0, and 1e-200 in truth."""
    x = np.array([-460.0])
    slope = rounded(lambda x: jnp.exp(-x) * (1 + jnp.exp(-x)) ** -2, x).outputs[0]
    assert slope.value == 0
    assert slope.sigma > 1e-120
    for f in (jnp.sin, jnp.tanh, jnp.expm1):
        assert rounded(f, np.zeros(1)).outputs[0].sigma == 0


def test_sums_in_which_a_term_is_lost_are_one_number() -> None:
    x = np.array([0.7, 1.3, 2.1])
    apart = rounded(lambda x: (x[0] - 1e30) - (x[1] * 1.1 - 1e30), x).outputs[0]
    assert apart.sigma == 0
    left = rounded(lambda x: (x[0] - 1e30) + 1e30, x).outputs[0]
    assert left.sigma > 1e13  # the term itself is not known to be 0
    beside = rounded(lambda x: (x[0] * 0.7 + 1e15) - (x[1] * 0.7 + 1e15), x).outputs[0]
    assert beside.sigma > 0.01  # what is not lost is rounded, each on its own


def test_a_sum_as_large_as_one_of_its_terms_has_lost_none() -> None:
    """a - 2a is as large as a, and rounds like any sum: two of them, each on its own."""
    x = np.array([0.1, 0.1, 0.2, 0.2])
    assert rounded(lambda x: (x[0] - x[2]) - (x[1] - x[3]), x).outputs[0].sigma > 1e-18


def test_a_float32_sum_is_off_by_its_smaller_term_at_most() -> None:
    """Judged as float32 and evaluated in float64: s - 1e9 in a softmax of which all is masked."""
    x = np.array([0.7, 1.3])
    out = rounded(lambda x: jnp.exp((x[0] - 1e9) - (x[1] - 1e9)), x, unit=2.0**-24).outputs[0]
    assert 0.1 < out.sigma < 1e3


def test_complex_values_are_rounded() -> None:
    f = lambda x, y: jnp.real((x + 1j * y) * (0.3 - 0.7j))  # noqa: E731
    x, y = RNG.normal(size=5), RNG.normal(size=5)
    out = rounded(f, x, y).outputs[0]
    error = np.abs(out.value - (x * np.float64(0.3) + y * np.float64(0.7)))
    assert np.all(out.sigma > 0)
    assert np.all(error < 10 * out.sigma)


def test_complex_constants_are_rounded_like_real_ones() -> None:
    x = np.array([1.0 + 0j])
    for f, exact in ((lambda x: x * 2j, True), (lambda x: x * 0.1j, False), (lambda x: x + (0.5 + 0.3j), False)):
        assert (rounded(f, x).outputs[0].sigma == 0) == exact


def test_float32_programs_and_mixed_ones() -> None:
    x = RNG.normal(size=8).astype(np.float32)
    single = rounded(lambda x: jnp.tanh(x) * x, x, unit=2.0**-24).outputs[0]
    double = rounded(lambda x: jnp.tanh(x.astype(jnp.float64)) * x, x).outputs[0]
    back = rounded(lambda x: (jnp.tanh(x.astype(jnp.float64)) * x).astype(jnp.float32), x).outputs[0]
    judged = rounded(lambda x: jnp.tanh(x) * x, x.astype(float), unit=2.0**-24).outputs[0]
    for out in (single, judged, back):
        assert np.all((out.sigma > 1e-9 * np.abs(out.value)) & (out.sigma < 1e-6 * np.abs(out.value)))
    assert np.all(double.sigma < 1e-14 * np.abs(double.value))


def test_integers_and_booleans_are_exact() -> None:
    found = rounded(lambda x: (x > 0, jnp.arange(3) + 1, x.astype(int), x), np.array([1.0, -1.0]))
    assert [out.sigma.max() for out in found.outputs] == [0, 0, 0, 0]
    assert not found.flipped


def test_underflow_is_as_large_as_the_smallest_number() -> None:
    tiny = np.finfo(float).tiny
    out = rounded(lambda x: x * 1e-200, np.array([1e-110, 0.0])).outputs[0]
    assert tiny / 10 < out.sigma[0] < 10 * tiny
    assert out.sigma[1] == 0


def test_squares_of_the_spread_do_not_overflow() -> None:
    out = rounded(lambda x: jnp.exp(x), np.array([700.0, -600.0])).outputs[0]
    assert np.all((out.sigma > 1e-17 * out.value) & (out.sigma < 1e-14 * out.value))


def test_infinities_and_nan_stay() -> None:
    out = rounded(lambda x: jnp.stack([x[0] / 0.0, x[0] * jnp.nan, x[0] - jnp.inf]), X).outputs[0]
    assert np.all(out.sigma == 0)


# ---------------------------------------------------------------------- S and the flags


def test_terms_of_what_cancels() -> None:
    """The gradient of a bias before the mean is taken off is zero among terms of the size of the cotangent."""
    x, g = RNG.normal(size=(64, 3)), RNG.normal(size=(64, 3))

    def forward(b: Any) -> Any:
        z = (x + b) * 0.7
        return z - z.mean(0)

    out = rounded(lambda b: jax.vjp(forward, b)[1](jnp.asarray(g))[0], np.zeros(3)).outputs[0]
    assert np.all(np.abs(out.value) < 1e-12)
    assert np.all(out.terms > 10)
    assert np.all(out.sigma < 1e-3 * out.terms)
    assert out.entrywise


def test_terms_do_not_grow_where_the_value_does_not() -> None:
    """|W|^T is no sum of terms: an RNN's known entries stand for themselves."""
    w = np.linalg.qr(RNG.normal(size=(8, 8)))[0]

    def forward(x: Any) -> Any:
        return lax.scan(lambda h, _: (jnp.asarray(w) @ h, None), x, None, 40)[0]

    out = rounded(forward, RNG.normal(size=8)).outputs[0]
    assert np.all(out.terms < 100)


TERMS = {
    "a difference": (lambda x: x[0] - x[1], 0.3),
    "a known difference times 3": (lambda x: (x[0] - x[1]) * 3.0, 0.3),
    "a lost one, negated": (lambda x: -zero(x), 0.6),
    "a lost one, by 2": (lambda x: zero(x) / 2.0, 0.3),
    "a sum": (lambda x: jnp.sum(x * jnp.array([1.0, 1.0, -1.0])), 0.6),
    "a function of a lost one": (lambda x: jnp.sin(zero(x)), 0.6),
    "a lost one, chosen": (lambda x: jnp.maximum(zero(x), -1.0), 0.6),
    "a product": (lambda x: x[0] * x[1], 0.02),
}


@pytest.mark.parametrize("what", TERMS)
def test_terms(what: str) -> None:
    f, terms = TERMS[what]
    assert rounded(f, X).outputs[0].terms == pytest.approx(terms, rel=1e-6)


def test_norms_are_flagged() -> None:
    a = RNG.normal(size=(3, 3)) + 4 * np.eye(3)
    found = rounded(lambda a: (jnp.fft.fft(a[0]).real, a @ a, jnp.linalg.inv(a)), a)
    assert [out.entrywise for out in found.outputs] == [False, True, False]


# ---------------------------------------------------------------------- never a crash


def test_an_unknown_primitive_is_estimated() -> None:
    shear = core.Primitive("shear_by_moonlight")
    shear.def_impl(lambda x: x * 2)
    shear.def_abstract_eval(lambda x: x)
    mlir.register_lowering(shear, mlir.lower_fun(lambda x: x * 2, multiple_results=False))
    found = rounded(lambda x: shear.bind(x * 0.1), X)
    assert found.estimated == {"shear_by_moonlight"}
    assert np.all((found.outputs[0].sigma > 1e-18) & (found.outputs[0].sigma < 1e-14))
    assert not found.outputs[0].entrywise


CALLS = {
    "custom_jvp": lambda x: jax.nn.relu(x * 0.1),
    "custom_vjp": lambda x: jax.grad(lambda x: jnp.sum(scaled(x)))(x * 0.1),
    "checkpoint": lambda x: jax.grad(lambda x: jnp.sum(jax.checkpoint(lambda v: jnp.sin(v * 0.1))(x)))(x),
    "jit": lambda x: jax.jit(lambda v: v * 0.1)(x),
    "polygamma": lambda x: jax.grad(lambda x: jnp.sum(jax.scipy.special.digamma(x)))(x),
    "svd": lambda x: jnp.linalg.svd(jnp.outer(x, x) + jnp.diag(jnp.arange(3.0)), full_matrices=False)[0],
    "eig": lambda x: jnp.abs(jnp.linalg.eigvals(jnp.outer(x, x) + jnp.diag(jnp.arange(3.0)))),
    "qr of a wide matrix": lambda x: jnp.linalg.qr(jnp.stack([x, x * x]))[1],
    "random": lambda x: x * jax.random.normal(jax.random.key(0), (3,)),
    "a gather with a fill": lambda x: jnp.take(x * 0.1, jnp.array([0, 9]), mode="fill", fill_value=0.0),
    "cumlogsumexp": lambda x: jax.lax.cumlogsumexp(x * 0.1),
    "cumprod": lambda x: jax.grad(lambda x: jnp.sum(jnp.cumprod(x)))(x),
    "convolution": lambda x: jnp.convolve(x * 0.1, x * 0.3),
}


@jax.custom_vjp
def scaled(x: Any) -> Any:
    return x * 0.3


scaled.defvjp(lambda x: (x * 0.3, None), lambda _, g: (g * 0.3,))


@pytest.mark.parametrize("name", CALLS)
def test_calls_and_rare_primitives(name: str) -> None:
    found = rounded(CALLS[name], X)
    with jax.enable_x64(True):
        expected = jax.jit(CALLS[name])(X)
    for out, value in zip(found.outputs, jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(out.value, value, rtol=1e-12, atol=1e-14)
        assert np.all(np.isfinite(out.sigma))
        assert np.all(out.sigma < 1e-10)
    assert not found.estimated


def test_no_arguments_and_empty_arrays() -> None:
    with jax.enable_x64(True):
        closed = jax.make_jaxpr(lambda: jnp.zeros((0, 3)))()
    (out,) = roundings(closed, []).outputs
    assert out.value.shape == out.sigma.shape == (0, 3)


@pytest.mark.parametrize(
    "f",
    [lambda d: d**2, lambda d: d * d, jnp.prod, lambda d: jnp.fft.rfft(d).real],
    ids=["power", "square", "Π", "fft"],
)
def test_what_is_left_of_nothing_knows_what_it_is_made_of(f: Any) -> None:
    """The slope of a square at 0 is 0, and a transform mixes: neither forgets that its zeros cancelled."""
    x = np.array([3.0, 3.0])
    out = rounded(lambda x: f(x - x.mean()) * jnp.ones(2), x).outputs[0]
    assert np.all(out.value == 0)
    assert np.all(out.terms >= 9)
