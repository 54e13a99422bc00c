"""How far a computed output may be from the exact one, measured from the forward alone.

Three measurements, the largest counts:

    one ulp of the output itself: functions are seldom rounded better            2u |f_o|
    what the outputs do when every input moves by one ulp                        internal roundings, shaken
    how far float64 is from longdouble near x, where the code takes both         digits that cancel inside, which a
                                                                                 last bit of x does not shake:
                                                                                 log(1 + exp(-30)) is a staircase

Nothing here hangs on the clock: `EVALUATIONS` forwards at most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from crosscheck.floats import LONG

Array = np.ndarray
Function = Callable[[Array], Any]

DRAWS = 4
EVALUATIONS = 3 * DRAWS
# longdouble has no fast matrix product: with more numbers than this a forward in it costs far more than one in float64.
LONG_ENTRIES = 2**12


def like(x: Array, values: Any, dtype: Any = None) -> Array:
    """`values` as an array of x's shape and memory layout; a 0-d array stays an array."""
    out = np.empty_like(x, dtype=dtype)
    out[...] = values
    return out


def unit_of(x: Array, y: Any) -> float:
    """u of the coarser of the two: code that returns float32 rounds there, whatever came in."""
    kinds = [a.dtype for a in (x, np.asarray(y)) if a.dtype.kind == "f" and a.dtype.itemsize <= 8]
    return max(float(np.finfo(d).eps) / 2 for d in kinds) if kinds else 2.0**-53


def one_ulp_off(x: Array, rng: np.random.Generator) -> Array:
    """Every entry one ulp up or down; zeros stay."""
    return like(x, x * (1 + rng.choice([-1.0, 1.0], x.shape) * np.finfo(x.dtype).eps))


def measured_noise(func: Function, x: Array, y: Array, unit: float) -> Array:
    """n_o, flat: what the three measurements say of every output."""
    rng = np.random.default_rng(0)
    noise = 2 * unit * np.abs(y)
    for _ in range(DRAWS):
        with np.errstate(all="ignore"):
            try:
                moved = np.asarray(func(one_ulp_off(x, rng)), np.float64).ravel()
            except Exception:  # the code may refuse a point that is not its own
                continue
            noise = np.fmax(noise, np.abs(moved - y))
    return np.maximum(noise, seen_from_longdouble(func, x, y))


def seen_from_longdouble(func: Function, x: Array, y: Array) -> Array:
    """Twice the distance of float64 from longdouble near x; 0 where the code does not take both."""
    worst = np.zeros(y.shape)
    if x.dtype != np.float64 or np.finfo(LONG).nmant <= 52 or max(x.size, y.size) > LONG_ENTRIES:
        return worst
    rng = np.random.default_rng(0)
    for _ in range(DRAWS):
        near = like(x, x * (1 + 2.0**-8 * rng.uniform(-1.0, 1.0, x.shape)))
        try:
            with np.errstate(all="ignore"):
                plain, long = np.asarray(func(near)).ravel(), np.asarray(func(near.astype(LONG))).ravel()
                if long.dtype != LONG or long.shape != y.shape:
                    break
                worst = np.fmax(worst, np.abs(plain - long).astype(np.float64))
        except Exception:  # code may know nothing of longdouble, or refuse a point that is not its own
            break
    return 2.0 * np.where(np.isfinite(worst), worst, 0.0)
