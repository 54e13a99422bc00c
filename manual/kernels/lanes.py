"""Samples innermost: for small images, the same place of all samples is one run of memory.

A row of a small image is a run of a few numbers, and each image a product of its own. Laid out with the samples last,

    X[k,m,n,b],  Y[c,h,w,b],                                                   (1)

every place is a run as long as the batch, and a batch is one product: with r for (k,i,j), the tap and input channel,
and n for (h,w,b),

    Y[c,n] = Σ_r W[c,r] · cols[r,n] + bias[c] · 1,  cols[r,n] = X[k, s·h+d·i, t·w+e·j, b]     (2)
    ∂L/∂W[c,r] = Σ_n G[c,n] · cols[r,n],  the row of ones under cols giving ∂L/∂bias          (3)
    ∂L/∂cols[r,n] = Σ_c W[c,r] · G[c,n],  added up into ∂L/∂X where r and n read it           (4)

or, as in `gemm` (4) and (5) and where that moves less, a correlation of G with the filters turned and the same columns
of G once more for ∂L/∂W. As code, with `pad` and `windows` of `definition`:

    cols = windows(pad(x, padding), geometry)[:, 0].transpose(1, 4, 5, 2, 3, 0).reshape(taps, -1)
    w, g = filters.reshape(outputs, -1), g.transpose(1, 2, 3, 0).reshape(outputs, -1)
    y = (w @ cols + biases[:, None]).reshape(outputs, *positions, batch).transpose(3, 0, 1, 2)
    grad_filters, grad_biases, grad_cols = g @ cols.T, g.sum(axis=1), w.T @ g

Y and ∂L/∂X are views in the layout (1), under the usual four axes. Whatever computes entry by entry keeps it, pooling
and dense layers read it as it lies (`machine/pooling.py`, `linear`), so a network of such layers turns its images once.
Where ∂L/∂Y comes in the usual layout and (3) and (4) would have to turn all of it for few input channels, the backward
is `small`'s.

Columns are made for some rows of the output at a time, which stay in a core's cache, and for `LANES` samples at most.

Exact and rounding: as the definition, sums of the same products in another order.

Letters: X input; Y output; W filters; G = ∂L/∂Y; L loss; b sample; c output channel; k input channel; h, w output
position; i, j position in the window; s, t stride; d, e dilation; r tap and input channel; m, n input position, and n
alone output position and sample.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from manual.kernels import small
from manual.kernels.engine import Gradients, of_sums
from manual.kernels.gemm import by_correlation
from manual.kernels.geometry import Geometry
from manual.machine import threads
from manual.machine.layout import samples_first, samples_innermost, samples_last
from manual.machine.plans import Plan, cache

Array = np.ndarray

BLOCK = 5 * 2**16  # bytes of columns that are made before they are multiplied
LANES = 512  # samples at a time
HELD = 2**22  # bytes of padded images, and of the columns of one position, at a time; one sample's must be less
PARALLEL = 12_000_000  # multiplications; below, handing work to a thread costs more than it saves
LAYOUTS = 1024  # configurations that are remembered


def refusal(geometry: Geometry) -> str | None:
    if geometry.groups != 1:
        return f"there are {geometry.groups} groups, not 1"
    size = 8 * of_sample(geometry)
    if size > HELD:
        return f"an image takes {size} bytes, more than {HELD}: not a small image"
    return None


def of_sample(geometry: Geometry) -> int:
    """Numbers that are held of each sample: its padded image, X or G, and the columns of one position."""
    window = geometry.kernel[0] * geometry.kernel[1]
    rows, columns = (n + reach for n, reach in zip(geometry.padded, geometry.reach, strict=True))
    return max(geometry.inputs, geometry.outputs) * max(window, rows * columns) + 1


class Block(NamedTuple):
    """Some rows of the output, or some columns of one row."""

    places: slice  # of the flattened (H_out·W_out)
    rows: slice
    columns: slice
    cols: Array  # (taps [+ 1 row of ones], places · samples)
    to: Array  # of cols, as [k,i,j,h,w,b]
    windows: Array  # of the padded images, the same


class Unfolding:
    """cols of (2) for so many samples, block by block.

    Args:
        plan: what the scratch is counted to.
        ones: whether a row of ones stands under the taps; it multiplies the bias.
    """

    def __init__(self, plan: Plan, geometry: Geometry, samples: int, *, ones: bool) -> None:
        (top, _), (left, _) = geometry.padding
        (height, width), (rows, columns) = geometry.size, geometry.padded
        self.padded = plan.zeros(geometry.inputs, rows, columns, samples)
        self.inside = self.padded[:, top : top + height, left : left + width]
        self.windows = windows(self.padded, geometry)
        (h, w), taps = geometry.positions, geometry.taps
        most = max(1, BLOCK // (max(taps + ones, geometry.outputs) * samples * plan.dtype.itemsize))  # places at a time
        buffers: dict[int, Array] = {}  # by the places of a block: a shorter one ends rows and image

        def block(rows: slice, columns: slice) -> Block:
            count = (rows.stop - rows.start) * (columns.stop - columns.start)
            if count not in buffers:
                buffers[count] = plan.empty(taps + ones, count * samples)
                buffers[count][taps:] = 1
            cols, view = buffers[count], self.windows[:, :, :, rows, columns]
            first = rows.start * w + columns.start
            return Block(slice(first, first + count), rows, columns, cols, cols[:taps].reshape(view.shape), view)

        if most >= w:
            self.blocks = [block(slice(a, min(a + most // w, h)), slice(0, w)) for a in range(0, h, most // w)]
        else:
            cuts = [slice(a, min(a + most, w)) for a in range(0, w, most)]
            self.blocks = [block(slice(a, a + 1), cut) for a in range(h) for cut in cuts]

    def load(self, x: Array) -> None:
        """Take in x[k,m,n,b]; what is around it stays zero."""
        np.copyto(self.inside, x)

    def fill(self, block: Block) -> Array:
        """Its columns."""
        np.copyto(block.to, block.windows)
        return block.cols


def windows(padded: Array, geometry: Geometry) -> Array:
    """The view [k,i,j,h,w,b] of padded images [k,·,·,b]."""
    (s, t), (d, e) = geometry.stride, geometry.dilation
    channel, row, column, sample = padded.strides
    shape = (len(padded), *geometry.kernel, *geometry.positions, padded.shape[-1])
    return as_strided(padded, shape, (channel, d * row, e * column, s * row, t * column, sample))


def product(left: Array, right: Array, out: Array, places: slice) -> None:
    """left @ right into these places of out, (rows, places, samples), which may be some of all samples."""
    to = out[:, places]
    if out.strides[1] == out.shape[2] * out.itemsize:  # all samples: rows are runs
        np.matmul(left, right, out=to.reshape(len(to), -1))
    else:
        to[...] = (left @ right).reshape(to.shape)


class Forward(Plan):
    """Equation (2)."""

    def __init__(self, geometry: Geometry, dtype: Any, samples: int) -> None:
        super().__init__(dtype)
        self.unfolding = Unfolding(self, geometry, samples, ones=True)
        self.weights = self.empty(geometry.outputs, geometry.taps + 1)

    def run(self, x: Array, filters: Array, biases: Array, y: Array) -> None:
        """(2) from x[k,m,n,b] into y[c,(h,w),b]."""
        self.weights[:, :-1] = filters.reshape(len(filters), -1)
        self.weights[:, -1] = biases
        self.unfolding.load(x)
        for block in self.unfolding.blocks:
            product(self.weights, self.unfolding.fill(block), y, block.places)  # (2)


class Parameters(Plan):
    """Equation (3)."""

    def __init__(self, geometry: Geometry, dtype: Any, samples: int) -> None:
        super().__init__(dtype)
        self.unfolding = Unfolding(self, geometry, samples, ones=True)

    def run(self, g: Array, x: Array, total: Array) -> None:
        """(3) added to total (C_out, taps + 1), from g[c,(h,w),b] and x[k,m,n,b]."""
        self.unfolding.load(x)
        for block in self.unfolding.blocks:
            total += g[:, block.places].reshape(len(g), -1) @ self.unfolding.fill(block).T  # (3)


class BackwardByColumns(Plan):
    """Equations (3) and (4)."""

    def __init__(self, geometry: Geometry, dtype: Any, samples: int) -> None:
        super().__init__(dtype)
        self.taps = geometry.taps
        self.unfolding = Unfolding(self, geometry, samples, ones=True)
        self.sums = self.empty(*self.unfolding.padded.shape)
        (top, _), (left, _) = geometry.padding
        self.inside = self.sums[:, top : top + geometry.size[0], left : left + geometry.size[1]]
        of = windows(self.sums, geometry)
        self.folds = [
            [(of[:, i, j, block.rows, block.columns], block.to[:, i, j]) for i, j in np.ndindex(geometry.kernel)]
            for block in self.unfolding.blocks
        ]

    def run(self, g: Array, x: Array, filters: Array, grad_x: Array, total: Array) -> None:
        """(3) added to total (C_out, taps + 1), (4) into grad_x[k,m,n,b], from g[c,(h,w),b] and x[k,m,n,b]."""
        weights = filters.reshape(len(filters), -1).T
        self.unfolding.load(x)
        self.sums[...] = 0
        for block, folds in zip(self.unfolding.blocks, self.folds, strict=True):
            given = g[:, block.places].reshape(len(g), -1)
            total += given @ self.unfolding.fill(block).T  # (3)
            np.matmul(weights, given, out=block.cols[: self.taps])
            for to, part in folds:
                np.add(to, part, out=to)  # (4)
        np.copyto(grad_x, self.inside)


class BackwardByCorrelation(Plan):
    """`gemm` (4) and (5)."""

    def __init__(self, geometry: Geometry, dtype: Any, samples: int) -> None:
        super().__init__(dtype)
        adjoint = geometry._replace(
            inputs=geometry.outputs,
            outputs=geometry.inputs,
            size=geometry.positions,
            padding=geometry.adjoint_padding,
        )
        self.geometry, self.unfolding = geometry, Unfolding(self, adjoint, samples, ones=False)
        self.weights = self.empty(geometry.inputs, geometry.outputs, *geometry.kernel)

    def run(self, g: Array, x: Array, filters: Array, grad_x: Array, total: Array) -> None:
        """The filters' gradient and the biases' added to total (C_out, taps + 1), the input's into grad_x[k,m,n,b]."""
        inputs, outputs, kernel = self.geometry.inputs, self.geometry.outputs, self.geometry.kernel
        np.copyto(self.weights, filters[:, :, ::-1, ::-1].swapaxes(0, 1))
        weights, places = self.weights.reshape(inputs, -1), x.reshape(inputs, -1, x.shape[-1])
        self.unfolding.load(g.reshape(self.unfolding.inside.shape))
        to, sums = grad_x.reshape(places.shape), 0
        for block in self.unfolding.blocks:
            gcols = self.unfolding.fill(block)
            product(weights, gcols, to, block.places)  # gemm (4)
            sums = sums + gcols @ places[:, block.places].reshape(inputs, -1).T  # gemm (5)
        turned = np.asarray(sums).reshape(outputs, *kernel, inputs)[:, ::-1, ::-1].transpose(0, 3, 1, 2)
        total[:, :-1] += turned.reshape(outputs, -1)
        total[:, -1] += g.reshape(outputs, -1).sum(axis=1)  # (3)


class Layout:
    """How a batch is cut: what follows from a configuration and need not be computed at every call."""

    def __init__(self, geometry: Geometry, dtype: np.dtype, most_threads: int) -> None:
        self.geometry, self.dtype = geometry, dtype
        lanes = max(1, min(LANES, HELD // (of_sample(geometry) * dtype.itemsize)))
        batch = geometry.batch
        parts = 1 if geometry.multiplications < PARALLEL else most_threads
        groups = threads.share(batch, max(-(-batch // lanes), min(parts, batch)))
        groups = [slice(group.start, group.stop) for group in groups if group]
        self.parts = [[groups[n] for n in part] for part in threads.share(len(groups), parts)]
        self.by_correlation = by_correlation(geometry)


@lru_cache(LAYOUTS)
def layout_of(geometry: Geometry, dtype: np.dtype, most_threads: int) -> Layout:
    return Layout(geometry, dtype, most_threads)


def each_group(kind: Callable[..., Plan], layout: Layout, work: Any) -> None:
    """work(plan, samples, number of the part) for every group, whose plans are taken from the cache."""

    def part(number: int) -> None:
        for group in layout.parts[number]:
            samples = group.stop - group.start
            key = (kind, layout, samples)
            plan = cache.take(key, partial(kind, layout.geometry, layout.dtype, samples))
            work(plan, group, number)
            cache.give(key, plan)

    # A single part leaves BLAS its threads: holding it to one takes 20 µs, as long as one of these products.
    threads.run(part, len(layout.parts), guarded=len(layout.parts) > 1)


def forward(x: Array, filters: Array, biases: Array, geometry: Geometry) -> tuple[Array, None]:
    layout = layout_of(geometry, x.dtype, threads.num_threads())
    y = np.empty((geometry.outputs, *geometry.positions, geometry.batch), x.dtype)
    x, out = samples_last(x), y.reshape(geometry.outputs, -1, geometry.batch) if y.size else y

    def work(plan: Forward, group: slice, _: int) -> None:
        plan.run(x[..., group], filters, biases, out[..., group])

    each_group(Forward, layout, work)
    return samples_first(y), None  # (1)


def backward(g: Array, x: Array, filters: Array, geometry: Geometry, kept: None = None) -> Gradients:
    layout = layout_of(geometry, x.dtype, threads.num_threads())
    if not layout.by_correlation and not samples_innermost(g) and small.refusal(geometry) is None:
        return small.backward(g, x, filters, geometry)
    kind = BackwardByCorrelation if layout.by_correlation else BackwardByColumns
    grad_x = np.empty((geometry.inputs, *geometry.size, geometry.batch), x.dtype)
    totals = np.zeros((len(layout.parts), geometry.outputs, geometry.taps + 1), x.dtype)
    x, g = samples_last(x), samples_last(g)

    def work(plan: BackwardByColumns | BackwardByCorrelation, group: slice, number: int) -> None:
        given, read = np.ascontiguousarray(g[..., group]), x[..., group]
        if layout.by_correlation:
            read = np.ascontiguousarray(read)
        plan.run(given.reshape(len(g), -1, given.shape[-1]), read, filters, grad_x[..., group], totals[number])

    each_group(kind, layout, work)
    return samples_first(grad_x), *of_parameters(totals, geometry)


def parameter_gradients(
    g: Array, x: Array, filters: Array, geometry: Geometry, kept: None = None
) -> tuple[Array, Array]:
    """(3) alone."""
    layout = layout_of(geometry, x.dtype, threads.num_threads())
    totals = np.zeros((len(layout.parts), geometry.outputs, geometry.taps + 1), x.dtype)
    x, g = samples_last(x), samples_last(g)

    def work(plan: Parameters, group: slice, number: int) -> None:
        given = np.ascontiguousarray(g[..., group])
        plan.run(given.reshape(len(g), -1, given.shape[-1]), x[..., group], totals[number])

    each_group(Parameters, layout, work)
    return of_parameters(totals, geometry)


def of_parameters(totals: Array, geometry: Geometry) -> tuple[Array, Array]:
    """The gradients of filters and biases from the parts of (3)."""
    sums = totals[0] if len(totals) == 1 else np.add.reduce(totals, axis=0)
    return np.array(sums[:, :-1].reshape(geometry.filters_shape), order="C"), sums[:, -1].copy()


ENGINE = of_sums("lanes", refusal, forward, backward, parameter_gradients)
