"""The matrices behind `winograd`: filtering by three taps with fewer products.

One axis. A tile of m outputs reads n = m + 2 inputs, Y[h] = Σ_i X[h+i]·W[i]. Consider first the product of two
polynomials, of degrees m-1 and 2 and with coefficients P and W: its n coefficients follow from its values at n points,
values are products of values, and so

    coefficients = B · ( (A·P) ⊙ (D·W) )                                        (1)

where A and D evaluate at the points r (rows 1, r, r², ...; the point ∞ takes the leading coefficient) and B
interpolates: with N(z) = Π (z - r), the column of B for a finite point is N(z)/(z - r) / N'(r) and that for ∞ is N(z).
(The 1/N'(r) stand in D instead.) As a linear map of P, for fixed W, (1) is the matrix B·diag(D·W)·A, which puts W[i] at
row h+i of column h. Filtering is its transpose:

    Y = Aᵀ · ( (D·W) ⊙ (Bᵀ·X) )                                                 (2)

The points decide the error: 0, 1, -1, ∞ for tiles of 2, and 0, ±3/4, ±3/2, ∞ for tiles of 4. The usual 0, ±1, ±2, ∞ err
about twice as much, since powers of points that lie around 1 in size, some below and some above, cancel less. All are
dyadic, so A and B hold no rounded number.

Letters: X input of a tile; Y output of a tile; W filters; P coefficients that stand for Y in the transpose; h output
position; i position in the window; m outputs of a tile along rows; p along columns; n inputs along rows; o along
columns; A, B, D matrices of output, input and filters; N the polynomial that vanishes at all points; r point; z its
variable.
"""

from functools import cache as remember
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray

POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 0.75, -0.75, 1.5, -1.5)}  # and ∞


class Transforms(NamedTuple):
    """Aᵀ⊗Aᵀ (m·p, n·o), Bᵀ⊗Bᵀ (n·o, n·o) and D⊗D (n·o, 9) for tiles of m×p outputs and n×o inputs."""

    output: Array
    input: Array
    filters: Array


def toom_cook(m: int) -> tuple[Array, Array, Array]:
    """Aᵀ (m, n), Bᵀ (n, n) and D (n, 3) of (2), in float64."""
    points, n = np.array(POINTS[m]), m + 2
    output, inputs, filters = np.zeros((m, n)), np.zeros((n, n)), np.zeros((n, 3))
    output[:, :-1], output[-1, -1] = np.vander(points, m, increasing=True).T, 1
    filters[:-1], filters[-1, -1] = np.vander(points, 3, increasing=True), 1
    for number, point in enumerate(points):
        others = np.delete(points, number)
        inputs[number, :-1] = np.poly(others)[::-1]  # N(z) / (z - r)
        filters[number] /= np.prod(point - others)  # N'(r)
    inputs[-1] = np.poly(points)[::-1]  # N(z)
    return output, inputs, filters


@remember
def transforms(step: tuple[int, int], dtype: Any, sizes: bool) -> Transforms:
    """The Kronecker products, rounded once; `sizes`: at absolute values, for the error bound."""
    products = (np.kron(a, b) for a, b in zip(*map(toom_cook, step), strict=True))
    return Transforms(*(np.ascontiguousarray(np.abs(a) if sizes else a, dtype=dtype) for a in products))
