"""A reference that is traced once: how often its Python code runs, and that nothing else changes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck.traces.once import TracedOnce, derived, length_of
from crosscheck.traces.precision import double_precision

X = np.array([0.3, -1.2, 2.0])


class Counted:
    """A function of x with a rule of its own, and how often it ran."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return jnp.sin(jax.nn.relu(x)) * 2.0


def test_its_code_runs_once_for_each_kind_of_arguments() -> None:
    counted = Counted()
    once = TracedOnce(counted)
    with double_precision():
        for _ in range(3):
            np.testing.assert_array_equal(once(x=X), counted(X))
            jax.vjp(lambda x: once(x=x), X)
        assert counted.calls == 1 + 3
        once(x=X[:2])
        once(x=X.astype(np.float32))
    assert counted.calls == 3 + 3
    once(x=X)  # without 64 bits it is another function
    assert counted.calls == 4 + 3


def test_derivatives_keep_the_rules_of_the_function() -> None:
    """relu's derivative at 0 is its own rule's."""
    once = TracedOnce(Counted())
    x = np.array([0.0, 1.0, -1.0])
    with double_precision():
        _, pull = jax.vjp(lambda x: once(x=x), x)
        np.testing.assert_allclose(pull(np.ones(3))[0], [0.0, 2 * np.cos(1.0), 0.0], rtol=1e-15)
        moved = jax.jvp(lambda x: once(x=x), (x,), (np.ones(3),))[1]
        np.testing.assert_allclose(moved, [0.0, 2 * np.cos(1.0), 0.0], rtol=1e-15)


@pytest.mark.parametrize(
    "returned", [lambda x: (x, x), lambda x: {"y": x}, lambda x: None], ids=["tuple", "dictionary", "None"]
)
def test_what_it_returns_keeps_its_structure(returned: Any) -> None:
    assert jax.tree.structure(TracedOnce(returned)(x=X)) == jax.tree.structure(returned(X))


def test_an_exception_passes_and_is_raised_again() -> None:
    def refusing(x: Any) -> Any:
        raise ValueError("not this one")

    once = TracedOnce(refusing)
    for _ in range(2):
        with pytest.raises(ValueError, match="not this one"):
            once(x=X)


def test_what_is_derived_is_kept_with_a_reference_that_is_traced_once() -> None:
    made: list[int] = []

    def make() -> int:
        made.append(1)
        return len(made)

    once = TracedOnce(Counted())
    assert [derived(once, "it", X, make), derived(once, "it", X + 1, make), derived(once, "other", X, make)] == [
        1,
        1,
        2,
    ]
    assert [derived(Counted(), "it", X, make), derived(Counted(), "it", X, make)] == [3, 4]


def test_the_length_counts_the_turns_of_a_scan() -> None:
    def scanned(x: Any) -> Any:
        return jax.lax.scan(lambda c, _: (jnp.sin(c) + 1.0, None), x, None, 10)[0]

    once = TracedOnce(scanned)
    assert length_of(once) == 0  # never traced
    once(x=X)
    assert length_of(once) == 20
    assert length_of(scanned) == 0
