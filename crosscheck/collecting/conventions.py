"""Kinks: whether what the hand-derived code says there is a legitimate convention, none, or nobody can tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial

import numpy as np

from crosscheck.collecting.setting import Setting, noise_by_design, output_noise
from crosscheck.evidence.collected import Evidence, GradientEvidence
from crosscheck.evidence.decision import decide
from crosscheck.evidence.estimate import AUTODIFF, DIFFERENCE, HAND, Estimate
from crosscheck.evidence.verdict import GradientVerdict
from crosscheck.evidence.wording import listed
from crosscheck.floats import DOUBLE
from crosscheck.operation import Array, Arrays
from crosscheck.witnesses.autodiff import autodiff
from crosscheck.witnesses.foreign import Foreign
from crosscheck.witnesses.jumps import by_rounding, jumps, off_kinks
from crosscheck.witnesses.kinks import (
    CANNOT_TELL,
    ILLEGITIMATE,
    LEGITIMATE,
    Ruling,
    is_convention,
    is_one_of_the_references,
    together,
)
from crosscheck.witnesses.moving import is_linear


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
        if difference is None or not open_entries.any() or verdict.exact == "different" or gradient.elsewhere:
            continue
        on_kinks = open_entries & difference.notes["kink"]
        if not on_kinks.all(where=open_entries):
            on_kinks = open_entries & (
                on_kinks | unseen_kinks(setting, name, gradient.estimates, open_entries & ~on_kinks)
            )
        if not on_kinks.any() or (verdict.mismatched & ~on_kinks).any():
            continue
        if off_kinks_of_reference(setting, name, gradient.estimates, verdict.mismatched).any():
            continue  # of which no convention is to be had
        ruling = ruled(setting, name, gradient, on_kinks, noise())
        if ruling.answer == LEGITIMATE:
            settled[name] = replace(gradient, conventions=on_kinks)
        elif ruling.answer == ILLEGITIMATE:
            settled[name] = replace(gradient, illegitimate=refuted(ruling))
        elif verdict.mismatched.any():
            settled[name] = replace(gradient, unruled=on_kinks)
    settled |= inconsistent(setting, evidence, decided, settled, noise)
    return replace(evidence, gradients={**evidence.gradients, **settled}) if settled else evidence


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
        # A gradient that is wrong by itself says nothing of the others.
        right = decided[name].verdict == "agree" and difference is not None and difference.notes["kink"].any()
        if right or name in alone:
            kinky[name] = gradient.estimates[HAND].value
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


def unseen_kinks(setting: Setting, name: str, estimates: Mapping[str, Estimate], where: Array) -> Array:
    """Which of these entries lie on kinks that differences of one entry do not show: they are hidden by rounding, or
    show only where several entries move together."""
    auto, formula, v = setting.auto, setting.formula, setting.cotangent
    found = np.zeros(where.shape, bool)
    if auto is not None and not auto.roundings.decides:
        return found
    if auto is not None and not isinstance(formula.reference, Foreign):
        apart = [np.abs(estimates[HAND].value - estimates[w].value) for w in (AUTODIFF, DIFFERENCE)]
        found = jumps(partial(setting.truth, v=v), formula.inputs, name, np.fmax(*apart)) & where
    if found.all(where=where) or is_linear(formula, name, v, noise_by_design(setting, name), estimates[DIFFERENCE]):
        return found
    return where


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

    gap = np.abs(estimates[HAND].value - here)
    return off_kinks(says, truth, formula.inputs, formula.wrt, here, gap, where)


def refuted(ruling: Ruling) -> str:
    return (
        f"it is no derivative of any side of the kinks: moved in one direction, it gives {ruling.along:.4g}, where the "
        f"slopes beside them lie between {ruling.low:.4g} and {ruling.high:.4g} (as when each of several equal maxima "
        "gets the whole gradient)"
    )


def ruled(setting: Setting, name: str, gradient: GradientEvidence, where: Array, noise: Array) -> Ruling:
    auto, more = setting.auto, noise_by_design(setting, name)
    noise = noise if more is None else np.fmax(noise, more)
    value, formula, v = gradient.estimates[HAND].value, setting.formula, setting.cotangent
    kinks = gradient.estimates[DIFFERENCE].notes["kink"]
    ruling = is_convention(formula, name, v, value, noise, where, kinks=kinks, coarse=bool(setting.inside))
    if ruling.answer != CANNOT_TELL or auto is None or isinstance(formula.reference, Foreign):
        return ruling
    truth = partial(setting.truth, v=v)
    one = is_one_of_the_references(truth, formula.inputs, name, value, where, kinks)
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
