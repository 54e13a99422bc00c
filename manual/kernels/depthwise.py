"""A window per channel: shifted sums in cache.

Where every channel is a convolution of its own, there is no matrix to multiply with. Sort the padded X by residues
modulo the stride, a sheet for each pair (α, β) of them,

    sheet[α,β][k,b,u,v] = X[b, k, s·u+α, t·v+β]                                 (1)

Write d·i = s·q + α and e·j = t·r + β, as in `folding.py`. Tap (i, j) of window (h, w) is then sheet[α,β][h+q, w+r], and
for all windows of a channel at once it is the sheet from place q·V + r on, V being the sheet's width: one run n of
memory. So, with n for (b,h,w) in a sheet's places,

    Y[k,n] = Σ_{i,j} W[k,i,j] · sheet[α,β][k, n + q·V + r] + bias[k]            (2)

    ∂L/∂W[k,i,j] = Σ_n G[k,n] · sheet[α,β][k, n + q·V + r]                      (3)
    ∂L/∂bias[k] = Σ_n G[k,n]                                                    (4)
    ∂L/∂sheet[α,β][k,n] = Σ_{i,j} W[k,i,j] · G[k, n - q·V - r],  over the taps of (α, β)         (5)

Places without a window hold what nobody reads forward, and a G of zero backward. What a shift takes beyond the end of a
row or an image is padding, and one gap of zeros serves as what follows a row and as what precedes the next: a sheet is
as narrow as that allows. The taps of one residue are evenly spaced, so (2) and (5) are one `einsum` each over a strided
view; with `order="F"` the taps are its outer loop, and it multiplies and adds in one pass over a run.
Some channels of some images at a time, so that the passes run in cache; threads share out the channels. As code,
without stride, dilation and blocks:

    windows = sliding_window_view(pad(x, padding), kernel, axis=(2, 3))
    y = einsum("kij,bkhwij->bkhw", filters[:, 0], windows) + biases[:, None, None]
    grad_filters, grad_biases = einsum("bkhw,bkhwij->kij", g, windows)[:, None], g.sum(axis=(0, 2, 3))
    grad_padded = zeros_like(pad(x, padding))
    for i, j in ndindex(kernel):
        grad_padded[:, :, i : i + rows, j : j + columns] += filters[:, 0, i, j, None, None] * g

Exact and rounding: as the definition, sums of the same products in another order.

Letters: X input; Y output; W filters; G = ∂L/∂Y; L loss; b sample; k input channel, and the output's; h, w output
position; i, j position in the window; s, t stride; d, e dilation; α, β residues modulo the stride; q, r shifts of a
tap; u, v position in a sheet; V width of a sheet; n sample and place in a sheet.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from manual.kernels.engine import of_sums
from manual.kernels.geometry import Geometry, Pair
from manual.kernels.residues import taps_by_residue
from manual.machine import threads
from manual.machine.plans import Plan, cache

Array = np.ndarray

BLOCK = 2**19  # bytes of the sheets of some channels of some images
LARGEST = 2**18  # numbers in a sheet, beyond which this is refused
BUFFER = 8192  # numbers that NumPy's einsum copies its operands into, if one row of taps has fewer
PARALLEL = 1_000_000  # multiplications; below, handing work to a thread costs more than it saves


def refusal(geometry: Geometry) -> str | None:
    if (geometry.inputs, geometry.outputs) != (1, 1):
        return f"a group has {geometry.inputs} input and {geometry.outputs} output channels, not one of each"
    rows, columns = places(geometry)
    if rows * columns > LARGEST:
        return f"a sheet has {rows * columns} numbers, more than {LARGEST}: it does not stay in cache"
    return None


class Residue(NamedTuple):
    """The taps of one pair of residues."""

    filters: tuple[slice, slice]  # which they are
    read: Array  # (channels, i, j, n): what they read of a sheet; (2) and (3)
    given: Array  # (channels, i, j, n): what they are given of G; (5)
    sheet: Array  # (channels, images, u, v)
    inside: tuple[slice, slice]  # its rows and columns that are not padding
    image: tuple[slice, slice]  # the rows and columns of the image that these are


class Depthwise(Plan):
    """Scratch for some channels of some images."""

    def __init__(self, geometry: Geometry, dtype: Any, channels: int, images: int) -> None:
        super().__init__(dtype)
        (s, t), (d, e) = geometry.stride, geometry.dilation
        self.places = places(geometry)
        self.of_image = self.places[0] * self.places[1]
        length, width = images * self.of_image, self.places[1]
        self.last = geometry.reach[0] // s * width + geometry.reach[1] // t  # the largest shift q·V + r
        before = self.zeros(channels, self.last + length)
        self.g = before[:, self.last :]
        self.out, self.more, self.last_row = (self.empty(channels, length) for _ in range(3))
        rows, columns = (slice(0, number) for number in geometry.positions)
        self.g_windows, self.out_windows = (
            self.sheet_of(run, images)[:, :, rows, columns] for run in (self.g, self.out)
        )
        self.out_sheet = self.sheet_of(self.out, images)
        self.residues: list[Residue] = []
        for by_row in taps_by_residue(geometry.kernel[0], s, d):
            for by_column in taps_by_residue(geometry.kernel[1], t, e):
                sheet = self.zeros(channels, length + self.last)
                shift, size = by_row.shift * width + by_column.shift, sheet.itemsize
                taps = (channels, by_row.number, by_column.number)
                steps = (by_row.by * width * size, by_column.by * size)
                forwards = (sheet.strides[0], *steps, size)
                read = as_strided(sheet[:, shift:], (*taps, length), forwards, writeable=False)
                backwards = (before.strides[0], -steps[0], -steps[1], size)
                given = as_strided(before[:, self.last - shift :], (*taps, length), backwards, writeable=False)
                of = (slice(by_row.first, None, by_row.step), slice(by_column.first, None, by_column.step))
                inside = [within(geometry, axis, r) for axis, r in enumerate((by_row.residue, by_column.residue))]
                at, image = zip(*inside, strict=True)
                self.residues.append(Residue(of, read, given, self.sheet_of(sheet, images), at, image))

    def sheet_of(self, run: Array, images: int) -> Array:
        """A run as (channels, images, u, v)."""
        channel, size = run.strides
        shape, width = (len(run), images, *self.places), self.places[1]
        return as_strided(run, shape, (channel, self.of_image * size, width * size, size))

    def load(self, x: Array) -> None:
        """(1) of x (images, channels, H, W); padding stays zero."""
        images, channels = x.shape[:2]
        for residue in self.residues:
            rows, columns = residue.inside
            np.copyto(residue.sheet[:channels, :images, rows, columns], x[:, :, *residue.image].swapaxes(0, 1))  # (1)

    def forward(self, x: Array, filters: Array, biases: Array, y: Array) -> None:
        """(2) into y (images, channels, H_out, W_out)."""
        self.load(x)
        images, channels = x.shape[:2]
        n = images * self.of_image
        out, more, last = (run[:channels, :n] for run in (self.out, self.more, self.last_row))
        for number, residue in enumerate(self.residues):
            to = more if number else out
            weighted(filters[:, *residue.filters], residue.read[:channels, :, :, :n], to, last)
            if number:
                np.add(out, more, out=out)
        np.add(out, biases[:, None], out=out)  # (2)
        np.copyto(y.swapaxes(0, 1), self.out_windows[:channels, :images])

    def backward(self, g: Array, x: Array, filters: Array, grad_x: Array, grad_filters: Array) -> Array:
        """(5) into grad_x, (3) added to grad_filters (channels, K_h, K_w); returns (4)."""
        self.load(x)
        images, channels = x.shape[:2]
        n = images * self.of_image
        np.copyto(self.g_windows[:channels, :images], g.swapaxes(0, 1))
        run, out, more = (run[:channels, :n] for run in (self.g, self.out, self.more))
        for residue in self.residues:
            read, given = residue.read[:channels, :, :, :n], residue.given[:channels, :, :, :n]
            grad_filters[:, *residue.filters] += np.vecdot(read, run[:, None, None])  # (3)
            weighted(filters[:, *residue.filters], given, out, more)  # (5)
            rows, columns = residue.inside
            np.copyto(grad_x[:, :, *residue.image].swapaxes(0, 1), self.out_sheet[:channels, :images, rows, columns])
        return run.sum(axis=1)  # (4)


def weighted(filters: Array, runs: Array, to: Array, room: Array) -> None:
    """Σ_{i,j} filters[k,i,j] · runs[k,i,j,n] to [k,n], the sum's terms in the outer loops.

    Short runs NumPy's einsum would copy into buffers before a loop over four axes; over three it never does.
    """
    if runs.shape[2] * runs.shape[3] > BUFFER:
        np.einsum("kij,kijn->nk", filters, runs, out=to.T, order="F")
        return
    for i in range(filters.shape[1]):
        np.einsum("kj,kjn->nk", filters[:, i], runs[:, i], out=(room if i else to).T, order="F")
        if i:
            np.add(to, room, out=to)


def places(geometry: Geometry) -> Pair:
    """Rows and columns of a sheet: the next row (image) begins where the last window's last tap still reads zeros."""
    found = []
    for axis, number in enumerate(geometry.positions):
        least = number
        for by in taps_by_residue(geometry.kernel[axis], geometry.stride[axis], geometry.dilation[axis]):
            inside, _ = within(geometry, axis, by.residue)
            last = by.shift + (by.number - 1) * by.by
            least = max(least, inside.stop, number + last - inside.start)
        found.append(least)
    return found[0], found[1]


def within(geometry: Geometry, axis: int, residue: int) -> tuple[slice, slice]:
    """Along one axis of a residue's sheet, what is not padding, and which rows (columns) of the image these are."""
    before, step, size = geometry.padding[axis][0], geometry.stride[axis], geometry.size[axis]
    first = (residue - before) % step
    number, start = len(range(first, size, step)), (first + before) // step
    return slice(start, start + number), slice(first, size, step)


class Layout(NamedTuple):
    """How many channels and images at a time, and each thread's stretches of channels."""

    channels: int
    images: int
    parts: list[list[slice]]

    def groups(self, batch: int) -> list[slice]:
        return [slice(first, min(first + self.images, batch)) for first in range(0, batch, self.images)]


@lru_cache(1024)
def layout_of(geometry: Geometry, itemsize: int, most_threads: int) -> Layout:
    rows, columns = places(geometry)
    of_plane = itemsize * rows * columns
    images = max(1, min(geometry.batch, BLOCK // of_plane))
    parts = threads.share(geometry.groups, 1 if geometry.multiplications < PARALLEL else most_threads)
    channels = max(1, min(len(parts[0]), BLOCK // (of_plane * images)))
    return Layout(
        channels,
        images,
        [[slice(first, min(first + channels, part.stop)) for first in part[::channels]] for part in parts],
    )


def covers(geometry: Geometry) -> bool:
    """Whether every entry of the image is in a sheet; where none is, the gradient is zero."""
    axes = zip(geometry.kernel, geometry.stride, geometry.dilation, strict=True)
    return all(len(taps_by_residue(taps, step, spread)) == step for taps, step, spread in axes)


def forward(x: Array, filters: Array, biases: Array, geometry: Geometry) -> tuple[Array, None]:
    layout = layout_of(geometry, x.itemsize, threads.num_threads())
    y, windows = np.empty(geometry.output_shape, x.dtype), filters[:, 0]
    key = ("depthwise", geometry, x.dtype, layout.channels, layout.images)

    def part(number: int) -> None:
        plan = cache.take(key, lambda: Depthwise(geometry, x.dtype, layout.channels, layout.images))
        for images in layout.groups(geometry.batch):
            for some in layout.parts[number]:
                plan.forward(x[images, some], windows[some], biases[some], y[images, some])
        cache.give(key, plan)

    threads.run(part, len(layout.parts), guarded=False)
    return y, None


def backward(g: Array, x: Array, filters: Array, geometry: Geometry, kept: None = None) -> tuple[Array, Array, Array]:
    layout = layout_of(geometry, x.itemsize, threads.num_threads())
    grad_x = (np.empty if covers(geometry) else np.zeros)(geometry.input_shape, x.dtype)
    grad_filters, grad_biases = np.zeros(geometry.filters_shape, x.dtype), np.zeros(geometry.groups, x.dtype)
    windows, of_windows = filters[:, 0], grad_filters[:, 0]
    key = ("depthwise", geometry, x.dtype, layout.channels, layout.images)

    def part(number: int) -> None:
        plan = cache.take(key, lambda: Depthwise(geometry, x.dtype, layout.channels, layout.images))
        for images in layout.groups(geometry.batch):
            for some in layout.parts[number]:
                grad_biases[some] += plan.backward(
                    g[images, some], x[images, some], windows[some], grad_x[images, some], of_windows[some]
                )
        cache.give(key, plan)

    threads.run(part, len(layout.parts), guarded=False)
    return grad_x, grad_filters, grad_biases


ENGINE = of_sums("depthwise", refusal, forward, backward)
