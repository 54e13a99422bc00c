"""Windows of an image as the columns of a matrix, and back: the two linear maps under `gemm` and
`small`.

Unfolding takes a block of output positions to a matrix whose rows are the taps (k,i,j) and whose
columns the positions (h,w):

    cols[(k,i,j), (h,w)] = X[k, s·h+d·i, t·w+e·j]                               (1)

Its adjoint, folding, adds every entry of such a matrix back to where it came from:

    X̄[k, m, n] = Σ_{i,h: s·h+d·i=m} Σ_{j,w: t·w+e·j=n} D[(k,i,j), (h,w)]        (2)

Both are done in few long NumPy calls on views made beforehand, since short calls cost more than
what they copy.

Unfolding. If the output is as wide as the image and the stride 1, an image is kept as one flat run per channel. A tap
is then a shift of that run, and wherever the shift wraps into the next row, (1) reads padding: those columns
of cols are set to zero. Otherwise the padded image is kept with its columns sorted by their residue
modulo the stride t, so that the columns t·w+e·j, w = 0, 1, ..., of a tap lie side by side.

Folding. Write m = s·u + a with 0 ≤ a < s. The taps that reach row m are those with d·i = s·q + a, from row h = u - q;
columns likewise with n = t·v + b, e·j = t·r + b. So each residue (a, b) is a sum over its taps of shifted
copies of D,

    X̄[k, s·u+a, t·v+b] = Σ_{(i,j) of residue (a,b)} D[(k,i,j), (u-q, v-r)],                      (3)

and the taps of one residue are evenly spaced, in (i, j) as in (q, r): (3) is one `add.reduce` over
a strided view of D, if D has zeros around it where (2) has no term. A row of D is followed by max r
zeros, which also serve as those before the next row.
"""

from math import gcd
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from manual.kernels.geometry import Geometry
from manual.kernels.plans import Plan

Array = np.ndarray


class Taps(NamedTuple):
    """Taps first + n·step of one axis, at the offsets stride·(shift + n·by) + residue."""

    residue: int
    first: int
    step: int
    number: int
    shift: int
    by: int


def taps_by_residue(taps: int, stride: int, dilation: int) -> list[Taps]:
    """The offsets dilation·i, i = 0, ..., taps - 1, sorted by residue modulo the stride."""
    step = stride // gcd(stride, dilation)
    return [
        Taps(
            residue=dilation * first % stride,
            first=first,
            step=step,
            number=len(range(first, taps, step)),
            shift=dilation * first // stride,
            by=dilation * step // stride,
        )
        for first in range(min(step, taps))
    ]


def without_aliasing(length: int) -> int:
    """A row length ≥ this one whose rows do not all fall into the same cache sets."""
    return length + 16 if length % 256 == 0 else length


class Block(NamedTuple):
    """One block of output rows, for a group of images."""

    rows: slice  # of the output
    places: slice  # the same in the flattened (H_out·W_out)
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
        self.flat = geometry.stride == (1, 1) and output_columns == width
        source = self.flat_images() if self.flat else self.split_images()
        self.blocks = [
            self.block(source, start, min(start + rows, output_rows)) for start in range(0, output_rows, rows)
        ]

    def flat_images(self) -> Array:
        (height, width), ((top, bottom), (left, right)) = self.geometry.size, self.geometry.padding
        channels = self.geometry.groups * self.geometry.inputs
        before = top * width + left
        flat = self.plan.zeros(self.images, channels, before + height * width + bottom * width + right)
        inside = flat[:, :, before : before + height * width].reshape(self.images, channels, height, width)
        self.loads = [(inside, slice(None))]
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
            inside = split[:, :, top : top + height, number, to : to + count]
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
            strides = (image, group, channel, d * width * size, e * size, size)
            view = as_strided(source[:, :, start * width :], shape, strides)
            zeros = []
            for j in range(taps_w):
                beyond = e * j - left  # reads column w + beyond
                if beyond < 0:
                    zeros.append(to[:, :, :, :, j, :, : min(-beyond, width)])
                elif beyond > 0:
                    zeros.append(to[:, :, :, :, j, :, max(width - beyond, 0) :])
            return Block(slice(start, stop), places, [(to.reshape(shape), view)], zeros, cols)
        copies = []
        row = source.strides[2]
        for number, taps in enumerate(taps_by_residue(taps_w, t, e)):
            view = as_strided(
                source[:, :, start * s :, number, taps.shift :],
                (*channels, taps_h, taps.number, rows, columns),
                (image, group, channel, d * row, taps.by * size, s * row, size),
            )
            copies.append((to[:, :, :, :, taps.first :: taps.step], view))
        return Block(slice(start, stop), places, copies, [], cols)

    def load(self, x: Array) -> None:
        """Take in images (at most `images`); what is around them stays zero."""
        number = len(x)
        for inside, columns in self.loads:
            np.copyto(inside[:number], x[..., columns])

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


class Part(NamedTuple):
    """One residue's share of the input, in one block: (3)."""

    shifted: Array  # the view of D with axes (image, channel, i, j, place)
    out: Array  # the sum over i and j
    inside: Array  # the same, only what is inside the image
    rows: slice  # where that goes
    columns: slice


class Sheet(NamedTuple):
    """One block of output rows in the buffer of D."""

    rows: slice  # of the output
    g: Array  # (images, groups, C_out/groups, places): the gradient with zeros after every row
    g_rows: Array  # (images, C_out, rows, W_out): where the gradient is put
    product: Array  # (images, groups, taps, places): where D is put
    carry: tuple[Array, Array] | None  # the last rows of the block before: to, from
    clear: list[Array]
    parts: list[Part]


class Folding:
    """The map (2) for groups of `images` images, `rows` rows of the output at a time; blocks in order."""

    def __init__(self, plan: Plan, geometry: Geometry, images: int, rows: int) -> None:
        self.geometry, self.images = geometry, images
        (self.taps_h, self.taps_w), (s, t), (d, e) = geometry.kernel, geometry.stride, geometry.dilation
        output_rows, output_columns = geometry.positions
        self.above, self.after = geometry.reach[0] // s, geometry.reach[1] // t  # max q, max r
        self.pitch = output_columns + self.after
        self.before = self.above * self.pitch + self.after
        channels = geometry.groups * geometry.inputs
        self.rows = rows
        length = without_aliasing(self.before + (rows + self.above) * self.pitch)
        self.buffer = plan.zeros(images, channels * self.taps_h * self.taps_w, length)
        self.g = plan.zeros(images, geometry.groups * geometry.outputs, rows, self.pitch)
        self.total = plan.empty(images, channels, (rows + self.above) * self.pitch)
        self.by_rows = taps_by_residue(self.taps_h, s, d)
        self.by_columns = taps_by_residue(self.taps_w, t, e)
        self.sheets = [self.sheet(start, min(start + rows, output_rows)) for start in range(0, output_rows, rows)]
        self.covers = self.covers_the_input()

    def covers_the_input(self) -> bool:
        """Whether every entry of the input is in some part; where none is, the gradient is zero."""
        shape = self.geometry.size
        reached = np.zeros(shape, bool)
        for sheet in self.sheets:
            for part in sheet.parts:
                reached[part.rows, part.columns] = True
        return bool(reached.all())

    def sheet(self, start: int, stop: int) -> Sheet:
        geometry, pitch, before = self.geometry, self.pitch, self.before
        number, columns = stop - start, geometry.positions[1]
        first, last = start == 0, stop == geometry.positions[0]
        end = before + number * pitch
        g = self.g[:, :, :number]
        carry, clear = None, []
        if not (first and last):  # of a single block they stay zero
            if first:
                clear.append(self.buffer[:, :, :before])
            else:
                moved = self.rows * pitch
                carry = (self.buffer[:, :, :before], self.buffer[:, :, moved : moved + before])
            if last:
                clear.append(self.buffer[:, :, end : end + self.above * pitch])
        emitted = number + self.above * last
        return Sheet(
            rows=slice(start, stop),
            g=g.reshape(self.images, geometry.groups, geometry.outputs, number * pitch),
            g_rows=g[..., :columns],
            product=self.buffer[:, :, before:end].reshape(self.images, geometry.groups, geometry.taps, number * pitch),
            carry=carry,
            clear=clear,
            parts=[
                part
                for rows in self.by_rows
                for columns in self.by_columns
                if (part := self.part(rows, columns, start, emitted)) is not None
            ],
        )

    def part(self, by_row: Taps, by_column: Taps, start: int, emitted: int) -> Part | None:
        geometry, pitch, size = self.geometry, self.pitch, self.buffer.itemsize
        channels = geometry.groups * geometry.inputs
        (height, width), (s, t) = geometry.size, geometry.stride
        (top, _), (left, _) = geometry.padding
        image, tap, _ = self.buffer.strides
        shifted = as_strided(
            self.buffer[
                :,
                by_row.first * self.taps_w + by_column.first :,
                self.before - by_row.shift * pitch - by_column.shift :,
            ],
            (self.images, channels, by_row.number, by_column.number, emitted * pitch),
            (
                image,
                tap * self.taps_h * self.taps_w,
                by_row.step * self.taps_w * tap - by_row.by * pitch * size,
                by_column.step * tap - by_column.by * size,
                size,
            ),
        )
        out = self.total[:, :, : emitted * pitch]
        u = inside(by_row.residue - top, s, start, start + emitted, height)
        v = inside(by_column.residue - left, t, 0, pitch, width)
        if not u or not v:
            return None
        sums = out.reshape(self.images, channels, emitted, pitch)
        return Part(
            shifted,
            out,
            sums[:, :, u.start - start : u.stop - start, v.start : v.stop],
            slice(s * u.start + by_row.residue - top, s * (u.stop - 1) + by_row.residue - top + 1, s),
            slice(t * v.start + by_column.residue - left, t * (v.stop - 1) + by_column.residue - left + 1, t),
        )

    def fold(self, sheet: Sheet, g: Array, weights: Array, grad_x: Array) -> None:
        """D = weights @ G of one block, and (3) into grad_x.

        Args:
            g: (images, C_out, rows, W_out).
            weights: (groups, taps, C_out/groups).
        """
        n = len(g)
        np.copyto(sheet.g_rows[:n], g)
        if sheet.carry is not None:
            np.copyto(sheet.carry[0][:n], sheet.carry[1][:n])
        for stale in sheet.clear:
            stale[:n] = 0
        np.matmul(weights, sheet.g[:n], out=sheet.product[:n])
        for part in sheet.parts:
            np.add.reduce(part.shifted[:n], axis=(2, 3), out=part.out[:n])
            np.copyto(grad_x[:, :, part.rows, part.columns], part.inside[:n])


def inside(offset: int, step: int, start: int, stop: int, length: int) -> range:
    """The u of range(start, stop) with 0 ≤ step·u + offset < length."""
    first = max(start, -(offset // step))
    return range(first, max(first, min(stop, -((offset - length) // step))))
