"""How far two right estimates may be apart: one number δ, and no other tolerance.

    allowance = t √(Σ σ²) + Σ derived errors                                               (1)

σ is estimated from K random roundings, so error/σ has Student's distribution with K degrees of freedom. Of N
comparisons none is to fail by chance with a probability above δ, hence t is the quantile that δ/N of the distribution
exceeds, both tails together. A truncation error or an engine's own bound is no standard deviation: it is added.
"""

from __future__ import annotations

from scipy.special import stdtrit

# The probability that a healthy check is accused.
DELTA = 1e-6
# Beyond so many numbers a program's copies cost more than what a sharper quantile gains.
LARGE = 2**20


def quantile(copies: int, comparisons: int, delta: float = DELTA) -> float:
    """t: with `copies` degrees of freedom, exceeded in absolute value with probability δ/N."""
    return float(-stdtrit(copies, delta / (2 * max(1, comparisons))))


def copies_for(numbers: int) -> int:
    """K for a program whose values have so many numbers in all.

    At N = 1,000 the allowance is 32 σ for K = 8, 12.6 for 16, 8.5 for 32, 7.2 for 64: below 16 it loses power, beyond
    32 it gains little. A small program costs its compilation whatever K is, and gets 32, one hash's worth of signs; a
    large one pays for each copy, and gets 16.
    """
    return 32 if numbers <= LARGE else 16
