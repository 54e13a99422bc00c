"""The elementwise rows of the table, with what mpmath knows of each and where to ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
from jax import lax
from mpmath.libmp import NoConvergence

Array = np.ndarray
DIGITS = 50


class Function(NamedTuple):
    """A row: the primitive in JAX, the truth, and the operands that make sense.

    Args:
        low, high: the open interval of operands; of every operand, where there are two.
        second: how the second operand is drawn from the first, for functions of two.
    """

    name: str
    run: Callable[..., Any]
    truth: Callable[..., Any]
    low: float = -np.inf
    high: float = np.inf
    second: Callable[[np.random.Generator, Array], Array] | None = None


def erf_inv(x: Any) -> Any:
    """mpmath's erfinv fails to converge near ±1: Newton's steps on erfc there."""
    if abs(x) < 0.9:
        return mpmath.erfinv(x)
    rest = 1 - abs(x)
    y = mpmath.sqrt(-mpmath.log(rest * mpmath.sqrt(mpmath.pi * -mpmath.log(rest))))
    for _ in range(60):
        step = (mpmath.erfc(y) - rest) / (2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-y * y))
        y += step
        if abs(step) < mpmath.mpf(10) ** -45 * abs(y):
            break
    return mpmath.sign(x) * y


def log_gamma(x: Any) -> Any:
    return mpmath.log(abs(mpmath.gamma(x))) if abs(x) < 1e4 else mpmath.loggamma(x).real


def power(rng: np.random.Generator, x: Array) -> Array:
    return np.clip(rng.normal(size=x.shape) * 3, -700 / (1 + abs(np.log(abs(x)))), 700 / (1 + abs(np.log(abs(x)))))


def beside(rng: np.random.Generator, x: Array) -> Array:
    return x * 2.0 ** rng.uniform(-20, 20, x.shape) * rng.choice([-1.0, 1.0], x.shape)


def order(rng: np.random.Generator, x: Array) -> Array:
    return np.abs(rng.normal(size=x.shape)) * 5 + 0.1


m = mpmath
FUNCTIONS = [
    Function("square", lax.square, lambda x: x * x),
    Function("integer_pow", lambda x: lax.integer_pow(x, 7), lambda x: x**7),
    Function("sqrt", lax.sqrt, m.sqrt, 0.0),
    Function("rsqrt", lax.rsqrt, lambda x: 1 / m.sqrt(x), 0.0),
    Function("cbrt", lax.cbrt, lambda x: m.sign(x) * m.cbrt(abs(x))),
    Function("exp", lax.exp, m.exp, -745.0, 710.0),
    Function("exp2", lax.exp2, lambda x: m.mpf(2) ** x, -1075.0, 1024.0),
    Function("expm1", lax.expm1, m.expm1, high=710.0),
    Function("log", lax.log, m.log, 0.0),
    Function("log2", getattr(lax, "log2", jnp.log2), lambda x: m.log(x, 2), 0.0),
    Function("log1p", lax.log1p, m.log1p, -1.0),
    Function("logistic", lax.logistic, lambda x: 1 / (1 + m.exp(-x)), -745.0),
    Function("tanh", lax.tanh, m.tanh),
    Function("sin", lax.sin, m.sin, -1e15, 1e15),
    Function("cos", lax.cos, m.cos, -1e15, 1e15),
    Function("tan", lax.tan, m.tan, -1e15, 1e15),
    Function("asin", lax.asin, m.asin, -1.0, 1.0),
    Function("acos", lax.acos, m.acos, -1.0, 1.0),
    Function("atan", lax.atan, m.atan),
    Function("sinh", lax.sinh, m.sinh, -711.0, 711.0),
    Function("cosh", lax.cosh, m.cosh, -711.0, 711.0),
    Function("asinh", lax.asinh, m.asinh),
    Function("acosh", lax.acosh, m.acosh, 1.0),
    Function("atanh", lax.atanh, m.atanh, -1.0, 1.0),
    Function("erf", lax.erf, m.erf),
    Function("erfc", lax.erfc, m.erfc, high=27.0),
    Function("erf_inv", lax.erf_inv, erf_inv, -1.0, 1.0),
    Function("lgamma", lax.lgamma, log_gamma, -30.0, 1e10),
    Function("digamma", lax.digamma, m.digamma, -30.0, 1e10),
    Function("bessel_i0e", lax.bessel_i0e, lambda x: m.besseli(0, x) * m.exp(-abs(x)), -1e3, 1e3),
    Function("bessel_i1e", lax.bessel_i1e, lambda x: m.besseli(1, x) * m.exp(-abs(x)), -1e3, 1e3),
    Function("pow", lax.pow, lambda x, y: m.power(x, y), 0.0, second=power),
    Function("atan2", lax.atan2, lambda y, x: m.atan2(y, x) if y else None, second=beside),
    Function(
        "polygamma",
        lambda x: jax.scipy.special.polygamma(1, x),
        lambda x: m.polygamma(1, x),
        1e-3,
        1e4,
    ),
    Function("zeta", lambda x: lax.zeta(x + 1.5, jnp.full_like(x, 2.0)), lambda x: m.zeta(x + 1.5, 2), 0.0, 50.0),
    Function("igamma", lax.igamma, lambda a, x: m.gammainc(a, 0, x, regularized=True), 0.01, 30.0, second=order),
    Function("igammac", lax.igammac, lambda a, x: m.gammainc(a, x, m.inf, regularized=True), 0.01, 30.0, second=order),
]


def regimes(rng: np.random.Generator, count: int) -> dict[str, Array]:
    """Operands of many kinds, `count` of each."""
    sign = rng.choice([-1.0, 1.0], count)
    return {
        "normal": rng.normal(size=count),
        "cancelling": np.round(rng.normal(size=count)) + rng.integers(-8, 9, count) * 2.0**-50,
        "flat": sign * rng.uniform(10, 40, count),
        "integer": rng.integers(-20, 21, count).astype(float),
        "tiny": sign * 10.0 ** rng.uniform(-300, -3, count),
        "huge": sign * 10.0 ** rng.uniform(2, 300, count),
        "decades": sign * 10.0 ** rng.uniform(-16, 16, count),
        "near one": sign * (1 - 10.0 ** rng.uniform(-15, 0, count)),
        "wide": rng.uniform(-1000, 1000, count),
    }


def operands(function: Function, rng: np.random.Generator, dtype: Any, count: int) -> dict[str, tuple[Array, ...]]:
    """The operands of each kind inside the function's interval, in the format."""
    found: dict[str, tuple[Array, ...]] = {}
    for kind, x in regimes(rng, count).items():
        with np.errstate(over="ignore", under="ignore"):
            x = x.astype(dtype)
        x = x[
            (x > function.low) & (x < function.high) & np.isfinite(x) & (np.abs(x) >= np.finfo(dtype).tiny) | (x == 0)
        ]
        x = x[(x > function.low) & (x < function.high)]
        if len(x):
            with np.errstate(all="ignore"):
                given = (x,) if function.second is None else (x, function.second(rng, x).astype(dtype))
            normal = np.all(
                [(np.abs(a) >= np.finfo(dtype).tiny) | (a == 0) for a in given], axis=0
            )  # XLA reads 0 there
            found[kind] = tuple(a[normal] for a in given)
    return found


def truths(function: Function, given: tuple[Array, ...], info: np.finfo) -> list[Any]:
    """f at the operands to 50 digits; None where there is none, or it is no normal number of the format."""
    found: list[Any] = []
    with mpmath.workdps(DIGITS):
        for x in zip(*given, strict=True):
            try:
                true = function.truth(*(mpmath.mpf(float(v)) for v in x))
            except (ValueError, ZeroDivisionError, OverflowError, NoConvergence):
                true = None
            real = isinstance(true, mpmath.mpf)
            normal = real and (true == 0 or float(info.tiny) < mpmath.fabs(true) < float(info.max))
            found.append(true if normal else None)
    return found


def differences(y: Array, true: list[Any]) -> Array:
    """|y - truth|, NaN where there is no truth or no finite result."""
    with mpmath.workdps(DIGITS):
        return np.array(
            [
                np.nan if t is None or not np.isfinite(v) else float(abs(mpmath.mpf(float(v)) - t))
                for v, t in zip(np.ravel(y), true, strict=True)
            ]
        ).reshape(np.shape(y))
