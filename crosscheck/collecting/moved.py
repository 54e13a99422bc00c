"""The witnesses that move the inputs, and a second look at those that contradict the others."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from crosscheck.collecting.setting import Estimates, Setting, noise_by_design, output_noise
from crosscheck.deadline import Deadline
from crosscheck.evidence.decision import RESOLUTION
from crosscheck.evidence.estimate import AUTODIFF, DIFFERENCE, HAND
from crosscheck.evidence.pair import compare
from crosscheck.operation import Arrays
from crosscheck.witnesses.contradiction import seen_noise, standing
from crosscheck.witnesses.moving import moving_witnesses

# Seconds of calls that are said beforehand.
LONG_CHECK = 2.0


def moved(setting: Setting, hand: Arrays, deadline: Deadline) -> Estimates:
    """The witnesses that move the inputs, on every gradient that the hand-derived code gave; none where the forward
    rounds to so few bits that they would see its steps, or nothing."""
    if setting.auto is not None and setting.auto.roundings.coarsens:
        return {}

    def announce(usual: int, most: int) -> None:
        took = usual * setting.took
        if took > LONG_CHECK:
            deadline.announce(
                f"{setting.operation.name}: {deadline.doing}: about {usual:,} calls of forward, "
                f"{setting.took:.2g} s each, {took:,.0f} s in all; {most:,} calls at the most"
            )

    found: Estimates = {}
    for k in hand:
        noise = noise_by_design(setting, k)
        moving = partial(moving_witnesses, setting.formula, k, setting.cotangent, noise, announce=announce)
        found[k] = {e.witness: e for e in deadline.unless_late(f"differences of the forward in {k}", moving, [])}
    return found


def confirm(setting: Setting, estimates: Estimates) -> None:
    """A difference that contradicts the others grossly is asked at the finest step too (`contradiction`).

    Where it does not stand, it accuses nobody: beside a reference that speaks it is not confirmed, else it is silent.
    """
    auto, formula, v = setting.auto, setting.formula, setting.cotangent
    # Far out a floor is the identity for all that floats can say: there the derivative is right and the difference not.
    # A difference of nothing is none of those: a gradient that is passed on through a rounding is not its derivative.
    steps = auto is not None and auto.roundings.steps
    for name, found in estimates.items():
        difference = found.get(DIFFERENCE)
        if difference is None or HAND not in found:
            continue
        notes = difference.notes
        against = compare(found[HAND], difference, setting.t).disagree
        size = np.fmax(np.abs(found[HAND].value), np.abs(difference.value))
        gross = np.abs(found[HAND].value - difference.value) > RESOLUTION * size
        alone = np.ones(size.shape, bool) if auto is None else ~found[AUTODIFF].speaks()
        if auto is not None:
            shared = compare(found[AUTODIFF], difference, setting.t).disagree & notes["confirmed"]
            gross = np.where(alone, gross, shared & compare(found[HAND], found[AUTODIFF], setting.t).agree)
        against &= gross
        if not against.any():
            continue
        if steps:
            notes = {**notes, "confirmed": notes["confirmed"] & ~(against & (difference.value != 0))}
            found[DIFFERENCE] = difference = replace(difference, notes=notes)
            against &= difference.value == 0
        if not against.any():
            continue
        noise = seen_noise(formula, name, v)
        if auto is not None:  # which has no word for an input whose last place is a whole turn
            noise = np.fmax(np.reshape(noise, auto.output.value.shape), output_noise(setting))
        more = noise_by_design(setting, name)
        noise = noise if more is None else np.fmax(noise, more)
        differing = np.where(against, difference.value, np.nan)
        fails = against & ~standing(formula, name, v, found[HAND].value, differing, np.nan_to_num(noise, nan=np.inf))
        if auto is not None:
            notes = {**notes, "confirmed": notes["confirmed"] & ~fails, "held back": auto.roundings.held_back}
            found[DIFFERENCE] = difference = replace(difference, notes=notes)
        silenced = fails & alone
        if silenced.any():
            notes = {**notes, "undecided": notes["undecided"] + int(silenced.sum())}
            found[DIFFERENCE] = replace(difference, decided=difference.speaks() & ~silenced, notes=notes)
