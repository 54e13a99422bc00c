"""Why a gradient is wrong whose formula is right: what its arithmetic lost."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from crosscheck.evidence.collected import Evidence, GradientEvidence
from crosscheck.evidence.decision import poor_in_float64
from crosscheck.evidence.estimate import AUTODIFF, AUTODIFF_SINGLE, COMPLEX_STEP, DIFFERENCE, HAND, HAND_SINGLE
from crosscheck.evidence.findings import digits_kept
from crosscheck.evidence.reason import Diagnosis, Reasons
from crosscheck.evidence.verdict import GradientVerdict

# No code that rounds as its operations do is off by so much of the largest entry.
GROSS = 0.1


def arithmetic_reasons(evidence: Evidence, verdicts: Mapping[str, GradientVerdict], dtype: np.dtype) -> Reasons:
    """Of every gradient whose formula is right where it is wrong, what its arithmetic lost."""
    found: dict[str, Diagnosis] = {}
    for name, verdict in verdicts.items():
        gradient = evidence.gradients[name]
        if wrong_in_float32(verdict):
            found[name] = lost_digits(verdict, gradient, dtype)
        elif wrong_in_float64(verdict, gradient):
            found[name] = lost_in_float64(gradient)
    return Reasons({name: (why,) for name, why in found.items()})


def wrong_here(gradient: GradientVerdict) -> bool:
    """Whether a gradient is wrong as a formula at the point of the check."""
    pairs = [gradient.pairs.get((HAND, w)) for w in (AUTODIFF, COMPLEX_STEP, DIFFERENCE)]
    return gradient.verdict == "disagree" and any(p is not None and p.disagree.any() for p in pairs)


def wrong_in_float32(gradient: GradientVerdict) -> bool:
    pair = gradient.pairs.get((HAND_SINGLE, AUTODIFF_SINGLE))
    return pair is not None and bool((pair.disagree & gradient.mismatched).any())


def wrong_in_float64(verdict: GradientVerdict, gradient: GradientEvidence) -> bool:
    """Whether it is digits alone that a float64 answer has not: no witness contradicts its formula."""
    wrong = verdict.mismatched
    if gradient.lost is None or gradient.elsewhere is not None or wrong_here(verdict) or not wrong.any():
        return False
    return bool(poor_in_float64(gradient.lost, gradient.estimates[AUTODIFF])[wrong].all())


def lost_in_float64(gradient: GradientEvidence) -> Diagnosis:
    assert gradient.lost is not None
    kept = digits_kept(gradient.lost, gradient.estimates[AUTODIFF].value, 16)
    sentence = f"the formula is right; computed at float64 it keeps {kept:.0f} of 16 digits of the largest entry"
    return Diagnosis("precision", sentence, {"digits": kept})


def lost_digits(verdict: GradientVerdict, gradient: GradientEvidence, dtype: np.dtype) -> Diagnosis:
    pair = verdict.pairs[HAND_SINGLE, AUTODIFF_SINGLE]
    count = int(pair.disagree.sum())
    lost = "loses more digits than its operations cost"
    off = float(np.max(pair.difference[pair.disagree]))
    largest = float(np.max(np.abs(gradient.estimates[AUTODIFF_SINGLE].value), initial=0.0))
    if off > GROSS * largest > 0 and np.isfinite(off):
        sentence = (
            f"right at {np.dtype(float)}, and at {dtype} another number, off by up to {100 * off / largest:.2g} % of "
            "the largest: the code computes something else there, or loses nearly all digits"
        )
        return Diagnosis("precision", sentence, {"entries": count, "share": off / largest})
    if not np.isfinite(pair.difference[pair.disagree]).all():
        lost = "is beyond the largest number, or no number"
    sentence = f"the formula is right; computed at {dtype} it {lost}"
    return Diagnosis("precision", sentence, {"entries": count})
