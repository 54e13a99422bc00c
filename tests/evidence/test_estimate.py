"""Where an estimate speaks."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from crosscheck.evidence.estimate import AUTODIFF, Estimate


def test_it_speaks_where_its_bound_is_finite() -> None:
    estimate = Estimate(AUTODIFF, np.zeros(4), np.array([0.0, 1.0, np.inf, np.nan]))
    assert estimate.speaks().tolist() == [True, True, False, False]


def test_it_may_say_that_it_cannot_speak() -> None:
    decided = np.array([True, False, True])
    estimate = Estimate(AUTODIFF, np.zeros(3), np.array([1.0, 1.0, np.inf]), decided=decided)
    assert estimate.speaks().tolist() == [True, False, False]


def test_a_value_that_is_not_finite_is_still_said() -> None:
    assert Estimate(AUTODIFF, np.array([np.nan]), np.zeros(1)).speaks().all()


def test_it_is_frozen() -> None:
    estimate = Estimate(AUTODIFF, np.zeros(1), np.zeros(1))
    with pytest.raises(FrozenInstanceError):
        estimate.bound = np.ones(1)  # pyright: ignore[reportAttributeAccessIssue]
