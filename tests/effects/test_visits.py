"""The ordinary calls: at A, and at B in the same array objects."""

from __future__ import annotations

import numpy as np
import pytest

from crosscheck.effects.visits import (
    BACKWARD,
    BACKWARD_B,
    COTANGENT,
    FORWARD,
    FORWARD_B,
    OUTPUT,
    visited,
)
from tests.effects.healthy import Array, Arrays, Rng, dense, dense_backward
from tests.effects.planted import Memory, calls, doubles_x_forward, healthy, plain, reuses_a_buffer


def test_both_points_are_visited_in_the_same_arrays(rng: Rng) -> None:
    seen = []

    def effect(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
        seen.append((id(x), x.copy()))
        return dense_backward(g, x, w, b)

    given = calls(effect, rng)
    for change in (FORWARD, BACKWARD, FORWARD_B, BACKWARD_B):
        assert given.answer(change) is not None
    (first, at_a), (second, at_b) = seen
    assert first == second
    assert np.array_equal(at_a, given.a.inputs["x"])
    assert np.array_equal(at_b, given.b.inputs["x"])


def test_a_visit_says_what_was_given_and_what_it_held(rng: Rng) -> None:
    given = calls(healthy, rng)
    visit = visited(given, BACKWARD)
    assert visit.who == "backward"
    assert set(visit.given) == set(visit.held) == {"x", "w", "b", COTANGENT}
    assert all(np.array_equal(visit.given[k], visit.held[k]) for k in visit.given)
    assert not any(np.shares_memory(visit.given[k], visit.held[k]) for k in visit.given)
    assert np.array_equal(visit.values["w"], given.a.inputs["x"].T @ given.a.cotangent)


def test_answers_are_copied_at_once(rng: Rng) -> None:
    given = calls(reuses_a_buffer, rng)
    first, other = visited(given, BACKWARD), visited(given, BACKWARD_B)
    assert first.returned["w"] is other.returned["w"]
    assert not np.array_equal(first.values["w"], other.values["w"])


def test_what_the_last_visit_wrote_to_is_refilled(rng: Rng) -> None:
    given = calls(healthy, rng, forward=doubles_x_forward)
    visited(given, FORWARD)
    assert np.array_equal(visited(given, BACKWARD).given["x"], given.a.inputs["x"])


def refusing(m: Memory, x: Array, w: Array, b: Array) -> Array:
    m.kept["calls"] = m.kept.get("calls", 0) + 1
    if m.kept["calls"] == 2:
        raise ValueError("not here")
    return dense(x, w, b)


def test_a_point_that_forward_refuses_is_not_visited_by_backward(rng: Rng) -> None:
    given = calls(healthy, rng, forward=refusing)
    assert np.array_equal(visited(given, FORWARD).values[OUTPUT], dense(**given.a.inputs))
    assert given.answer(FORWARD_B) is None
    assert given.answer(BACKWARD_B) is None


def test_what_backward_refuses_at_b_only_is_left_out(rng: Rng) -> None:
    def effect(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
        m.kept["calls"] = m.kept.get("calls", 0) + 1
        if m.kept["calls"] == 2:
            raise ValueError("not here")
        return dense_backward(g, x, w, b)

    given = calls(effect, rng)
    visited(given, BACKWARD)
    assert given.answer(BACKWARD_B) is None
    assert given.answer(FORWARD_B) is not None


def test_what_it_refuses_at_a_as_well_passes_through(rng: Rng) -> None:
    def effect(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
        m.kept["calls"] = m.kept.get("calls", 0) + 1
        if m.kept["calls"] > 1:
            raise ValueError("only once")
        return dense_backward(g, x, w, b)

    given = calls(effect, rng, forward=plain)
    visited(given, BACKWARD)
    with pytest.raises(ValueError, match="only once"):
        given.answer(BACKWARD_B)
