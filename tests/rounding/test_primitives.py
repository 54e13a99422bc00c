"""The table of primitives against the primitives of the JAX that is installed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend import core
from jax.extend.core import primitives as public

from crosscheck.rounding.loops import inside
from crosscheck.traces.primitives import LATTICE, TABLE, Kind, primitive

# What needs several devices, or state that a traced function cannot have, or what nothing in jax.numpy is made of.
ELSEWHERE = frozenset(
    [
        "all_gather",
        "all_to_all",
        "ppermute",
        "ragged_all_to_all",
        "custom_lin",
        "get",
        "swap",
        "reduce",
        "reduce_window",
    ]
)


def names_in(jaxpr: core.Jaxpr) -> set[str]:
    found = {eqn.primitive.name for eqn in jaxpr.eqns}
    return found.union(*(names_in(inner) for eqn in jaxpr.eqns for inner in inside(eqn)))


def test_every_public_primitive_has_a_row() -> None:
    names = {getattr(getattr(public, n), "name", n) for n in dir(public) if n.endswith("_p")}
    assert len(names) > 100
    assert sorted(n for n in names - ELSEWHERE if not primitive(n).known) == []


X = np.linspace(0.1, 0.9, 6).reshape(2, 3)
S = np.array([[2.0, 0.5], [0.5, 1.0]])
COUNTS = np.array([1, 2, 1])

NUMPY = """
    sum mean var std prod cumsum cumprod max min argmax argmin sort argsort median ptp exp log sqrt abs sign floor
    ceil round sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh cbrt exp2 log2 log10 log1p
    expm1 square reciprocal nan_to_num ravel transpose flip diff trace isnan isfinite sinc i0 deg2rad unwrap any
    all count_nonzero nansum nanmax
"""
NN = """
    relu relu6 sigmoid softplus silu gelu elu selu celu leaky_relu log_sigmoid log_softmax softmax logsumexp
    standardize hard_tanh hard_sigmoid hard_swish soft_sign mish squareplus
"""
SPECIAL = "gammaln digamma erf erfc erfinv expit logit ndtr log_ndtr ndtri i0 i0e i1 i1e entr"


def of(module: Any, name: str) -> Callable[..., Any]:
    return lambda x, s: getattr(module, name)(x)


MET: dict[str, Callable[..., Any]] = {
    **{name: of(jnp, name) for name in NUMPY.split()},
    **{name: of(jax.nn, name) for name in NN.split()},
    **{name: of(jax.scipy.special, name) for name in SPECIAL.split()},
    "polygamma": lambda x, s: jax.scipy.special.polygamma(1, x),
    "zeta": lambda x, s: jax.scipy.special.zeta(x + 2, 1.0),
    "gammainc": lambda x, s: jax.scipy.special.gammainc(x, x),
    "betainc": lambda x, s: jax.scipy.special.betainc(x, x, x),
    "where": lambda x, s: jnp.where(x > 0.5, x, 0.0),
    "matmul": lambda x, s: x @ x.T,
    "einsum": lambda x, s: jnp.einsum("ij,kj->ik", x, x),
    "convolve": lambda x, s: jnp.convolve(x[0], x[1]),
    "take": lambda x, s: jnp.take(x, COUNTS, axis=1),
    "at add": lambda x, s: jnp.zeros(4).at[COUNTS].add(x[0]),
    "at set": lambda x, s: jnp.zeros(4).at[COUNTS].set(x[0]),
    "at max": lambda x, s: jnp.zeros(4).at[COUNTS].max(x[0]),
    "at multiply": lambda x, s: jnp.ones(4).at[COUNTS].multiply(x[0]),
    "segment_sum": lambda x, s: jax.ops.segment_sum(x[0], COUNTS, 4),
    "one_hot": lambda x, s: jax.nn.one_hot(COUNTS, 4) * x[0, 0],
    "stack": lambda x, s: jnp.stack([x, x]),
    "concatenate": lambda x, s: jnp.concatenate([x, x]),
    "pad": lambda x, s: jnp.pad(x, 1),
    "tile": lambda x, s: jnp.tile(x, 2),
    "split": lambda x, s: jnp.split(x, 3, axis=1)[0],
    "clip": lambda x, s: jnp.clip(x, 0.2, 0.5),
    "mod": lambda x, s: jnp.mod(x, 0.3),
    "power": lambda x, s: x**0.3 + x**3,
    "hypot": lambda x, s: jnp.hypot(x, x),
    "arctan2": lambda x, s: jnp.arctan2(x, x),
    "logaddexp": lambda x, s: jnp.logaddexp(x, x),
    "interp": lambda x, s: jnp.interp(x[0], x[1], x[0]),
    "searchsorted": lambda x, s: jnp.searchsorted(x[0], x[1]),
    "percentile": lambda x, s: jnp.percentile(x, 30),
    "norm": lambda x, s: jnp.linalg.norm(x),
    "solve": lambda x, s: jnp.linalg.solve(s, x),
    "inv": lambda x, s: jnp.linalg.inv(s),
    "det": lambda x, s: jnp.linalg.det(s),
    "slogdet": lambda x, s: jnp.linalg.slogdet(s)[1],
    "cholesky": lambda x, s: jnp.linalg.cholesky(s),
    "qr": lambda x, s: jnp.linalg.qr(x.T)[0],
    "svd": lambda x, s: jnp.linalg.svd(x, full_matrices=False)[1],
    "eigh": lambda x, s: jnp.linalg.eigh(s)[1],
    "lstsq": lambda x, s: jnp.linalg.lstsq(x.T, x[0])[0],
    "expm": lambda x, s: jax.scipy.linalg.expm(s),
    "solve_triangular": lambda x, s: jax.scipy.linalg.solve_triangular(s, x),
    "fft": lambda x, s: jnp.abs(jnp.fft.fft(x)),
    "rfft": lambda x, s: jnp.fft.irfft(jnp.fft.rfft(x)),
    "complex": lambda x, s: jnp.real((x + 1j * x) * jnp.conj(x + 2j)),
    "angle": lambda x, s: jnp.angle(x + 1j),
    "cummax": lambda x, s: lax.cummax(x),
    "cumlogsumexp": lambda x, s: lax.cumlogsumexp(x),
    "top_k": lambda x, s: lax.top_k(x, 2)[0],
    "max_pool": lambda x, s: lax.reduce_window(x, -jnp.inf, lax.max, (1, 2), (1, 1), "VALID"),
    "avg_pool": lambda x, s: lax.reduce_window(x, 0.0, lax.add, (1, 2), (1, 1), "VALID"),
    "scan": lambda x, s: lax.scan(lambda c, v: (c * v, c), x[0, 0], x[1])[0],
    "fori": lambda x, s: lax.fori_loop(0, 3, lambda i, c: c * x, x),
    "while": lambda x, s: lax.while_loop(lambda c: c < 3.0, lambda c: c * 2.0, x[0, 0] + 0.5),
    "cond": lambda x, s: lax.cond(x[0, 0] > 0.5, jnp.sin, jnp.cos, x),
    "map": lambda x, s: lax.map(jnp.sin, x),
    "associative_scan": lambda x, s: lax.associative_scan(jnp.multiply, x),
    "normal": lambda x, s: jax.random.normal(jax.random.key(0), (3,)) * x,
    "gamma": lambda x, s: jax.random.gamma(jax.random.key(0), x),
    "bernoulli": lambda x, s: jax.random.bernoulli(jax.random.key(0), 0.5, (3,)) * x,
    "permutation": lambda x, s: jax.random.permutation(jax.random.key(0), 3) * x,
    "checkpoint": lambda x, s: jax.checkpoint(jnp.sin)(x),
    "reduce_precision": lambda x, s: lax.reduce_precision(x, 8, 7),
    "dynamic_slice": lambda x, s: lax.dynamic_slice(x, (COUNTS[0], COUNTS[0]), (1, 2)),
}


@pytest.mark.parametrize("name", MET)
def test_what_jax_numpy_is_made_of_has_rows(name: str) -> None:
    """The forward and, where there is one, the gradient."""
    run, x, s = MET[name], X, S
    with jax.enable_x64(True):
        met = names_in(jax.make_jaxpr(run)(x, s).jaxpr)
        with contextlib.suppress(TypeError, ValueError, NotImplementedError):  # integers, a while loop
            met |= names_in(jax.make_jaxpr(jax.grad(lambda x, s: jnp.sum(run(x, s)), argnums=(0, 1)))(x, s).jaxpr)
    assert sorted(n for n in met if not primitive(n).known) == []


def test_an_unknown_primitive_is_a_row_too() -> None:
    row = primitive("shear_by_moonlight")
    assert (row.kind, row.known, row.words, row.lattice) == (Kind.UNKNOWN, False, "shear by moonlight", None)
    assert (row.operand(0), row.operand(1), row.operand(4)) == ("the first term", "the second term", "operand 4")


def test_the_columns_say_what_the_old_tables_said() -> None:
    """Spot checks of what was 27 tables: calls, decisions, lattice, words, layers."""
    assert {n for n, r in TABLE.items() if r.kind is Kind.LOOPS} == {"scan", "while", "cond"}
    assert primitive("jit").inside == primitive("pjit").inside == "jaxpr"
    assert {n for n, r in TABLE.items() if r.own_rule} == {
        "custom_jvp_call",
        "custom_vjp_call",
        "custom_vjp_call_jaxpr",
    }
    deciding = "max min clamp gt lt ge le eq ne sign abs sort floor ceil round argmax argmin reduce_max reduce_min"
    deciding += " cummax cummin reduce_window_max reduce_window_min select_and_scatter_add select_and_gather_add"
    assert all(primitive(n).decides for n in deciding.split())
    assert not any(
        primitive(n).decides for n in ("add", "mul", "dot_general", "exp", "select_n", "reshape", "reduce_sum")
    )
    lattice = {
        "mul": "product",
        "add": "joined",
        "div": "quotient",
        "reshape": "same",
        "integer_pow": "power",
        "exp": None,
    }
    assert {n: primitive(n).lattice for n in lattice} == lattice
    assert primitive("div").operand(1) == "the denominator"
    assert primitive("conv_general_dilated").words == "the convolution"
    assert [primitive(n).layer for n in ("dot_general", "mul")] == [True, False]
    assert [primitive(n).rewrites for n in ("reshape", "transpose")] == [True, False]


def test_every_row_can_be_read_by_every_algebra() -> None:
    for name, row in TABLE.items():
        assert row.name == name
        assert row.words
        assert row.lattice in {*LATTICE.values(), "power", None}
        assert row.lock in ("step", "linear", "first order", None)
        assert row.stable in ("norms", "columns", "diagonal", "entries")
        assert (row.inside is not None or row.opens) == (row.kind is Kind.CALLS) or name == "custom_lin"
        assert row.double.value >= 0
        assert row.single.value >= 0
        if row.kind is Kind.FUNCTION and row.lock is None and name not in ("nextafter",):
            assert row.double.value > 0, f"{name} claims to be exact"
