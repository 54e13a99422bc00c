"""Where an estimate speaks."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from crosscheck.evidence.estimate import (
    AUTODIFF,
    AUTODIFF_SINGLE,
    COMPLEX_STEP,
    DIFFERENCE,
    HAND,
    HAND_SINGLE,
    Estimate,
)


def test_it_speaks_where_its_bound_and_its_deviation_are_finite() -> None:
    some = np.array([0.0, 1.0, np.inf, np.nan])
    expected = [True, True, False, False]
    assert Estimate(AUTODIFF, np.zeros(4), some).speaks().tolist() == expected
    assert Estimate(AUTODIFF, np.zeros(4), np.zeros(4), sigma=some).speaks().tolist() == expected


def test_it_may_say_that_it_cannot_speak() -> None:
    decided = np.array([True, False, True])
    estimate = Estimate(AUTODIFF, np.zeros(3), np.array([1.0, 1.0, np.inf]), decided=decided)
    assert estimate.speaks().tolist() == [True, False, False]


def test_a_value_that_is_not_finite_is_said_by_what_is_under_check_only() -> None:
    """NaN in a hand-derived gradient is wrong; a reference of NaN knows nothing."""
    lost = np.array([np.nan, np.inf, -np.inf])
    for witness in (HAND, HAND_SINGLE):
        assert Estimate(witness, lost, np.zeros(3)).speaks().all()
    for witness in (AUTODIFF, AUTODIFF_SINGLE, DIFFERENCE, COMPLEX_STEP):
        assert not Estimate(witness, lost, np.zeros(3)).speaks().any()


def test_it_is_frozen() -> None:
    estimate = Estimate(AUTODIFF, np.zeros(1), np.zeros(1))
    with pytest.raises(FrozenInstanceError):
        estimate.bound = np.ones(1)  # pyright: ignore[reportAttributeAccessIssue]
