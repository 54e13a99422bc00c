"""Two estimates compared: every entry agrees, disagrees, or is silent, and the sum of the bounds decides."""

import json
from typing import Any

import numpy as np
import pytest

from crosscheck.evidence.estimate import AUTODIFF, DIFFERENCE, DIRECTIONS, HAND, Estimate
from crosscheck.evidence.pair import Pair, Pairs, allowance, compare, projected, shares
from crosscheck.floats import DOUBLE, UNIT


def says(value: Any, bound: Any = 0.0, witness: str = AUTODIFF, **more: Any) -> Estimate:
    value = np.asarray(value, np.float64)
    return Estimate(witness, value, np.array(np.broadcast_to(bound, value.shape), np.float64), **more)


def outcome(pair: Pair) -> list[str]:
    """A word per entry; fails where the three masks are no partition."""
    named = {"agree": pair.agree, "disagree": pair.disagree, "silent": pair.silent}
    assert (np.sum(list(named.values()), axis=0) == 1).all()
    return [next(word for word, mask in named.items() if mask[i]) for i in range(pair.agree.size)]


# ---------------------------------------------------------------------- the comparison


def test_the_sum_of_the_bounds_is_allowed_and_no_more() -> None:
    pair = compare(says([0.0, 0.0, 0.0], 1.0), says([3.0, -3.0, 3.0 + 1e-15], 2.0))
    assert outcome(pair) == ["agree", "agree", "disagree"]
    assert pair.bounds.tolist() == [3.0, 3.0, 3.0]


def test_without_bounds_only_equal_numbers_agree() -> None:
    pair = compare(says([1.0, 0.0, 1.0]), says([1.0, -0.0, 1.0 + UNIT[DOUBLE] * 2]))
    assert outcome(pair) == ["agree", "agree", "disagree"]


def test_deviations_add_up_in_squares_and_bounds_beside_them() -> None:
    first = says([0.0] * 3, 1.0, HAND, sigma=np.full(3, 3.0))
    second = says([53.0, -53.0, 53.1], 2.0, sigma=np.full(3, 4.0))
    pair = compare(first, second, 10.0)
    assert pair.bounds.tolist() == [53.0] * 3
    assert outcome(pair) == ["agree", "agree", "disagree"]
    alone = compare(first, says([31.0, 34.0, 34.1], 3.0), 10.0)
    assert alone.bounds.tolist() == [34.0] * 3
    assert outcome(alone) == ["agree", "agree", "disagree"]


def test_a_deviation_without_a_quantile_is_refused() -> None:
    with pytest.raises(TypeError, match="quantile"):
        compare(says([0.0], sigma=np.ones(1)), says([0.0]))


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1.0, 1e200])
def test_squares_neither_overflow_nor_vanish(size: float) -> None:
    found = allowance([np.array([3 * size, 0.0]), np.array([4 * size, 0.0])], [np.zeros(2)], 10.0)
    np.testing.assert_allclose(found, [50 * size, 0.0], rtol=1e-14)


@pytest.mark.parametrize(
    ("hand", "truth", "word"),
    [
        (np.nan, 1.0, "disagree"),
        (np.inf, 1.0, "disagree"),
        (1.0, np.nan, "silent"),
        (1.0, np.inf, "silent"),
        (np.nan, np.nan, "silent"),
        (np.inf, np.inf, "silent"),
        (np.inf, -np.inf, "silent"),
    ],
)
def test_numbers_that_are_not_finite(hand: float, truth: float, word: str) -> None:
    """They are wrong in what is under check; a witness that gives them knows nothing, not even that they are right."""
    first, second = says([hand], 1.0, HAND), says([truth], 1.0)
    for pair in (compare(first, second), compare(second, first)):
        assert outcome(pair) == [word]
        assert pair.error == (np.inf if word == "disagree" else 0.0)
        assert not pair.excused.any()


def test_a_witness_that_does_not_speak_is_silent_even_where_it_would_agree() -> None:
    mute = says([1.0, 1.0, 1.0], [np.inf, 0.0, 0.0], decided=np.array([True, False, True]))
    assert outcome(compare(mute, says([1.0, 2.0, 2.0]))) == ["silent", "silent", "disagree"]
    assert outcome(compare(says([1.0, 2.0, 2.0]), mute)) == ["silent", "silent", "disagree"]


def test_an_excuse_turns_a_disagreement_into_silence_and_never_into_agreement() -> None:
    excused = says([0.0] * 4, 1.0, excuse=np.full(4, 10.0))
    assert outcome(compare(excused, says([1.0, 1.5, 11.0, 11.5]))) == ["agree", "silent", "silent", "disagree"]
    assert compare(excused, says([1.0, 1.5, 11.0, 11.5])).excused.tolist() == [False, True, True, False]
    # Both sides' excuses count.
    other = says([21.0, 22.0], excuse=np.full(2, 10.0))
    assert outcome(compare(says([0.0] * 2, 1.0, excuse=np.full(2, 10.0)), other)) == ["silent", "disagree"]


def test_comparing_does_not_depend_on_who_comes_first() -> None:
    rng = np.random.default_rng(0)
    a = says(rng.normal(size=50), rng.random(50), HAND, decided=rng.random(50) < 0.8)
    b = says(rng.normal(size=50), rng.random(50), excuse=rng.random(50))
    assert outcome(compare(a, b)) == outcome(compare(b, a))
    assert {*outcome(compare(a, b))} == {"agree", "disagree", "silent"}


# ---------------------------------------------------------------------- where it is worst


def test_a_share_of_nothing() -> None:
    found = shares(np.array([0.0, 1.0, 1.0, np.inf, 2.0]), np.array([0.0, 0.0, np.inf, np.inf, 4.0]))
    assert found.tolist() == [0.0, np.inf, 0.0, np.inf, 0.5]


def test_the_worst_entry_takes_most_of_its_bound_not_most_of_all() -> None:
    pair = compare(says([[1.0, 0.0]], [[100.0, 0.0]]), says([[51.0, 1e-9]], [[0.0, 2e-9]]))
    assert pair.worst_index == (0, 0)
    pair = compare(says([[1.0, 0.0]], [[100.0, 0.0]]), says([[51.0, 1e-9]], [[0.0, 1e-9]]))
    assert pair.worst_index == (0, 1)
    assert (pair.share, pair.bound, pair.error_at_worst) == (1.0, 1e-9, 1e-9)
    assert pair.error == 50.0


def test_among_infinite_shares_the_largest_error_is_the_worst() -> None:
    assert compare(says([0.0, 0.0, 0.0]), says([1.0, 3.0, 2.0])).worst_index == (1,)


def test_a_silent_entry_is_never_the_worst() -> None:
    pair = compare(says([0.0, 0.0], 1.0, decided=np.array([False, True])), says([9.0, 0.5]))
    assert pair.worst_index == (1,)
    assert pair.error == 0.5
    assert pair.share == 0.5


def test_where_nobody_speaks_there_is_no_worst_entry() -> None:
    pair = compare(says([0.0], np.inf), says([1.0]))
    assert pair.worst_index is None
    assert pair.error == 0.0
    assert np.isnan(pair.bound)
    assert np.isnan(pair.error_at_worst)
    assert pair.to_dict()["worst_index"] is None


def test_the_dictionary_is_json() -> None:
    said = json.loads(json.dumps(compare(says([0.0, 1.0], 1.0, HAND), says([0.5, 9.0])).to_dict()))
    assert said["witnesses"] == [HAND, AUTODIFF]
    assert (said["agree"], said["disagree"], said["silent"]) == (1, 1, 0)
    assert (said["worst_index"], said["error"], said["bound"], said["share"]) == ([1], 8.0, 1.0, 8.0)


# ---------------------------------------------------------------------- seen along directions


def test_an_estimate_projected_on_directions_keeps_its_bound() -> None:
    rng = np.random.default_rng(1)
    g, slack = rng.normal(size=(3, 4)), rng.random((3, 4))
    d = [rng.choice([-2.0, 2.0], (3, 4)) for _ in range(5)]
    along = says(np.zeros(5), witness=DIRECTIONS, notes={"directions": d})
    seen = projected(says(g, slack, HAND), along)
    assert seen.witness == HAND
    np.testing.assert_allclose(seen.value, [np.sum(g * e) for e in d])
    # Nothing that the estimate allows lies outside, and hardly more than that is allowed.
    for i, e in enumerate(d):
        most = np.sum((g + slack * np.sign(e)) * e)
        assert most - seen.value[i] <= seen.bound[i] <= (most - seen.value[i]) * (1 + 1e-12)


def test_deviations_add_up_along_a_direction() -> None:
    """Nobody knows whether the errors of entries are independent: one sum read by all of them moves them all."""
    d = [np.array([2.0, -1.0, 1.0])]
    along = says(np.zeros(1), witness=DIRECTIONS, notes={"directions": d})
    seen = projected(says([1.0, 1.0, 1.0], sigma=np.array([1.0, 2.0, 3.0])), along)
    assert seen.sigma is not None
    assert seen.sigma.tolist() == [7.0]
    # A sum of three terms of 4 in all, rounded: no more than √3 units of it.
    assert seen.bound.tolist() == [3**0.5 * UNIT[DOUBLE] * 4]


# ---------------------------------------------------------------------- several pairs


def pair(first: str, second: str, apart: float = 0.0) -> Pair:
    return compare(says([0.0], 1.0, first), says([apart], 0.0, second))


def test_pairs_are_found_in_either_order() -> None:
    pairs = Pairs({(HAND, AUTODIFF): pair(HAND, AUTODIFF)})
    assert pairs[AUTODIFF, HAND] is pairs[HAND, AUTODIFF]
    with pytest.raises(KeyError, match=DIFFERENCE):
        pairs[HAND, DIFFERENCE]


def test_a_verdict_rests_on_who_accuses_then_on_autodiff_then_on_the_difference() -> None:
    calm, against = pair(HAND, AUTODIFF), pair(HAND, DIFFERENCE, apart=2.0)
    assert Pairs({(HAND, AUTODIFF): calm, (HAND, DIFFERENCE): against}).judged_by is against
    trusting = pair(HAND, DIFFERENCE)
    assert Pairs({(HAND, DIFFERENCE): trusting, (HAND, AUTODIFF): calm}).judged_by is calm
    assert Pairs({(HAND, DIFFERENCE): trusting}).judged_by is trusting
    along = pair(HAND, DIRECTIONS)
    assert Pairs({(HAND, DIRECTIONS): along}).judged_by is along
    assert Pairs().judged_by is None


def test_a_quarrel_between_other_witnesses_accuses_nobody() -> None:
    calm, quarrel = pair(HAND, AUTODIFF), pair(AUTODIFF, DIFFERENCE, apart=2.0)
    assert Pairs({(AUTODIFF, DIFFERENCE): quarrel, (HAND, AUTODIFF): calm}).judged_by is calm


def test_allowance_neither_overflows_nor_vanishes() -> None:
    a = np.array([3e200, 3e-200, 0.0, np.inf])
    b = np.array([4e200, 4e-200, 0.0, np.inf])
    np.testing.assert_allclose(allowance([a, b], [np.zeros(4), np.ones(4)], 2.0)[[0, 2]], [1e201, 1.0])
    assert allowance([a, b], [np.zeros(4)], 2.0)[1] == pytest.approx(1e-199)
    assert allowance([a, b], [np.zeros(4)], 2.0)[3] == np.inf
