"""A gradient that is right where it is small, and limited where it is large.

    np.clip(g, -c, c)            every entry on its own
    g * min(1, c / ‖g‖)          the whole, by its norm

Both leave a small gradient as it is, and so does a clip on the way to it. So the backward is asked once more, for 2^-k
of what arrives: a power of two goes through all that is linear without rounding, and what it gives, times 2^k, is
within the same bound of the truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from crosscheck.diagnosis.points import Array
from crosscheck.diagnosis.tolerances import TOLD_ALIKE
from crosscheck.evidence.reason import Diagnosis
from crosscheck.operation import Operation

# What arrives is a millionth: below every limit that is meant for gradients, and far above the smallest numbers of any
# format.
SMALLER = 2.0**-20


def clipped(
    operation: Operation,
    v: Array,
    wrong: Mapping[str, Array],
    truth: Mapping[str, Array],
    bound: Mapping[str, Array],
    names: Sequence[str],
) -> dict[str, Diagnosis]:
    """Of wrong gradients, those that are the true one, limited."""
    alike = [k for k in names if wrong[k].shape == truth[k].shape and np.isfinite(wrong[k]).all()]
    # What is off by no more than the bound was contradicted by another witness than this truth.
    reached = [k for k in alike if (np.abs(wrong[k] - truth[k]) > bound[k]).any()]
    if not reached:
        return {}
    try:
        small = operation.gradients((v * SMALLER).astype(operation.dtype))
    except Exception:  # the code at a gradient that its author did not choose
        return {}
    found: dict[str, Diagnosis] = {}
    for k in reached:
        g = np.asarray(small[k], np.float64) / SMALLER
        if g.shape == truth[k].shape and bool((np.abs(g - truth[k]) <= bound[k]).all()):
            how, evidence = limit(wrong[k], truth[k], bound[k])
            sentence = f"the gradient of {k} is {how}: it is right where a millionth of this gradient arrives"
            found[k] = Diagnosis("clipped", sentence, evidence)
    return found


def limit(wrong: Array, truth: Array, bound: Array) -> tuple[str, dict[str, float]]:
    """How it is limited, in words: all entries that are off end at the same number, or at the same share."""
    off = np.abs(wrong - truth) > bound
    most = float(np.abs(wrong).max())
    if np.allclose(np.abs(wrong[off]), most, rtol=TOLD_ALIKE, atol=0.0):
        return f"clipped to ±{most:.6g}", {"limit": most}
    share = float(np.median(wrong[off] / truth[off]))
    if 0 < share < 1 and np.all(np.abs(wrong - share * truth) <= bound + TOLD_ALIKE * np.abs(truth)):
        return f"clipped by a norm, to {share:.6g} of itself", {"share": share}
    return "another where it is large (something on the way to it is clipped)", {}
