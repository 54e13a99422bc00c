"""Equal bit for bit, equal within rounding, far apart."""

from __future__ import annotations

import numpy as np
import pytest

from crosscheck.effects.comparison import FAR, REPEATED, equal, far, finite, same_bytes

UNIT = 2.0**-53


def test_bytes_tell_what_values_do_not() -> None:
    assert same_bytes(np.array([np.nan, -0.0]), np.array([np.nan, -0.0]))
    assert not same_bytes(np.array([0.0]), np.array([-0.0]))
    assert not same_bytes(np.zeros(2), np.zeros((2, 1)))
    assert not same_bytes(np.zeros(2), np.zeros(2, np.float32))


def test_the_padding_of_longdouble_does_not_count() -> None:
    a = np.array([1, np.nan], np.longdouble)
    assert same_bytes(a, a.copy())
    assert not same_bytes(a, a + 1)


def test_layout_is_no_difference() -> None:
    a = np.arange(6.0).reshape(2, 3)
    assert same_bytes(a, np.asfortranarray(a))


@pytest.mark.parametrize("allowed", [0.25, np.array([0.25, 0.5])])
def test_answers_may_be_apart_by_what_is_allowed(allowed: float | np.ndarray) -> None:
    q = np.array([1.0, 2.0])
    assert equal(q + allowed, q, allowed, UNIT)
    assert equal(q - allowed, q, allowed, UNIT)
    assert not equal(q + 1.001 * allowed, q, allowed, UNIT)
    assert not equal(q + np.array([0.26, 0]), q, allowed, UNIT)


@pytest.mark.parametrize("unit", [2.0**-24, 2.0**-53])
def test_where_nothing_is_known_roundings_of_the_largest_entry_are_allowed(unit: float) -> None:
    q = np.array([1.0, -4.0])
    assert equal(q + np.array([4 * REPEATED * unit, 0]), q, None, unit)
    assert not equal(q + np.array([4.01 * REPEATED * unit, 0]), q, None, unit)


def test_a_bound_of_another_shape_is_not_known() -> None:
    q = np.array([1.0, -4.0])
    assert equal(q + 4 * REPEATED * UNIT, q, np.zeros((2, 2)), UNIT)
    assert not equal(q + 0.5, q, np.ones((2, 2)), UNIT)


def test_two_roundings_are_always_allowed() -> None:
    q = np.array([1.0, 0.0])
    assert equal(q + np.array([0, 2 * UNIT]), q, 0.0, UNIT)
    assert not equal(q + np.array([0, 2.01 * UNIT]), q, 0.0, UNIT)


def test_nan_is_equal_to_nan_and_infinity_to_infinity_only() -> None:
    lost = np.array([np.nan, np.inf, 1.0])
    assert equal(lost, lost, None, UNIT)
    for other in ([0, np.inf, 1], [np.nan, -np.inf, 1], [np.nan, 0, 1], [np.nan, np.inf, 2]):
        assert not equal(np.array(other, float), lost, None, UNIT)
        assert not equal(lost, np.array(other, float), None, UNIT)


def test_other_shapes_are_not_equal() -> None:
    assert not equal(np.zeros((2, 1)), np.zeros((1, 2)), 1.0, UNIT)
    assert far(np.zeros((2, 1)), np.zeros((1, 2)))


def test_numbers_and_empty_arrays_are_compared_too() -> None:
    assert equal(np.array(1.0), np.array(1.0), None, UNIT)
    assert not equal(np.array(1.0), np.array(1.1), None, UNIT)
    assert equal(np.zeros((0, 3)), np.zeros((0, 3)), None, UNIT)
    assert not far(np.zeros((0, 3)), np.zeros((0, 3)))


def test_far_is_a_share_of_the_larger() -> None:
    a = np.array([1000.0, 1.0])
    assert not far(a, a + FAR * 999)
    assert far(a, a + FAR * 1010)
    assert far(np.zeros(2), np.ones(2))
    assert not far(np.zeros(2), np.zeros(2))


def test_nan_is_far_from_everything() -> None:
    assert far(np.array([np.nan]), np.array([np.nan]))


def test_finite_answers_are_named() -> None:
    assert finite({"x": np.ones(2), "w": np.array([1, np.inf]), "b": np.array([np.nan]), "e": np.zeros(0)}) == [
        "x",
        "e",
    ]
