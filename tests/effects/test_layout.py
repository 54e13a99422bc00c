"""Variants of the backward call: read-only, strided, the cotangent times -2."""

from __future__ import annotations

import numpy as np
import pytest

from crosscheck.effects.layout import ALL_AT_ONCE, ISOLATED, VARIANTS, Variant, all_layouts, differs, wrong
from crosscheck.effects.visits import BACKWARD, FORWARD
from tests.effects.healthy import Array, Arrays, Rng, dense_backward
from tests.effects.planted import (
    Effect,
    Memory,
    absolute_cotangent,
    calls,
    healthy,
    planted,
    squared_cotangent,
    wants_contiguous,
    wants_writeable,
    writes_equal_values,
    wrong_for_read_only,
)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.bool_])
def test_one_array_has_all_layouts_at_once(dtype: type, rng: Rng) -> None:
    a = rng.integers(0, 2, (3, 4)).astype(dtype)
    found = all_layouts(a.copy())
    assert np.array_equal(found, a)
    assert found.dtype == a.dtype
    assert not found.flags.writeable
    assert not found.flags.c_contiguous
    assert not found.flags.f_contiguous


@pytest.mark.parametrize("name", VARIANTS)
def test_a_number_without_axes_stays_one(name: str) -> None:
    assert VARIANTS[name].layout(np.array(4.0)).shape == ()


def test_the_answer_to_all_at_once_is_divided_by_all_factors(rng: Rng) -> None:
    given = calls(healthy, rng)
    given.answer(FORWARD)
    assert not differs(given, ALL_AT_ONCE)
    answer = given.answer(ALL_AT_ONCE)
    assert isinstance(answer, dict)
    assert not wrong(given, answer)
    inputs, v = given.a.inputs, given.a.cotangent
    assert given.unequal(answer, dense_backward(v, **inputs)) == []
    assert given.unequal(answer, dense_backward(-2 * v, **inputs)) == ["x", "w", "b"]


def test_variants_are_not_isolated_where_all_at_once_are_as_the_first(rng: Rng) -> None:
    given = calls(healthy, rng)
    assert [given.answer(change) for change in ISOLATED] == [None] * len(VARIANTS)


def test_variants_are_made_one_at_a_time(rng: Rng) -> None:
    seen = []

    def effect(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
        seen.append((x.flags.writeable, x.flags.c_contiguous, np.sign(g.flat[0])))
        return squared_cotangent(m, g, x, w, b)

    given = calls(effect, rng)
    given.answer(FORWARD)
    given.answer(BACKWARD)
    for change in ISOLATED:
        given.answer(change)
    sign = np.sign(given.a.cotangent.flat[0])
    plain, together, *equal = seen[:5]
    assert plain == (True, True, sign)
    assert together == (False, False, -sign)
    assert equal == [plain] * 3
    assert seen[5:] == [(False, True, sign), (True, False, sign), (True, False, sign), (True, True, -sign)]


@pytest.mark.parametrize("effect", [wants_writeable, wants_contiguous, writes_equal_values])
def test_a_refusal_is_an_answer_where_arrays_are_not_plain(effect: Effect, rng: Rng) -> None:
    given = calls(effect, rng)
    given.answer(FORWARD)
    assert isinstance(given.answer(ALL_AT_ONCE), Exception)
    assert differs(given, ALL_AT_ONCE)


def test_an_exception_on_plain_arrays_passes_through(rng: Rng) -> None:
    def effect(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
        if x.flags.writeable:
            raise RuntimeError("mine")
        return dense_backward(g, x, w, b)

    with pytest.raises(RuntimeError, match="mine"):
        Variant(factor=-2.0, refusable=False)(calls(effect, rng))


def test_a_write_to_a_read_only_array_is_no_refusal(rng: Rng) -> None:
    assert [(f.kind, f.fails) for f in planted(writes_equal_values, rng).findings] == [("mutated-argument", True)]


def test_wrong_for_one_layout_is_not_called_nonlinear(rng: Rng) -> None:
    assert [f.kind for f in planted(wrong_for_read_only, rng).findings] == ["readonly"]


@pytest.mark.parametrize("effect", [absolute_cotangent, squared_cotangent])
def test_a_nonlinear_answer_is_not_blamed_on_layouts(effect: Effect, rng: Rng) -> None:
    assert [f.kind for f in planted(effect, rng).findings] == ["nonlinear"]
