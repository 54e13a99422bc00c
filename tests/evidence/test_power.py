"""What a check would have caught: what is promised is kept by the comparison itself."""

import json

import numpy as np
import pytest

from crosscheck.evidence.estimate import AUTODIFF, HAND, Estimate
from crosscheck.evidence.pair import Pair, compare
from crosscheck.evidence.power import power_of

Array = np.ndarray


def compared(hand: Array, truth: Array, bound: Array | float, decided: Array | None = None) -> Pair:
    half = np.broadcast_to(np.asarray(bound) / 2, truth.shape)
    return compare(Estimate(HAND, hand, half), Estimate(AUTODIFF, truth, half, decided=decided))


def test_a_mistake_above_the_promise_is_caught_and_one_below_it_is_not() -> None:
    rng = np.random.default_rng(0)
    g = rng.choice([-1.0, 1.0], 30) * rng.uniform(0.5, 2.0, 30)
    bound = rng.uniform(1e-9, 1e-8, 30)
    power = power_of(g, compared(g, g, bound), False)
    worst = g.copy()
    at = np.argmax(bound / np.abs(g))
    for factor, caught in ((1.01, True), (0.99, False)):
        worst[at] = g[at] * (1 + factor * power.worst)
        assert compared(worst, g, bound).disagree.any() == caught
    # At the median promise every second entry is caught.
    caught_entries = compared(g * (1 + power.median), g, bound).disagree.sum()
    assert abs(caught_entries - 15) <= 1
    assert (power.unjudged, power.entries, power.witness) == (0, 30, AUTODIFF)


def test_entries_that_nothing_relative_is_known_of_are_counted_not_hidden() -> None:
    g = np.array([1.0, 1.0, 1.0, 0.0, 1e-9])
    silent = np.array([True, True, False, True, True])
    bound = np.array([1e-6, 0.1, 1e-6, 1e-6, 1e-6])
    power = power_of(g, compared(g, g, bound, silent), False)
    assert power.unjudged == 2  # one whose bound is a tenth of it, one of which nobody spoke
    assert power.worst == pytest.approx(1e-6)  # the tiny entry is judged against the others' size
    assert "2 of 5" in str(power)


@pytest.mark.parametrize("g", [np.zeros(3), np.full(3, np.nan), np.zeros(0)])
def test_nothing_is_promised_where_nothing_can_be(g: Array) -> None:
    power = power_of(g, compared(g, g, 1e-9), False)
    assert power.median == power.worst == np.inf
    assert power.unjudged == power.entries == g.size
    assert "nothing relative" in str(power)


def test_an_exact_point_promises_everything() -> None:
    g = np.ones(4)
    assert "any wrong entry" in str(power_of(g, compared(g, g, 1e-9), True))
    assert "at this point" in str(power_of(g, compared(g, g, 1e-9), True))
    assert "at this point" not in str(power_of(0 * g, compared(g, g, 1e-9), True))


def test_the_dictionary_is_json() -> None:
    g = np.ones(4)
    said = json.loads(json.dumps(power_of(g, compared(g, g, 1e-9), False).to_dict()))
    assert said == {
        "median": 1e-9,
        "worst": 1e-9,
        "unjudged": 0,
        "entries": 4,
        "exact": False,
        "witness": AUTODIFF,
    }
