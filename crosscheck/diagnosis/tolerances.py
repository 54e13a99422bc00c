"""The numbers by which the search decides, each with what it means.

None of them can make a right gradient wrong or a wrong one right: the verdict stands before the search begins. They
say when a candidate *is* what the user's code computes. Two different mistakes differ by far more than any of these
at generic points, and the same one computed in another order by far less.
"""

from __future__ import annotations

# A candidate is another computation than the truth, with rounding errors of the same relative size (norm against
# norm) but not the same ones: its bound is the truth's relative bound, this many times.
CANDIDATE = 4.0
# The least relative error of any array of sums: 2^7 units in the last place, whatever the bound says (0 for
# rearrangements).
LEAST = 2.0**-46
# A fitted factor carries rounding errors; two different products of sizes differ by far more than this.
SAME_FACTOR = 1e-11
# A factor comes from a whole gradient: its error is the gradient's relative bound, at most this many times.
FITTED = 8.0
# A factor so many bounds from 1, and no more, is no explanation: the wrong entries are few, or small among large
# ones. A gradient without a bound (a rearrangement) has that of a few units.
NEARLY_ONE = 64.0
FEW_UNITS = 2.0**-50
# Numbers that a reader is told as one (a factor in a sentence, a ratio that is the same at every wrong entry, a
# product that is a known derivative): nine digits.
DIGITS = 9
TOLD_ALIKE = 1e-9
# Contributions to one entry are added in the user's order: the error of a partial sum, over the sum of the absolute
# terms, in relative bounds.
TERMS = 8.0

# Without a reference the truth is a difference. Central differences at steps h and h/2 of the inputs' largest entry,
# extrapolated: h² and the roundoff over h meet near 2^-12. Their distance, and no less than this, is taken for their
# error.
JACOBIAN_STEP = 2.0**-12
JACOBIAN_LEAST = 2.0**-40
# A ratio of two directional derivatives only has to tell whole numbers apart: one difference, of a step at which
# roundoff and curvature both stay below 1e-5, compared to four digits. A direction in which the hand-derived gradient
# is below a tenth of its norm says little and is drawn again.
RATIO_STEP = 2.0**-18
RATIO = 1e-4
TELLING = 0.1
