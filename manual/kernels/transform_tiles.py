"""Tiles of a padded image for `transform`, and back.

A tile is n rows and columns of the padded image (n may differ between the axes), every m = n - reach. A block is some
tile rows of one image, flattened as

    tiles[row, (tile row, tile column, channel), column]

so that a transform of the columns is one product from the right, and one of the rows is one from the left.
"""

from functools import cache as remember
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from manual.kernels.geometry import Geometry, Pair
from manual.machine.plans import Plan

Array = np.ndarray

LONGEST = 64  # of the tiles' sides, unless the window needs more


class Tiling(NamedTuple):
    """Tiles of `side` every `step` positions, `number` of them; rows and columns."""

    side: Pair
    step: Pair
    number: Pair

    @property
    def half(self) -> int:
        """How many frequencies of the columns are kept."""
        return self.side[1] // 2 + 1

    @property
    def frequencies(self) -> int:
        return self.side[0] * self.half

    @property
    def tiles(self) -> int:
        return self.number[0] * self.number[1]


@remember
def tiling(geometry: Geometry) -> Tiling:
    """The tiling with the fewest multiplications."""
    rows, columns = (candidates(*axis) for axis in zip(geometry.positions, geometry.reach, strict=True))
    return min(
        (Tiling((n, o), (m, p), (a, b)) for n, m, a in rows for o, p, b in columns),
        key=lambda tiles: multiplications(geometry, tiles),
    )


def candidates(positions: int, reach: int) -> list[tuple[int, int, int]]:
    """(side, step, count) along one axis: even sides, a step of at least the overlap or one tile for everything."""
    single = positions + reach + (positions + reach) % 2
    sides = {min(single, side) for side in range(2 * max(reach, 1), max(LONGEST, 4 * reach) + 1, 2)} | {
        single for _ in range(single <= max(LONGEST, 4 * reach))
    }
    found = [(side, side - reach, -(-positions // (side - reach))) for side in sorted(sides) if side > reach]
    return [(side, step, count) for side, step, count in found if count == 1 or step >= reach]


def multiplications(geometry: Geometry, tiles: Tiling) -> int:
    """Real multiplications of the forward pass."""
    (n, o), (m, p), half = tiles.side, tiles.step, tiles.half
    k, c, (taps_h, taps_w) = geometry.inputs, geometry.outputs, geometry.kernel
    of_input = k * (2 * n * o * half + 4 * n * n * half)
    of_output = c * (4 * m * n * half + 2 * m * half * p)
    products = 4 * tiles.frequencies * k * c
    of_filters = k * c * (2 * taps_h * taps_w * half + 4 * n * taps_h * half)
    return max(geometry.batch, 1) * tiles.tiles * (of_input + of_output + products) + of_filters


class Block(NamedTuple):
    """Some tile rows of an image."""

    image: int
    start: int  # first tile row
    rows: int  # number of tile rows


class Tiles:
    """One thread's scratch: an image's rows, and the numbers of a block of tiles."""

    def __init__(
        self, plan: Plan, geometry: Geometry, side: Pair, step: Pair, down: int, across: int, rows: int
    ) -> None:
        self.geometry, self.side, self.step = geometry, side, step
        self.down, self.across = down, across
        self.k, self.c = geometry.inputs, geometry.outputs
        channels = max(self.k, self.c)
        height = rows * step[0] + geometry.reach[0]
        width = across * step[1] + geometry.reach[1]
        self.image = plan.empty(channels, height, width)
        self.bottom = plan.empty(self.k, geometry.reach[0], width)
        self.numbers = plan.empty(side[0] * rows * across * channels * side[1])

    def view(self, block: Block, channels: int, size: Pair) -> Array:
        """The block's tiles in scratch, each of this size: (size[0], tile rows, tile columns, channels, size[1])."""
        shape = (size[0], block.rows, self.across, channels, size[1])
        return self.numbers[: np.prod(shape, dtype=int)].reshape(shape)

    def windows(self, block: Block, channels: int, size: Pair) -> Array:
        """The same of the image scratch, every m rows and columns."""
        channel, row, column = self.image.strides
        shape = (size[0], block.rows, self.across, channels, size[1])
        return as_strided(self.image, shape, (row, self.step[0] * row, self.step[1] * column, channel, column))

    # ------------------------------------------------------------------ forward moves

    def gather_input(self, x: Array, block: Block) -> Array:
        """The block's tiles of the padded x, (n, tile rows, tile columns, k, n)."""
        (height, width), ((top, _), (left, _)) = self.geometry.size, self.geometry.padding
        first = block.start * self.step[0] - top  # the image row that the first scratch row holds
        last = first + block.rows * self.step[0] + self.geometry.reach[0]
        low = min(max(first, 0), height)
        high = max(min(last, height), low)
        image = self.image[: self.k, : last - first]
        image[:, : low - first] = 0
        image[:, high - first :] = 0
        image[:, :, :left] = 0
        image[:, :, left + width :] = 0
        np.copyto(image[:, low - first : high - first, left : left + width], x[block.image, :, low:high])
        tiles = self.view(block, self.k, self.side)
        np.copyto(tiles, self.windows(block, self.k, self.side))
        return tiles

    def put_output(self, tiles: Array, y: Array, biases: Array, block: Block) -> None:
        """Tiles (m, tile rows, tile columns, c, m) and the bias into y."""
        np.copyto(self.windows(block, self.c, self.step), tiles)
        height, width = self.geometry.positions
        first = block.start * self.step[0]
        rows = min(block.rows * self.step[0], height - first)
        inside = self.image[: self.c, :rows, :width]
        np.add(inside, biases[:, None, None], out=y[block.image, :, first : first + rows])

    # ------------------------------------------------------------------ their adjoints

    def gather_output(self, g: Array, block: Block) -> Array:
        """The block's tiles of ∂L/∂Y, (m, tile rows, tile columns, c, m)."""
        height, width = self.geometry.positions
        first = block.start * self.step[0]
        rows = min(block.rows * self.step[0], height - first)
        self.image[: self.c, rows : block.rows * self.step[0]] = 0
        self.image[: self.c, :, width:] = 0
        np.copyto(self.image[: self.c, :rows, :width], g[block.image, :, first : first + rows])
        tiles = self.view(block, self.c, self.step)
        np.copyto(tiles, self.windows(block, self.c, self.step))
        return tiles

    def put_input(self, tiles: Array, grad_x: Array, block: Block) -> None:
        """Add tiles (n, tile rows, tile columns, k, n) up and into ∂L/∂X; the blocks of an image in order.

        A tile's rows and columns beyond its first m belong to the next tile: they are added there. Those of a block's
        last tile row wait for the next block.
        """
        (m, p), reach = self.step, self.geometry.reach
        tiles[:, :, 1:, :, : reach[1]] += tiles[:, :, :-1, :, p:]
        tiles[: reach[0], 1:] += tiles[m:, :-1]
        np.copyto(self.windows(block, self.k, self.step), tiles[:m, :, :, :, :p])
        image = self.image[: self.k]
        rows, right = block.rows * m, self.across * p
        beyond = tiles[:m, :, -1, :, p:].transpose(2, 1, 0, 3)  # (k, tile rows, m, reach)
        image[:, :rows, right:] = beyond.reshape(self.k, rows, reach[1])
        if block.start:
            image[:, : reach[0]] += self.bottom
        below = tiles[m:, -1, :, :, :p].transpose(2, 0, 1, 3)  # (k, reach, tile columns, m)
        self.bottom[:, :, :right] = below.reshape(self.k, reach[0], right)
        self.bottom[:, :, right:] = tiles[m:, -1, -1, :, p:].transpose(1, 0, 2)

        first = block.start * m
        self.put_rows(image[:, :rows], first, grad_x, block)
        if block.start + block.rows == self.down:
            self.put_rows(self.bottom, first + rows, grad_x, block)

    def put_rows(self, rows: Array, first: int, grad_x: Array, block: Block) -> None:
        """Rows of the padded input, of which `first` is the first, into ∂L/∂X, which has no padding."""
        (height, width), ((top, _), (left, _)) = self.geometry.size, self.geometry.padding
        low, high = max(first, top), min(first + rows.shape[1], top + height)
        if low < high:
            inside = rows[:, low - first : high - first, left : left + width]
            np.copyto(grad_x[block.image, :, low - top : high - top], inside)
