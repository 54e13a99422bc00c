"""How far an engine's result can be from the exact one.

A sum of n products, computed in any order, with or without fused multiply-add, errs by at most

    |ŷ - y| ≤ γₙ · Σ|products| + n·λ,   γₙ = n·u / (1 - n·u)                    (1)

(N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., 2002, sections 2.1 and 3.1). The definition,
`gemm`, `pointwise` and `small` are such sums, so their bound is (1) with the same sum at absolute values, which each of
them evaluates by itself. n counts the products and the bias; padding adds zeros, which round nothing.

λ is for underflow: a product below the normal numbers loses up to λ/2, whatever its size; counting λ leaves a factor of
2 for what later roundings make of it. (A sum of two floating-point numbers loses nothing there.) Where results of such
sums are multiplied with others, as in `winograd`, what the first stage lost is multiplied too, and n·λ is not enough.
Let a stage turn X by a matrix with sums of absolute values at most ξ along its rows, of n products each, another one W
likewise with ω and l products; let r products of the two be added up, and a last matrix, with α and q, take that back.
The first stages lose up to n·λ and l·λ, from factors of size up to ξ·‖X‖ and ω·‖W‖, and so the result loses at most

    α·r·λ·( n·ω·‖W‖ + l·ξ·‖X‖ + n·l·λ + 1 ) + q·λ                              (2)

All bounds hold as long as nothing overflows: a number beyond the largest is infinite, whatever a bound says.

γₙ is the worst case. Roundings that are independent and of mean zero stay within a multiple of √n·u, with a probability
that grows with the multiple (N. J. Higham and T. Mary, SIAM J. Sci. Comput. 41 (2019) A2815). `probable` is a multiple
near 1: the size that such errors have, which single ones pass now and then; `worst` is γₙ.

Letters: y a sum; n, l, q numbers of products; r number of products of products; u the unit roundoff; γ the growth of an
error; λ the smallest positive number; X input; W filters, or whatever X is multiplied with; ‖·‖ the largest entry; ξ,
ω, α sums of absolute values along the rows of a matrix; a hat marks what is computed.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from manual.kernels.geometry import Geometry

Array = np.ndarray
Growth = Callable[[float, float], float]  # (how many roundings, unit roundoff) -> a relative error
Forward = Callable[[Array, Array, Array, Geometry], tuple[Array, Any]]
Backward = Callable[[Array, Array, Array, Geometry, Any], tuple[Array, Array, Array]]

# The bounds themselves are sums in float64: of n < 2³² numbers, none negative, they err by less than this.
EVALUATION = 1.0 + 2.0**-20


def unit(dtype: Any) -> float:
    """The unit roundoff: 2⁻²⁴ for float32, 2⁻⁵³ for float64."""
    return float(np.finfo(dtype).eps) / 2


def worst(n: float, u: float) -> float:
    """γₙ of (1)."""
    return n * u / (1 - n * u) if n * u < 1 else math.inf


def probable(n: float, u: float) -> float:
    """(1 + √n)·u, for roundings that are independent and of mean zero."""
    return (1 + math.sqrt(n)) * u


def bound(n: float, magnitude: Array, dtype: Any, growth: Growth, lost: float | None = None) -> Array:
    """(1), for a sum of magnitudes: growth(n) times it, and what underflow loses, n·λ unless it is given."""
    lost = n * smallest(dtype) if lost is None else lost
    return growth(n, unit(dtype)) * EVALUATION * magnitude + lost


def smallest(dtype: Any) -> float:
    """λ, the smallest positive number."""
    return float(np.finfo(dtype).smallest_subnormal)


def lost_in_two_stages(
    first: tuple[Array, Array], second: tuple[Array, Array], terms: float, back: Array, dtype: Any
) -> float:
    """(2): what underflow can cost sums of `terms` products of transformed numbers, transformed back.

    Args:
        first, second: (matrix, the numbers that it transforms, at absolute values).
        back: the matrix that takes the sums back.
    """
    tiny = smallest(dtype)
    (n, of_first), (l, of_second) = (
        (longest(matrix), rows(matrix) * largest(numbers)) for matrix, numbers in (first, second)
    )
    return rows(back) * terms * (tiny * (n * of_second + l * of_first + n * l * tiny) + tiny) + longest(back) * tiny


def longest(matrix: Array) -> int:
    """How many products its longest row takes."""
    return int(np.count_nonzero(matrix, axis=1).max())


def rows(matrix: Array) -> float:
    """The largest sum of absolute values along a row."""
    return float(np.abs(matrix).sum(axis=1).max())


def largest(numbers: Array) -> float:
    """The largest finite one, or 0: where a number is not finite, the sum at absolute values is not finite either."""
    return float(np.max(numbers, initial=0.0, where=np.isfinite(numbers)))


def magnitudes(*arrays: Array) -> list[Array]:
    """Absolute values, in float64."""
    return [np.abs(array.astype(np.float64)) for array in arrays]


def output_of_sums(
    forward: Forward, x: Array, filters: Array, biases: Array, geometry: Geometry, growth: Growth = worst
) -> Array:
    """A bound on |y - exact| at every entry of the y of `forward`, a sum of products: that sum at absolute values."""
    x_size, filters_size, biases_size = magnitudes(x, filters, biases)
    y, _ = forward(x_size, filters_size, biases_size, geometry)
    return bound(geometry.taps + 1, y, x.dtype, growth)


def gradients_of_sums(
    backward: Backward, g: Array, x: Array, filters: Array, geometry: Geometry, growth: Growth = worst
) -> tuple[Array, Array, Array]:
    """The same for the gradients of x, filters and biases that `backward` computes."""
    g_size, x_size, filters_size = magnitudes(g, x, filters)
    grads = backward(g_size, x_size, filters_size, geometry, None)
    kernel_rows, kernel_columns = geometry.kernel
    rows, columns = geometry.positions
    places = geometry.batch * rows * columns
    terms = (geometry.outputs * kernel_rows * kernel_columns, places, places)
    grad_x, grad_filters, grad_biases = (bound(n, grad, x.dtype, growth) for n, grad in zip(terms, grads, strict=True))
    return grad_x, grad_filters, grad_biases
