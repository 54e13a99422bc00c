"""Three ways to compare two answers: bit for bit, within rounding, and far beyond rounding."""

from __future__ import annotations

import numpy as np

from crosscheck.effects.arrays import Array, Arrays

# Where nobody knows a bound, answers to one question may differ by this many roundings of the largest entry. Another
# layout lets BLAS sum in another order: sums of n terms then differ by about √n roundings, by n at worst. 2^10 covers
# a million terms as they usually are, a thousand at worst; and what is looked for (a factor, a stale entry) is larger.
REPEATED = 2.0**10

# Beyond this share of the larger answer, two answers have nothing to do with rounding. What it has to tell apart are
# sums at float32 (1e-5, of some hundred terms) and answers at points whose inputs differ by tenths: it lies in the
# middle. No two answers are called equal by it; it can only keep an accusation back.
FAR = 1e-3


def same_bytes(a: Array, b: Array) -> bool:
    """Bit for bit, NaN and signed zeros included; shapes and dtypes too."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.itemsize not in (1, 2, 4, 8):  # longdouble has bytes that mean nothing
        return np.array_equal(a, b, equal_nan=True)
    unsigned = f"u{a.dtype.itemsize}"
    return np.array_equal(
        np.ascontiguousarray(a).reshape(-1).view(unsigned),
        np.ascontiguousarray(b).reshape(-1).view(unsigned),
    )


def equal(p: Array, q: Array, allowed: Array | float | None, unit: float) -> bool:
    """Whether two answers to one question are equal within rounding; NaN equals NaN.

    Args:
        allowed: how far they may be apart, entry by entry or one number for all. None, or an array of another shape
            (the answers' own is wrong then), says that nothing is known: `REPEATED` roundings of the largest entry.
        unit: the unit roundoff at which they were computed. Two roundings of the largest entry are always allowed: a
            bound may be zero where nothing is computed, and one of the answers was divided.
    """
    if p.shape != q.shape:
        return False
    rounding = unit * float(np.max(np.abs(q[np.isfinite(q)]), initial=0.0))
    if allowed is None or np.shape(allowed) not in ((), p.shape):
        most = np.asarray(REPEATED * rounding)
    else:
        most = np.maximum(allowed, 2 * rounding)
    with np.errstate(all="ignore"):
        same = (p == q) | (np.isnan(p) & np.isnan(q))
        return bool((same | (np.abs(p.astype(np.float64) - q) <= most)).all())


def far(a: Array, b: Array) -> bool:
    """Whether two answers have nothing to do with each other: apart by more than `FAR` of the larger."""
    if a.shape != b.shape:
        return True
    with np.errstate(all="ignore"):
        gap = np.max(np.abs(a - b), initial=0.0)
        size = max(np.max(np.abs(a), initial=0.0), np.max(np.abs(b), initial=0.0))
    return not gap <= FAR * size


def finite(answer: Arrays) -> list[str]:
    """The names whose gradient is finite everywhere; of NaN no comparison says anything."""
    return [k for k, a in answer.items() if np.isfinite(a).all()]
