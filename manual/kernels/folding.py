"""Columns added back to where they came from: the adjoint of `unfolding.py`, for input gradients.

    X̄[k, m, n] = Σ_{i,h: s·h+d·i=m} Σ_{j,w: t·w+e·j=n} D[(k,i,j), (h,w)]        (1)

Write m = s·u + α with 0 ≤ α < s. The taps that reach row m are those with d·i = s·q + α, from row h = u - q; columns
likewise with n = t·v + β, e·j = t·r + β. So each residue (α, β) is a sum over its taps of shifted copies of D,

    X̄[k, s·u+α, t·v+β] = Σ_{(i,j) of residue (α,β)} D[(k,i,j), (u-q, v-r)],                      (2)

and the taps of one residue are evenly spaced, in (i, j) as in (q, r): (2) is one `add.reduce` over a strided view of D,
if D has zeros around it where (1) has no term. A row of D is followed by max r zeros, which also serve as those before
the next row.

If the output is as wide as the image and the stride 1, there is one residue, and rows need no zeros between them: an
entry of D that a shift takes beyond its row is one that fell on padding, and is set to zero instead.

Letters: X input; D = ∂L/∂cols; L loss; k input channel; h, w output position; i, j position in the window; s, t stride;
d, e dilation; m, n input position; α, β its residues modulo the stride; u, v its quotients; q, r shifts of a tap; a bar
is the gradient of the loss there.
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from manual.kernels.geometry import Geometry
from manual.kernels.residues import Taps, taps_by_residue
from manual.kernels.unfolding import wrapped
from manual.machine import products
from manual.machine.aliasing import without_aliasing
from manual.machine.plans import Plan

Array = np.ndarray


class Part(NamedTuple):
    """One residue's share of the input, in one block: (2)."""

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
    """The map (1) for groups of `images` images, `rows` rows of the output at a time; blocks in order."""

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

    def fold(self, number: int, g: Array, weights: Array, grad_x: Array) -> None:
        """D = weights @ G of one block, and (2) into grad_x.

        Args:
            number: of the block.
            g: (images, C_out, H_out, W_out).
            weights: (groups, taps, C_out/groups).
            grad_x: (images, C_in, H, W).
        """
        n, sheet = len(g), self.sheets[number]
        np.copyto(sheet.g_rows[:n], g[:, :, sheet.rows])
        if sheet.carry is not None:
            np.copyto(sheet.carry[0][:n], sheet.carry[1][:n])
        for stale in sheet.clear:
            stale[:n] = 0
        products.by_columns(weights, sheet.g[:n], sheet.product[:n])
        for part in sheet.parts:
            np.add.reduce(part.shifted[:n], axis=(2, 3), out=part.out[:n])
            np.copyto(grad_x[:, :, part.rows, part.columns], part.inside[:n])


def inside(offset: int, step: int, start: int, stop: int, length: int) -> range:
    """The u of range(start, stop) with 0 ≤ step·u + offset < length."""
    first = max(start, -(offset // step))
    return range(first, max(first, min(stop, -((offset - length) // step))))


class FlatFolding:
    """The map (1) for groups of `images` whole images, if the output is as wide as the image and the stride 1."""

    def __init__(self, plan: Plan, geometry: Geometry, images: int) -> None:
        self.covers = True  # every entry of the input
        (taps_h, taps_w), (d, e), ((top, _), (left, _)) = geometry.kernel, geometry.dilation, geometry.padding
        (height, width), (rows, _) = geometry.size, geometry.positions
        channels = geometry.groups * geometry.inputs
        self.g_shape = (geometry.groups, geometry.outputs, rows * width)
        self.x_shape = (channels, height * width)
        # The gradient at flat place p of the input takes D at p + shift - (d·i·width + e·j).
        shift = top * width + left
        before = max(0, geometry.reach[0] * width + geometry.reach[1] - shift)
        length = before + max(rows * width, height * width + shift)
        buffer = plan.zeros(images, channels * taps_h * taps_w, without_aliasing(length))
        image, tap, size = buffer.strides
        self.product = buffer[:, :, before : before + rows * width].reshape(
            images, geometry.groups, geometry.taps, rows * width
        )
        self.wrapped = wrapped(
            self.product.reshape(images, geometry.groups, geometry.inputs, taps_h, taps_w, rows, width), e, left
        )
        self.shifted = as_strided(
            buffer[:, :, before + shift :],
            (images, channels, taps_h, taps_w, height * width),
            (image, taps_h * taps_w * tap, taps_w * tap - d * width * size, tap - e * size, size),
        )

    def fold(self, number: int, g: Array, weights: Array, grad_x: Array) -> None:
        """As `Folding.fold`; the only block has the number 0."""
        n = len(g)
        products.by_columns(weights, g.reshape(n, *self.g_shape), self.product[:n])
        for entries in self.wrapped:
            entries[:n] = 0
        np.add.reduce(self.shifted[:n], axis=(2, 3), out=grad_x.reshape(n, *self.x_shape))


def folding(plan: Plan, geometry: Geometry, images: int, rows: int) -> Folding | FlatFolding:
    """The simplest that does it."""
    same_width = geometry.stride == (1, 1) and geometry.positions[1] == geometry.size[1]
    if same_width and rows == geometry.positions[0]:
        return FlatFolding(plan, geometry, images)
    return Folding(plan, geometry, images, rows)
