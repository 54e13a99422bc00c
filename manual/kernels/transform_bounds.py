"""The error bound (4) of `transform`, from the norms of tiles.

    ε_x, ε_g = √2·(γ of the columns' sum + γ of the rows' sum), ε_w likewise;
    ε_p = √2·(γ of the sum over channels, or tiles, + γ of the inverse's rows) + γ of its columns

Every sum of s complex products is two real sums of 2s products; its matrix is rounded once, hence s + 1 and 2s + 1.
First-order terms are taken, and 1% more for the rest. `growth` stands for γ throughout.
"""

import math

import numpy as np

from manual.kernels import bounds
from manual.kernels.definition import pad
from manual.kernels.geometry import Geometry, Pair
from manual.kernels.transform_tiles import tiling

Array = np.ndarray

HIGHER_ORDER = 1.01


class Epsilons:
    """The ε of a geometry in one precision."""

    def __init__(self, geometry: Geometry, u: float, growth: bounds.Growth) -> None:
        (n, o), (m, p) = tiling(geometry).side, tiling(geometry).step
        self.u, self.growth = u, growth
        self.x = self.of_transform((n, o))
        self.g = self.of_transform((m, p))
        self.w = self.of_transform(geometry.kernel)
        self.back = math.sqrt(2) * growth(2 * n + 2, u) + growth(o + 4, u)

    def of_transform(self, size: Pair) -> float:
        """Of numbers of this size, zeros to n."""
        rows, columns = size
        return math.sqrt(2) * (self.growth(columns + 1, self.u) + self.growth(2 * rows + 1, self.u))

    def of_product(self, terms: int) -> float:
        """Of a sum of so many products of spectra, transformed back."""
        return math.sqrt(2) * self.growth(2 * terms, self.u) + self.back


def norms(tiles: Array) -> tuple[Array, Array]:
    """‖·‖₁ and ‖·‖₂ over the last two axes."""
    return tiles.sum(axis=(-2, -1)), np.sqrt((tiles**2).sum(axis=(-2, -1)))


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
    """(4) for every entry of y, and the rounding of adding the bias."""
    x_size, w_size, b_size = bounds.magnitudes(x, filters, biases)
    e = Epsilons(geometry, bounds.unit(x.dtype), growth)
    x1, x2 = tile_norms(pad(x_size, geometry.padding), geometry, tiling(geometry).side)
    w1, w2 = norms(w_size)  # (c, k)
    product = e.of_product(geometry.inputs)
    per_tile = e.x * x1 @ w2.T + e.w * x2 @ w1.T + product * x2 @ w2.T  # (B, tile rows, tile columns, c)
    per_tile = per_tile + 2 * e.u * (x2 @ w2.T + b_size)
    (m, p), (height, width) = tiling(geometry).step, geometry.positions
    spread = np.moveaxis(per_tile, -1, 1).repeat(m, axis=2).repeat(p, axis=3)
    return finished(spread[:, :, :height, :width], x.dtype)


def gradient_bounds(
    g: Array, x: Array, filters: Array, geometry: Geometry, growth: bounds.Growth = bounds.worst
) -> tuple[Array, Array, Array]:
    """The same for (2) and (3); the bias gradient is a plain sum."""
    g_size, x_size, w_size = bounds.magnitudes(g, x, filters)
    u = bounds.unit(x.dtype)
    e, tiles = Epsilons(geometry, u, growth), tiling(geometry)
    (n, o), (m, p), (down, across) = tiles.side, tiles.step, tiles.number
    padded = pad(x_size, geometry.padding)
    x1, x2 = tile_norms(padded, geometry, tiles.side)
    g1, g2 = tile_norms(g_size, geometry, tiles.step)
    w1, w2 = norms(w_size)

    product = e.of_product(geometry.outputs) + 4 * u  # an entry is in at most four tiles
    per_tile = e.g * g1 @ w2 + e.w * g2 @ w1 + product * g2 @ w2
    spread = np.zeros((len(x), geometry.inputs, down * m + n, across * p + o))
    for row in range(down):
        for column in range(across):
            at = (..., slice(row * m, row * m + n), slice(column * p, column * p + o))
            spread[at] += per_tile[:, row, column, :, None, None]
    (top, _), (left, _) = geometry.padding
    (height, width), (rows, columns) = geometry.size, geometry.positions
    grad_x = spread[:, :, top : top + height, left : left + width]

    count = geometry.batch * down * across
    product = e.of_product(count) + count * u  # groups of images are added up
    over = "brsc,brsk->ck"
    per_filter = e.x * np.einsum(over, g2, x1) + e.g * np.einsum(over, g1, x2) + product * np.einsum(over, g2, x2)
    grad_filters = np.broadcast_to(per_filter[:, :, None, None], filters.shape)

    grad_biases = bounds.bound(geometry.batch * rows * columns, g_size.sum(axis=(0, 2, 3)), x.dtype, growth)
    return finished(grad_x, x.dtype), finished(grad_filters, x.dtype), grad_biases


def finished(first_order: Array, dtype: object) -> Array:
    return HIGHER_ORDER * first_order + 2**16 * float(np.finfo(dtype).smallest_subnormal)  # type: ignore[arg-type]
