"""Draws stay where they may be, and break coincidences."""

from __future__ import annotations

import numpy as np
import pytest

from crosscheck import draws

Array = np.ndarray
GIVEN = {
    "normal": np.random.default_rng(1).normal(size=(6, 7)),
    "positive": np.random.default_rng(2).uniform(0.1, 0.9, (6, 7)),
    "negative": -np.random.default_rng(3).uniform(3, 4, 40),
    "many decades": 10.0 ** np.random.default_rng(4).uniform(-150, 150, 40),
    "offset": 1e8 + np.random.default_rng(5).normal(size=40),
    "with zeros": np.maximum(np.random.default_rng(6).normal(size=(6, 7)), 0),
}


def test_a_cotangent_is_never_zero_nor_ones(rng: np.random.Generator) -> None:
    v = draws.cotangent((40, 50), rng)
    assert v.shape == (40, 50)
    assert ((np.abs(v) >= 0.5) & (np.abs(v) <= 2)).all()
    assert (v > 0).any()
    assert (v < 0).any()
    assert len(np.unique(v)) == v.size
    assert np.shape(draws.cotangent((), rng)) == ()


@pytest.mark.parametrize("draw", [draws.moved_within, draws.resampled])
@pytest.mark.parametrize("kind", GIVEN)
def test_signs_and_sizes_are_those_that_were_given(draw, kind: str, rng: np.random.Generator) -> None:
    a = GIVEN[kind]
    b = draw(a, rng)
    assert b.shape == a.shape
    for side in (1, -1):
        given, drawn = a[side * a > 0], b[side * b > 0]
        if len(given):
            assert np.abs(given).min() <= np.abs(drawn).min()
            assert np.abs(drawn).max() <= np.abs(given).max()
        else:
            assert not len(drawn)
    assert len(np.unique(b[b != 0])) == np.count_nonzero(b)
    assert np.mean(a[a != 0] == b[a != 0]) < 0.2


def test_moving_keeps_every_number_near_its_place(rng: np.random.Generator) -> None:
    a = GIVEN["normal"]
    ratio = draws.moved_within(a, rng) / a
    assert ((ratio >= 0.5) & (ratio <= 2)).all()
    np.testing.assert_array_equal(draws.moved_within(GIVEN["with zeros"], rng) == 0, GIVEN["with zeros"] == 0)
    assert (draws.resampled(GIVEN["with zeros"], rng) > 0).all()


def test_equal_numbers_become_different_ones_without_growing(rng: np.random.Generator) -> None:
    b = draws.moved_within(np.full(30, 0.9), rng)
    assert len(np.unique(b)) == 30
    assert ((b >= 0.45) & (b <= 0.9)).all()


def test_what_shows_no_size_becomes_normal_and_integers_stay(rng: np.random.Generator) -> None:
    assert np.count_nonzero(draws.resampled(np.zeros(30), rng)) == 30
    labels = np.array([3, 1, 2])
    assert draws.resampled(labels, rng) is labels
    assert draws.moved_within(np.zeros((0, 3)), rng).shape == (0, 3)
    assert draws.resampled(np.array(2.5), rng).shape == ()
    assert draws.moved_within(np.ones(3, np.float32), rng).dtype == np.float32
