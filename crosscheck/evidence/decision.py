"""From evidence to verdicts: a pure function, and one table of rules.

Every entry of a gradient starts open. The rules are applied in order; each says of some entries that they are right or
wrong, and what is open at the end is undecided. Nothing is measured here, and nothing that was collected is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from crosscheck.evidence.budget import in_time
from crosscheck.evidence.collected import Evidence, GradientEvidence
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
from crosscheck.evidence.exact_run import ExactRun
from crosscheck.evidence.findings import findings
from crosscheck.evidence.pair import Pair, Pairs, compare, projected
from crosscheck.evidence.power import power_of
from crosscheck.evidence.remarks import remarks
from crosscheck.evidence.verdict import Decision, GradientVerdict
from crosscheck.evidence.wording import counted
from crosscheck.floats import DOUBLE, SINGLE, UNIT, root_mean_square

Array = np.ndarray


def decide(evidence: Evidence) -> Decision:
    """The verdict on every gradient, and what is to be said of the check as a whole."""
    verdicts = {
        name: in_time(decide_gradient(name, g, evidence.exact, evidence.t), g, evidence)
        for name, g in evidence.gradients.items()
    }
    return Decision(verdicts, findings(evidence, verdicts))


# ---------------------------------------------------------------------- the rules


# The least mistake, as a share of an entry, that an agreement has to exclude.
RESOLUTION = 1e-3


# Below the smallest normal number over u, what underflows on the way may be all of a number's digits.
UNDERFLOW = float(np.finfo(np.float64).tiny) / UNIT[DOUBLE]


class Case(NamedTuple):
    """One gradient, as the rules see it.

    `heard` are the estimates that count, `outcome` is what the exact points say of the gradient, `off` where it is
    wrong there; t is the quantile of the whole check.
    """

    gradient: GradientEvidence
    heard: Mapping[str, Estimate]
    pairs: Pairs
    outcome: str | None
    off: Array
    t: float


class Entries(NamedTuple):
    """What is decided so far, and what there is to say of it; an entry is never both."""

    right: Array
    wrong: Array
    said: tuple[str, ...] = ()

    @property
    def open(self) -> Array:
        return ~self.right & ~self.wrong


class Rule(NamedTuple):
    """One row of the table: what it says, and what it makes of the entries."""

    sentence: str
    apply: Callable[[Case, Entries], Entries]


def another_shape(case: Case, entries: Entries) -> Entries:
    return entries if case.gradient.right_shape else entries._replace(wrong=np.ones_like(entries.wrong))


def first_to_speak(witness: str) -> Callable[[Case, Entries], Entries]:
    def apply(case: Case, entries: Entries) -> Entries:
        if (HAND, witness) not in case.pairs:
            return entries
        pair = case.pairs[HAND, witness]
        right = (
            entries.open
            & pair.agree
            & tells(pair, case.heard[witness], case.heard[HAND])
            & ~np.asarray(excused(case.pairs))
        )
        return entries._replace(right=entries.right | right, wrong=entries.wrong | (entries.open & pair.disagree))

    return apply


def tells(pair: Pair, truth: Estimate, hand: Estimate | None = None) -> Array:
    """Where an agreement excludes a mistake worth the name.

    The allowance is at most `RESOLUTION` of the entry; or the entry is what is left of terms that cancel, and the
    allowance at most that share of their sum, which has to be known entry by entry; but that of a zero which both give
    exactly, for of no mistake nothing is hidden. An entry that no output follows, as far as a witness that moves it can
    see, has no size: it takes that of the gradient. Where only underflow is left of an allowance there is nothing to
    tell from zero. What is so good by design only (`accuracy`) is so by a share of its largest entry, and mistakes are
    told by that share.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.abs(truth.value)
        if truth.terms is not None:
            nothing = (truth.value == 0) & (pair.difference == 0)
            size = np.where(nothing | truth.entrywise, np.maximum(size, truth.terms), size)
        if truth.witness in (DIFFERENCE, COMPLEX_STEP):
            typical = max(root_mean_square(e.value) for e in (truth, hand) if e is not None)
            size = np.where(size == 0, typical, size)
        if hand is not None and hand.notes.get("accuracy"):
            size = np.maximum(size, np.max(size, initial=0.0, where=np.isfinite(size)))
        return pair.bounds <= np.maximum(RESOLUTION * size, UNDERFLOW)


def excused(pairs: Pairs) -> Array | bool:
    """Where a comparison within rounding of a tie excuses a difference: nobody coarser can settle what it hides."""
    pair = pairs.get((HAND, AUTODIFF))
    return False if pair is None else pair.excused


def shared_mistake(case: Case, entries: Entries) -> Entries:
    if (HAND, AUTODIFF) not in case.pairs or (AUTODIFF, DIFFERENCE) not in case.pairs:
        return entries
    against = case.pairs[HAND, DIFFERENCE].disagree & case.pairs[AUTODIFF, DIFFERENCE].disagree
    if (HAND, COMPLEX_STEP) in case.pairs:
        against &= ~case.pairs[HAND, COMPLEX_STEP].agree
    against &= entries.right & case.heard[DIFFERENCE].notes.get("confirmed", False)
    if not against.any():
        return entries
    where = f"at {counted(int(against.sum()), 'entry', 'entries')}"
    sentence = (
        f"{where} hand-derived and autodiff agree, and the differences of the forward "
        "contradict both: a mistake that they share"
    )
    if case.heard[DIFFERENCE].notes.get("held back", False):
        sentence += ", or what both leave out on purpose: the reference stops a gradient on its way"
    return Entries(entries.right & ~against, entries.wrong | against, (*entries.said, sentence))


def along_directions(case: Case, entries: Entries) -> Entries:
    if (HAND, DIRECTIONS) not in case.pairs:
        return entries
    along = case.pairs[HAND, DIRECTIONS]
    if along.disagree.any():
        return entries._replace(wrong=entries.wrong | entries.open)
    if case.heard[HAND].notes.get("accuracy", 0.0) > RESOLUTION:
        return entries  # whatever is allowed every entry hides a mistake in one
    return entries._replace(right=entries.right | entries.open) if along.agree.any() else entries


def in_float32(case: Case, entries: Entries) -> Entries:
    if (HAND_SINGLE, AUTODIFF_SINGLE) not in case.pairs:
        return entries
    pair = case.pairs[HAND_SINGLE, AUTODIFF_SINGLE]
    truth = case.heard[AUTODIFF_SINGLE]
    disagree = pair.disagree & poor(pair.difference, truth.value, truth.notes.get("unit", UNIT[SINGLE]))
    return entries._replace(right=entries.right & ~disagree, wrong=entries.wrong | disagree)


def in_float64(case: Case, entries: Entries) -> Entries:
    lost = case.gradient.lost
    if lost is None or (HAND, AUTODIFF) not in case.pairs or is_nothing(case.heard[HAND], case.t):
        return entries
    bad = entries.right & poor_in_float64(lost, case.heard[AUTODIFF]) & ~case.pairs[HAND, AUTODIFF].excused
    return entries._replace(right=entries.right & ~bad, wrong=entries.wrong | bad)


def is_nothing(formula: Estimate, t: float) -> bool:
    """Whether no entry can be told from zero by a formula's own answer: of what cancels by the mathematics (a bias that
    a softmax does not see) no arithmetic has a digit to keep."""
    sigma = 0.0 if formula.sigma is None else formula.sigma
    with np.errstate(invalid="ignore"):
        return bool((np.abs(formula.value) <= t * sigma + formula.bound).all())


def poor(lost: Array, value: Array, unit: float, terms: Array | float = 0.0) -> Array:
    """Where fewer than a third of the digits are left of the array's own scale, or of the terms that cancel."""
    size = float(np.max(np.abs(value), initial=0.0, where=np.isfinite(value)))
    return ~(lost <= unit ** (1 / 3) * np.maximum(size, terms))


def poor_in_float64(lost: Array, truth: Estimate) -> Array:
    """Float32 code may go to float64, and is held to the gradient's digits. Float64 code has nowhere to go: it is held
    to those of the terms that cancel in the reference, too. Of a softmax that is all but one, p (g - Σ g p) is what is
    left of them."""
    terms: Array | float = 0.0
    if truth.terms is not None and truth.entrywise:
        terms = np.where(np.isfinite(truth.terms), truth.terms, 0.0)
    return poor(lost, truth.value, UNIT[DOUBLE], terms)


def at_exact_points(case: Case, entries: Entries) -> Entries:
    if case.outcome != "different" or entries.wrong.any():
        return entries
    sentence = f"right at this point; at an exact one wrong at {share(case.off)}"
    return Entries(entries.right & ~case.off, case.off, (*entries.said, sentence))


def share(wrong: Array) -> str:
    """How many entries of how many."""
    return f"{int(wrong.sum())} of {counted(wrong.size, 'entry', 'entries')}"


def at_further_points(case: Case, entries: Entries) -> Entries:
    found = case.gradient.elsewhere
    if found is None or entries.wrong.any():
        return entries
    if found.on_set:
        sentence = (
            f"it is right here and wherever else {found.on_set}, and beside that ({found.point}) wrong at "
            f"{share(found.wrong)}; if that is always so, say it: on= of `check`"
        )
        return Entries(entries.right & ~found.wrong, entries.wrong, (*entries.said, sentence))
    sentence = f"right at this point; at another ({found.point}) wrong at {share(found.wrong)}"
    return Entries(entries.right & ~found.wrong, found.wrong, (*entries.said, sentence))


def shows_nothing(case: Case, entries: Entries) -> Entries:
    sentence = case.gradient.vacuous
    if not sentence or entries.wrong.any():
        return entries
    return Entries(np.zeros_like(entries.right), entries.wrong, (*entries.said, sentence))


def by_no_convention(case: Case, entries: Entries) -> Entries:
    sentence = case.gradient.illegitimate
    if not sentence:
        return entries
    return entries._replace(wrong=entries.wrong | entries.open, said=(*entries.said, sentence))


def by_convention(case: Case, entries: Entries) -> Entries:
    legitimate = case.gradient.conventions
    if legitimate is None:
        return entries
    right, wrong = entries.right | legitimate, entries.wrong & ~legitimate
    return Entries(right, wrong, () if right.all() else entries.said)


def by_nobody(case: Case, entries: Entries) -> Entries:
    hidden = case.gradient.unruled
    if hidden is None:
        return entries
    where = f"at {counted(int(hidden.sum()), 'entry', 'entries')} on kinks"
    sentence = f"{where} rounding hides whether it is one of the derivatives that a convention may take there"
    return Entries(entries.right, entries.wrong & ~hidden, (*entries.said, sentence))


RULES = (
    Rule("a gradient of another shape is wrong everywhere", another_shape),
    Rule("an entry is right or wrong as autodiff says, where it speaks", first_to_speak(AUTODIFF)),
    Rule("where it is silent, as the complex step says", first_to_speak(COMPLEX_STEP)),
    Rule("where both are silent, as the finite difference says", first_to_speak(DIFFERENCE)),
    Rule("two that agree are wrong together where every difference of the forward contradicts both", shared_mistake),
    Rule("a direction does not say which entry: one that disagrees makes every open one suspect", along_directions),
    Rule("a float32 answer that keeps less than a third of its digits is wrong, whatever the formula says", in_float32),
    Rule("so is a float64 answer that keeps less than a third of the digits of its formula", in_float64),
    Rule("what differs at a point where nothing rounds is wrong, if nothing shows at this one", at_exact_points),
    Rule(
        "what is wrong at a further point is wrong, if nothing shows at this one; open, if it is right on a set that "
        "the arguments lie on",
        at_further_points,
    ),
    Rule("an agreement at points where nothing can be seen settles nothing", shows_nothing),
    Rule("open entries that all lie on kinks are wrong, if they are no convention", by_no_convention),
    Rule("open or wrong entries on kinks are right, if they are a legitimate convention", by_convention),
    Rule("wrong entries on kinks are open, where nobody can tell whether they are one", by_nobody),
)


# ---------------------------------------------------------------------- one gradient


def decide_gradient(name: str, gradient: GradientEvidence, exact: ExactRun, t: float) -> GradientVerdict:
    """Apply the rules to one gradient."""
    nothing = np.zeros(gradient.shape, bool)
    if not gradient.right_shape:
        entries = applied(Case(gradient, {}, Pairs(), None, nothing, t))
        return GradientVerdict("disagree", Pairs(), entries.wrong, entries.open, None, (), None, HAND, None)
    heard, dropped = trust_complex_step(gradient.estimates, t)
    pairs = compare_all(heard, t)
    outcome = None if not exact.applies else exact.outcomes.get(name, "equal but for ties")
    different = outcome == "different"
    off = exact.hand_gradients[name] != exact.gradients[name] if different else nothing
    entries = applied(Case(gradient, heard, pairs, outcome, off, t))
    wrong, undecided = bool(entries.wrong.any()), bool(entries.open.any() or gradient.vacuous)
    odd = odd_one_out(pairs) if wrong else None
    truth = next(witness for witness in (AUTODIFF, COMPLEX_STEP, DIFFERENCE, HAND) if witness in heard)
    judged, power = pairs.judged_by, None
    if judged is not None and judged.difference.shape == gradient.shape:
        power = power_of(heard[truth].value, judged, outcome == "equal")
    return GradientVerdict(
        "disagree" if wrong or different else "undecided" if undecided else "agree",
        pairs,
        entries.wrong,
        entries.open,
        odd or HAND if different else odd,
        (*dropped, *remarks(heard, pairs), *entries.said),
        outcome,
        truth,
        power,
    )


def applied(case: Case) -> Entries:
    nothing = np.zeros(case.gradient.shape, bool)
    entries = Entries(nothing, nothing)
    for rule in RULES:
        entries = rule.apply(case, entries)
    return entries


COMPARED = (
    (HAND, AUTODIFF),
    (HAND, DIFFERENCE),
    (AUTODIFF, DIFFERENCE),
    (HAND, COMPLEX_STEP),
    (AUTODIFF, COMPLEX_STEP),
    (HAND_SINGLE, AUTODIFF_SINGLE),
)


def compare_all(estimates: Mapping[str, Estimate], t: float) -> Pairs:
    """Every pair of witnesses that can be compared, in the order of reports."""
    pairs = Pairs()
    for first, second in COMPARED:
        if first in estimates and second in estimates:
            pairs[first, second] = compare(estimates[first], estimates[second], t)
    if DIRECTIONS in estimates:
        along = estimates[DIRECTIONS]
        for first in (HAND, AUTODIFF):
            if first in estimates:
                pairs[first, DIRECTIONS] = compare(projected(estimates[first], along), along, t)
    return pairs


NOT_ANALYTIC = "the forward is not analytic in complex numbers: the complex step is left out"


def trust_complex_step(estimates: Mapping[str, Estimate], t: float) -> tuple[Mapping[str, Estimate], tuple[str, ...]]:
    """The complex step is silent at kinks; where the differences show that the forward's code is not analytic, it is
    not heard at all."""
    if COMPLEX_STEP not in estimates or DIFFERENCE not in estimates:
        return estimates, ()
    difference = estimates[DIFFERENCE]
    step = replace(estimates[COMPLEX_STEP], decided=~difference.notes["kink"])
    if compare(step, difference, t).disagree.any():
        return {witness: e for witness, e in estimates.items() if witness != COMPLEX_STEP}, (NOT_ANALYTIC,)
    return {**estimates, COMPLEX_STEP: step}, ()


def odd_one_out(pairs: Pairs) -> str | None:
    """When two witnesses agree and one differs: the one that differs, the reference included."""
    if (HAND, AUTODIFF) not in pairs or not pairs[HAND, AUTODIFF].disagree.any():
        return HAND
    accused = pairs[HAND, AUTODIFF].disagree
    for third in (COMPLEX_STEP, DIFFERENCE):
        if (HAND, third) not in pairs:
            continue
        if (accused & pairs[AUTODIFF, third].agree & pairs[HAND, third].disagree).any():
            return HAND
        if (accused & pairs[HAND, third].agree & pairs[AUTODIFF, third].disagree).any():
            return AUTODIFF
    return None
