"""Decisions within rounding: what would change is an excuse, and no part of σ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.rounding.common import NEAR, rounded, zero

X = np.array(NEAR)
TINY = 1e-14


def scores(x: Any) -> Any:
    """Two sums that are equal but for rounding."""
    return jnp.stack([(x[0] + x[1]) + x[2], x[0] + (x[1] + x[2])])


TABLE = np.array([[1.0, 2.0, 3.0], [-1.0, 5.0, 0.5]])

# What is computed, and how far the results move if what is uncertain is decided otherwise.
FLIPS: dict[str, tuple[Callable[..., Any], Any]] = {
    "a comparison": (lambda x: jnp.where(zero(x) > 0, 3.0, 1.0), 2.0),
    "sign": (lambda x: jnp.sign(zero(x)), 2.0),
    "floor": (lambda x: jnp.floor(zero(x)), 1.0),
    "ceil": (lambda x: jnp.ceil(zero(x)), 1.0),
    "round": (lambda x: jnp.round(zero(x) + 0.5), 1.0),
    "the gradient of ReLU": (lambda x: jax.grad(lambda x: jax.nn.relu(zero(x)))(x), 1.0),
    "the gradient of a clip": (lambda x: jax.grad(lambda x: jnp.clip(zero(x), 0.0, 1.0))(x), 1.0),
    "the gradient of abs": (lambda x: jax.grad(lambda x: jnp.abs(zero(x)))(x), 2.0),
    "an index": (lambda x: jnp.asarray(TABLE)[jnp.argmax(scores(x))] * x, np.abs(TABLE[1] - TABLE[0]) * X),
    "the order of a sort": (lambda x: lax.sort((scores(x), jnp.array([3.0, 5.0])), num_keys=1)[1], 2.0),
    "argsort": (lambda x: jnp.array([3.0, 5.0])[jnp.argsort(scores(x))], 2.0),
    "the gradient of a maximum": (lambda x: jax.grad(lambda s: jnp.max(s))(scores(x)), 1.0),
    "the gradient of a pool": (
        lambda x: jax.grad(lambda s: lax.reduce_window(s, -jnp.inf, lax.max, (2,), (1,), "VALID")[0])(scores(x)),
        1.0,
    ),
    "top_k": (lambda x: jnp.array([3.0, 5.0])[lax.top_k(scores(x), 1)[1]], 2.0),
    "a branch": (lambda x: lax.cond(zero(x) > 0, lambda v: v, lambda v: 3 * v, x), 2 * X),
    "remainder": (lambda x: jnp.mod(zero(x), 1.0), 1.0),
}


@pytest.mark.parametrize("what", FLIPS)
def test_what_flips_is_an_excuse(what: str) -> None:
    f, change = FLIPS[what]
    found = rounded(f, X)
    (out,) = found.outputs
    assert np.all(out.sigma < TINY), "what jumps is no part of σ"
    assert found.flipped
    assert out.excuse is not None
    if what == "the gradient of a maximum":  # a copy may tie, which is a third answer: half to each
        assert np.all((out.excuse >= change) & (out.excuse < 4 * change))
    else:
        np.testing.assert_allclose(out.excuse, np.broadcast_to(change, out.excuse.shape), rtol=1e-9)


def test_a_loop_that_may_turn_once_more() -> None:
    """c doubles until it is no longer below 4 (1 + rounding)."""
    found = rounded(lambda x: lax.while_loop(lambda c: c < 4.0, lambda c: 2 * c, 1.0 + 4 * zero(x)), X)
    assert found.flipped
    assert found.outputs[0].excuse == pytest.approx(4.0)
    assert found.outputs[0].sigma < TINY


def test_a_loop_that_no_copy_can_leave_ends() -> None:
    """Newton's steps until one is below a rounding: the main run gets there, what is perturbed by more does not."""

    def root(x: Any) -> Any:
        def turn(state: Any) -> Any:
            y, _ = state
            new = 0.5 * (y + x / y)
            return new, jnp.abs(new - y)

        return lax.while_loop(lambda s: s[1] > 1e-16, turn, (x, x))[0]

    found = rounded(root, np.array(2.0))
    (out,) = found.outputs
    assert found.flipped
    assert out.value == pytest.approx(np.sqrt(2.0), rel=1e-15)
    assert out.sigma < 1e-15
    assert out.excuse is not None
    assert out.excuse < 1e-13


def test_exact_operands_decide_exactly() -> None:
    ties = np.array([1.0, 1.0, 0.0])
    for f in (jnp.argmax, jnp.sort, lambda x: jnp.where(x > 0, x, 0.0), lambda x: jax.grad(jnp.max)(x)):
        found = rounded(f, ties)
        assert not found.flipped
        assert found.outputs[0].excuse is None


def test_counts_decide_exactly() -> None:
    """A sum of ones is exact in any order: its comparison with a number is no tie."""
    found = rounded(lambda x: jnp.where(jnp.sum(jnp.where(x > 0, 1.0, 0.0)) >= 3.0, x, -x), X)
    assert not found.flipped


def test_a_maximum_and_its_winner_are_one_value() -> None:
    found = rounded(lambda x: jax.grad(lambda x: jnp.max(x * 0.7))(x), np.array([0.3, 0.9, 0.5]))
    assert not found.flipped


def test_a_maximum_of_cancelling_sums_is_rounded() -> None:
    """The loser may have won: max is no less rounded than what it chooses from."""
    for f in (
        lambda x: jnp.maximum(zero(x), 0.0),
        lambda x: jnp.clip(zero(x), 0.0, 1.0),
        lambda x: jax.nn.relu(-zero(x)),
    ):
        assert 1e-18 < rounded(f, X).outputs[0].sigma < 1e-15


def test_many_flips_are_excused_together() -> None:
    """Of 40 uncertain steps any subset may flip; their sum is excused up to all of them."""

    def f(x: Any) -> Any:
        return jnp.sum(jnp.where((x * 0.1 + x * 0.2) - x * 0.3 > 0, 1.0, 0.0))

    x = np.linspace(1, 2, 40)
    with jax.enable_x64(True):
        out = rounded(f, x).outputs[0]
        other = np.sum((x * np.float64(0.1) - x * np.float64(0.3)) + x * np.float64(0.2) > 0)
    assert out.excuse is not None
    assert abs(out.value - other) <= out.excuse
    assert out.excuse >= 20
    assert out.sigma < TINY


def test_a_domain_has_an_edge_for_free_copies_too() -> None:
    """√ of a cancelling sum, beside a decision that flips: half of the copies would have no root."""
    found = rounded(lambda x: jnp.sqrt(jnp.maximum(zero(x), 0.0) + zero(x)) + jnp.sign(zero(x)), X)
    assert found.flipped
    assert found.outputs[0].excuse == pytest.approx(2.0, abs=1e-6)


def test_a_pivot_that_flips_changes_nothing_behind_it() -> None:
    a = np.array([[0.1 + 0.2, 1.0], [0.3, 2.0]])
    found = rounded(lambda a: jnp.linalg.solve(a * 0.1, jnp.ones(2)), a)
    (out,) = found.outputs
    assert np.all(out.sigma < 1e-13)
    assert out.excuse is None or np.all(out.excuse < 1e-11)
