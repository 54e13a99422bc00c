"""How large the rounding of one equation itself is, and how large the terms that it adds up.

    own(eqn, x, y, unit)    the size of the result's own rounding, an array, or None where there is none
    terms(eqn, x, y, S)     the sum S of the absolute terms that were added up into the result, None for |y|

Sizes are absolute. Where an operation is done in a coarser format than the judged code's u, the format's own counts:

    a + b, a · b, a / b     u |y|                               rounded once, to nearest; 0 + b and 0 · b are exact,
                                                                and a + b by no more than |a| and |b|, as far as
                                                                the format of the evaluation can show that
    f(x)                    u (c₀ |y| + c₁ |x f'(x)|)           the c of the row, measured
    Σ of k terms            u √k Σ|terms|                       random signs (Higham & Mary 2019)
    Σ in turn, k terms      u k Σ|terms|                        equal terms round alike
    Π of k factors          u √k |y|
    linear algebra, FFT     a backward error of the operands, and as much of the largest entry of the result

A product or a function that underflows is off by what XLA flushes to zero and NumPy does not: by less than the smallest
normal number. A sum never underflows.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from crosscheck.floats import SMALLEST
from crosscheck.rounding import numeric
from crosscheck.rounding.arrays import xp
from crosscheck.traces.primitives import Kind, Primitive, primitive
from crosscheck.traces.walk import evaluate

# A backward stable algorithm on n × n matrices is off by a small multiple of √n u, the n of the proofs being a worst
# case. With 2 the largest error of the factorisations in `tests.rounding.programs` is 0.24 of the allowance.
BACKWARD = 2.0


def inexact(value: Any) -> bool:
    """Whether `value` holds floating or complex numbers."""
    return jnp.issubdtype(jnp.result_type(value), jnp.inexact)


def unit_of(dtype: Any, unit: float) -> float:
    """The coarser of the format's unit roundoff and the judged code's."""
    return max(unit, float(jnp.finfo(dtype).eps) / 2)


def computed(eqn: core.JaxprEqn, values: Any) -> list[Any]:
    """The outputs of one equation at `values`, always as a list."""
    if numeric.all_numpy(values):
        return numeric.outputs(eqn, values)
    return evaluate(eqn, values)


def pushed(eqn: core.JaxprEqn, x: list[Any], tangents: list[Any]) -> Any:
    """The derivative of the first output along `tangents`."""
    if numeric.all_numpy([*x, *tangents]):
        return numeric.derivative(eqn, x, tangents)
    return jax.jvp(lambda *a: computed(eqn, a)[0], tuple(x), tuple(tangents))[1]


# ---------------------------------------------------------------------- its own rounding


def own(eqn: core.JaxprEqn, x: list[Any], y: list[Any], unit: float) -> list[Any]:
    """Per output, how far the primitive's own rounding may move each entry; None where it does not round."""
    row = primitive(eqn.primitive.name)
    rule = RULES.get(row.kind)
    if rule is None:
        return [None] * len(y)
    sizes: list[Any] = []
    for out in y:
        u = unit_of(out.dtype, unit) if inexact(out) else unit
        size = rule(row, eqn, x, out, u) if inexact(out) else None
        sizes.append(None if size is None else xp.maximum(size, floor(out, u)))
    return sizes


def floor(y: Any, u: float) -> Any:
    """The least that a rounding near underflow is, by the flush to zero.

    In its own format XLA cannot hold a rounding that is smaller than a normal number: there it counts as one.
    """
    own_format = float(jnp.finfo(y.dtype).eps) / 2 >= u
    below = smallest(y, u) / u if own_format else smallest(y, u)
    return xp.where((y != 0) & (xp.abs(y) < below), smallest(y, u), 0.0)


def smallest(y: Any, u: float) -> float:
    """The smallest normal number of the coarser of the two formats."""
    return max(float(jnp.finfo(y.dtype).tiny), SMALLEST.get(u, 0.0))


def flushed(a: Any, unit: float) -> Any:
    """How far an argument is off by: XLA reads what is below the smallest normal number as zero. None: not at all.

    NumPy looks, for XLA would see zeros.
    """
    values = np.asarray(a)
    if values.dtype.kind != "f":
        return None
    below = (values != 0) & (np.abs(values) < np.finfo(values.dtype).tiny)
    return np.where(below, smallest(values, unit), 0.0).astype(values.dtype) if below.any() else None


def rounded_once(row: Primitive, eqn: core.JaxprEqn, x: list[Any], y: Any, u: float) -> Any:
    size = u * xp.abs(y)
    if row.kind is not Kind.ADDS:
        size = xp.where(xp.abs(y) < smallest(y, u), smallest(y, u), size)
    for operand in x[:1] if row.kind is Kind.DIVIDES else x:
        if isinstance(operand, jax.Array) or not np.all(operand):
            size = xp.where(operand == 0, 0.0, size)  # 0 · b is 0, and 0 + b is b
    here = float(jnp.finfo(y.dtype).eps)
    if row.kind is Kind.ADDS and u > here:  # a coarser format's sum, whose nearest number is as near as each term
        less = xp.minimum(xp.abs(x[0]), xp.abs(x[1]))
        size = xp.where(less > here * xp.abs(y), xp.minimum(size, less), size)
    if row.kind is Kind.ADDS:
        return unless(on_grid(x, u, 1) & (xp.abs(y) < 2.0 ** half(u)), size)
    return unless(few_digits(x, half(u)), size) if row.kind is Kind.MULTIPLIES else size


def absorbed(eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> Any:
    """Where a sum is one of its two terms, the other being lost beside it; None where that is nowhere, or not seen.

    -1e30 plus anything is -1e30, the log of zero by convention, wherever it is added and in whatever order: two such
    sums are one number, and round alike. Only NumPy looks; drawn apart, as they else are, nothing is known of their
    difference.
    """
    if primitive(eqn.primitive.name).kind is not Kind.ADDS or not numeric.all_numpy([*x, *y]) or y[0].dtype.kind != "f":
        return None
    second = -x[1] if eqn.primitive.name == "sub" else x[1]
    lost = ((y[0] == x[0]) & (second != 0)) | ((y[0] == second) & (x[0] != 0))
    return lost if lost.any() else None


def function(row: Primitive, eqn: core.JaxprEqn, x: list[Any], y: Any, u: float) -> Any:
    """The row's error in the format of the evaluation, or in that of the judged code where that is coarser."""
    here = float(jnp.finfo(y.dtype).eps) / 2
    evaluated, judged = (row.single if v >= 2.0**-24 else row.double for v in (here, u))
    value, slope = (max(here * e, u * j) for e, j in zip(evaluated, judged, strict=True))
    size = value * xp.abs(y)
    if slope:
        moved = pushed(eqn, x, [slope * v for v in x])
        size = size + xp.where(xp.isfinite(moved), xp.abs(moved), 0.0)
    # y⁻² at 10²⁰⁰ and exp at -800 are 0 by underflow; at 0 a function may be 0, and is not off.
    return xp.where((y == 0) & (x[0] != 0), smallest(y, u), size)


def summed(row: Primitive, eqn: core.JaxprEqn, x: list[Any], y: Any, u: float) -> Any:
    name, p = eqn.primitive.name, eqn.params
    if name == "cumlogsumexp":
        return u * math.sqrt(x[0].shape[p["axis"]]) * (1 + xp.abs(y))
    absolute = absolute_sum(eqn, x)
    if name in ("scatter-add", "scatter_add"):
        nothing, ones = xp.zeros_like(x[0]), xp.ones(xp.shape(x[2]), x[2].dtype)
        return u * xp.abs(computed(eqn, [nothing, x[1], ones])[0]) * absolute
    return unless(xp.all(on_grid(x[:1], u, 1)) & (absolute < 2.0 ** half(u)), u * math.sqrt(addends(eqn, x)) * absolute)


def addends(eqn: core.JaxprEqn, x: list[Any]) -> int:
    """How many terms an entry of the result adds, at most."""
    name, p = eqn.primitive.name, eqn.params
    if name == "dot_general":
        return max(1, math.prod(x[0].shape[i] for i in p["dimension_numbers"][0][0]))
    if name == "conv_general_dilated":
        return max(1, math.prod(x[1].shape[i] for i in p["dimension_numbers"].rhs_spec[1:]))
    if "window_dimensions" in p:
        return max(1, math.prod(p["window_dimensions"]))
    if "axes" in p:
        return max(1, math.prod(x[0].shape[i] for i in p["axes"] if isinstance(i, int)))
    return max(1, x[0].shape[p["axis"]] if "axis" in p else xp.size(x[0]))


def absolute_sum(eqn: core.JaxprEqn, x: list[Any]) -> Any:
    """Σ|terms| of an equation that adds: the same equation of absolute values."""
    # A scatter brings a program for its numbers: of complex ones their absolute values stay complex.
    kept = "scatter" in eqn.primitive.name
    sizes = [(xp.abs(v).astype(v.dtype) if kept else xp.abs(v)) if counts(eqn, i, v) else v for i, v in enumerate(x)]
    return xp.abs(computed(eqn, sizes)[0])


def counts(eqn: core.JaxprEqn, place: int, value: Any) -> bool:
    """Whether operand `place` is added up, and not only compared."""
    return inexact(value) and not (eqn.primitive.name == "select_and_scatter_add" and place == 1)


def contracted(row: Primitive, eqn: core.JaxprEqn, x: list[Any], y: Any, u: float) -> Any:
    absolute = absolute_sum(eqn, x).astype(xp.abs(y).dtype)
    k = addends(eqn, x)
    exact = xp.all(on_grid(x[:1], u, 2)) & xp.all(on_grid(x[1:], u, 2)) & (absolute < 2.0 ** half(u))
    return unless(exact, u * math.sqrt(k) * absolute + k * smallest(y, u))


def multiplied(row: Primitive, eqn: core.JaxprEqn, x: list[Any], y: Any, u: float) -> Any:
    return u * math.sqrt(addends(eqn, x)) * xp.abs(y)


def cast(row: Primitive, eqn: core.JaxprEqn, x: list[Any], y: Any, u: float) -> Any:
    if eqn.primitive.name == "reduce_precision":
        return 2.0 ** -(eqn.params["mantissa_bits"] + 1) * xp.abs(y)
    if inexact(x[0]) and jnp.finfo(y.dtype).eps > jnp.finfo(x[0].dtype).eps:
        return float(jnp.finfo(y.dtype).eps) / 2 * xp.abs(y)
    return None


def normwise(row: Primitive, eqn: core.JaxprEqn, x: list[Any], y: Any, u: float) -> Any:
    if row.stable in ("columns", "diagonal"):
        return None  # the backward error is all
    if row.stable == "entries":
        return u * xp.abs(y)
    return u * BACKWARD * depth(eqn, x) * largest(eqn, y)


RULES = {
    Kind.ADDS: rounded_once,
    Kind.MULTIPLIES: rounded_once,
    Kind.DIVIDES: rounded_once,
    Kind.FUNCTION: function,
    Kind.SUMS: summed,
    Kind.CONTRACTS: contracted,
    Kind.PRODUCTS: multiplied,
    Kind.CASTS: cast,
    Kind.FOURIER: normwise,
    Kind.ALGEBRA: normwise,
    Kind.UNKNOWN: normwise,
    Kind.CALLS: normwise,  # only one that nobody can step into comes here
}


# ---------------------------------------------------------------------- what is exact


def half(u: float) -> int:
    """Half of the format's digits: a product of two numbers of so many is exact."""
    return int(-math.log2(u)) // 2


def on_grid(x: list[Any], u: float, factors: int) -> Any:
    """Whether entries are multiples of 2^-h, h half of the digits: sums below 2^h of products of so many are exact.

    Counts, masks and small integers are; and what is exact in every order of evaluation must not be disturbed.
    """
    grain = 2.0 ** (half(u) // factors)
    return functools.reduce(xp.logical_and, [whole(v * grain) for v in x])


def whole(v: Any) -> Any:
    if jnp.iscomplexobj(v):
        return whole(xp.real(v)) & whole(xp.imag(v))
    return xp.floor(v) == v


def few_digits(x: list[Any], digits: int) -> Any:
    """Whether all operands have so few binary digits."""
    checks = []
    for v in x:
        for part in (xp.real(v), xp.imag(v)) if jnp.iscomplexobj(v) else (v,):
            if isinstance(part, jax.Array):
                info = jnp.finfo(part.dtype)
                checks.append(lax.reduce_precision(part, info.nexp, min(digits - 1, info.nmant)) == part)
            else:
                fraction = np.frexp(part)[0] * 2.0**digits
                checks.append(fraction == np.rint(fraction))
    return functools.reduce(xp.logical_and, checks)


def unless(exact: Any, size: Any) -> Any:
    return xp.where(exact, 0.0, size)


# ---------------------------------------------------------------------- backward errors


def backward(eqn: core.JaxprEqn, x: list[Any], unit: float) -> list[Any]:
    """Per operand, the backward error of a factorisation or a solve; None for other equations.

    What is exact for operands that are off by so much (Higham 2002): LU and QR column by column (sections 9.3, 19.3),
    Cholesky by the diagonal (10.1), a triangular solve entry by entry (8.1), the rest by the largest entry.
    """
    row = primitive(eqn.primitive.name)
    if row.kind not in (Kind.ALGEBRA, Kind.UNKNOWN, Kind.CALLS):
        return [None] * len(x)
    grow = BACKWARD * depth(eqn, x)
    matrices = x[:-1] if row.stable == "entries" else x
    sizes = [unit_of(v.dtype, unit) * grow * scale(row, eqn, v) if inexact(v) else None for v in matrices]
    return sizes + [None] * (len(x) - len(sizes))


def scale(row: Primitive, eqn: core.JaxprEqn, v: Any) -> Any:
    """What the backward error of each entry is relative to."""
    a = xp.abs(v)
    if row.stable == "entries" or xp.ndim(v) < 2:
        return a
    if row.stable == "columns":
        # An upper triangular matrix is its own factor: there is nothing to eliminate, or to reflect.
        below = np.tril(np.ones(xp.shape(a)[-2:], bool), -1)
        done = xp.all((a == 0) | ~below, axis=(-2, -1), keepdims=True)
        return xp.where(done, 0.0, xp.broadcast_to(xp.max(a, axis=-2, keepdims=True, initial=0.0), a.shape))
    if row.stable == "diagonal":
        root = xp.sqrt(xp.diagonal(a, axis1=-2, axis2=-1))
        return root[..., :, None] * root[..., None, :]
    return largest(eqn, v)


def depth(eqn: core.JaxprEqn, x: list[Any]) -> float:
    """√n for matrices of n rows or columns; √(log₂ n) for a Fourier transform of n numbers."""
    if eqn.primitive.name == "fft":
        return math.sqrt(max(1.0, math.log2(max(1, math.prod(eqn.params["fft_lengths"])))))
    return math.sqrt(max([1, *(n for v in x if inexact(v) for n in xp.shape(v)[-2:])]))


def largest(eqn: core.JaxprEqn, v: Any) -> Any:
    """The largest absolute entry of each matrix, or of each transform, where every entry stands."""
    axes = len(eqn.params["fft_lengths"]) if eqn.primitive.name == "fft" else 2
    axes = tuple(range(max(0, xp.ndim(v) - axes), xp.ndim(v)))
    top = xp.max(xp.abs(v), axis=axes, keepdims=True, initial=0.0)
    return xp.broadcast_to(top, xp.shape(v))
