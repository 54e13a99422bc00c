"""Rounding or mistake: does a difference that exceeds the entrywise bound persist when every input moves by one ulp?

Some algorithms (an FFT, Winograd) mix entries: their error is small against the largest entry of a gradient and not
against each one. Such an error is rounding: recompute the residual r = hand-derived - autodiff at inputs that differ
in the last bit, and it scatters around zero. A mistake stays where it is. With K draws

    t = |mean r| / (std r / √K)                                                                        (1)

is of order 1 for rounding (healthy FFT gradients: at most 21) and large for a mistake (a systematic factor: 500 and
more). The moves keep ties: equal values move equally and zeros stay, or they would unmask a ReLU and break a pool's
tie.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from crosscheck.evidence.estimate import Estimate
from crosscheck.operation import OUTPUT, Operation
from crosscheck.witnesses.autodiff import autodiff
from crosscheck.witnesses.noise import like

Array = np.ndarray

DRAWS = 6
SYSTEMATIC = 50.0
# Normwise agreement: within this many u of the largest error bound of the array (Winograd needs 12.8).
NORMWISE = 32.0


def persists(operation: Operation, v: Array, dtype: np.dtype) -> dict[str, Array]:
    """By input, and for the forward under `OUTPUT`: where the residual against the reference stays put, a boolean
    array."""
    assert operation.reference is not None
    residuals: dict[str, list[Array]] = {k: [] for k in (*operation.wrt, OUTPUT)}
    for draw in range(DRAWS):
        moved = operation.at({k: nudged(a, draw) for k, a in operation.inputs.items()})
        hand = moved.gradients(v.astype(operation.dtype))
        truth = autodiff(operation.reference, moved.inputs, operation.wrt, v, dtype)
        residuals[OUTPUT].append(np.asarray(moved.output(), np.float64) - truth.output.value)
        for k in operation.wrt:
            if hand[k].shape == truth.gradients[k].value.shape:
                residuals[k].append(np.asarray(hand[k], np.float64) - truth.gradients[k].value)
    out = {}
    for k, stack in residuals.items():
        if not stack:
            continue
        r = np.stack(stack)
        with np.errstate(all="ignore"):
            t = np.abs(r.mean(0)) / (r.std(0, ddof=1) / np.sqrt(DRAWS))
        out[k] = np.where(np.isnan(t), np.abs(r).max(0) > 0, t > SYSTEMATIC)
    return out


def nudged(a: Array, draw: int) -> Array:
    """Every nonzero entry one ulp up or down, by a hash of its own bits: equal values move alike."""
    if a.dtype.kind != "f" or a.size == 0:
        return a
    bits = a.copy().view(f"u{a.dtype.itemsize}").astype(np.uint64)
    mixed = (bits ^ np.uint64(0x9E3779B97F4A7C15 * (draw + 1) % 2**64)) * np.uint64(0xBF58476D1CE4E5B9)
    up = (mixed >> np.uint64(33)) & np.uint64(1) == 1
    return like(a, a * (1 + np.where(up, 1, -1) * np.finfo(a.dtype).eps))


def normwise(first: Estimate, second: Estimate, stays: Array) -> tuple[Estimate, Estimate]:
    """Two estimates that differ entrywise but by no more than an algorithm that mixes entries may: with wider bounds.

    The allowance is `NORMWISE`·u times the largest error of the array. Where a difference within it persists it may be
    a mistake in a small entry or the fixed error of a table of constants (an FFT's twiddles): there it is excused, not
    allowed, so that another witness has to decide.
    """
    if second.bound.size == 0 or not np.isfinite(second.bound).all():
        return first, second
    with np.errstate(all="ignore"):
        difference = np.abs(first.value - second.value)
    # A bound is AGREEMENT/2 · u · E = 4 u E of one witness, so half of NORMWISE · u · max E is this:
    widened = NORMWISE / 8.0 * float(second.bound.max())
    exceeded = ~(difference <= first.bound + second.bound)
    if not (difference[exceeded] <= 2 * widened).all():
        return first, second
    none = np.zeros(difference.shape)
    excuse = none if second.excuse is None else second.excuse
    notes = {"normwise": int((exceeded & ~stays).sum())}

    def wider(estimate: Estimate) -> Estimate:
        bound = np.where(stays, estimate.bound, np.maximum(estimate.bound, widened))
        return replace(estimate, bound=bound, notes={**estimate.notes, **notes})

    excused = np.where(exceeded & stays, np.maximum(excuse, 2 * widened), excuse)
    return wider(first), replace(wider(second), excuse=excused)
