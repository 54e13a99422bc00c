"""What a function of XLA's is off by, beside what the table says.

    python -m tests.rounding.measure [name ...]

prints, for float64 and float32: the largest error in units of u|y| over all kinds of operands, and what is left of it
when 4 u|y| are taken off, in units of u|x f'(x)|. Where the first is moderate it is the row's c₀; where the function is
far off near its zeros or in its tails, the row is (4, c₁); lgamma needs a c₀ of 160 beside it, where Γ is least. The
table's numbers are these, rounded up; the laws try others (`tests.rounding.laws`).
"""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp
import numpy as np

from crosscheck.traces.primitives import primitive
from tests.rounding.functions import FUNCTIONS, Function, differences, operands, truths


def slopes(function: Function, given: tuple[np.ndarray, ...]) -> np.ndarray:
    """Σ |x f'(x)| over the operands that f has a derivative in."""
    total = np.zeros(given[0].shape)
    primals = tuple(map(jnp.asarray, given))
    for i in range(len(given)):
        seeds = tuple(v if i == j else jnp.zeros_like(v) for j, v in enumerate(primals))
        try:
            moved = np.abs(np.asarray(jax.jvp(function.run, primals, seeds)[1], np.float64))
        except (NotImplementedError, ValueError, TypeError):
            continue
        total += np.where(np.isfinite(moved), moved, 0.0)
    return total


def measured(function: Function, dtype: type, count: int, seed: int = 0) -> tuple[float, float, str]:
    """(c₀ alone, c₁ beside a c₀ of 4, the kind of operands at which c₀ is largest)."""
    u = float(np.finfo(dtype).eps) / 2
    best, left, where = 0.0, 0.0, ""
    for kind, given in operands(function, np.random.default_rng(seed), dtype, count).items():
        with jax.enable_x64(True):
            y, slope = np.asarray(function.run(*given)), slopes(function, given)
        error = differences(y, truths(function, given, np.finfo(dtype))) / u
        size = np.abs(y.astype(np.float64))
        kept = np.isfinite(error) & (size > 0)
        if not kept.any():
            continue
        value = float(np.max(error[kept] / size[kept]))
        if value > best:
            best, where = value, kind
        rest = np.maximum(error - 4 * size, 0)[kept]
        with np.errstate(divide="ignore"):
            left = max(left, float(np.max(np.where(rest > 0, rest / slope[kept], 0.0))))
    return best, left, where


if __name__ == "__main__":
    chosen = sys.argv[1:]
    print(f"{'function':28} {'':7} {'error/u|y|':>11} {'rest/u|xf|':>11}  at operands   table")
    for function in FUNCTIONS:
        if chosen and function.name not in chosen:
            continue
        for dtype, column in ((np.float64, "double"), (np.float32, "single")):
            value, slope, where = measured(function, dtype, 400)
            said = getattr(primitive(function.name), column)
            print(
                f"{function.name:28} {dtype.__name__} {value:11.3g} {slope:11.3g}  {where:12}  {tuple(said)}",
                flush=True,
            )
