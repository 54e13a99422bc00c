"""NumPy's functions do what XLA's primitives do, one number or all copies at once; and both ways give the same σ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend import core

from crosscheck.rounding import evaluate, numeric
from crosscheck.rounding.arrays import dtype_of
from crosscheck.traces import walk
from crosscheck.traces.primitives import Kind, primitive
from tests.rounding.common import rounded

RNG = np.random.default_rng(0)
X = RNG.uniform(0.1, 0.9, (3, 4))
Y = RNG.uniform(0.1, 0.9, (3, 4))
Z = X + 1j * Y
N = np.arange(12).reshape(3, 4) % 5
B = N > 2
AT = lax.GatherScatterMode.CLIP


def last(a: Any) -> Any:
    return lax.dot_general(a, a, (((1,), (1,)), ((), ())))


# What a NumPy rule is needed for, each in every form in which it is asked for.
PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    **{
        name: (getattr(lax, name), (X - 0.5,))
        for name in ("neg", "abs", "sign", "floor", "ceil", "is_finite", "square")
    },
    **{name: (getattr(lax, name), (X - 0.5,)) for name in ("cbrt", "exp", "exp2", "expm1", "logistic", "tanh", "sin")},
    **{name: (getattr(lax, name), (X - 0.5,)) for name in ("cos", "tan", "sinh", "cosh", "asinh", "erf", "erfc")},
    **{name: (getattr(lax, name), (X,)) for name in ("sqrt", "rsqrt", "log", "log1p", "asin", "acos", "atan", "atanh")},
    **{name: (getattr(lax, name), (X,)) for name in ("erf_inv", "lgamma", "digamma", "stop_gradient")},
    **{
        name: (getattr(lax, name), (X, Y)) for name in ("add", "sub", "mul", "div", "max", "min", "pow", "atan2", "rem")
    },
    **{name: (getattr(lax, name), (X, Y)) for name in ("eq", "ne", "lt", "le", "gt", "ge", "complex")},
    "acosh": (lax.acosh, (1 + X,)),
    "not": (lax.bitwise_not, (B,)),
    "and": (lax.bitwise_and, (B, ~B)),
    "or": (lax.bitwise_or, (N, N + 1)),
    "xor": (lax.bitwise_xor, (N, N + 1)),
    "whole quotients": (lax.div, (N - 2, N + 1)),
    "real": (lax.real, (Z,)),
    "imag": (lax.imag, (Z,)),
    "conj": (lax.conj, (Z,)),
    "complex sums": (lambda z: z * z + z, (Z,)),
    "cube": (lambda x: lax.integer_pow(x, 3), (X - 0.5,)),
    "reciprocal square": (lambda x: lax.integer_pow(x, -2), (X - 0.5,)),
    "select": (lax.select, (B, X, Y)),
    "select of three": (lambda n, *x: lax.select_n(n, *x), (np.asarray(N % 3, np.int32), X, Y, -X)),
    "clamp": (lambda x: lax.clamp(0.2, x, 0.7), (X,)),
    "cast": (lambda n: lax.convert_element_type(n, np.float64), (N,)),
    "cast to whole": (lambda x: lax.convert_element_type(4 * x, np.int32), (X - 0.5,)),
    "cast to boolean": (lambda x: lax.convert_element_type(x, bool), (X * (X > 0.5),)),
    "copy": (jnp.copy, (X,)),
    "by a number": (lambda x, c: x * c, (X, np.float64(0.3))),
    "broadcast": (lambda x: lax.broadcast_in_dim(x, (2, 4, 3), (2, 1)), (X,)),
    "repeated": (lambda x: lax.broadcast_in_dim(x[:1], (5, 4), (0, 1)), (X,)),
    "reshape": (lambda x: lax.reshape(x, (2, 6)), (X,)),
    "squeeze": (lambda x: lax.squeeze(x[:1], (0,)), (X,)),
    "transpose": (lambda x: lax.transpose(x, (1, 0)), (X,)),
    "reverse": (lambda x: lax.rev(x, (0, 1)), (X,)),
    "slice": (lambda x: lax.slice(x, (1, 0), (3, 4), (1, 2)), (X,)),
    "pad": (lambda x: lax.pad(x, 0.5, ((1, 2, 1), (0, 1, 0))), (X,)),
    "cut": (lambda x: lax.pad(x, 0.5, ((-1, 0, 1), (2, -1, 0))), (X,)),
    "concatenate": (lambda x, y: lax.concatenate([x, y], 1), (X, Y)),
    "split": (lambda x: jnp.split(x, [1, 3], axis=1), (X,)),
    "matrix product": (last, (X,)),
    "batched product": (lambda x, y: lax.dot_general(x, y, (((1,), (1,)), ((0,), (0,)))), (X, Y)),
    "iota": (lambda x: x + lax.broadcasted_iota(np.float64, (3, 4), 1), (X,)),
    "running sum": (lambda x: lax.cumsum(x, 1), (X,)),
    "running sum back": (lambda x: lax.cumsum(x, 0, reverse=True), (X,)),
    "running product": (lambda x: lax.cumprod(x, 0), (X,)),
    "running maximum": (lambda x: lax.cummax(x, 1), (X,)),
    "running minimum": (lambda x: lax.cummin(x, 1), (X,)),
    "sum": (lambda x: jnp.sum(x, 0), (X,)),
    "product": (lambda x: jnp.prod(x, 1), (X,)),
    "maximum": (lambda x: jnp.max(x), (X,)),
    "minimum": (lambda x: jnp.min(x, 0), (X,)),
    "all": (lambda b: jnp.all(b, 0), (B,)),
    "any": (lambda b: jnp.any(b), (B,)),
    "added twice": (jax.grad(lambda x: jnp.sum(x * jnp.sin(x))), (X,)),
}


def equations(jaxpr: core.Jaxpr, consts: list[Any], values: list[Any]) -> Iterator[tuple[core.JaxprEqn, list[Any]]]:
    """Every equation with its operands; calls are stepped into."""
    env = dict(zip([*jaxpr.invars, *jaxpr.constvars], [*values, *consts], strict=True))
    for eqn in jaxpr.eqns:
        ins = [np.asarray(a.val, dtype_of(a)) if isinstance(a, core.Literal) else env[a] for a in eqn.invars]
        called = walk.inner_jaxpr(eqn)
        if called is not None:
            yield from equations(called[0], called[1], ins)
        else:
            yield eqn, ins
        out = eqn.primitive.bind(*ins, **eqn.params)
        outs = out if eqn.primitive.multiple_results else [out]
        env.update(zip(eqn.outvars, map(np.asarray, outs), strict=True))


def asked(name: str) -> list[tuple[core.JaxprEqn, list[Any]]]:
    f, given = PROGRAMS[name]
    with jax.enable_x64(True):
        closed = jax.make_jaxpr(f)(*given)
        return list(equations(closed.jaxpr, list(closed.consts), [np.asarray(a) for a in given]))


def known(eqn: core.JaxprEqn) -> bool:
    return eqn.primitive.name in numeric.ENTRYWISE or eqn.primitive.name in numeric.WHOLE


def moved(a: Any, count: int = 3) -> Any:
    """Copies of an operand, the copies' axis first."""
    if a.dtype.kind not in "fc":
        return None
    return np.stack([a * (1 + 2.0**-10 * k) for k in range(count)])


@pytest.mark.parametrize("name", PROGRAMS)
def test_numpy_does_what_the_primitive_does(name: str) -> None:
    found = [(eqn, ins) for eqn, ins in asked(name) if known(eqn)]
    assert found
    with jax.enable_x64(True):
        for eqn, ins in found:
            for ours, theirs in zip(numeric.outputs(eqn, ins), walk.evaluate(eqn, ins), strict=True):
                assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
                np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", PROGRAMS)
def test_all_copies_at_once(name: str) -> None:
    with jax.enable_x64(True):
        for eqn, ins in asked(name):
            copies = [moved(a) for a in ins]
            if all(c is None for c in copies):
                continue
            one_by_one = [
                walk.evaluate(eqn, [a if c is None else c[k] for a, c in zip(ins, copies, strict=True)])
                for k in range(3)
            ]
            for ours, theirs in zip(
                numeric.outputs_of_copies(eqn, ins, copies), zip(*one_by_one, strict=True), strict=True
            ):
                np.testing.assert_allclose(np.broadcast_to(ours, np.shape(theirs)), theirs, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", PROGRAMS)
def test_derivatives(name: str) -> None:
    with jax.enable_x64(True):
        for eqn, ins in asked(name):
            if primitive(eqn.primitive.name).kind is not Kind.FUNCTION or len(ins) > 1:
                continue
            tangent = np.full(ins[0].shape, 0.25)
            theirs = jax.jvp(lambda x, eqn=eqn: walk.evaluate(eqn, [x])[0], (ins[0],), (tangent,))[1]
            np.testing.assert_allclose(numeric.derivative(eqn, ins, [tangent]), theirs, rtol=1e-12)


def test_every_rule_is_tried() -> None:
    tried = {eqn.primitive.name for name in PROGRAMS for eqn, _ in asked(name)}
    # `copy_p` is another name that `copy` has had.
    indexing = {"gather", "scatter", "scatter-add"}  # test_indexing.py
    assert {*numeric.ENTRYWISE, *numeric.WHOLE} - tried - indexing <= {"copy_p", "stop_gradient", "expand_dims"}
    assert set(numeric.SLOPES) <= tried


def test_a_primitive_without_a_rule_is_compiled_alone() -> None:
    (eqn, ins), *_ = asked_of(lambda x: lax.cumlogsumexp(x, 1), X)
    copies = moved(ins[0])
    with jax.enable_x64(True):
        (ours,) = numeric.outputs_of_copies(eqn, ins, [copies])
        theirs = [lax.cumlogsumexp(c, 1) for c in copies]
    np.testing.assert_allclose(ours, theirs, rtol=1e-14)


def asked_of(f: Callable[..., Any], *given: Any) -> list[tuple[core.JaxprEqn, list[Any]]]:
    with jax.enable_x64(True):
        closed = jax.make_jaxpr(f)(*given)
        return list(equations(closed.jaxpr, list(closed.consts), [np.asarray(a) for a in given]))


def scanned(x: Any) -> Any:
    return lax.scan(lambda h, a: (jnp.tanh(h + 0.3 * a), h * a), x[0], x, reverse=True)


def branched(x: Any) -> Any:
    return lax.cond(x.sum() > 1, jnp.sin, lambda a: a * a, x) * 0.1


def sorted_and_solved(x: Any) -> Any:
    return jnp.linalg.solve(x[:, :3] + 3 * jnp.eye(3), jnp.sort(x[:, 3])) @ x[:, :2]


def empty(x: Any) -> Any:
    return lax.scan(lambda h, a: (h + a, h), x[0], x[:0])


@pytest.mark.parametrize("f", [last, scanned, branched, sorted_and_solved, empty, jnp.fft.rfft, jnp.tanh])
def test_interpreted_and_compiled_copies_scatter_alike(f: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """They draw the same signs."""
    near = rounded(f, X)
    monkeypatch.setattr(evaluate, "SMALL", 0)
    far = rounded(f, X)
    assert far.compiled
    assert not near.compiled
    for a, b in zip(near.outputs, far.outputs, strict=True):
        np.testing.assert_allclose(a.value, b.value, rtol=1e-13)
        np.testing.assert_allclose(a.sigma, b.sigma, rtol=0.2, atol=2.0**-60)
        np.testing.assert_allclose(a.terms, b.terms, rtol=1e-12)


def test_a_decision_within_rounding_flips_in_both(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: Any) -> Any:
        return jnp.where((x[0] + x[1]) - x[2] > 0, 3.0, 5.0)

    near = rounded(f, np.array([0.1, 0.2, 0.3]))
    monkeypatch.setattr(evaluate, "SMALL", 0)
    far = rounded(f, np.array([0.1, 0.2, 0.3]))
    assert near.flipped
    assert far.flipped
    assert near.outputs[0].excuse == far.outputs[0].excuse == 2.0
