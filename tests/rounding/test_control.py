"""Loops carry the planes: the same bound as the loop written out, and a branch that could have been the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from crosscheck.floats import DOUBLE, UNIT
from crosscheck.rounding.algebra import Rounding
from crosscheck.rounding.planes import EXACT, Note
from crosscheck.traces.precision import double_precision
from crosscheck.traces.walk import walk

X = np.random.default_rng(0).normal(size=(4, 3))


def note_of(function: Callable[..., Any], x: np.ndarray, note: Note = EXACT) -> tuple[np.ndarray, Note]:
    """Value and planes of a function of one array."""
    with double_precision():
        closed = jax.make_jaxpr(function)(x)
        values, notes = walk(closed.jaxpr, closed.consts, [x], [note], Rounding(UNIT[DOUBLE], 0.0))
        return np.asarray(values[0]), notes[0]


def step(carry: Any, row: Any) -> Any:
    return jnp.tanh(carry * 0.5 + row)


def scanned(x: Any) -> Any:
    return lax.scan(lambda c, row: (step(c, row), None), jnp.zeros(3), x)[0]


def reversed_scan(x: Any) -> Any:
    return lax.scan(lambda c, row: (step(c, row), None), jnp.zeros(3), x, reverse=True)[0]


def counted(x: Any) -> Any:
    return lax.while_loop(lambda c: c[0] < 4, lambda c: (c[0] + 1, step(c[1], x[c[0]])), (0, jnp.zeros(3)))[1]


def written_out(x: Any, order: Any = range(4)) -> Any:
    carry = jnp.zeros(3)
    for i in order:
        carry = step(carry, x[i])
    return carry


LOOPS = {
    "scan": (scanned, written_out),
    "reversed scan": (reversed_scan, lambda x: written_out(x, range(3, -1, -1))),
    "while": (counted, written_out),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_has_the_bound_of_the_loop_written_out(name: str) -> None:
    loop, plain = LOOPS[name]
    value, note = note_of(loop, X)
    expected, expected_note = note_of(plain, X)
    np.testing.assert_allclose(value, expected, rtol=1e-15)
    np.testing.assert_allclose(note.error, expected_note.error, rtol=1e-12)
    assert (np.asarray(note.error) > 0).all()
    assert not np.asarray(note.flip).any()


def test_what_a_scan_stacks_has_its_planes_too() -> None:
    def rows(x: Any) -> Any:
        return lax.scan(lambda c, row: (c, row * row), 0.0, x)[1]

    _, note = note_of(rows, X)
    np.testing.assert_allclose(note.error, X * X, rtol=1e-15)


def branched(x: Any) -> Any:
    return lax.cond(x[0] > 0, lambda y: y * y, lambda y: -y, x)


@pytest.mark.parametrize("at", [2.0, -2.0])
def test_a_branch_that_is_certain_has_its_own_bound(at: float) -> None:
    x = np.array([at, 3.0])
    _, note = note_of(branched, x, Note(error=np.full(2, 1.0)))
    expected = 2 * np.abs(x) + x * x if at > 0 else np.ones(2)
    np.testing.assert_allclose(note.error, expected, rtol=1e-15)
    assert not np.asarray(note.flip).any()


def test_a_branch_that_could_have_been_the_other_excuses_everything() -> None:
    x = np.array([UNIT[DOUBLE], 3.0])
    _, note = note_of(branched, x, Note(error=np.full(2, 1.0)))
    assert np.isinf(np.asarray(note.flip)).all()
    assert np.isfinite(np.asarray(note.error)).all()
    # The same operands, known exactly, compare exactly.
    _, certain = note_of(branched, x)
    assert not np.asarray(certain.flip).any()
