"""A window per channel as a product with a banded matrix.

A channel of its own has no matrix to multiply with, but one can be made. A row of outputs reads K_h rows of the padded
X, through taps that move along with it. Put one row of the window on the diagonals of a matrix, zeros elsewhere,

    T[k,(i,l),w] = Σ_{j: t·w+e·j=l} W[k,i,j]                                    (1)

and lay the rows that an output row reads side by side, cols[k,n,(i,l)] = X[b, k, s·h+d·i, l] with n for (b,h). Then

    Y[k,n,w] = Σ_{(i,l)} cols[k,n,(i,l)] · T[k,(i,l),w] + bias[k]               (2)

is one product for a channel of a few images. Most of T is zero, at stride 1 all but K_w in V - 1 + K_w for rows of V
outputs. But BLAS multiplies many times as fast as NumPy adds run by run (`depthwise.py`). A row that is longer than
`WIDEST` is cut into equal stretches: with q for the stretch, n is (b,h,q), l begins at t·V·q, and all have the same T.
A single stretch leaves the columns of padding out, of cols as of T. As code, without stride, dilation and stretches:

    padded = pad(x, padding)
    bands = zeros((len(filters), kernel[0], padded.shape[3], columns))
    for j, w in ndindex(kernel[1], columns):
        bands[:, :, w + j, w] = filters[:, 0, :, j]
    y = einsum("bkhli,kilw->bkhw", sliding_window_view(padded, kernel[0], axis=2), bands) + biases[:, None, None]

A zero of T does not hide an infinity or a NaN of X, since 0·∞ is NaN. Where a NaN comes out, `depthwise` computes Y
again, whose sums have no terms but the definition's. The gradients are computed by `depthwise`, too.

Exact and rounding: as the definition, sums of the same products in another order, and of zeros.

Letters: X input; Y output; W filters; T bands; b sample; k input channel, and the output's; h, w output position; i, j
position in the window; s, t stride; d, e dilation; l column of a stretch; q stretch; V its outputs; n sample, row and
stretch.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from manual.kernels import depthwise
from manual.kernels.engine import of_sums
from manual.kernels.gemm import balanced
from manual.kernels.geometry import Geometry
from manual.machine import threads
from manual.machine.plans import Plan, cache

Array = np.ndarray

WIDEST = 16  # outputs in a stretch: as many float32 as a vector has; more would be more zeros
BLOCK = 2**21  # bytes of the columns of some channels of some images
LARGEST = 2**20  # numbers in the columns of one channel of one image, beyond which this is refused
PRODUCT = 1_000_000  # multiplications up to which OpenBLAS multiplies matrices where they lie, without a copy
SERIAL_PRODUCT = 2**18  # up to which it starts no threads
PARALLEL = 1_000_000  # multiplications of the definition; below, handing work to a thread costs more than it saves


class Cut(NamedTuple):
    """The stretches of a row, in columns of the padded image."""

    number: int
    outputs: int  # V of each; the last one's may lie beyond the row
    first: int  # column of a stretch that is in T,
    length: int  # and how many


def cut_of(geometry: Geometry) -> Cut:
    columns, t, (left, _) = geometry.positions[1], geometry.stride[1], geometry.padding[1]
    outputs = balanced(columns, WIDEST)
    number, length = -(-columns // outputs), t * (outputs - 1) + geometry.reach[1] + 1
    if number > 1:
        return Cut(number, outputs, 0, length)
    first = min(left, length)
    return Cut(1, outputs, first, min(left + geometry.size[1], length) - first)


def of_plane(geometry: Geometry) -> int:
    """Numbers in the columns of one channel of one image."""
    cut = cut_of(geometry)
    return geometry.positions[0] * cut.number * geometry.kernel[0] * cut.length


def refusal(geometry: Geometry) -> str | None:
    if of_plane(geometry) > LARGEST:
        return f"the columns of one channel are {of_plane(geometry)} numbers, more than {LARGEST}: not a small map"
    return depthwise.refusal(geometry)


class Banded(Plan):
    """Scratch for some channels of some images."""

    def __init__(self, geometry: Geometry, dtype: Any, channels: int, images: int) -> None:
        super().__init__(dtype)
        cut, (s, t), (d, e) = cut_of(geometry), geometry.stride, geometry.dilation
        (height, width), (rows, columns) = geometry.size, geometry.positions
        (top, _), (left, _) = geometry.padding
        step = t * cut.outputs
        across = step * (cut.number - 1) + cut.length  # columns of the padded image that are read
        padded = self.zeros(channels, images, geometry.padded[0], across)
        before = left - cut.first
        self.seen = slice(0, max(0, min(width, across - before)))  # those of the image
        self.inside = padded[:, :, top : top + height, before : before + self.seen.stop]
        channel, image, row, size = padded.strides
        shape = (channels, images, rows, cut.number, geometry.kernel[0], cut.length)
        self.windows = as_strided(padded, shape, (channel, image, s * row, step * size, d * row, size), writeable=False)
        self.cols = self.empty(*shape)
        self.bands = self.zeros(channels, geometry.kernel[0] * cut.length, cut.outputs)
        by_row = self.bands.reshape(channels, geometry.kernel[0], cut.length * cut.outputs)
        self.diagonals = diagonals(by_row, cut, geometry.kernel[1], t, e)
        self.out = self.empty(channels, images, rows, cut.number * cut.outputs)
        self.columns, self.samples = columns, rows * cut.number

    def load(self, filters: Array) -> None:
        """(1) of filters (channels, K_h, K_w); beside the diagonals T stays zero."""
        for j, diagonal in enumerate(self.diagonals):
            diagonal[: len(filters)] = filters[:, :, j, None]

    def forward(self, x: Array, biases: Array, y: Array) -> bool:
        """(2) into y (images, channels, H_out, W_out); whether no NaN came out."""
        images, channels = x.shape[:2]
        np.copyto(self.inside[:channels, :images], x[..., self.seen].swapaxes(0, 1))
        cols, out = self.cols[:channels, :images], self.out[:channels, :images]
        np.copyto(cols, self.windows[:channels, :images])
        bands, samples = self.bands[:channels], images * self.samples
        inner, outputs = bands.shape[1:]
        np.matmul(cols.reshape(channels, samples, inner), bands, out=out.reshape(channels, samples, outputs))
        np.add(out[..., : self.columns].swapaxes(0, 1), biases[:, None, None], out=y)  # (2)
        return not np.isnan(np.min(out, initial=0))


def diagonals(bands: Array, cut: Cut, kernel_columns: int, t: int, e: int) -> list[Array]:
    """For every j, the places (k,i,w) of (1) in bands (k,i,(l,w)): one w after the other, l grows by t."""
    found = []
    for j in range(kernel_columns):
        beyond = cut.first - e * j  # t·w of the first column that is there
        first = max(0, -(-beyond // t))
        number = max(0, min(cut.outputs - 1, (beyond + cut.length - 1) // t) - first + 1)
        start, step = (t * first - beyond) * cut.outputs + first, t * cut.outputs + 1
        found.append(bands[:, :, start : start + number * step : step][:, :, :number])
    return found


class Layout(NamedTuple):
    """How many channels and images at a time, and each thread's stretches of channels."""

    channels: int
    images: int
    parts: list[list[slice]]
    quiet: bool  # whether OpenBLAS takes one thread for each product by itself

    def groups(self, batch: int) -> list[slice]:
        return [slice(first, min(first + self.images, batch)) for first in range(0, batch, self.images)]


@lru_cache(1024)
def layout_of(geometry: Geometry, itemsize: int, most_threads: int) -> Layout:
    numbers, outputs = max(of_plane(geometry), 1), cut_of(geometry).outputs
    images = max(1, min(geometry.batch, BLOCK // (numbers * itemsize), PRODUCT // (numbers * outputs)))
    parts = threads.share(geometry.groups, 1 if geometry.multiplications < PARALLEL else most_threads)
    channels = max(1, min(len(parts[0]), BLOCK // (numbers * images * itemsize)))
    return Layout(
        channels,
        images,
        [[slice(first, min(first + channels, part.stop)) for first in part[::channels]] for part in parts],
        numbers * images * outputs <= SERIAL_PRODUCT,
    )


def forward(x: Array, filters: Array, biases: Array, geometry: Geometry) -> tuple[Array, None]:
    layout = layout_of(geometry, x.itemsize, threads.num_threads())
    y, windows = np.empty(geometry.output_shape, x.dtype), filters[:, 0]
    key = ("banded", geometry, x.dtype, layout.channels, layout.images)
    whole: list[bool] = []

    def part(number: int) -> None:
        plan = cache.take(key, lambda: Banded(geometry, x.dtype, layout.channels, layout.images))
        for some in layout.parts[number]:
            plan.load(windows[some])
            for images in layout.groups(geometry.batch):
                whole.append(plan.forward(x[images, some], biases[some], y[images, some]))
        cache.give(key, plan)

    threads.run(part, len(layout.parts), guarded=not layout.quiet)
    return (y, None) if all(whole) else depthwise.forward(x, filters, biases, geometry)


ENGINE = of_sums("banded", refusal, forward, depthwise.backward)
