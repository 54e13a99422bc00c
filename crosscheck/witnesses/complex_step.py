"""The complex step: Im f(x + ih)/h, the derivative without subtraction, where the forward's code is analytic.

Nothing cancels, so the step may be far below rounding, and there is no truncation: the error is the rounding of the
code's own derivative arithmetic. It is measured: K times every input moves by one ulp and h is another number that is
no power of two, so that every imaginary part rounds anew, those of linear code included,

    σ_i = √(mean over the moves of (g_i(moved) - g_i)²)         ρ = √(mean over entries of (σ_i / u M_i)²)       (1)

with M_i = Σ_o |v_o ∂f_o/∂x_i|, the terms that were added up into the entry. An entry's own σ has K degrees of freedom;
what all entries have in common, a rounding of max(1, ρ)·u of the terms (one at least: the sum itself rounds), has K
for each of them. So with t_k the Student quantile that δ/N exceeds

    bound_i = max(t_K σ_i, t_{K n} max(1, ρ) u M_i)                                                          (2)

K = 3 makes t_K large (1,500 at N = 1,000): a bound of some 10⁻¹² of the terms, and honest. What is left of the
truncation, h² f‴/6, changes with h and so is part of σ; underflow is added.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable

import numpy as np

from crosscheck.evidence.estimate import COMPLEX_STEP, Estimate
from crosscheck.floats import DOUBLE, UNIT
from crosscheck.operation import Operation
from crosscheck.rounding import quantile
from crosscheck.witnesses.analytic import sizes, unseen
from crosscheck.witnesses.noise import like, one_ulp_off
from crosscheck.witnesses.sampling import Group

Array = np.ndarray

STEP = 2.0**-300
MOVED_RUNS = 3
# An imaginary part below the smallest normal number has lost digits, if not everything.
UNDERFLOW = 2.0**-1022 / STEP


def complex_step(operation: Operation, name: str, v: Array, groups: Callable[[], Iterable[Group]]) -> Estimate | None:
    """The derivative by (1) and (2); None where the code does not take complex numbers or is not analytic.

    1 + MOVED_RUNS evaluations for a group; and those of `analytic`, once, where the forward is a plain function.
    """
    x = operation.inputs[name]
    hidden = None
    if operation.moving_forward is None:  # a function that nobody said was written for complex numbers
        y = np.asarray(operation.output(), np.float64)
        hidden = unseen(lambda z: complex_output(operation, {name: z}), x, y, STEP)
        if hidden is None:
            return None
    found = slopes(operation, name, x, v, groups(), STEP)
    if found is None:
        return None
    value, terms = found
    rng = np.random.default_rng(3)
    spread = np.zeros(x.size)
    for _ in range(MOVED_RUNS):
        moved = slopes(operation, name, one_ulp_off(x, rng), v, groups(), STEP * (1 + rng.random()))
        if moved is None:
            return None
        with np.errstate(all="ignore"):
            spread = np.hypot(spread, moved[0] - value)  # squares would underflow
    bound = rounding(spread / MOVED_RUNS**0.5, terms) + float(np.sum(np.abs(v))) * UNDERFLOW
    if hidden is not None:
        may = np.zeros(x.size)
        for group in groups():
            may[group.entries] = group.contract(np.abs(v.ravel()) * hidden.ravel())
        bound = bound + may / sizes(x).ravel()
    return Estimate(COMPLEX_STEP, value.reshape(x.shape), bound.reshape(x.shape), terms=terms.reshape(x.shape))


def rounding(sigma: Array, terms: Array) -> Array:
    """(2)."""
    with np.errstate(all="ignore"):
        share = sigma / (UNIT[DOUBLE] * terms)
        common = max(1.0, float(np.sqrt(np.mean(share[np.isfinite(share)] ** 2)))) if np.isfinite(share).any() else 1.0
        own = quantile(MOVED_RUNS, sigma.size) * sigma
        shared = quantile(max(1, MOVED_RUNS * sigma.size), sigma.size) * common * UNIT[DOUBLE] * terms
    bound = np.maximum(own, shared)
    return np.where(np.isfinite(bound), bound, np.inf)


def slopes(
    operation: Operation, name: str, point: Array, v: Array, groups: Iterable[Group], step: float
) -> tuple[Array, Array] | None:
    """Every entry's derivative at a point, and the sum of its absolute terms."""
    value, terms = np.zeros(point.size), np.zeros(point.size)
    for group in groups:
        z = like(point, point, np.complex128)
        z.flat[group.entries] = z.flat[group.entries] + 1j * step
        y = complex_output(operation, {name: z})
        if y is None:
            return None
        each = v.ravel() * (np.imag(y).ravel() / step)
        value[group.entries], terms[group.entries] = group.contract(each), group.contract(np.abs(each))
    return value, terms


def complex_output(operation: Operation, changed: dict[str, Array]) -> Array | None:
    """The forward at complex inputs, or None where the user's code refuses them or returns a real
    array, or one of few digits."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            y = operation.continued(changed)
    except Exception:  # any refusal means: this witness cannot be called
        return None
    return y if y.dtype == np.complex128 and np.isfinite(y).all() else None
