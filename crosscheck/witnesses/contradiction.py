"""Before a difference accuses two witnesses who agree: does it still, at the finest step that can tell?

A difference at a step h is the mean slope over 2h. Of a function with a fine ripple, x + sin(x) at 10⁷, all larger
steps agree on one slope, and the derivative is another. So where hand-derived code and autodiff say one thing and the
difference another, a gap apart, the difference is taken once more, with the smallest step whose noise is below a
quarter of the gap,

    N(h) = Σ_o |v_o| n_o / h ≤ gap / 4,                                                                            (1)

n_o being what rounding may do to output o by the reference's own account. Within N of the two it speaks for them, and
within N of the first difference against them. Where no step satisfies (1), it does not contradict at all.
"""

from __future__ import annotations

import numpy as np

from crosscheck.operation import Array, Operation

# Steps are 2^-level of the entry, or of the array where the entry is 0. Beyond 2^-46 few bits are left of the step.
FINEST, COARSEST = 46, 2
# So many entries are asked once more, spread over those that are contradicted; the others follow them.
ASKED = 32


def standing(operation: Operation, name: str, v: Array, agreed: Array, differing: Array, noise: Array) -> Array:
    """Of the entries where `differing` (NaN elsewhere) contradicts `agreed`, those where it does at the finest step.

    Args:
        v: the cotangent.
        noise: n_o, the shape of the outputs.
    """
    open_entries = np.flatnonzero(np.isfinite(differing))
    places = open_entries[:: max(1, -(-len(open_entries) // ASKED))]
    weighted = float(np.sum(np.abs(v) * noise))
    stands = {i: still(operation, name, v, i, agreed.flat[i], differing.flat[i], weighted) for i in places}
    out = np.zeros(agreed.shape, bool)
    out.flat[open_entries] = all(stands.values())
    for i, found in stands.items():
        out.flat[i] = found
    return out


def still(operation: Operation, name: str, v: Array, i: int, agreed: float, differing: float, weighted: float) -> bool:
    x = operation.inputs[name]
    size = abs(float(x.flat[i])) or float(np.max(np.abs(x), initial=0.0)) or 1.0
    gap = abs(agreed - differing)
    for level in range(FINEST, COARSEST, -1):
        step = size * 2.0**-level
        if weighted <= gap / 4 * step:
            slope = slope_at(operation, name, v, i, step)
            return bool(abs(slope - agreed) > abs(slope - differing))
    return False


def slope_at(operation: Operation, name: str, v: Array, i: int, step: float) -> float:
    """⟨v, Δy⟩ over two steps; NaN where the code refuses."""
    x = operation.inputs[name]
    up, down = x.copy(), x.copy()
    up.flat[i] += step
    down.flat[i] -= step
    with np.errstate(all="ignore"):
        try:
            moved = operation.moved({name: up}).astype(np.float64) - operation.moved({name: down})
        except Exception:
            return np.nan
        return float(np.sum(v * moved)) / (float(up.flat[i]) - float(down.flat[i]))
