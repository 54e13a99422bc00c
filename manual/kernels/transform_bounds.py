"""The error bound (5) of `transform`, from the norms of tiles, to every order and with what underflow loses.

A sum of r complex products with a matrix of modulus at most 1 is two real sums, of r products each if the numbers are
real, of 2r if they are complex; the real and the imaginary error add up by Pythagoras, which costs √2 if they are
complex. An entry of the DFT's matrices is off by E·u when it is used (see `entries`). Two sums after each other, with
relative errors μ and ν, have μ + ν + μ·ν. So

    ε = γ_{columns+E} ⊕ √2·γ_{2·rows+E},   μ ⊕ ν = μ + ν + μ·ν                  (1)

for the spectrum of rows×columns numbers, and for the sums of r products of spectra, transformed back,

    ε_P = √2·γ_{2r} ⊕ √2·γ_{2n+E+1} ⊕ γ_{o+E+4}                                (2)

Underflow: a real product loses up to λ/2, a complex number up to λ per pair of products; so a spectrum is off by at
most

    η = rows·(columns + 2)·λ,   and what is transformed back by η_P = (4r + 4n + o + 2)·λ           (3)

since no stage makes a number larger than its sum of absolute values. What underflows while the bound itself is computed
is less than what (3) counts too much. `growth` stands for γ throughout.

Letters: ε a relative error; η an absolute one; u the unit roundoff; E roundings of an entry of a DFT's matrix; γ the
growth of an error; λ the smallest positive number; r how many products of spectra are added up; n, o rows and columns
of a tile; P what follows the products; μ, ν two relative errors.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from manual.kernels import bounds
from manual.kernels.definition import pad
from manual.kernels.geometry import Geometry, Pair
from manual.kernels.transform_tiles import tiling

Array = np.ndarray


def entries(dtype: Any) -> int:
    """E: how many u an entry exp(√-1·θ) of a DFT's matrix is off by.

    θ = (2π/n)·number is computed in float64 from the rounded π, a quotient and a product, up to 2π: off by at most
    (0.4 + 1 + 1)·2π < 15.1 units. Cosine and sine add one unit in the last place each, at most √2 together. In float32
    all that is far below the one rounding of the result.
    """
    return 17 if np.dtype(dtype) == np.float64 else 2


def after(*errors: float) -> float:
    """μ ⊕ ν of (1), of as many as there are; not by way of 1 + μ, beside which μ would round."""
    total = 0.0
    for error in errors:
        total += error * (1 + total)
    return total if math.inf not in errors else math.inf  # not 0 · ∞


class Spectra(NamedTuple):
    """Tiles and what their computed spectra are off by; one number per tile and channel."""

    size: Array  # ‖·‖₂
    off: Array  # ε·‖·‖₁ + η, at any frequency

    @property
    def most(self) -> Array:
        """At most what the computed spectrum has, as a root mean square."""
        return self.size + self.off


class Epsilons:
    """The ε and η of a geometry in one precision."""

    def __init__(self, geometry: Geometry, dtype: Any, growth: bounds.Growth) -> None:
        self.growth, self.geometry, self.side = growth, geometry, tiling(geometry).side
        self.u, self.tiny, self.entry = bounds.unit(dtype), bounds.smallest(dtype), entries(dtype)

    def spectra(self, norms: tuple[Array, Array], size: Pair) -> Spectra:
        """(1) and (3) of tiles of this size, from their two norms."""
        (one, two), (rows, columns) = norms, size
        relative = after(
            self.growth(columns + self.entry, self.u), math.sqrt(2) * self.growth(2 * rows + self.entry, self.u)
        )  # (1)
        return Spectra(two, relative * one + rows * (columns + 2) * self.tiny)  # (3)

    def of_product(self, terms: int) -> float:
        """(2)."""
        n, o = self.side
        return after(
            math.sqrt(2) * self.growth(2 * terms, self.u),
            math.sqrt(2) * self.growth(2 * n + self.entry + 1, self.u),
            self.growth(o + self.entry + 4, self.u),
        )  # (2)

    def bound(self, first: Spectra, second: Spectra, over: str, terms: int, sums: float) -> Array:
        """(5) of `transform`, summed as the einsum `over` says; `sums` more roundings follow the result."""
        relative = after(self.of_product(terms), self.growth(sums, self.u))
        n, o = self.side
        return (
            np.einsum(over, first.off, second.most, optimize=True)
            + np.einsum(over, first.size, second.off, optimize=True)
            + relative * np.einsum(over, first.most, second.most, optimize=True)
            + (4 * terms + 4 * n + o + 2) * self.tiny  # (3)
        ) * bounds.EVALUATION


def norms(tiles: Array) -> tuple[Array, Array]:
    """‖·‖₁ and ‖·‖₂ over the last two axes, the squares scaled so that none overflows or vanishes."""
    largest = np.max(tiles, axis=(-2, -1), initial=0.0)
    scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    squares = (tiles / scale[..., None, None]) ** 2
    return tiles.sum(axis=(-2, -1)), scale * np.sqrt(squares.sum(axis=(-2, -1)))


def tile_norms(a: Array, geometry: Geometry, size: Pair) -> tuple[Array, Array]:
    """The norms of a's tiles of `size`, at every step: (B, tile rows, tile columns, channels)."""
    (m, p), (down, across) = tiling(geometry).step, tiling(geometry).number
    height, width = (down - 1) * m + size[0], (across - 1) * p + size[1]
    a = a[:, :, :height, :width]
    room = [(0, 0), (0, 0), (0, height - a.shape[2]), (0, width - a.shape[3])]
    ones, twos = np.zeros((2, len(a), down, across, a.shape[1]))
    whole = np.pad(a, room)
    for row in range(down):
        for column in range(across):
            tile = whole[:, :, row * m : row * m + size[0], column * p : column * p + size[1]]
            ones[:, row, column], twos[:, row, column] = norms(tile)
    return ones, twos


def output_bound(
    x: Array, filters: Array, biases: Array, geometry: Geometry, growth: bounds.Growth = bounds.worst
) -> Array:
    """(5) of `transform` for every entry of y, and the rounding of adding the bias."""
    x_size, w_size, b_size = bounds.magnitudes(x, filters, biases)
    e, (m, p), (height, width) = Epsilons(geometry, x.dtype, growth), tiling(geometry).step, geometry.positions
    with np.errstate(over="ignore"):  # a bound beyond the largest number is infinite
        padded = pad(x_size, geometry.padding)
        of_x = e.spectra(tile_norms(padded, geometry, e.side), e.side)
        of_w = e.spectra(norms(w_size), geometry.kernel)  # (c, k)
        per_tile = e.bound(of_x, of_w, "brsk,ck->brsc", geometry.inputs, sums=1) + e.u * b_size
    return np.moveaxis(per_tile, -1, 1).repeat(m, axis=2).repeat(p, axis=3)[:, :, :height, :width]


def gradient_bounds(
    g: Array, x: Array, filters: Array, geometry: Geometry, growth: bounds.Growth = bounds.worst
) -> tuple[Array, Array, Array]:
    """The same for (2) and (3) of `transform`; the bias gradient is a plain sum."""
    g_size, x_size, w_size = bounds.magnitudes(g, x, filters)
    e, tiles = Epsilons(geometry, x.dtype, growth), tiling(geometry)
    (n, o), (m, p), (down, across) = tiles.side, tiles.step, tiles.number
    (top, _), (left, _) = geometry.padding
    (height, width), (rows, columns) = geometry.size, geometry.positions
    with np.errstate(over="ignore"):  # a bound beyond the largest number is infinite
        of_x = e.spectra(tile_norms(pad(x_size, geometry.padding), geometry, tiles.side), tiles.side)
        of_g = e.spectra(tile_norms(g_size, geometry, tiles.step), tiles.step)
        of_w = e.spectra(norms(w_size), geometry.kernel)

        per_tile = e.bound(of_g, of_w, "brsc,ck->brsk", geometry.outputs, sums=4)  # an entry is in at most four tiles
        spread = np.zeros((len(x), geometry.inputs, down * m + n, across * p + o))
        for row in range(down):
            for column in range(across):
                at = (..., slice(row * m, row * m + n), slice(column * p, column * p + o))
                spread[at] += per_tile[:, row, column, :, None, None]
        grad_x = spread[:, :, top : top + height, left : left + width]

        count = geometry.batch * down * across
        per_filter = e.bound(of_g, of_x, "brsc,brsk->ck", count, sums=count)  # groups of images are added up
        grad_filters = np.broadcast_to(per_filter[:, :, None, None], filters.shape)
        grad_biases = bounds.bound(geometry.batch * rows * columns, g_size.sum(axis=(0, 2, 3)), x.dtype, growth)
    return grad_x, grad_filters, grad_biases
