"""The laws of the table's rows, in both directions, against 50 digits.

    python -m tests.rounding.laws [row ...]

For each row, on operands of many kinds, in float64 and float32:

    wide enough        no error is outside of t·σ, t the quantile for all comparisons of the table
    not too wide       the allowance t·σ over the error, root mean square over all operands; above 100 the row says why

The suite asserts both on fewer operands (`test_laws_rows`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
from jax import lax

from crosscheck.rounding import roundings
from crosscheck.traces.primitives import primitive
from tests.rounding.functions import DIGITS, FUNCTIONS, Function, differences, operands, regimes, truths

Array = np.ndarray

# Above so many times the error that occurs, a row has to say why.
WIDE = 100.0


class Outcome(NamedTuple):
    """What a row's law found: the largest error in units of the allowance, and the allowance in units of the error."""

    name: str
    dtype: str
    worst: float
    at: str
    width: float
    compared: int

    def __str__(self) -> str:
        note = primitive(self.name).note if self.width > WIDE else ""
        return (
            f"{self.name:24} {self.dtype:8} {self.worst:8.3f} {self.at:11} {self.width:9.1f} {self.compared:6}  {note}"
        )


def law(name: str, run: Callable[..., Any], given: dict[str, tuple[Array, ...]], truth: Callable[..., Any]) -> Outcome:
    """Compare `run` at every kind of operands with `truth(*operands)`, an array of numbers of 50 digits or more."""
    kinds = list(given)
    parts = [len(given[kind][0]) for kind in kinds]
    whole = tuple(np.concatenate([given[kind][i] for kind in kinds]) for i in range(len(given[kinds[0]])))
    with jax.enable_x64(True):
        closed = jax.make_jaxpr(run)(*whole)
        dtype = closed.jaxpr.outvars[0].aval.dtype
        unit = float(jnp.finfo(dtype).eps) / 2
        out = roundings(closed, whole, unit=unit, comparisons=10**5)
    (found,) = out.outputs
    error = differences(found.value, truth(*whole))
    allowed = out.t * found.sigma
    size = np.abs(found.value.astype(np.float64))
    kept = np.isfinite(error) & (size >= np.finfo(dtype).tiny * 2 / unit)
    share = np.where(kept & (error > 0), error / np.maximum(allowed, 1e-320), 0.0)
    k = int(np.argmax(share))
    rows = np.repeat(np.arange(len(kinds)), parts)
    width = 1 / max(float(np.sqrt(np.mean(share[kept] ** 2))), 1e-30)
    at = kinds[rows[np.unravel_index(k, share.shape)[0]]]
    return Outcome(name, dtype.name, float(share.flat[k]), at, width, int(kept.sum()))


def of_function(function: Function, dtype: Any, count: int, seed: int = 1) -> Outcome:
    given = operands(function, np.random.default_rng(seed), dtype, count)
    return law(function.name, function.run, given, lambda *x: truths(function, x, np.finfo(dtype)))


# ---------------------------------------------------------------------- arithmetic, sums and products, exactly


def pairs(dtype: Any, count: int) -> dict[str, tuple[Array, ...]]:
    """Two operands of every kind; the cancelling ones are equal but for some ulp."""
    rng = np.random.default_rng(2)
    found = {}
    with np.errstate(over="ignore", under="ignore"):
        for kind, x in regimes(rng, count).items():
            y = rng.permutation(x) if kind != "cancelling" else -x * (1 + rng.integers(-4, 5, count) * 2.0**-50)
            found[kind] = (x.astype(dtype), y.astype(dtype))
    return {k: v for k, v in found.items() if all(np.isfinite(a).all() for a in v)}


def matrices(dtype: Any, count: int, width: int = 24) -> dict[str, tuple[Array, ...]]:
    """Rows of numbers and weights of every kind that a sum of products can hold."""
    rng = np.random.default_rng(3)
    found = {}
    for kind, x in regimes(rng, count * width).items():
        if kind not in ("tiny", "huge"):
            x = x.reshape(count, width)
            if kind == "cancelling":
                x[:, width // 2 :] = -x[:, : width // 2] * (1 + 2.0**-20)
            found[kind] = (x.astype(dtype), rng.normal(size=(count, width)).astype(dtype))
    return found


def exactly(combine: Callable[..., Any]) -> Callable[..., Any]:
    """The truth by fractions, row by row."""

    def truth(*x: Array) -> list[Any]:
        found: list[Any] = []
        with mpmath.workdps(DIGITS):
            for row in zip(*x, strict=True):
                numbers = [[Fraction(float(v)) for v in np.ravel(a)] for a in row]
                out = combine(*numbers)
                for v in out if isinstance(out, list) else [out]:
                    found.append(None if v is None else mpmath.mpf(v.numerator) / mpmath.mpf(v.denominator))
        return found

    return truth


def running(numbers: list[Fraction]) -> list[Fraction]:
    total, out = Fraction(0), []
    for v in numbers:
        total += v
        out.append(total)
    return out


def product(numbers: list[Fraction]) -> Fraction:
    out = Fraction(1)
    for v in numbers:
        out *= v
    return out


def scattered(x: Any) -> Any:
    """The even and the odd places of every row, added by index."""
    places = jnp.arange(x.shape[1]) % 2
    return jnp.zeros((x.shape[0], 2), x.dtype).at[:, places].add(x)


ARITHMETIC: list[tuple[str, Callable[..., Any], Callable[..., Any]]] = [
    ("add", lax.add, lambda a, b: a[0] + b[0]),
    ("sub", lax.sub, lambda a, b: a[0] - b[0]),
    ("mul", lax.mul, lambda a, b: a[0] * b[0]),
    ("div", lax.div, lambda a, b: a[0] / b[0] if b[0] else None),
]
SUMS: list[tuple[str, Callable[..., Any], Callable[..., Any]]] = [
    ("reduce_sum", lambda x: jnp.sum(x, axis=1), sum),
    ("cumsum", lambda x: lax.cumsum(x, 1), running),
    ("reduce_prod", lambda x: jnp.prod(x, axis=1), product),
    (
        "reduce_window_sum",
        lambda x: lax.reduce_window(x, np.zeros((), x.dtype), lax.add, (1, 4), (1, 4), "VALID"),
        lambda a: [sum(a[i : i + 4]) for i in range(0, len(a), 4)],
    ),
    ("scatter-add", scattered, lambda a: [sum(a[::2]), sum(a[1::2])]),
]
PRODUCTS: list[tuple[str, Callable[..., Any], Callable[..., Any]]] = [
    ("dot_general", lambda x, w: jax.vmap(jnp.dot)(x, w), lambda a, b: sum(p * q for p, q in zip(a, b, strict=True))),
    (
        "conv_general_dilated",
        lambda x, w: jax.vmap(lambda a, b: jnp.convolve(a, b[::-1][:5], "valid"))(x, w),
        lambda a, b: [sum(a[i + j] * b[::-1][:5][4 - j] for j in range(5)) for i in range(len(a) - 4)],
    ),
]


def outcomes(count: int, dtypes: tuple[Any, ...] = (np.float64, np.float32), only: tuple[str, ...] = ()):
    """Every row's law, one after the other."""
    for dtype in dtypes:
        for function in FUNCTIONS:
            if not only or function.name in only:
                yield of_function(function, dtype, count)
        for table, given in ((ARITHMETIC, pairs(dtype, count)), (PRODUCTS, matrices(dtype, count // 4))):
            for name, run, truth in table:
                if not only or name in only:
                    yield law(name, run, given, exactly(truth))
        given = {kind: x[:1] for kind, x in matrices(dtype, count // 4).items()}
        for name, run, truth in SUMS:
            if not only or name in only:
                yield law(name, run, given, exactly(truth))


if __name__ == "__main__":
    print(f"{'row':24} {'':8} {'error/t·σ':>8} {'at':11} {'t·σ/rms':>9} {'':6}")
    failures = 0
    for outcome in outcomes(200, only=tuple(sys.argv[1:])):
        wrong = outcome.worst > 1 or (outcome.width > WIDE and not primitive(outcome.name).note)
        failures += wrong
        print(outcome, "  <-- " if wrong else "", flush=True)
    sys.exit(f"{failures} rows break their law" if failures else 0)
