"""Gathering overlapping tiles of an image and adding them back: the moves under `winograd`.

A tile is n×o numbers of the padded image, every m rows and p columns; n = m + 2, o = p + 2. Scratch is channels last,
so that all moves copy runs of channels; a block is some images' tile rows, and a tile is flattened as

    planes[i·o + j, (image, tile row, tile column), channel]

so that a transform is one product with a matrix from the left, and one plane is a matrix (tiles, channels).
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from manual.kernels.geometry import Geometry, Pair
from manual.machine.aliasing import PAD, without_aliasing
from manual.machine.plans import Plan

Array = np.ndarray


class Block(NamedTuple):
    """Some tile rows of some images."""

    images: slice
    start: int  # first tile row
    rows: int  # number of tile rows

    def tiles(self, across: int) -> int:
        return (self.images.stop - self.images.start) * self.rows * across


class Views(NamedTuple):
    """The scratch as seen by a block of one size."""

    image: Array  # (images, rows, columns, k): what the tiles are gathered from
    image_tiles: Array  # (n, o, images, tile rows, tile columns, k), overlapping
    gathered: Array  # the same shape, a copy
    output: Array  # (images, rows, columns, c)
    output_tiles: Array  # (m, p, images, tile rows, tile columns, c) of it
    flat_output: Array  # the same shape, by planes
    inner_tiles: Array  # (m, p, images, tile rows, tile columns, k) of `image`: each tile's first m rows and p columns


class Tiles:
    """One thread's scratch for blocks of at most `images` images and `rows` tile rows."""

    def __init__(self, plan: Plan, geometry: Geometry, step: Pair, images: int, rows: int) -> None:
        self.geometry, self.step, self.side = geometry, step, (step[0] + 2, step[1] + 2)
        (m, p), (n, o) = self.step, self.side
        self.across = -(-geometry.positions[1] // p)
        self.k, self.c = geometry.inputs, geometry.outputs
        self.image = plan.zeros(images, rows * m + 2, self.across * p + 2, self.k)
        self.output = plan.zeros(images, rows * m, self.across * p, self.c)
        self.bottom = plan.empty(images, 2, self.across * p + 2, self.k)
        tiles = images * rows * self.across
        self.planes = plan.empty(max(n * o * (tiles * self.k + PAD), m * p * (tiles * self.c + PAD)))
        self.by_size: dict[tuple[int, int], Views] = {}

    def views(self, block: Block) -> Views:
        size = (block.images.stop - block.images.start, block.rows)
        if size not in self.by_size:
            self.by_size[size] = self.make_views(*size)
        return self.by_size[size]

    def make_views(self, images: int, rows: int) -> Views:
        (m, p), across = self.step, self.across
        image = self.image[:images, : rows * m + 2]
        output = self.output[:images, : rows * m]

        def tiles(a: Array, side: Pair, channels: int) -> Array:
            by_image, by_row, by_column, by_channel = a.strides
            shape = (*side, images, rows, across, channels)
            return as_strided(a, shape, (by_row, by_column, by_image, m * by_row, p * by_column, by_channel))

        def flat(side: Pair, channels: int) -> Array:
            length = images * rows * across * channels
            pitch, points = without_aliasing(length), side[0] * side[1]
            planes = self.planes[: points * pitch].reshape(points, pitch)[:, :length]
            return planes.reshape(*side, images, rows, across, channels)

        return Views(
            image,
            tiles(image, self.side, self.k),
            flat(self.side, self.k),
            output,
            tiles(output, self.step, self.c),
            flat(self.step, self.c),
            tiles(image, self.step, self.k),
        )

    # ------------------------------------------------------------------ forward moves

    def gather_input(self, x: Array, block: Block) -> Array:
        """The block's input tiles, (n·o, tiles·k); a view of scratch."""
        views = self.views(block)
        (height, width), ((top, _), (left, _)) = self.geometry.size, self.geometry.padding
        first = block.start * self.step[0] - top  # the image row that the first scratch row holds
        last = first + block.rows * self.step[0] + 2
        low, high = min(max(first, 0), height), max(min(last, height), 0)
        views.image[:, : max(low - first, 0)] = 0
        views.image[:, max(high - first, 0) :] = 0
        views.image[:, :, :left] = 0
        views.image[:, :, left + width :] = 0
        inside = views.image[:, low - first : high - first, left : left + width]
        np.copyto(inside, x[block.images, :, low:high].transpose(0, 2, 3, 1))
        np.copyto(views.gathered, views.image_tiles)
        return views.gathered.reshape(self.side[0] * self.side[1], -1)

    def output_planes(self, block: Block) -> Array:
        """Where the block's output tiles are computed, (m·p, tiles·c)."""
        return self.views(block).flat_output.reshape(self.step[0] * self.step[1], -1)

    def put_output(self, y: Array, biases: Array, block: Block) -> None:
        """The computed output tiles and the bias into y."""
        views = self.views(block)
        np.add(views.flat_output, biases, out=views.output_tiles)
        height, width = self.geometry.positions
        first = block.start * self.step[0]
        rows = min(block.rows * self.step[0], height - first)
        np.copyto(y[block.images, :, first : first + rows], views.output[:, :rows, :width].transpose(0, 3, 1, 2))

    # ------------------------------------------------------------------ their adjoints

    def gather_output(self, g: Array, block: Block) -> Array:
        """The block's tiles of ∂L/∂Y, (m·p, tiles·c); a view of scratch."""
        views = self.views(block)
        height, width = self.geometry.positions
        first = block.start * self.step[0]
        rows = min(block.rows * self.step[0], height - first)
        views.output[:, rows:] = 0
        views.output[:, :, width:] = 0
        np.copyto(views.output[:, :rows, :width], g[block.images, :, first : first + rows].transpose(0, 2, 3, 1))
        np.copyto(views.flat_output, views.output_tiles)
        return views.flat_output.reshape(self.step[0] * self.step[1], -1)

    def input_planes(self, block: Block) -> Array:
        """Where the tiles of ∂L/∂X are computed, (n·o, tiles·k)."""
        return self.views(block).gathered.reshape(self.side[0] * self.side[1], -1)

    def put_input(self, grad_x: Array, block: Block) -> None:
        """Add the computed tiles up and into ∂L/∂X; the blocks of an image in order.

        The last two rows and columns of a tile belong to the next one: they are added there, then every tile gives its
        first m rows and columns. The last two rows of a block wait for the next block.
        """
        (m, p), right = self.step, self.across * self.step[1]
        views, tiles = self.views(block), self.views(block).gathered
        np.add(tiles[:, :2, :, :, 1:], tiles[:, p:, :, :, :-1], out=tiles[:, :2, :, :, 1:])
        np.add(tiles[:2, :, :, 1:], tiles[m:, :, :, :-1], out=tiles[:2, :, :, 1:])
        np.copyto(views.inner_tiles, tiles[:m, :p])
        beyond = tiles[:m, p:, :, :, -1].transpose(2, 3, 0, 1, 4)  # (images, tile rows, m, 2, k)
        images = len(views.image)
        views.image[:, : block.rows * m, right:] = beyond.reshape(images, block.rows * m, 2, self.k)
        bottom = self.bottom[:images]
        if block.start:
            np.add(views.image[:, :2], bottom, out=views.image[:, :2])
        below = tiles[m:, :p, :, -1].transpose(2, 0, 3, 1, 4)  # (images, 2, tile columns, p, k)
        np.copyto(bottom[:, :, :right], below.reshape(images, 2, right, self.k))
        np.copyto(bottom[:, :, right:], tiles[m:, p:, :, -1, -1].transpose(2, 0, 1, 3))

        (height, width), ((top, _), (left, _)) = self.geometry.size, self.geometry.padding
        first = block.start * m
        stop = first + block.rows * m
        low, high = max(first, top), min(stop, top + height)
        if low < high:
            rows = views.image[:, low - first : high - first, left : left + width]
            np.copyto(grad_x[block.images, :, low - top : high - top], rows.transpose(0, 3, 1, 2))
        if stop >= self.geometry.positions[0]:  # the last block
            low, high = max(stop, top), min(stop + 2, top + height)
            if low < high:
                rows = bottom[:, low - stop : high - stop, left : left + width]
                np.copyto(grad_x[block.images, :, low - top : high - top], rows.transpose(0, 3, 1, 2))
