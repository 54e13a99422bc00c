"""The matrices behind `winograd`: filtering by three taps with fewer products.

One axis. A tile of m outputs reads n = m + 2 inputs, Y[h] = Σ_i d[h+i]·W[i]. Consider first
the product of two polynomials of degrees m-1 and 2: its n coefficients follow from its values at n points, values are
products of values, and so

    coefficients = B · ( (A·u) ⊙ (G·w) )                                        (1)

where A and G evaluate at the points p (rows 1, p, p², ...; the point ∞ takes the leading coefficient) and B
interpolates: with N(x) = Π (x - p), the column of B for a finite point is N(x)/(x - p) / N'(p) and that for ∞ is N(x).
(The 1/N'(p) stand in G instead.) As a linear map of u, for fixed w, (1) is the matrix B·diag(G·w)·A, which puts w[i] at
row h+i of column h. Filtering is its transpose:

    y = Aᵀ · ( (G·w) ⊙ (Bᵀ·d) )                                                 (2)

The points decide the error: 0, 1, -1, ∞ for tiles of 2, and 0, ±3/4, ±3/2, ∞ for tiles of 4. The usual 0, ±1, ±2, ∞ err
about twice as much, since powers of points that lie around 1 in size, some below and some above, cancel less. All are
dyadic, so K_A and K_B hold no rounded number.
"""

from functools import cache as remember
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray

POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 0.75, -0.75, 1.5, -1.5)}  # and ∞


class Transforms(NamedTuple):
    """K_A (m·p, n·o), K_B (n·o, n·o) and K_G (n·o, 9) for tiles of m×p outputs and n×o inputs."""

    output: Array
    input: Array
    filters: Array


def toom_cook(m: int) -> tuple[Array, Array, Array]:
    """Aᵀ (m, n), Bᵀ (n, n) and G (n, 3) of (2), in float64."""
    points, n = np.array(POINTS[m]), m + 2
    output, inputs, filters = np.zeros((m, n)), np.zeros((n, n)), np.zeros((n, 3))
    output[:, :-1], output[-1, -1] = np.vander(points, m, increasing=True).T, 1
    filters[:-1], filters[-1, -1] = np.vander(points, 3, increasing=True), 1
    for number, point in enumerate(points):
        others = np.delete(points, number)
        inputs[number, :-1] = np.poly(others)[::-1]  # N(x) / (x - p)
        filters[number] /= np.prod(point - others)  # N'(p)
    inputs[-1] = np.poly(points)[::-1]  # N(x)
    return output, inputs, filters


@remember
def transforms(step: tuple[int, int], dtype: Any, sizes: bool) -> Transforms:
    """The Kronecker products, rounded once; `sizes`: at absolute values, for the error bound."""
    products = (np.kron(a, b) for a, b in zip(*map(toom_cook, step), strict=True))
    return Transforms(*(np.ascontiguousarray(np.abs(a) if sizes else a, dtype=dtype) for a in products))
