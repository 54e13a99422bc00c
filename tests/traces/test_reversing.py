"""The VJP that is put together of pieces is `jax.vjp` of the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend import core

from crosscheck.traces import reversing
from crosscheck.traces.precision import double_precision
from crosscheck.traces.reversing import vjp_program

Arrays = dict[str, Any]
RNG = np.random.default_rng(0)


def integers(*shape: int) -> np.ndarray:
    """Of few digits: every product and sum of the programs here is exact in whatever order it is computed."""
    return RNG.integers(-4, 5, shape).astype(np.float64)


def by_pieces(f: Callable[..., Any], inputs: Arrays, asked: str, v: Any) -> tuple[Any, Arrays]:
    closed = jax.make_jaxpr(lambda d: f(**d))(inputs)
    names = sorted(inputs)
    program = vjp_program(closed, [k in asked for k in names], jax.ShapeDtypeStruct(v.shape, v.dtype))
    assert program is not None
    y, *gradients = core.jaxpr_as_fun(program)(*(inputs[k] for k in names), v)
    return y, dict(zip(sorted(asked), gradients, strict=True))


def by_jax(f: Callable[..., Any], inputs: Arrays, asked: str, v: Any) -> tuple[Any, Arrays]:
    rest = {k: a for k, a in inputs.items() if k not in asked}
    y, pull = jax.vjp(lambda d: f(**d, **rest), {k: inputs[k] for k in asked})
    return y, pull(jnp.asarray(v).astype(y.dtype).reshape(y.shape))[0]


def twice_read(x: Any, w: Any) -> Any:
    h = x @ w
    return h * h + h.sum(0) - x[:, :1] * h


def loops(x: Any, w: Any) -> Any:
    h, total = lax.scan(lambda h, row: (h + row * w[0], h.sum()), x[0], x)
    return lax.cond(total[0] > 0, lambda h: 2 * h, lambda h: h * h, h)


def unused(x: Any, w: Any) -> Any:
    return x * 3 + lax.stop_gradient(x @ w).sum()


def an_operand_returned(x: Any, w: Any) -> Any:
    return (x + 0 * w.sum(), x)[1]


def a_constant_returned(x: Any, w: Any) -> Any:
    return jnp.ones(3)


def over_integers(x: Any, w: Any) -> Any:
    order = jnp.argsort(x[:, 0])
    ordered, index = lax.sort_key_val(x[:, 1], jnp.arange(len(x)))
    return x[order] @ w + ordered[:, None] * index[:, None]


@jax.custom_vjp
def halved_on_the_way_back(x: Any) -> Any:
    return 2 * x


halved_on_the_way_back.defvjp(lambda x: (2 * x, None), lambda _, g: (g / 2,))


def with_a_rule_of_its_own(x: Any, w: Any) -> Any:
    return halved_on_the_way_back(x) @ w


def jitted(x: Any, w: Any) -> Any:
    inner = jax.jit(lambda a, b: (jnp.where(a > 0, a, 2 * a) @ b, a.sum()))
    y, total = inner(x, w)
    return y + total * inner(-x, w)[0]


def closes_over_an_array(x: Any, w: Any) -> Any:
    return (x * KEPT) @ w + KEPT.sum()


KEPT = jnp.asarray(integers(4, 3))
EXACT = [
    twice_read,
    loops,
    unused,
    an_operand_returned,
    a_constant_returned,
    over_integers,
    with_a_rule_of_its_own,
    jitted,
    closes_over_an_array,
]


@pytest.mark.parametrize("asked", ["x", "w", "wx"])
@pytest.mark.parametrize("f", EXACT, ids=lambda f: f.__name__)
def test_is_the_vjp_of_jax_bit_for_bit_where_nothing_rounds(f: Callable[..., Any], asked: str) -> None:
    inputs = {"x": integers(4, 3), "w": integers(3, 3)}
    with double_precision():
        v = integers(*jax.eval_shape(lambda d: f(**d), inputs).shape)
        y, gradients = by_pieces(f, inputs, asked, v)
        true, expected = by_jax(f, inputs, asked, v)
        np.testing.assert_array_equal(y, true)
        for k in asked:
            np.testing.assert_array_equal(gradients[k], expected[k])


@pytest.mark.parametrize("planted", ["the last reader alone", "the first piece for every kind"])
def test_a_mistake_in_putting_together_is_seen(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if planted.startswith("the last"):
        monkeypatch.setattr(reversing.Reversing, "sum", lambda self, one, other: other)
    else:
        pieces = reversing.differentiated
        monkeypatch.setattr(
            reversing,
            "differentiated",
            lambda alone, active: pieces(alone, active[:1] * len(active)),
        )
    with pytest.raises((AssertionError, ValueError, KeyError)):
        test_is_the_vjp_of_jax_bit_for_bit_where_nothing_rounds(twice_read, "wx")


def test_complex_numbers_and_a_cotangent_of_another_kind() -> None:
    inputs = {"z": integers(3) + 1j * integers(3), "x": integers(3).astype(np.float32)}

    def f(z: Any, x: Any) -> Any:
        return jnp.real(z * jnp.conj(z) * x + z).astype(jnp.float32).reshape(3, 1)

    with double_precision():
        v = integers(3)
        y, gradients = by_pieces(f, inputs, "xz", v)
        true, expected = by_jax(f, inputs, "xz", v)
        np.testing.assert_array_equal(y, true)
        for k in inputs:
            assert gradients[k].dtype == inputs[k].dtype
            np.testing.assert_array_equal(gradients[k], expected[k])


def test_a_program_with_effects_is_left_to_jax() -> None:
    def f(x: Any) -> Any:
        jax.debug.print("{x}", x=x)
        return x * 2

    closed = jax.make_jaxpr(f)(1.0)
    assert vjp_program(closed, [True], jax.ShapeDtypeStruct((), np.float32)) is None
