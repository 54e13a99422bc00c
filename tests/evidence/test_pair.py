"""Two estimates compared: every entry agrees, disagrees, or is silent, and the sum of the bounds decides."""

import json
from typing import Any

import numpy as np
import pytest

from crosscheck.evidence.estimate import AUTODIFF, DIFFERENCE, DIRECTIONS, HAND, Estimate
from crosscheck.evidence.pair import Pair, Pairs, compare, projected, shares
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


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        (np.nan, np.nan, "agree"),
        (np.inf, np.inf, "agree"),
        (np.nan, 1.0, "disagree"),
        (np.inf, 1.0, "disagree"),
        (np.inf, -np.inf, "disagree"),
        (np.nan, np.inf, "disagree"),
    ],
)
def test_numbers_that_are_not_finite(first: float, second: float, word: str) -> None:
    for pair in (compare(says([first], 1.0), says([second], 1.0)), compare(says([second], 1.0), says([first], 1.0))):
        assert outcome(pair) == [word]
        assert pair.error == (0.0 if word == "agree" else np.inf)


def test_a_witness_that_does_not_speak_is_silent_even_where_it_would_agree() -> None:
    mute = says([1.0, 1.0, 1.0], [np.inf, 0.0, 0.0], decided=np.array([True, False, True]))
    assert outcome(compare(mute, says([1.0, 2.0, 2.0]))) == ["silent", "silent", "disagree"]
    assert outcome(compare(says([1.0, 2.0, 2.0]), mute)) == ["silent", "silent", "disagree"]


def test_an_excuse_turns_a_disagreement_into_silence_and_never_into_agreement() -> None:
    excused = says([0.0] * 4, 1.0, excuse=np.full(4, 10.0))
    assert outcome(compare(excused, says([1.0, 1.5, 11.0, 11.5]))) == ["agree", "silent", "silent", "disagree"]
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
