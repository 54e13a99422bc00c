"""A difference contradicts two who agree only if it does so at the finest step that can tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck.doors.functions import from_functions
from crosscheck.witnesses.contradiction import ASKED, standing

Array = np.ndarray
V = np.array([1.0, 2.0])


def squared(x: Any) -> Any:
    return x * x


def stands(f: Callable[[Array], Array], x: Array, agreed: Array, differing: Array, noise: float = 2.0**-52) -> Array:
    operation = from_functions(lambda x: f(x), lambda grad_output, x: {"x": x}, {"x": x})
    v = np.resize(V, x.shape)
    return standing(operation, "x", v, agreed, differing, np.full(x.shape, noise))


def test_a_slope_that_is_there_stands() -> None:
    x = np.array([3.0, 5.0])
    assert stands(squared, x, 4 * V * x, 2 * V * x).all()


def test_of_a_ripple_the_two_are_right() -> None:
    x = np.array([1e7, 2e7])
    assert not stands(lambda x: x + np.sin(x), x, V * (1 + np.cos(x)), V, 1e-8).any()


@pytest.mark.parametrize("noise", [0.75, 1.0, 1.5])
def test_a_ripple_shows_at_steps_below_the_first_that_proves_something(noise: float) -> None:
    """The worst that rounding may do allows for steps of 3 to 12, longer than the ripple; what it does is far less."""
    x = np.array([1e7])
    assert abs(np.cos(x[0])) > 0.9
    assert not stands(lambda x: x + np.sin(x), x, V[:1] * (1 + np.cos(x)), V[:1], noise).any()
    assert stands(lambda x: x + np.sin(x), x, V[:1], V[:1] * (1 + np.cos(x)), 1e-8).all()


def test_other_entries_outputs_are_no_noise() -> None:
    """A hundred entries of an elementwise function: the noise of one output is to be told from one slope."""
    x = 1e7 + np.arange(100.0)
    v = np.resize(V, x.shape)
    only = np.where(np.arange(100) == 3, v, np.nan)
    assert not stands(lambda x: x + np.sin(x), x, v * (1 + np.cos(x)), only, 0.1).any()


def test_where_no_output_moves_however_far_nothing_stands() -> None:
    """erfc(1e-29 cos(x)) is 1 everywhere, and its slope is not 0."""
    x = np.array([1e3])
    assert not stands(lambda x: 1.0 + 1e-29 * np.sin(x), x, V[:1] * 1e-29 * np.cos(x), np.zeros(1)).any()


def test_only_what_is_contradicted_is_looked_at() -> None:
    x = np.array([3.0, 5.0])
    assert stands(squared, x, 4 * V * x, np.array([np.nan, 2 * V[1] * x[1]])).tolist() == [False, True]


def test_where_no_step_tells_nothing_is_said() -> None:
    """An output that is lost in what is added to it does not move, and its slope is none the less there."""
    x = np.array([1e-30, 2e-30])
    assert not stands(lambda x: 1.0 + x, x, V, np.zeros(2), 2.0**-53).any()


def test_a_zero_takes_the_size_of_its_array() -> None:
    assert stands(squared, np.array([0.0, 5.0]), V, np.array([0.0, np.nan])).tolist() == [True, False]


def test_a_code_that_refuses_says_nothing() -> None:
    x = np.array([3.0, 5.0])

    def stubborn(z: Array) -> Array:
        if (z != x).any():
            raise ValueError("only there")
        return z

    assert not stands(stubborn, x, V, np.zeros(2)).any()


@pytest.mark.parametrize("wrong", [False, True])
def test_many_entries_follow_those_that_are_asked(wrong: bool) -> None:
    x = np.linspace(1, 2, 10 * ASKED)
    v = np.resize(V, x.shape)
    differing = (3 if wrong else 2) * v * x
    found = stands(squared, x, 4 * v * x if not wrong else 2 * v * x, differing)
    assert found.all() == (not wrong)
    assert found.any() == (not wrong)


@jax.custom_jvp
def doubled(x: Any) -> Any:
    return x * x


doubled.defjvp(lambda primals, tangents: (doubled(primals[0]), 4 * primals[0] * tangents[0]))


def test_a_mistake_that_is_shared_is_still_told() -> None:
    x = np.array([0.7, -1.3])
    result = crosscheck.check(squared, lambda grad_output, x: {"x": 4 * grad_output * x}, {"x": x}, doubled)
    assert result.verdict == "disagree"
    assert any("a mistake that they share" in said for said in result.gradients["x"].remarks)


def test_a_fine_ripple_accuses_nobody() -> None:
    x = np.array([9999999.1, 10000001.3])
    result = crosscheck.check(
        lambda x: (x + np.sin(x)) / (1 + x),
        lambda grad_output, x: {
            "x": grad_output * ((1 + np.cos(x)) / (1 + x) - (x + np.sin(x)) / (1 + x) ** 2),
        },
        {"x": x},
        lambda x: (x + jnp.sin(x)) / (1 + x),
    )
    assert result.verdict != "disagree"


def test_nor_does_it_without_a_reference() -> None:
    x = np.array([9999999.1, 10000001.3])
    result = crosscheck.check(
        lambda x: x + np.sin(x), lambda grad_output, x: {"x": grad_output * (1 + np.cos(x))}, {"x": x}
    )
    assert result.verdict != "disagree"


@pytest.mark.parametrize("reference", [None, lambda x: jnp.sinh(jnp.cos(x))], ids=["alone", "with a reference"])
def test_nor_a_ripple_that_is_finer_than_the_last_place(reference: Any) -> None:
    x = np.array([1e22, -3e25, 0.3])
    result = crosscheck.check(
        lambda x: np.sinh(np.cos(x)),
        lambda grad_output, x: {"x": -grad_output * np.cosh(np.cos(x)) * np.sin(x)},
        {"x": x},
        reference,
    )
    assert result.verdict != "disagree"


@pytest.mark.parametrize("factor", [1.002, 2.0, -1.0, 0.0])
def test_a_mistake_is_told_without_a_reference(factor: float) -> None:
    x = np.array([0.7, -1.3])
    result = crosscheck.check(
        lambda x: np.sin(x), lambda grad_output, x: {"x": factor * grad_output * np.cos(x)}, {"x": x}
    )
    assert result.verdict == "disagree"
