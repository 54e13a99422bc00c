"""Kinks: whether what the hand-derived code says there is a legitimate convention, none, or nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from crosscheck.collecting.setting import Setting, noise_by_design, output_noise
from crosscheck.evidence.collected import Evidence, GradientEvidence
from crosscheck.evidence.decision import decide
from crosscheck.evidence.estimate import AUTODIFF, DIFFERENCE, HAND, Estimate
from crosscheck.evidence.verdict import GradientVerdict
from crosscheck.evidence.wording import listed
from crosscheck.operation import Array
from crosscheck.witnesses.foreign import Foreign
from crosscheck.witnesses.jumps import jumps
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
        ruling = ruled(setting, name, gradient, on_kinks)
        if ruling.answer == LEGITIMATE:
            settled[name] = replace(gradient, conventions=on_kinks)
        elif ruling.answer == ILLEGITIMATE:
            settled[name] = replace(gradient, illegitimate=refuted(ruling))
        elif verdict.mismatched.any():
            settled[name] = replace(gradient, unruled=on_kinks)
    settled |= inconsistent(setting, evidence, decided, settled)
    return replace(evidence, gradients={**evidence.gradients, **settled}) if settled else evidence


def inconsistent(
    setting: Setting,
    evidence: Evidence,
    decided: Mapping[str, GradientVerdict],
    settled: Mapping[str, GradientEvidence],
) -> dict[str, GradientEvidence]:
    """The gradients that are a convention each, but none together with those of the other inputs on kinks."""
    alone = [name for name, gradient in settled.items() if gradient.conventions is not None]
    kinky = {}
    for name, gradient in evidence.gradients.items():
        difference = gradient.estimates.get(DIFFERENCE)
        # A gradient that is wrong by itself says nothing of the others.
        right = decided[name].verdict == "agree" and difference is not None and difference.notes["kink"].any()
        if right or name in alone:
            kinky[name] = gradient.estimates[HAND].value
    if not alone or len(kinky) < 2 or setting.formula.manner.on:
        return {}
    ruling = together(setting.formula, kinky, setting.cotangent, output_noise(setting))
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


def refuted(ruling: Ruling) -> str:
    return (
        f"it is no derivative of any side of the kinks: moved in one direction, it gives {ruling.along:.4g}, where the "
        f"slopes beside them lie between {ruling.low:.4g} and {ruling.high:.4g} (as when each of several equal maxima "
        "gets the whole gradient)"
    )


def ruled(setting: Setting, name: str, gradient: GradientEvidence, where: Array) -> Ruling:
    auto, noise = setting.auto, output_noise(setting)
    more = noise_by_design(setting, name)
    noise = noise if more is None else np.fmax(noise, more)
    value, formula, v = gradient.estimates[HAND].value, setting.formula, setting.cotangent
    ruling = is_convention(formula, name, v, value, noise, where)
    if ruling.answer != CANNOT_TELL or auto is None or isinstance(formula.reference, Foreign):
        return ruling
    truth = partial(setting.truth, v=v)
    one = is_one_of_the_references(truth, formula.inputs, name, value, where)
    return Ruling(LEGITIMATE) if one else ruling
