"""How far an engine's result can be from the exact one.

A sum of n products, computed in any order, with or without fused multiply-add, errs by at most

    |ŷ - y| ≤ γₙ · Σ|products|,   γₙ = n·u / (1 - n·u),   u the unit roundoff           (1)

(N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., 2002, section 3.1). The
definition, `gemm`, `pointwise` and `small` are such sums, so their bound is γ times the same sum
at absolute values, which each of them evaluates by itself. n counts the products and the bias;
padding adds zeros, which round nothing.

γₙ is the worst case. Roundings that are independent of mean zero make √n of it with high
probability (N. J. Higham and T. Mary, SIAM J. Sci. Comput. 41 (2019) A2815); `probable` is that,
`worst` is (1).
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

# The bounds themselves are computed in float64, to a relative error far below this.
EVALUATION = 1.0 + 2.0**-20


def unit(dtype: Any) -> float:
    """The unit roundoff: 2⁻²⁴ for float32, 2⁻⁵³ for float64."""
    return float(np.finfo(dtype).eps) / 2


def worst(n: float, u: float) -> float:
    """γₙ of (1)."""
    return n * u / (1 - n * u) if n * u < 1 else math.inf


def probable(n: float, u: float) -> float:
    """(1 + √n)·u."""
    return (1 + math.sqrt(n)) * u


def bound(n: float, magnitude: Array, dtype: Any, growth: Growth) -> Array:
    """growth(n) times the sum of magnitudes; and each of the n operations may underflow."""
    lost = n * float(np.finfo(dtype).smallest_subnormal)
    return growth(n, unit(dtype)) * EVALUATION * magnitude + lost


def magnitudes(*arrays: Array) -> list[Array]:
    """Absolute values, in float64."""
    return [np.abs(array.astype(np.float64)) for array in arrays]


def output_of_sums(
    forward: Forward, x: Array, filters: Array, biases: Array, geometry: Geometry, growth: Growth = worst
) -> Array:
    """A bound on |y - exact| at every entry of the y of `forward`, a sum of products: that sum at absolute values."""
    y, _ = forward(*magnitudes(x, filters, biases), geometry)
    return bound(geometry.taps + 1, y, x.dtype, growth)


def gradients_of_sums(
    backward: Backward, g: Array, x: Array, filters: Array, geometry: Geometry, growth: Growth = worst
) -> tuple[Array, Array, Array]:
    """The same for the gradients of x, filters and biases that `backward` computes."""
    grads = backward(*magnitudes(g, x, filters), geometry, None)
    kernel_rows, kernel_columns = geometry.kernel
    rows, columns = geometry.positions
    places = geometry.batch * rows * columns
    terms = (geometry.outputs * kernel_rows * kernel_columns, places, places)
    grad_x, grad_filters, grad_biases = (bound(n, grad, x.dtype, growth) for n, grad in zip(terms, grads, strict=True))
    return grad_x, grad_filters, grad_biases
