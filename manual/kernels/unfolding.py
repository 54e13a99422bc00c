"""Windows of an image as the columns of a matrix: the linear map under `gemm` and `small`.

A block of output positions becomes a matrix whose rows are the taps (k,i,j) and whose columns the positions (h,w):

    cols[(k,i,j), (h,w)] = X[k, s·h+d·i, t·w+e·j]                               (1)

in few long NumPy calls on views made beforehand, since short calls cost more than what they copy.

If the output is as wide as the image and the stride 1, an image is kept as one flat run per channel. A tap is then a
shift of that run, and wherever the shift wraps into the next row, (1) reads padding: those columns of cols are set to
zero. A small image is rather kept once for every column j of the taps, with zeros where that column's shift wraps: K_h
times fewer of them. Otherwise the padded image is kept with its columns sorted by their residue modulo the stride t, so
that the columns t·w+e·j, w = 0, 1, ..., of a tap lie side by side.

The adjoint is in `folding.py`.

Letters: X input; k input channel; h, w output position; i, j position in the window; s, t stride; d, e dilation.
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from manual.kernels.geometry import Geometry
from manual.kernels.residues import taps_by_residue
from manual.machine.aliasing import without_aliasing
from manual.machine.plans import Plan

Array = np.ndarray


COPIES = 2**20  # bytes up to which an image is kept once per column of the taps


class Block(NamedTuple):
    """One block of output rows, for a group of images."""

    places: slice  # of the flattened (H_out·W_out)
    copies: list[tuple[Array, Array]]  # to, from
    zeros: list[Array]  # entries of cols that wrapped around
    cols: Array  # (images, groups, taps [+ 1 row of ones], places)


class Unfolding:
    """The map (1) for groups of `images` images, `rows` rows of the output at a time.

    Args:
        plan: what the scratch is counted to.
        ones: whether a row of ones stands under the taps; it multiplies the bias.
    """

    def __init__(self, plan: Plan, geometry: Geometry, images: int, rows: int, *, ones: bool) -> None:
        self.plan, self.geometry, self.images = plan, geometry, images
        width = geometry.size[1]
        output_rows, output_columns = geometry.positions
        self.taps = geometry.taps
        pitch = without_aliasing(rows * output_columns)
        self.cols = plan.empty(images, geometry.groups, self.taps + ones, pitch)
        if ones:
            self.cols[:, :, self.taps] = 1
        self.unread: list[Array] = []  # of flat images: what a shift would take into the next row
        self.flat = geometry.stride == (1, 1) and output_columns == width
        source = self.flat_images() if self.flat else self.split_images()
        self.blocks = [
            self.block(source, start, min(start + rows, output_rows)) for start in range(0, output_rows, rows)
        ]

    def flat_images(self) -> Array:
        (height, width), ((top, bottom), (left, right)) = self.geometry.size, self.geometry.padding
        channels = self.geometry.groups * self.geometry.inputs
        before = top * width + left
        length = before + height * width + bottom * width + right
        copies = self.geometry.kernel[1]
        if self.images * channels * copies * length * self.plan.dtype.itemsize > COPIES:
            copies = 1
        flat = self.plan.zeros(self.images, channels, copies, length)
        inside = flat[..., before : before + height * width].reshape(self.images, channels, copies, height, width)
        self.loads = [(inside, slice(None))]
        if copies > 1:
            self.unread = [
                inside[:, :, j, :, max(width + shift, 0) :] if shift < 0 else inside[:, :, j, :, :shift]
                for j in range(copies)
                if (shift := self.geometry.dilation[1] * j - left)
            ]
        return flat

    def split_images(self) -> Array:
        """(images, channels, padded rows, residues, columns of one residue); only the residues that some tap reads."""
        geometry = self.geometry
        (height, width), ((top, _), (left, _)) = geometry.size, geometry.padding
        t = geometry.stride[1]
        residues = [taps.residue for taps in taps_by_residue(geometry.kernel[1], t, geometry.dilation[1])]
        rows, columns = geometry.padded
        channels = geometry.groups * geometry.inputs
        split = self.plan.zeros(self.images, channels, rows, len(residues), -(-columns // t))
        self.loads = []
        for number, residue in enumerate(residues):
            first = (residue - left) % t
            count = len(range(first, width, t))
            to = (first + left) // t
            inside = split[:, :, None, top : top + height, number, to : to + count]
            if count:
                self.loads.append((inside, slice(first, None, t)))
        return split

    def block(self, source: Array, start: int, stop: int) -> Block:
        geometry, size = self.geometry, source.itemsize
        (taps_h, taps_w), (d, e) = geometry.kernel, geometry.dilation
        (s, t), (_, (left, _)) = geometry.stride, geometry.padding
        rows, columns = stop - start, geometry.positions[1]
        width = geometry.size[1]
        cols = self.cols[..., : rows * columns]
        to = cols[:, :, : self.taps].reshape(
            self.images, geometry.groups, geometry.inputs, taps_h, taps_w, rows, columns
        )
        places = slice(start * columns, stop * columns)
        channels = (self.images, geometry.groups, geometry.inputs)
        image, channel = source.strides[:2]
        group = channel * geometry.inputs
        if self.flat:
            shape = (*channels, taps_h, taps_w, rows * columns)
            copy = source.strides[2] if self.unread else 0
            strides = (image, group, channel, d * width * size, copy + e * size, size)
            view = as_strided(source[:, :, 0, start * width :], shape, strides)
            zeros = [] if self.unread else wrapped(to, e, left)
            return Block(places, [(to.reshape(shape), view)], zeros, cols)
        copies = []
        row = source.strides[2]
        for number, taps in enumerate(taps_by_residue(taps_w, t, e)):
            view = as_strided(
                source[:, :, start * s :, number, taps.shift :],
                (*channels, taps_h, taps.number, rows, columns),
                (image, group, channel, d * row, taps.by * size, s * row, size),
            )
            copies.append((to[:, :, :, :, taps.first :: taps.step], view))
        return Block(places, copies, [], cols)

    def load(self, x: Array) -> None:
        """Take in images (at most `images`); what is around them stays zero."""
        number = len(x)
        for inside, columns in self.loads:
            np.copyto(inside[:number], x[:, :, None, :, columns])
        for entries in self.unread:
            entries[:number] = 0

    def fill(self, block: Block, number: int) -> Array:
        """cols of (1) for a block of the images taken in."""
        if number < self.images:
            for to, view in block.copies:
                np.copyto(to[:number], view[:number])
            for zeros in block.zeros:
                zeros[:number] = 0
            return block.cols[:number]
        for to, view in block.copies:
            np.copyto(to, view)
        for zeros in block.zeros:
            zeros[...] = 0
        return block.cols


def wrapped(cols: Array, dilation: int, left: int) -> list[Array]:
    """The entries of cols[..., i, j, h, w] whose shift by dilation·j - left leaves their row."""
    width = cols.shape[-1]
    found = []
    for j in range(cols.shape[-3]):
        shift = dilation * j - left
        if shift < 0:
            found.append(cols[..., j, :, : min(-shift, width)])
        elif shift > 0:
            found.append(cols[..., j, :, max(width - shift, 0) :])
    return found
