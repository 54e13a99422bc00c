"""What is said beside the numbers: the counts that a reader needs, and nothing where there is nothing to say."""

from typing import Any

import numpy as np

from crosscheck.evidence.estimate import AUTODIFF, DIFFERENCE, DIRECTIONS, HAND, Estimate
from crosscheck.evidence.pair import Pairs, compare
from crosscheck.evidence.remarks import remarks

QUIET = {"kinks": 0, "crossed": 0, "undecided": 0}


def says(witness: str, value: Any = (0.0,) * 6, **notes: Any) -> Estimate:
    value = np.asarray(value, float)
    return Estimate(witness, value, np.full(value.shape, 1e-3), notes=notes)


def test_nothing_to_say() -> None:
    heard = {HAND: says(HAND), AUTODIFF: says(AUTODIFF), DIFFERENCE: says(DIFFERENCE, **QUIET)}
    assert remarks(heard, Pairs()) == []


def test_entries_that_agree_normwise_only_are_counted() -> None:
    heard = {HAND: says(HAND, normwise=4), AUTODIFF: says(AUTODIFF, normwise=4)}
    (said,) = remarks(heard, Pairs())
    assert "4 entries" in said
    assert "normwise" in said


def test_where_a_difference_met_kinks_smaller_steps_or_noise() -> None:
    (kinks,) = remarks({DIFFERENCE: says(DIFFERENCE, **{**QUIET, "kinks": 2})}, Pairs())
    assert "2 of 6" in kinks
    assert "kink" in kinks
    (crossed,) = remarks({DIFFERENCE: says(DIFFERENCE, **{**QUIET, "crossed": 3})}, Pairs())
    assert "3 of 6" in crossed
    assert "step" in crossed
    (lost,) = remarks({DIFFERENCE: says(DIFFERENCE, **{**QUIET, "undecided": 5})}, Pairs())
    assert "5 of 6" in lost
    assert "noise" in lost


def test_directions_say_how_many_spoke_and_what_escapes_them() -> None:
    heard = {DIRECTIONS: says(DIRECTIONS, directions=[None] * 20, kinks=3, miss=2.0**-17)}
    (said,) = remarks(heard, Pairs())
    assert "17 random directions" in said
    assert "8e-06" in said


def test_a_difference_that_contradicts_two_who_agree() -> None:
    hand, auto = says(HAND), says(AUTODIFF)
    odd = says(DIFFERENCE, [0.0, 9.0, 9.0, 0.0, 0.0, 0.0], **QUIET)
    heard = {HAND: hand, AUTODIFF: auto, DIFFERENCE: odd}
    pairs = Pairs({(HAND, AUTODIFF): compare(hand, auto), (AUTODIFF, DIFFERENCE): compare(auto, odd)})
    (said,) = remarks(heard, pairs)
    assert "2 entries" in said
    wrong = says(HAND, [0.0, 5.0, 5.0, 0.0, 0.0, 0.0])
    pairs[HAND, AUTODIFF] = compare(wrong, auto)
    assert remarks({**heard, HAND: wrong}, pairs) == []


def test_where_two_give_no_number_that_is_said() -> None:
    hand, auto = np.array([[1.0, np.nan], [2.0, 3.0]]), np.array([[1.0, np.inf], [2.0, np.nan]])
    estimates = {HAND: Estimate(HAND, hand, np.zeros((2, 2))), AUTODIFF: Estimate(AUTODIFF, auto, np.zeros((2, 2)))}
    assert remarks(estimates, Pairs({}))[0].startswith(
        "at 1 entry neither the hand-derived gradient nor autodiff's is finite (nan and inf, the first at [0, 1])"
    )
