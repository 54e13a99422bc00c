"""Before a difference accuses: does it still, at the finest step that can tell?

A difference at a step h is the mean slope over 2h. Of a function with a fine ripple, x + sin(x) at 10⁷, all larger
steps agree on one slope, and the derivative is another. So where others say one thing and the difference another, a gap
apart, the difference is taken once more, with the smallest step whose noise is below a quarter of the gap,

    N(h) = Σ_o |v_o| n_o / h ≤ gap / 4,                                                                            (1)

n_o being what rounding may do to output o: by the reference's own account, or as far as it was seen. Nearer to the
others it speaks for them, nearer to the first difference against them. So it must at the three steps below, too, whose
noise is at most 2 gap: they prove nothing, but n_o is the worst that rounding may do, and a ripple that is too fine
for the step of (1) shows there. Where no step satisfies (1), it does not contradict at all.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crosscheck.operation import Array, Operation
from crosscheck.witnesses.noise import measured_noise, unit_of

# Steps are 2^-level of the entry, or of the array where the entry is 0. Beyond 2^-46 few bits are left of the step.
FINEST, COARSEST = 46, 2
# So many entries are asked once more, spread over those that are contradicted; the others follow them.
ASKED = 32
# Outputs that move by more than this share of themselves with the last place of an input are arbitrary.
LOST = 1e-3


def standing(operation: Operation, name: str, v: Array, agreed: Array, differing: Array, noise: Array) -> Array:
    """Of the entries where `differing` (NaN elsewhere) contradicts `agreed`, those where it does at the finest step.

    Args:
        v: the cotangent.
        noise: n_o, the shape of the outputs.
    """
    open_entries = np.flatnonzero(np.isfinite(differing))
    places = open_entries[:: max(1, -(-len(open_entries) // ASKED))]
    weighted = np.abs(v) * noise
    stands = {
        i: still(operation, name, v, i, float(agreed.flat[i]), float(differing.flat[i]), weighted) for i in places
    }
    out = np.zeros(agreed.shape, bool)
    out.flat[open_entries] = all(stands.values())
    for i, found in stands.items():
        out.flat[i] = found
    return out


def still(operation: Operation, name: str, v: Array, i: int, agreed: float, differing: float, weighted: Array) -> bool:
    x = operation.inputs[name]
    largest = float(np.max(np.abs(x), initial=0.0))
    size = abs(float(x.flat[i])) or largest or 1.0

    def line(t: float) -> Array:
        there = x.copy()
        there.flat[i] += t
        return operation.moved({name: there})

    noise = float(np.sum(weighted, where=led_to(line, 8.0 * (largest + 1.0))))
    return still_along(line, v, agreed, differing, noise, size)


def led_to(line: Callable[[float], Array], far: float) -> Array | bool:
    """The outputs that a line leads to, as far away as it takes to move what has swallowed a small step; the others are
    other entries'. All of them where none moves: then it is not known which one does not show it.
    """
    with np.errstate(all="ignore"):
        try:
            here = np.asarray(line(0.0))
            moved = (np.asarray(line(far)) != here) | (np.asarray(line(-far)) != here)
            return moved if moved.any() else True
        except Exception:  # the code may refuse so large a number
            return True


def still_along(
    line: Callable[[float], Array], v: Array, agreed: float, differing: float, noise: float, size: float
) -> bool:
    """The same of ⟨v, y⟩ along a line, whose steps are relative to `size`; `noise` is Σ|v_o| n_o."""
    gap = abs(agreed - differing)
    for level in range(FINEST, COARSEST, -1):
        step = size * 2.0**-level
        # A step below the smallest normal number has lost its digits.
        if step < np.finfo(np.float64).tiny or noise > 2 * gap * step:
            continue
        with np.errstate(all="ignore"):
            try:
                moved = np.asarray(line(step), np.float64) - line(-step)
            except Exception:  # the code may refuse a point that is not its own
                return False
            slope = float(np.sum(v * moved)) / (2 * step)
            if not abs(slope - agreed) > abs(slope - differing):
                return False
        if noise <= gap / 4 * step:  # (1)
            return True
    return False


def seen_noise(operation: Operation, name: str, v: Array) -> Array:
    """n_o where there is no reference to ask: how far the outputs move when an input moves by its last place.

    ∞ where that is more than `LOST` of what they are: cos(x) at 10²² has no slope that floats could see, and is flat.
    """
    x = operation.inputs[name]
    y = np.asarray(operation.output())
    func = lambda z: operation.moved({name: z})  # noqa: E731
    noise = measured_noise(func, x, np.asarray(y, np.float64).ravel(), unit_of(x, y)).reshape(y.shape)
    lost = float(np.sum(np.abs(v) * noise)) > LOST * float(np.sum(np.abs(v * y)))
    return np.full(y.shape, np.inf) if lost else noise
