"""One name for one function in three arithmetics: NumPy, JAX and mpmath.

An operation is written once, as `f(xp, x, ...)`, and runs in each. With NUMPY it is the hand-written code under
check, with `jax_backend()` the reference, with EXACT the truth: arrays of mpmath numbers with as many digits as are
asked for. What they have not in common (special functions, linear algebra, transforms) is given here under one name.

What NumPy would silently compute in float64 on an array of objects must not slip into the truth: EXACT knows only the
functions named here, and of NumPy's only those that move, add and multiply.
"""

from __future__ import annotations

import functools
import math
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import scipy.special

Array = Any

# What NumPy does right on objects: it moves them, or it calls their own +, -, *, < and ==.
STRUCTURAL = [
    *("abs", "maximum", "minimum", "max", "min", "sum", "prod", "cumsum", "cumprod", "sort"),
    *("einsum", "outer", "kron", "where", "take", "take_along_axis"),
    *("asarray", "reshape", "transpose", "flip", "roll", "tile", "repeat", "broadcast_to", "concatenate", "stack"),
    *("diag", "diagonal", "tril", "triu"),
]


def normalised(xp: Any, q: Array, r: Array) -> tuple[Array, Array]:
    """Q and R with a positive diagonal of R: the one QR of a matrix of full rank."""
    signs = xp.where(xp.diagonal(r) < 0, -1.0, 1.0).astype(r.dtype)
    return q * signs, r * signs[:, None]


def trigamma(x: Array) -> Array:
    """ψ', left of 1/2 by reflection, ψ'(x) + ψ'(1 - x) = π²/sin²(πx): SciPy's counts up from x and never arrives."""
    x, left = np.asarray(x), np.asarray(x) < 0.5
    right = scipy.special.polygamma(1, np.where(left, 1 - x, x))
    return np.where(left, (np.pi / np.sin(np.pi * x)) ** 2 - right, right).astype(x.dtype)


def numpy_backend() -> Any:
    special = {
        "pi": math.pi,
        "erf": scipy.special.erf,
        "erfc": scipy.special.erfc,
        "erfinv": scipy.special.erfinv,
        "lgamma": scipy.special.gammaln,
        "digamma": scipy.special.psi,
        "trigamma": trigamma,
        "solve": np.linalg.solve,
        "inv": np.linalg.inv,
        "det": np.linalg.det,
        "logabsdet": lambda a: np.linalg.slogdet(a)[1],
        "cholesky": np.linalg.cholesky,
        "qr": lambda a: normalised(np, *np.linalg.qr(a)),
        "eigh": lambda a: tuple(np.linalg.eigh(a)),
        "svd": lambda a: tuple(np.linalg.svd(a, full_matrices=False)),
        "windows": lambda x, size, axes: np.lib.stride_tricks.sliding_window_view(x, size, axis=axes),
        "constant": lambda value: value,
    }
    names = [n for n in dir(np) if not n.startswith("_")]
    return SimpleNamespace(**{n: getattr(np, n) for n in names} | special, name="numpy")


@functools.cache
def jax_backend() -> Any:
    """jax.numpy under the same names; imported when first asked for."""
    import jax
    import jax.numpy as jnp

    special = {
        "pi": math.pi,
        "erf": jax.scipy.special.erf,
        "erfc": jax.scipy.special.erfc,
        "erfinv": jax.scipy.special.erfinv,
        "lgamma": jax.scipy.special.gammaln,
        "digamma": jax.scipy.special.digamma,
        "solve": jnp.linalg.solve,
        "inv": jnp.linalg.inv,
        "det": jnp.linalg.det,
        "logabsdet": lambda a: jnp.linalg.slogdet(a)[1],
        "cholesky": jnp.linalg.cholesky,
        "qr": lambda a: normalised(jnp, *jnp.linalg.qr(a)),
        "eigh": lambda a: tuple(jnp.linalg.eigh(a)),
        "svd": lambda a: tuple(jnp.linalg.svd(a, full_matrices=False)),
        "constant": lambda value: value,
        "jax": jax,
        "lax": jax.lax,
        "nn": jax.nn,
    }
    names = [n for n in dir(jnp) if not n.startswith("_")]
    return SimpleNamespace(**{n: getattr(jnp, n) for n in names} | special, name="jax")


def entrywise(function: Any, operands: int = 1) -> Any:
    return np.frompyfunc(function, operands, 1)


def exact(x: Any) -> Array:
    """An array of mpmath numbers, each exactly the number that stood there."""
    return np.asarray(entrywise(mpmath.mpf)(np.asarray(x, dtype=object)), dtype=object)


def exact_pad(x: Array, width: Any) -> Array:
    """NumPy pads objects with integers of its own, which mpmath does not know."""
    padded = np.full([n + before + after for n, (before, after) in zip(x.shape, width, strict=True)], mpmath.mpf(0))
    padded[tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, width, strict=True))] = x
    return padded


def matrix(x: Array) -> Any:
    return mpmath.matrix(x.tolist())


def array(m: Any) -> Array:
    found = np.empty((m.rows, m.cols), dtype=object)
    for i in range(m.rows):
        for j in range(m.cols):
            found[i, j] = m[i, j]
    return found


def exact_qr(a: Array) -> tuple[Array, Array]:
    q, r = mpmath.qr(matrix(a), mode="skinny")
    return normalised(EXACT, array(q), array(r))


def exact_eigh(a: Array) -> tuple[Array, Array]:
    values, vectors = mpmath.eigsy(matrix(a))
    found, vectors = array(values)[:, 0], array(vectors)
    order = np.argsort(found, kind="stable")
    return found[order], vectors[:, order]


def exact_svd(a: Array) -> tuple[Array, Array, Array]:
    u, s, v = mpmath.svd_r(matrix(a), full_matrices=False)
    return array(u), array(s)[:, 0], array(v)


def exact_backend() -> Any:
    unary = {
        "exp": mpmath.exp,
        "exp2": lambda x: mpmath.mpf(2) ** x,
        "expm1": mpmath.expm1,
        "log": mpmath.log,
        "log1p": mpmath.log1p,
        "log2": lambda x: mpmath.log(x) / mpmath.log(2),
        "log10": mpmath.log10,
        "sqrt": mpmath.sqrt,
        "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
        "sin": mpmath.sin,
        "cos": mpmath.cos,
        "tan": mpmath.tan,
        "sinh": mpmath.sinh,
        "cosh": mpmath.cosh,
        "tanh": mpmath.tanh,
        "arcsin": mpmath.asin,
        "arccos": mpmath.acos,
        "arctan": mpmath.atan,
        "arcsinh": mpmath.asinh,
        "arccosh": mpmath.acosh,
        "arctanh": mpmath.atanh,
        "sign": mpmath.sign,
        "floor": mpmath.floor,
        "erf": mpmath.erf,
        "erfc": mpmath.erfc,
        "erfinv": mpmath.erfinv,
        "lgamma": mpmath.loggamma,
        "digamma": mpmath.digamma,
        "trigamma": lambda x: mpmath.psi(1, x),
    }
    binary = {
        "logaddexp": lambda x, y: max(x, y) + mpmath.log1p(mpmath.exp(-abs(x - y))),
        "hypot": mpmath.hypot,
        "arctan2": mpmath.atan2,
        "power": lambda x, y: x**y,
    }
    special = {
        "solve": lambda a, b: np.stack([array(mpmath.lu_solve(matrix(a), matrix(c)))[:, 0] for c in b.T], axis=1),
        "inv": lambda a: array(mpmath.inverse(matrix(a))),
        "det": lambda a: mpmath.det(matrix(a)),
        "logabsdet": lambda a: mpmath.log(abs(mpmath.det(matrix(a)))),
        "cholesky": lambda a: array(mpmath.cholesky(matrix(a))),
        "qr": exact_qr,
        "eigh": exact_eigh,
        "svd": exact_svd,
        "windows": lambda x, size, axes: np.lib.stride_tricks.sliding_window_view(x, size, axis=axes),
        "pad": exact_pad,
        "constant": mpmath.mpf,
    }
    names = {n: getattr(np, n) for n in STRUCTURAL}
    tables = {n: entrywise(f) for n, f in unary.items()} | {n: entrywise(f, 2) for n, f in binary.items()}
    return Exact(name="exact", **names | tables | special)


class Exact(SimpleNamespace):
    @property
    def pi(self) -> Any:
        """With the digits of the moment."""
        return +mpmath.pi


NUMPY = numpy_backend()
EXACT = exact_backend()
