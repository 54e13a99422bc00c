"""The decision on made-up evidence: every rule of the table, alone and in its order, and what must not matter."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import pytest

from crosscheck.evidence import decision
from crosscheck.evidence.collected import Elsewhere, Evidence, GradientEvidence, Reference
from crosscheck.evidence.decision import RULES, decide, odd_one_out
from crosscheck.evidence.estimate import (
    AUTODIFF,
    AUTODIFF_SINGLE,
    COMPLEX_STEP,
    DIFFERENCE,
    DIRECTIONS,
    HAND,
    HAND_SINGLE,
    Estimate,
)
from crosscheck.evidence.exact_run import ExactDifference, ExactRun
from crosscheck.evidence.finding import Finding
from crosscheck.evidence.pair import Pairs, compare
from crosscheck.evidence.verdict import Decision, GradientVerdict

Array = np.ndarray

TRUE = np.array([1.0, -2.0, 3.0])
OFF = np.array([1.0, -2.0, 3.5])  # wrong in its last entry
BOUND = 1e-9


def says(
    witness: str,
    value: Array,
    *,
    bound: float | Array = BOUND,
    decided: Any = None,
    kink: Any = None,
    excuse: Any = None,
    confirmed: bool = False,
    **more: Any,
) -> Estimate:
    """A made-up estimate; a finite difference has the notes that the real one has, with `confirmed` a second step's."""
    notes: dict[str, Any] = {}
    if witness == DIFFERENCE:
        marked = np.zeros(3, bool) if kink is None else np.array(kink)
        notes = {"kink": marked, "kinks": int(marked.sum()), "crossed": 0, "undecided": 0}
        notes |= {"confirmed": np.ones(3, bool)} if confirmed else {}
        decided = ~marked if decided is None else np.array(decided)
    spoken = None if decided is None else np.array(decided)
    excused = None if excuse is None else np.full(3, excuse)
    bounds = np.full(np.shape(value), bound)
    return Estimate(witness, value, bounds, decided=spoken, excuse=excused, notes=notes, **more)


def along(values: Array, directions: list[Array]) -> Estimate:
    notes = {"directions": directions, "miss": 0.25, "kinks": 0}
    return Estimate(DIRECTIONS, values, np.full(len(values), BOUND), decided=np.ones(len(values), bool), notes=notes)


def check(*estimates: Estimate, **more: Any) -> Decision:
    """The decision on one gradient, x, of which these estimates were made."""
    names = ("conventions", "illegitimate", "unruled", "vacuous", "elsewhere", "how", "lost")
    own = {k: more.pop(k) for k in names if k in more}
    gradient = GradientEvidence((3,), more.pop("returned", (3,)), {e.witness: e for e in estimates}, **own)
    return decide(Evidence(np.ones(2), np.ones(2), {"x": gradient}, **more))


def verdict(*estimates: Estimate, **more: Any) -> GradientVerdict:
    return check(*estimates, **more).gradients["x"]


NOTHING = np.zeros(3, bool)
LAST = np.array([False, False, True])


def exact(outcome: str, hand: Array = OFF) -> ExactRun:
    return ExactRun(
        True,
        gradients={"x": TRUE},
        hand_gradients={"x": hand},
        outcomes={"x": outcome},  # type: ignore[dict-item]
    )


# ---------------------------------------------------------------------- the rules, one by one


def test_another_shape_is_wrong_everywhere_and_nobody_is_odd() -> None:
    found = verdict(says(AUTODIFF, TRUE), returned=(3, 1))
    assert found.verdict == "disagree"
    assert found.mismatched.all()
    assert found.odd_one_out is None


@pytest.mark.parametrize("witness", [AUTODIFF, COMPLEX_STEP, DIFFERENCE])
def test_an_entry_is_right_or_wrong_as_a_witness_says(witness: str) -> None:
    assert verdict(says(HAND, TRUE), says(witness, TRUE)).verdict == "agree"
    found = verdict(says(HAND, OFF), says(witness, TRUE))
    assert found.verdict == "disagree"
    assert found.mismatched.tolist() == LAST.tolist()


@pytest.mark.parametrize(("first", "later"), [(AUTODIFF, COMPLEX_STEP), (AUTODIFF, DIFFERENCE)])
def test_the_first_witness_that_speaks_decides(first: str, later: str) -> None:
    """A later one that contradicts it changes nothing: two that agree are not overruled."""
    assert verdict(says(HAND, TRUE), says(first, TRUE), says(later, OFF)).verdict == "agree"
    silent = says(first, OFF, decided=~LAST)
    assert verdict(says(HAND, TRUE), silent, says(later, TRUE)).verdict == "agree"
    assert verdict(says(HAND, OFF), silent, says(later, TRUE)).mismatched.tolist() == LAST.tolist()


def test_where_nobody_speaks_an_entry_is_undecided() -> None:
    found = verdict(says(HAND, TRUE), says(AUTODIFF, TRUE, decided=~LAST))
    assert found.verdict == "undecided"
    assert found.undecided.tolist() == LAST.tolist()


def test_without_any_witness_everything_is_undecided() -> None:
    assert verdict(says(HAND, TRUE)).undecided.all()


def test_an_excuse_turns_a_disagreement_into_undecided_and_never_into_agreement() -> None:
    found = verdict(says(HAND, OFF), says(AUTODIFF, TRUE, excuse=1.0))
    assert found.verdict == "undecided"
    assert found.undecided.tolist() == LAST.tolist()


def test_a_bound_that_is_not_finite_says_nothing() -> None:
    assert verdict(says(HAND, OFF), says(AUTODIFF, TRUE, bound=np.inf)).verdict == "undecided"


def test_a_direction_that_disagrees_makes_every_open_entry_suspect() -> None:
    d = [np.array([1.0, -1.0, 1.0]), np.array([1.0, 1.0, -1.0])]
    right, wrong = (along(np.array([float(g @ e) for e in d]), d) for g in (TRUE, OFF))
    assert verdict(says(HAND, TRUE), right).verdict == "agree"
    found = verdict(says(HAND, TRUE), wrong)
    assert found.verdict == "disagree"
    assert found.mismatched.all()
    decided = verdict(says(HAND, TRUE), says(AUTODIFF, TRUE, decided=LAST), wrong)
    assert decided.mismatched.tolist() == (~LAST).tolist()


def test_what_is_wrong_in_float32_is_wrong_whatever_the_formula_says() -> None:
    formula = says(HAND, TRUE), says(AUTODIFF, TRUE)
    assert verdict(*formula, says(HAND_SINGLE, TRUE), says(AUTODIFF_SINGLE, TRUE)).verdict == "agree"
    found = verdict(*formula, says(HAND_SINGLE, OFF), says(AUTODIFF_SINGLE, TRUE))
    assert found.mismatched.tolist() == LAST.tolist()


def lost(size: float) -> Array:
    """So much of the last entry."""
    return size * LAST


@pytest.mark.parametrize(("share", "wrong"), [(0.9, False), (1.1, True)])
def test_an_arithmetic_fails_below_a_third_of_the_digits_only(share: float, wrong: bool) -> None:
    """Of the largest entry, 3: 2^-8 of it in float32, 2^-17.7 in float64."""
    formula = says(HAND, TRUE), says(AUTODIFF, TRUE)
    off = TRUE + lost(share * 3 * 2.0**-8)
    single = verdict(*formula, says(HAND_SINGLE, off), says(AUTODIFF_SINGLE, TRUE))
    double = verdict(*formula, lost=lost(share * 3 * 2.0 ** (-53 / 3)))
    for found in (single, double):
        assert found.verdict == ("disagree" if wrong else "agree")
        assert found.mismatched.tolist() == (LAST & wrong).tolist()


def test_float64_is_held_to_the_digits_of_the_terms_that_cancel() -> None:
    """An entry that is left of terms of 10⁶: nobody asks float64 for more than a third of their digits."""
    terms = np.array([1.0, 2.0, 1e6])
    exact = says(AUTODIFF, TRUE, terms=terms)
    for share, wrong in ((0.5, False), (2.0, True)):
        found = verdict(says(HAND, TRUE), exact, lost=lost(share * 1e6 * 2.0 ** (-53 / 3)))
        assert found.mismatched.tolist() == (LAST & wrong).tolist()
    off = TRUE + lost(6 * 2.0**-8)
    single = verdict(says(HAND, TRUE), exact, says(HAND_SINGLE, off), says(AUTODIFF_SINGLE, TRUE, terms=terms))
    assert single.mismatched.tolist() == LAST.tolist()
    vague = says(AUTODIFF, TRUE, terms=terms, entrywise=False)  # whose terms they are is not known
    assert verdict(says(HAND, TRUE), vague, lost=lost(1.0)).mismatched.tolist() == LAST.tolist()


def test_poor_arithmetic_says_nothing_of_an_entry_that_nobody_judged() -> None:
    found = verdict(says(HAND, TRUE), says(AUTODIFF, TRUE, decided=~LAST), lost=lost(1.0))
    assert found.verdict == "undecided"
    assert found.undecided.tolist() == LAST.tolist()


# ---------------------------------------------------------------------- what an agreement tells


def test_an_agreement_that_excludes_no_mistake_tells_nothing() -> None:
    """`RESOLUTION` of the entry is the most that may be allowed: 1e-3 of 1, 2 and 3."""
    assert verdict(says(HAND, TRUE), says(AUTODIFF, TRUE, bound=0.9e-3)).verdict == "agree"
    found = verdict(says(HAND, TRUE), says(AUTODIFF, TRUE, bound=1.5e-3))
    assert found.verdict == "undecided"
    assert found.undecided.tolist() == [True, False, False]
    assert verdict(says(HAND, TRUE), says(AUTODIFF, TRUE, bound=0.1)).undecided.all()
    # What differs by more than is allowed is wrong all the same.
    assert verdict(says(HAND, OFF), says(AUTODIFF, TRUE, bound=0.1)).mismatched.tolist() == LAST.tolist()


def test_whom_an_agreement_tells_nothing_the_next_witness_decides() -> None:
    vague = says(AUTODIFF, TRUE, bound=1.0)
    assert verdict(says(HAND, TRUE), vague, says(DIFFERENCE, TRUE)).verdict == "agree"
    assert verdict(says(HAND, OFF), vague, says(DIFFERENCE, TRUE)).mismatched.tolist() == LAST.tolist()


def test_what_no_output_follows_is_measured_by_the_gradient() -> None:
    """ReLU's zeros, without a reference; but a gradient of nothing but zeros has no size."""
    half = np.array([0.0, 2.0, 3.0])
    assert verdict(says(HAND, half), says(DIFFERENCE, half, bound=1e-6)).verdict == "agree"
    assert verdict(says(HAND, half), says(DIFFERENCE, half, bound=1e-2)).undecided.tolist() == [True, True, True]
    assert verdict(says(HAND, 0 * half), says(DIFFERENCE, 0 * half, bound=1e-6)).undecided.all()


def test_what_is_left_of_terms_that_cancel_is_measured_by_them() -> None:
    left = np.array([0.0, 1e-12, 3.0])
    terms = np.full(3, 5.0)
    assert verdict(says(HAND, left), says(AUTODIFF, left)).undecided.tolist() == [True, True, False]
    assert verdict(says(HAND, left), says(AUTODIFF, left, terms=terms)).verdict == "agree"
    # A Fourier transform knows the rounding of its whole array: its terms are not an entry's, but of a zero.
    mixed = verdict(says(HAND, left), says(AUTODIFF, left, terms=terms, entrywise=False))
    assert mixed.undecided.tolist() == [False, True, False]
    assert verdict(says(HAND, left), says(AUTODIFF, left, terms=1e-7 * terms)).undecided.tolist() == [True, True, False]


def test_there_is_nothing_to_tell_from_an_underflow() -> None:
    nothing = np.zeros(3)
    assert verdict(says(HAND, nothing, bound=0.0), says(AUTODIFF, nothing, bound=1e-300)).verdict == "agree"
    assert verdict(says(HAND, nothing, bound=0.0), says(AUTODIFF, nothing, bound=1e-280)).undecided.all()


def test_deviations_are_allowed_at_the_quantile_of_the_check() -> None:
    auto = says(AUTODIFF, TRUE, sigma=np.full(3, 0.1))
    assert verdict(says(HAND, OFF), auto, t=4.9).mismatched.tolist() == LAST.tolist()
    assert verdict(says(HAND, OFF), auto, t=5.1).undecided.all()  # a tenth of an entry tells nothing


def test_what_a_tie_excuses_no_coarser_witness_settles() -> None:
    """A difference that a decision within rounding explains may hide a mistake that the next one cannot see."""
    tied = says(AUTODIFF, TRUE, excuse=1.0)
    assert verdict(says(HAND, OFF), tied, says(DIFFERENCE, OFF)).undecided.tolist() == LAST.tolist()
    assert verdict(says(HAND, TRUE), tied, says(DIFFERENCE, TRUE)).verdict == "agree"
    assert verdict(says(HAND, OFF), tied, says(DIFFERENCE, TRUE)).mismatched.tolist() == LAST.tolist()


# ---------------------------------------------------------------------- a mistake that two share


def test_two_that_share_a_mistake_are_wrong_where_the_differences_are_sure() -> None:
    shared = says(HAND, OFF), says(AUTODIFF, OFF)
    found = verdict(*shared, says(DIFFERENCE, TRUE, confirmed=True))
    assert found.verdict == "disagree"
    assert found.mismatched.tolist() == LAST.tolist()
    assert any("at 1 entry" in remark and "share" in remark for remark in found.remarks)
    # One difference that is off is not enough, nor is one against the complex step.
    assert verdict(*shared, says(DIFFERENCE, TRUE)).verdict == "agree"
    step = says(COMPLEX_STEP, OFF, bound=1.0), says(DIFFERENCE, TRUE, confirmed=True)
    assert verdict(*shared, *step).verdict == "agree"


def test_a_sure_difference_accuses_nobody_whom_it_agrees_with() -> None:
    assert verdict(says(HAND, TRUE), says(AUTODIFF, TRUE), says(DIFFERENCE, TRUE, confirmed=True)).verdict == "agree"


# ---------------------------------------------------------------------- other points


def at_further_point() -> Elsewhere:
    return Elsewhere("x", "such values negated", LAST, {"x": -TRUE}, np.ones(3), {"x": OFF}, TRUE, np.full(3, BOUND))


def test_what_is_wrong_at_a_further_point_is_wrong_though_nothing_shows_here() -> None:
    found = verdict(says(HAND, TRUE), says(AUTODIFF, TRUE), elsewhere=at_further_point())
    assert found.verdict == "disagree"
    assert found.mismatched.tolist() == LAST.tolist()
    assert found.odd_one_out == HAND
    assert any("such values negated" in remark for remark in found.remarks)
    first = np.array([True, False, False])
    here = verdict(says(HAND, np.where(first, 9.0, TRUE)), says(AUTODIFF, TRUE), elsewhere=at_further_point())
    assert here.mismatched.tolist() == first.tolist()


def test_a_difference_at_an_exact_point_is_wrong_though_nothing_shows_here() -> None:
    here = says(HAND, TRUE), says(AUTODIFF, TRUE)
    assert verdict(*here, exact=exact("equal", TRUE)).verdict == "agree"
    found = verdict(*here, exact=exact("different"))
    assert found.verdict == "disagree"
    assert found.odd_one_out == HAND
    assert found.mismatched.tolist() == LAST.tolist()
    assert any("exact" in remark for remark in found.remarks)


def test_where_it_shows_here_the_mask_is_of_this_point() -> None:
    first = np.array([True, False, False])
    found = verdict(says(HAND, np.where(first, 9.0, TRUE)), says(AUTODIFF, TRUE), exact=exact("different"))
    assert found.mismatched.tolist() == first.tolist()


def test_an_exact_run_that_leaves_a_name_out_says_equal_but_for_ties() -> None:
    run = ExactRun(True, outcomes={})
    assert verdict(says(HAND, TRUE), says(AUTODIFF, TRUE), exact=run).exact == "equal but for ties"


def test_a_legitimate_convention_settles_what_is_open_or_wrong_on_kinks() -> None:
    hand, difference = says(HAND, OFF), says(DIFFERENCE, TRUE, kink=LAST)
    assert verdict(hand, says(AUTODIFF, TRUE), difference).verdict == "disagree"
    found = check(hand, says(AUTODIFF, TRUE), difference, conventions=LAST)
    assert found.verdict == "agree"
    assert [f.kind for f in found.findings] == ["convention"]
    assert found.gradients["x"].odd_one_out is None


def test_a_convention_settles_its_own_entries_and_leaves_open_what_is_open_elsewhere() -> None:
    hand = says(HAND, OFF, bound=np.array([0.0, np.inf, 0.0]))
    found = check(hand, says(AUTODIFF, TRUE), conventions=LAST).gradients["x"]
    assert found.verdict == "undecided"
    assert (found.mismatched.any(), found.undecided.tolist()) == (False, [False, True, False])


def test_what_is_no_convention_is_wrong_where_nobody_else_decided() -> None:
    found = verdict(says(HAND, TRUE), says(DIFFERENCE, TRUE, kink=LAST), illegitimate="it is no derivative")
    assert found.verdict == "disagree"
    assert found.mismatched.tolist() == LAST.tolist()
    assert "it is no derivative" in found.remarks


def test_what_rounding_hides_on_kinks_is_open() -> None:
    found = verdict(says(HAND, OFF), says(AUTODIFF, TRUE), says(DIFFERENCE, TRUE, kink=LAST), unruled=LAST)
    assert found.verdict == "undecided"
    assert found.undecided.tolist() == LAST.tolist()
    assert any("at 1 entry on kinks" in remark for remark in found.remarks)


def test_an_agreement_that_shows_nothing_is_none() -> None:
    right = says(HAND, TRUE), says(AUTODIFF, TRUE)
    found = verdict(*right, vacuous="nothing was checked")
    assert (found.verdict, found.undecided.all()) == ("undecided", True)
    assert "nothing was checked" in found.remarks
    assert verdict(says(HAND, OFF), says(AUTODIFF, TRUE), vacuous="nothing was checked").verdict == "disagree"


def one_of_each_rule() -> list[GradientVerdict]:
    """A verdict per rule that would be another without it, in the order of the table."""
    d = [np.array([1.0, -1.0, 1.0])]
    right = says(HAND, TRUE), says(AUTODIFF, TRUE)
    shared = says(HAND, OFF), says(AUTODIFF, OFF)
    return [
        verdict(says(AUTODIFF, TRUE), returned=(3, 1)),
        verdict(says(HAND, TRUE), says(AUTODIFF, TRUE)),
        verdict(says(HAND, TRUE), says(COMPLEX_STEP, TRUE)),
        verdict(says(HAND, TRUE), says(DIFFERENCE, TRUE)),
        verdict(*shared, says(DIFFERENCE, TRUE, confirmed=True)),
        verdict(says(HAND, TRUE), along(np.array([float(TRUE @ d[0])]), d)),
        verdict(*right, says(HAND_SINGLE, OFF), says(AUTODIFF_SINGLE, TRUE)),
        verdict(*right, lost=lost(1.0)),
        verdict(*right, exact=exact("different")),
        verdict(*right, elsewhere=at_further_point()),
        verdict(*right, vacuous="nothing was checked"),
        verdict(says(HAND, TRUE), says(DIFFERENCE, TRUE, kink=LAST), illegitimate="it is no derivative"),
        verdict(says(HAND, OFF), says(AUTODIFF, TRUE), conventions=LAST),
        verdict(says(HAND, OFF), says(AUTODIFF, TRUE), unruled=LAST),
    ]


def test_there_is_one_verdict_for_each_rule() -> None:
    assert len(one_of_each_rule()) == len(RULES)


@pytest.mark.parametrize("place", range(len(RULES)), ids=[rule.sentence for rule in RULES])
def test_every_rule_of_the_table_is_in_use(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = one_of_each_rule()[place]
    monkeypatch.setattr(decision, "RULES", (*RULES[:place], *RULES[place + 1 :]))
    assert not same(one_of_each_rule()[place], before)


# ---------------------------------------------------------------------- who is odd


@pytest.mark.parametrize("third", [COMPLEX_STEP, DIFFERENCE])
def test_the_odd_one_out_is_whom_a_third_witness_contradicts(third: str) -> None:
    assert verdict(says(HAND, OFF), says(AUTODIFF, TRUE), says(third, TRUE)).odd_one_out == HAND
    found = check(says(HAND, TRUE), says(AUTODIFF, OFF), says(third, TRUE))
    assert found.gradients["x"].odd_one_out == AUTODIFF
    assert [f.kind for f in found.findings] == ["reference"]


def test_nobody_is_odd_where_no_third_can_tell() -> None:
    assert verdict(says(HAND, OFF), says(AUTODIFF, TRUE)).odd_one_out is None
    far = says(DIFFERENCE, TRUE + 7)
    assert verdict(says(HAND, OFF), says(AUTODIFF, TRUE), far).odd_one_out is None


def test_without_a_reference_the_hand_derived_one_is_odd() -> None:
    assert odd_one_out(Pairs({(HAND, DIFFERENCE): compare(says(HAND, OFF), says(DIFFERENCE, TRUE), 7.0)})) == HAND


# ---------------------------------------------------------------------- the complex step


def test_a_complex_step_that_the_differences_contradict_is_not_heard() -> None:
    found = verdict(says(HAND, TRUE), says(COMPLEX_STEP, OFF), says(DIFFERENCE, TRUE))
    assert found.verdict == "agree"
    assert (HAND, COMPLEX_STEP) not in found.pairs
    assert any("complex" in remark for remark in found.remarks)


def test_a_complex_step_is_silent_at_kinks() -> None:
    found = verdict(says(HAND, OFF), says(COMPLEX_STEP, TRUE), says(DIFFERENCE, TRUE, kink=LAST))
    assert found.verdict == "undecided"
    assert found.pairs[HAND, COMPLEX_STEP].silent.tolist() == LAST.tolist()


# ---------------------------------------------------------------------- what must not matter


EVERYBODY = (
    says(HAND, OFF),
    says(AUTODIFF, TRUE, decided=[True, False, True]),
    says(COMPLEX_STEP, TRUE),
    says(DIFFERENCE, TRUE, kink=[True, False, False]),
    says(HAND_SINGLE, TRUE, bound=1e-3),
    says(AUTODIFF_SINGLE, TRUE, bound=1e-3),
)


def same(a: GradientVerdict, b: GradientVerdict) -> bool:
    masks = (a.mismatched == b.mismatched).all() and (a.undecided == b.undecided).all()
    return bool(masks) and (a.verdict, a.odd_one_out, a.remarks) == (b.verdict, b.odd_one_out, b.remarks)


def test_the_order_of_the_witnesses_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    expected = verdict(*EVERYBODY)
    for _ in range(20):
        assert same(verdict(*[EVERYBODY[i] for i in rng.permutation(len(EVERYBODY))]), expected)


def permuted(e: Estimate, order: Array) -> Estimate:
    notes = {**e.notes, **({"kink": e.notes["kink"][order]} if "kink" in e.notes else {})}
    decided = None if e.decided is None else e.decided[order]
    return dataclasses.replace(e, value=e.value[order], bound=e.bound[order], decided=decided, notes=notes)


def test_permuting_entries_permutes_the_masks_and_nothing_else() -> None:
    expected = verdict(*EVERYBODY)
    for order in (np.array([2, 0, 1]), np.array([1, 0, 2]), np.array([2, 1, 0])):
        found = verdict(*[permuted(e, order) for e in EVERYBODY])
        assert found.mismatched.tolist() == expected.mismatched[order].tolist()
        assert found.undecided.tolist() == expected.undecided[order].tolist()
        assert (found.verdict, found.odd_one_out) == (expected.verdict, expected.odd_one_out)


def test_deciding_twice_gives_the_same_and_writes_to_nothing() -> None:
    before = copy.deepcopy(EVERYBODY)
    assert same(verdict(*EVERYBODY), verdict(*EVERYBODY))
    for old, new in zip(before, EVERYBODY, strict=True):
        assert (old.value == new.value).all()
        assert (old.bound == new.bound).all()
        assert old.notes.keys() == new.notes.keys()


def test_evidence_and_verdicts_are_frozen() -> None:
    for record in (says(HAND, TRUE), verdict(*EVERYBODY), check(*EVERYBODY)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, dataclasses.fields(record)[0].name, None)


# ---------------------------------------------------------------------- the whole check


def test_one_wrong_gradient_makes_the_check_disagree_and_an_undecided_one_undecided() -> None:
    right = GradientEvidence((3,), (3,), {e.witness: e for e in (says(HAND, TRUE), says(AUTODIFF, TRUE))})
    wrong = GradientEvidence((3,), (3,), {e.witness: e for e in (says(HAND, OFF), says(AUTODIFF, TRUE))})
    silent = GradientEvidence((3,), (3,), {HAND: says(HAND, TRUE)})
    nothing = np.ones(2)
    assert decide(Evidence(nothing, nothing, {"a": right, "b": right})).verdict == "agree"
    assert decide(Evidence(nothing, nothing, {"a": right, "b": silent})).verdict == "undecided"
    assert decide(Evidence(nothing, nothing, {"a": wrong, "b": silent})).verdict == "disagree"


@pytest.mark.parametrize(
    ("more", "kind", "fails"),
    [
        ({"effects": (Finding("written", "writes to x", True),)}, "written", True),
        ({"effects": (Finding("aliased", "shares memory", False),)}, "aliased", False),
        ({"forward": compare(says(HAND, OFF), says(AUTODIFF, TRUE), 7.0)}, "forward", True),
        ({"forward_single": compare(says(HAND, OFF), says(AUTODIFF, TRUE), 7.0)}, "forward", True),
        ({"reference": Reference(compare(says(HAND, OFF), says(AUTODIFF, TRUE), 7.0))}, "reference", True),
        ({"reference": Reference(None, frozenset(["mystery"]))}, "weak-bound", False),
        ({"exact": dataclasses.replace(exact("equal", TRUE), forward="different")}, "forward", True),
        (
            {
                "reference": Reference(None, frozenset()),
                "exact": dataclasses.replace(
                    exact("equal", TRUE), difference={"x": ExactDifference(OFF, ~NOTHING, ~LAST)}
                ),
            },
            "reference",
            True,
        ),
    ],
)
def test_what_is_noticed_beside_the_numbers(more: dict[str, Any], kind: str, fails: bool) -> None:
    found = check(says(HAND, TRUE), says(AUTODIFF, TRUE), **more)
    assert [(f.kind, f.fails) for f in found.findings] == [(kind, fails)]
    assert (found.verdict == "disagree") == fails


def test_an_output_that_is_not_finite_is_told() -> None:
    gradient = GradientEvidence((3,), (3,), {HAND: says(HAND, TRUE), AUTODIFF: says(AUTODIFF, TRUE)})
    found = decide(Evidence(np.array([1.0, np.nan]), np.ones(2), {"x": gradient}))
    assert [f.kind for f in found.findings] == ["not-finite"]
    assert found.verdict == "agree"


def test_of_what_cancels_no_digits_are_kept_and_none_are_missed() -> None:
    """A gradient that is nothing but rounding, in the formula's own precision, too."""
    noise = np.full_like(TRUE, 1e-16)
    nothing = Estimate(HAND, noise * 1e-3, np.zeros(TRUE.shape), noise)
    zero = Estimate(AUTODIFF, noise, np.zeros(TRUE.shape), 10 * noise)
    assert verdict(nothing, zero, lost=noise, t=7.0).verdict != "disagree"
    known = Estimate(HAND, TRUE, np.zeros(TRUE.shape), noise)
    assert verdict(known, says(AUTODIFF, TRUE), lost=np.abs(TRUE), t=7.0).verdict == "disagree"
