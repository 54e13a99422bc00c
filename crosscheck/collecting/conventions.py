"""Kinks: whether what the hand-derived code says there is a legitimate convention, none, or nobody can tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

from crosscheck.collecting.setting import Setting, noise_by_design, output_noise
from crosscheck.evidence.collected import Evidence, GradientEvidence
from crosscheck.evidence.decision import RESOLUTION, decide
from crosscheck.evidence.estimate import AUTODIFF, DIFFERENCE, DIRECTIONS, HAND, Estimate
from crosscheck.evidence.verdict import GradientVerdict
from crosscheck.evidence.wording import listed
from crosscheck.floats import DOUBLE
from crosscheck.operation import Array, Arrays, Operation
from crosscheck.witnesses.autodiff import autodiff, plain_output
from crosscheck.witnesses.foreign import Foreign
from crosscheck.witnesses.jumps import by_rounding, jumps, off_kinks
from crosscheck.witnesses.kinks import (
    ALL,
    CANNOT_TELL,
    ILLEGITIMATE,
    LEGITIMATE,
    Ruling,
    any_beside,
    as_one,
    is_convention,
    is_one_of_the_references,
    together,
)
from crosscheck.witnesses.moving import FORWARDS, calls_within, is_linear
from crosscheck.witnesses.swallowed import not_seen


def with_conventions(setting: Setting, evidence: Evidence) -> Evidence:
    """Where all that is wrong in a gradient lies on kinks: whether that, and what is open there, is a legitimate
    convention, none, or nobody can tell."""
    decided = decide(evidence).gradients
    noise = cache(lambda: noise_beside(setting))  # a run of the reference, for all gradients
    settled = {}
    for name, gradient in evidence.gradients.items():
        verdict = decided[name]
        open_entries = verdict.mismatched | verdict.undecided
        difference = gradient.estimates.get(DIFFERENCE)
        if not open_entries.any() or verdict.exact == "different" or gradient.elsewhere:
            continue
        if difference is None and DIRECTIONS not in gradient.estimates:
            continue  # nobody wants the inputs moved
        if difference is None:
            settled |= undifferenced(setting, name, gradient, verdict, noise)
            continue
        on_kinks = open_entries & difference.notes["kink"]
        if not on_kinks.all(where=open_entries):
            on_kinks = open_entries & (
                on_kinks | unseen_kinks(setting, name, gradient.estimates, open_entries & ~on_kinks, noise)
            )
        if not on_kinks.any() or (verdict.mismatched & ~on_kinks).any():
            continue
        if off_kinks_of_reference(setting, name, gradient.estimates, verdict.mismatched).any():
            continue  # of which no convention is to be had
        ruling = ruled(setting, name, gradient, on_kinks, noise())
        pair = verdict.pairs.get((HAND, AUTODIFF))
        seen = gradient if pair is None else with_kinks(gradient, on_kinks & pair.disagree)
        if ruling.answer == LEGITIMATE:
            settled[name] = replace(seen, conventions=on_kinks)
        elif ruling.answer == ILLEGITIMATE:
            settled[name] = replace(seen, illegitimate=refuted(ruling))
        elif verdict.mismatched.any():
            settled[name] = replace(seen, unruled=on_kinks)
    settled |= inconsistent(setting, evidence, decided, settled, noise)
    if setting.auto is None and not settled:
        settled |= not_additive(setting, evidence, decided, noise)
    return replace(evidence, gradients={**evidence.gradients, **settled}) if settled else evidence


def undifferenced(
    setting: Setting, name: str, gradient: GradientEvidence, verdict: GradientVerdict, noise: Callable[[], Array]
) -> dict[str, GradientEvidence]:
    """The same of an input that is too large for a difference of every entry: the reference tells where kinks are."""
    auto, formula, v = setting.auto, setting.formula, setting.cotangent
    wrong = verdict.mismatched
    if auto is None or not auto.roundings.decides or isinstance(formula.reference, Foreign) or not wrong.any():
        return {}
    gap = np.abs(gradient.estimates[HAND].value - gradient.estimates[AUTODIFF].value)
    found = jumps(partial(setting.truth, v=v), formula.inputs, name, gap)
    if (wrong & ~found).any() or off_kinks_of_reference(setting, name, gradient.estimates, wrong).any():
        return {}
    if calls_within(formula, name, v.size) < FORWARDS or formula.manner.on:
        return {name: replace(gradient, unruled=wrong)}
    value, coarse = answered(setting, name, gradient), bool(setting.inside)
    auto_says = gradient.estimates[AUTODIFF].value
    ruling = is_convention(formula, name, v, value, noise(), wrong, None, found, coarse, auto_says)
    if ruling.answer == CANNOT_TELL and refuses(formula, name):
        same = is_convention(by_reference(setting), name, v, value, noise(), wrong, kinks=found)
        ruling = same if same.answer == ILLEGITIMATE else ruling
    if ruling.answer == LEGITIMATE:
        return {name: replace(gradient, conventions=wrong)}
    if ruling.answer == ILLEGITIMATE:
        return {name: replace(gradient, illegitimate=refuted(ruling))}
    return {name: replace(gradient, unruled=wrong)}


def by_reference(setting: Setting) -> Operation:
    """The reference in the forward's place, for what it refutes where the code refuses points that are not its own."""
    formula = setting.formula
    known, shape = formula.reference, setting.cotangent.shape
    assert known is not None
    return replace(formula, forward=lambda inputs: plain_output(known, inputs, formula.wrt, shape), moving_forward=None)


def refuses(formula: Operation, name: str) -> bool:
    """Whether the code refuses a point beside its own."""
    try:
        with np.errstate(all="ignore"):
            formula.output({name: by_rounding(formula.inputs[name], np.random.default_rng(14))})
    except Exception:  # the user's code, at a point that is ours
        return True
    return False


def with_kinks(gradient: GradientEvidence, on_kinks: Array) -> GradientEvidence:
    """The evidence with a difference that is silent where it has seen no kink and there is one."""
    difference = gradient.estimates[DIFFERENCE]
    unseen = on_kinks & ~difference.notes["kink"]
    if not unseen.any():
        return gradient
    notes = {**difference.notes, "kink": difference.notes["kink"] | unseen}
    notes["kinks"] = int(notes["kink"].sum())
    silent = replace(difference, decided=difference.speaks() & ~unseen, notes=notes)
    return replace(gradient, estimates={**gradient.estimates, DIFFERENCE: silent})


def inconsistent(
    setting: Setting,
    evidence: Evidence,
    decided: Mapping[str, GradientVerdict],
    settled: Mapping[str, GradientEvidence],
    noise: Callable[[], Array],
) -> dict[str, GradientEvidence]:
    """The gradients that are a convention each, but none together with those of the other inputs on kinks."""
    alone = [name for name, gradient in settled.items() if gradient.conventions is not None]
    kinky, kinks = {}, {}
    for name, gradient in evidence.gradients.items():
        difference = gradient.estimates.get(DIFFERENCE)
        # A gradient that is wrong by itself says nothing of the others. One that is right may lie on kinks that no
        # difference shows: the median of equal numbers of two inputs follows no one of them.
        if decided[name].verdict == "agree" or name in alone:
            kinky[name] = answered(setting, name, gradient)
            ruled_on = settled[name].conventions if name in alone else None
            seen = np.zeros(gradient.shape, bool) if difference is None else difference.notes["kink"]
            kinks[name] = seen if ruled_on is None else seen | ruled_on
    if not alone or len(kinky) < 2 or setting.formula.manner.on:
        return {}
    ruling = together(setting.formula, kinky, setting.cotangent, noise(), kinks, bool(setting.inside))
    if ruling.answer != ILLEGITIMATE:
        return {}
    why = f"together with that of {listed(k for k in kinky if k not in alone) or 'the other'} {refuted(ruling)}"
    return {name: replace(settled[name], conventions=None, illegitimate=why) for name in alone}


def not_additive(
    setting: Setting, evidence: Evidence, decided: Mapping[str, GradientVerdict], noise: Callable[[], Array]
) -> dict[str, GradientEvidence]:
    """The gradients that only differences of single entries speak for, and that are none of the forward's all the same.

    The median of equal numbers follows no one of them, so that every difference is 0, and follows all of them together.
    """
    names = [k for k, g in evidence.gradients.items() if decided[k].verdict == "agree" and DIFFERENCE in g.estimates]
    if not names or setting.formula.manner.on:
        return {}
    found = [evidence.gradients[k].estimates[DIFFERENCE] for k in names]
    value, bound, speaks, kink = (
        np.concatenate([np.ravel(a) for a in arrays])
        for arrays in zip(*((e.value, e.bound, e.speaks(), e.notes["kink"]) for e in found), strict=True)
    )
    whole = Estimate(DIFFERENCE, value, bound, decided=speaks, notes={"kink": kink})
    if is_linear(as_one(setting.formula, names), ALL, setting.cotangent, None, whole):
        return {}
    hand = {k: evidence.gradients[k].estimates[HAND].value for k in names}
    ruling = together(setting.formula, hand, setting.cotangent, noise(), None, bool(setting.inside))
    if ruling.answer != ILLEGITIMATE:
        return {}
    told = {k: evidence.gradients[k].estimates[DIFFERENCE].speaks() for k in names}
    return {k: replace(with_kinks(evidence.gradients[k], told[k]), illegitimate=refuted(ruling)) for k in names}


def unseen_kinks(
    setting: Setting, name: str, estimates: Mapping[str, Estimate], where: Array, noise: Callable[[], Array]
) -> Array:
    """Which of these entries lie on kinks that differences of one entry do not show: they are hidden by rounding, or
    show only where several entries move together."""
    auto, formula, v = setting.auto, setting.formula, setting.cotangent
    found = np.zeros(where.shape, bool)
    # Where Python has decided, the program that was recorded compares nothing.
    if auto is not None and not auto.roundings.decides and not setting.guarded:
        return found
    if auto is not None and not isinstance(formula.reference, Foreign):
        apart = [np.abs(estimates[HAND].value - estimates[w].value) for w in (AUTODIFF, DIFFERENCE)]
        found = jumps(partial(setting.truth, v=v), formula.inputs, name, np.fmax(*apart)) & where
    if found.all(where=where):
        return found
    more = noise_by_design(setting, name)
    if not is_linear(formula, name, v, more, estimates[DIFFERENCE]):
        return where
    noises = noise() if more is None else np.fmax(noise(), more)
    return where if any_beside(formula, name, v, noises, where & ~found) else found


def off_kinks_of_reference(setting: Setting, name: str, estimates: Mapping[str, Estimate], where: Array) -> Array:
    """Which of these entries, where autodiff speaks against the code, lie beside a kink of the reference and not on it:
    nearer than a difference comes, and farther than rounding reaches."""
    auto, formula, v = setting.auto, setting.formula, setting.cotangent
    nothing = np.zeros(where.shape, bool)
    if auto is None or setting.inside or isinstance(formula.reference, Foreign) or not where.any():
        return nothing
    reference, here = formula.reference, estimates[AUTODIFF].value
    assert reference is not None

    def says(inputs: Arrays) -> Estimate:
        found = autodiff(reference, inputs, formula.wrt, v, DOUBLE, seed=setting.seed, both_modes=False)
        return found.gradients[name]

    def truth(inputs: Arrays) -> Array:
        return setting.truth(inputs, v)[name]

    where = where & ~swallowed(reference, formula.inputs, formula.wrt, name)
    gap = np.abs(estimates[HAND].value - here)
    return off_kinks(says, truth, formula.inputs, formula.wrt, here, gap, where)


def swallowed(reference: Callable[..., Any], inputs: Arrays, wrt: tuple[str, ...], name: str) -> Array:
    """The entries of which a tie in the reference does not see a move by rounding, and so stays one."""
    rng = np.random.default_rng(11)
    moved = {k: by_rounding(inputs[k], rng) for k in wrt}
    with np.errstate(all="ignore"):
        try:
            return not_seen(reference, inputs, moved, name)
        except Exception:  # the reference may refuse a point that is not its own
            return np.ones(inputs[name].shape, bool)


def answered(setting: Setting, name: str, gradient: GradientEvidence) -> Array:
    """The hand-derived gradient as the code gives it: in longdouble a tie of rounded numbers is none, and what the code
    says there is not what it says here."""
    value, lost = gradient.estimates[HAND].value, gradient.lost
    if lost is None:
        return value
    answer = setting.formula.gradients(setting.cotangent)[name]
    with np.errstate(invalid="ignore"):
        gross = lost > RESOLUTION * np.maximum(np.abs(value), np.abs(answer))
    return np.where(gross, answer, value)


def refuted(ruling: Ruling) -> str:
    return (
        f"it is no derivative of any side of the kinks: moved in one direction, it gives {ruling.along:.4g}, where the "
        f"slopes beside them lie between {ruling.low:.4g} and {ruling.high:.4g} (as when each of several equal maxima "
        "gets the whole gradient)"
    )


def ruled(setting: Setting, name: str, gradient: GradientEvidence, where: Array, noise: Array) -> Ruling:
    auto, more = setting.auto, noise_by_design(setting, name)
    noise = noise if more is None else np.fmax(noise, more)
    value, formula, v = answered(setting, name, gradient), setting.formula, setting.cotangent
    kinks = gradient.estimates[DIFFERENCE].notes["kink"]
    beside = None if auto is None else gradient.estimates[AUTODIFF].value
    ruling = is_convention(formula, name, v, value, noise, where, None, kinks, bool(setting.inside), beside)
    if ruling.answer != CANNOT_TELL or auto is None or isinstance(formula.reference, Foreign):
        return ruling
    truth = partial(setting.truth, v=v)
    if refuses(formula, name):
        same = is_convention(by_reference(setting), name, v, value, noise, where, kinks=kinks)
        if same.answer == ILLEGITIMATE:
            return same
    free = () if formula.manner.on else [k for k in formula.wrt if k not in formula.manner.still]
    one = is_one_of_the_references(truth, formula.inputs, name, value, where, kinks, free)
    return Ruling(LEGITIMATE) if one else ruling


def noise_beside(setting: Setting) -> Array:
    """The same as `output_noise` at a point beside, too: log(1 + |x|) rounds nothing at 0, and everything at 1e-80."""
    noise, formula = output_noise(setting), setting.formula
    if setting.auto is None or formula.reference is None or isinstance(formula.reference, Foreign):
        return noise
    rng = np.random.default_rng(10)
    moved = {**formula.inputs, **{k: by_rounding(formula.inputs[k], rng) for k in formula.wrt}}
    try:
        there = autodiff(formula.reference, moved, formula.wrt, setting.cotangent, DOUBLE, both_modes=False)
    except Exception:  # the reference may refuse a point that is not its own
        return noise
    return noise if there.output.sigma is None else np.fmax(noise, setting.t * there.output.sigma)
