"""Several images in one product, cut by channels: for small maps under many channels.

Where a map has 49 positions, a product of one image reads all filters for 49 columns, and its gradient adds a whole
filter matrix up for every image. So the positions of several images stand side by side. With r for (k,i,j) and n for
(b,h,w), and cols[r, n] = X[b, k, s·h+d·i, t·w+e·j],

    Y[c,n] = Σ_r W[c,r] · cols[r,n] + bias[c]                                   (1)

    ∂L/∂W[c,r] = Σ_n G[c,n] · cols[r,n]                                         (2)
    ∂L/∂bias[c] = Σ_n G[c,n]                                                    (3)
    ∂L/∂cols[r,n] = Σ_c W[c,r] · G[c,n],  added up into ∂L/∂X where r and n read it          (4)

Threads share out channels, not images: forward the unfolding by input channels and the product by output channels;
backward everything by input channels, some at a time, so that what is unfolded, (2) and (4) of it stay in cache and
each entry of ∂L/∂W is written once. As code,
in one block and for one group of images, with `pad` and `windows` of `definition`:

    cols = windows(pad(x, padding), geometry)[:, 0].transpose(1, 4, 5, 0, 2, 3).reshape(taps, -1)
    w, g = filters.reshape(outputs, -1), g.transpose(1, 0, 2, 3).reshape(outputs, -1)
    y = (w @ cols + biases[:, None]).reshape(outputs, batch, *positions).swapaxes(0, 1)
    grad_filters, grad_biases, grad_cols = g @ cols.T, g.sum(axis=1), w.T @ g

Exact and rounding: as the definition, sums of the same products in another order.

Letters: X input; Y output; W filters; G = ∂L/∂Y; L loss; b sample; c output channel; k input channel; h, w output
position; i, j position in the window; s, t stride; d, e dilation; r tap and input channel; n sample and position.
"""

from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from manual.kernels.engine import of_sums
from manual.kernels.geometry import Geometry
from manual.machine import threads
from manual.machine.aliasing import without_aliasing
from manual.machine.plans import Plan, cache

Array = np.ndarray

COLUMNS = 12 * 2**20  # bytes of the columns of a group of images, forward
GIVEN = 6 * 2**20  # bytes of ∂L/∂Y of a group of images, backward
BLOCK = 2**20  # bytes of columns of a block of channels, backward
LARGEST = 2**21  # numbers in the columns of one image, beyond which this is refused
PARALLEL = 12_000_000  # multiplications; below, handing work to a thread costs more than it saves


def refusal(geometry: Geometry) -> str | None:
    if geometry.groups != 1:
        return f"there are {geometry.groups} groups, not 1"
    rows, columns = geometry.positions
    size = max(geometry.taps, geometry.outputs, geometry.kernel[0] * geometry.kernel[1] * 8) * rows * columns
    if size > LARGEST:
        return f"the columns of one image are {size} numbers, more than {LARGEST}: not a small map"
    return None


def parts_for(geometry: Geometry) -> int:
    return 1 if geometry.multiplications < PARALLEL else threads.num_threads()


def reads_points(geometry: Geometry) -> bool:
    """Whether a window is one entry of the image: then nothing is padded or added up."""
    return geometry.kernel == (1, 1) and not any(map(any, geometry.padding))


def lies_ready(geometry: Geometry) -> bool:
    """Whether an image is its own columns, so that a single one need not be copied."""
    return reads_points(geometry) and geometry.stride == (1, 1)


def where_it_lies(image: Array) -> Array:
    """A single image (1, channels, H, W) as a matrix (channels, H·W); a view."""
    return image.reshape(image.shape[1], -1)


def images_given(geometry: Geometry, itemsize: int) -> int:
    """How many images the backward takes together."""
    rows, columns = geometry.positions
    window = geometry.kernel[0] * geometry.kernel[1]
    of_image = rows * columns * max(geometry.outputs * itemsize, GIVEN // BLOCK * window * 4)
    return max(1, min(geometry.batch, GIVEN // max(of_image, 1)))


class Unfolded:
    """One thread's scratch for some channels of some images: padded, and unfolded."""

    def __init__(self, plan: Plan, geometry: Geometry, channels: int, images: int) -> None:
        self.geometry = geometry
        self.point = reads_points(geometry)
        if not self.point:
            (top, _), (left, _) = geometry.padding
            (height, width), (rows, columns) = geometry.size, geometry.padded
            self.padded = plan.zeros(channels, images, rows, columns)
            self.inside = self.padded[:, :, top : top + height, left : left + width]

    def windows(self, padded: Array) -> Array:
        """The view [k,i,j,b,h,w] of padded images [k,b,·,·]."""
        (s, t), (d, e) = self.geometry.stride, self.geometry.dilation
        channel, image, row, column = padded.strides
        shape = (len(padded), *self.geometry.kernel, padded.shape[1], *self.geometry.positions)
        return as_strided(padded, shape, (channel, d * row, e * column, image, s * row, t * column))

    def unfold(self, x: Array, cols: Array) -> None:
        """cols of (1), (channels·taps of a window, images·positions), from x (images, channels, H, W)."""
        channels, images = x.shape[1], len(x)
        to = cols.reshape(channels, *self.geometry.kernel, images, *self.geometry.positions)
        if self.point:
            s, t = self.geometry.stride
            np.copyto(to[:, 0, 0], x[:, :, ::s, ::t].swapaxes(0, 1))
            return
        padded = self.padded[:channels, :images]
        np.copyto(self.inside[:channels, :images], x.swapaxes(0, 1))
        np.copyto(to, self.windows(padded))

    def fold(self, grad_cols: Array, grad_x: Array) -> None:
        """The adjoint of `unfold`: into grad_x (images, channels, H, W)."""
        channels, images = grad_x.shape[1], len(grad_x)
        of = grad_cols.reshape(channels, *self.geometry.kernel, images, *self.geometry.positions)
        if self.point:
            s, t = self.geometry.stride
            if (s, t) != (1, 1):
                grad_x[...] = 0
            np.copyto(grad_x[:, :, ::s, ::t].swapaxes(0, 1), of[:, 0, 0])
            return
        padded = self.padded[:channels, :images]
        padded[...] = 0
        windows = self.windows(padded)
        for i, j in np.ndindex(self.geometry.kernel):
            np.add(windows[:, i, j], of[:, i, j], out=windows[:, i, j])  # (4)
        np.copyto(grad_x, self.inside[:channels, :images].swapaxes(0, 1))
        self.clear(padded)

    def clear(self, padded: Array) -> None:
        """Padding is zero again, for the next `unfold`."""
        (top, _), (left, _) = self.geometry.padding
        height, width = self.geometry.size
        padded[:, :, :top] = 0
        padded[:, :, top + height :] = 0
        padded[:, :, :, :left] = 0
        padded[:, :, :, left + width :] = 0


def stretches(total: int, parts: int, most: int) -> list[list[slice]]:
    """For each thread, its share of range(total), at most `most` at a time."""
    return [
        [slice(first, min(first + most, share.stop)) for first in range(share.start, share.stop, most)]
        for share in threads.share(total, parts)
    ]


class Channels(Plan):
    """How images and channels are cut."""

    def __init__(self, geometry: Geometry, dtype: Any, parts: int, images: int) -> None:
        super().__init__(dtype)
        self.geometry, self.parts = geometry, parts
        rows, columns = geometry.positions
        self.places = rows * columns
        self.images = max(1, min(geometry.batch, images))
        self.groups = [
            slice(first, min(first + self.images, geometry.batch)) for first in range(0, geometry.batch, self.images)
        ]
        self.window = geometry.kernel[0] * geometry.kernel[1]
        self.pitch = without_aliasing(self.images * self.places)
        self.as_it_is = self.images == 1 and lies_ready(geometry)

    def columns(self, buffer: Array, rows: int, images: int) -> Array:
        """The first rows of scratch with `pitch` numbers in each, as long as these images need."""
        return buffer[:rows, : images * self.places]

    def block(self, limit: int, itemsize: int) -> int:
        """Input channels at a time, such that their columns, or their padded images, take `limit` bytes."""
        rows, columns = (0, 0) if reads_points(self.geometry) else self.geometry.padded
        of_channel = self.images * max(self.window * self.places, rows * columns) * itemsize
        return max(1, min(limit // of_channel, -(-self.geometry.inputs // self.parts)))


class Forward(Channels):
    """Equation (1)."""

    def __init__(self, geometry: Geometry, dtype: Any, parts: int) -> None:
        rows, columns = geometry.positions
        of_image = max(geometry.taps, geometry.outputs) * rows * columns * np.dtype(dtype).itemsize
        super().__init__(geometry, dtype, parts, COLUMNS // max(of_image, 1))
        block = self.block(BLOCK, self.dtype.itemsize)
        self.by_input = stretches(geometry.inputs, parts, block)
        self.by_output = threads.share(geometry.outputs, parts)
        self.unfolded = [Unfolded(self, geometry, block, self.images) for _ in self.by_input]
        self.cols = self.empty(0 if self.as_it_is else geometry.taps, self.pitch)
        self.product = self.empty(geometry.outputs if self.images > 1 else 0, self.pitch)

    def run(self, x: Array, filters: Array, biases: Array) -> Array:
        y = np.empty(self.geometry.output_shape, self.dtype)
        weights, column = filters.reshape(self.geometry.outputs, self.geometry.taps), biases[:, None]
        out = y.reshape(self.geometry.batch, self.geometry.outputs, self.places)
        for group in self.groups:
            images = x[group]
            if self.as_it_is:
                cols = where_it_lies(np.ascontiguousarray(images))
            else:
                cols = self.columns(self.cols, self.geometry.taps, len(images))
                threads.run(partial(self.unfold, images, cols), len(self.by_input), guarded=False)

            def multiply(number: int, cols: Array = cols, group: slice = group) -> None:
                some = slice(self.by_output[number].start, self.by_output[number].stop)
                to = out[group, some]
                product = to[0] if len(to) == 1 else self.product[some, : cols.shape[1]]
                np.matmul(weights[some], cols, out=product)
                by_image = product.reshape(len(product), -1, self.places).swapaxes(0, 1)
                np.add(by_image, column[some], out=to)  # (1)

            threads.run(multiply, len(self.by_output))
        return y

    def unfold(self, images: Array, cols: Array, part: int) -> None:
        for some in self.by_input[part]:
            of = cols[some.start * self.window : some.stop * self.window]
            self.unfolded[part].unfold(images[:, some], of)


class Backward(Channels):
    """Equations (2) to (4)."""

    def __init__(self, geometry: Geometry, dtype: Any, parts: int) -> None:
        super().__init__(geometry, dtype, parts, images_given(geometry, np.dtype(dtype).itemsize))
        block = self.block(BLOCK, self.dtype.itemsize)
        self.by_input = stretches(geometry.inputs, parts, block)
        self.by_output = threads.share(geometry.outputs, parts)
        self.unfolded = [Unfolded(self, geometry, block, self.images) for _ in self.by_input]
        columns = 0 if self.as_it_is else block * self.window
        self.cols = [self.empty(columns, self.pitch) for _ in self.by_input]
        again = block * self.window if len(self.groups) > 1 else 0
        self.products = [self.empty(geometry.outputs, again) for _ in self.by_input]
        self.given = self.empty(geometry.outputs if self.images > 1 else 0, self.pitch)

    def run(self, g: Array, x: Array, filters: Array) -> tuple[Array, Array, Array]:
        geometry = self.geometry
        grad_x = np.empty(geometry.input_shape, self.dtype)
        grad_filters = (np.empty if self.groups else np.zeros)(geometry.filters_shape, self.dtype)
        grad_biases = np.zeros(geometry.outputs, self.dtype)
        weights, of_weights = (a.reshape(geometry.outputs, geometry.taps) for a in (filters, grad_filters))
        for number, group in enumerate(self.groups):
            if self.images == 1:
                given = where_it_lies(np.ascontiguousarray(g[group]))
                grad_biases += given.sum(axis=1)  # (3)
            else:
                given = self.columns(self.given, geometry.outputs, group.stop - group.start)
                threads.run(partial(self.gather, g[group], given, grad_biases), len(self.by_output), guarded=False)
            images = np.ascontiguousarray(x[group]) if self.as_it_is else x[group]
            work = partial(self.part, given, images, weights, grad_x[group], of_weights, number > 0)
            threads.run(work, len(self.by_input))
        return grad_x, grad_filters, grad_biases

    def gather(self, g: Array, given: Array, grad_biases: Array, part: int) -> None:
        some = slice(self.by_output[part].start, self.by_output[part].stop)
        to = given[some].reshape(some.stop - some.start, len(g), *self.geometry.positions)
        np.copyto(to, g[:, some].swapaxes(0, 1))
        grad_biases[some] += given[some].sum(axis=1)  # (3)

    def part(
        self, given: Array, x: Array, weights: Array, grad_x: Array, of_weights: Array, started: bool, part: int
    ) -> None:
        for some in self.by_input[part]:
            taps = slice(some.start * self.window, some.stop * self.window)
            if self.as_it_is:
                cols, grad_cols = where_it_lies(x[:, some]), where_it_lies(grad_x[:, some])
            else:
                cols = grad_cols = self.columns(self.cols[part], taps.stop - taps.start, len(x))
                self.unfolded[part].unfold(x[:, some], cols)
            to = of_weights[:, taps]
            if started:
                product = self.products[part][:, : len(cols)]
                np.add(to, np.matmul(given, cols.T, out=product), out=to)
            else:
                np.matmul(given, cols.T, out=to)  # (2)
            np.matmul(weights[:, taps].T, given, out=grad_cols)  # (4)
            if not self.as_it_is:
                self.unfolded[part].fold(grad_cols, grad_x[:, some])


def forward(x: Array, filters: Array, biases: Array, geometry: Geometry) -> tuple[Array, None]:
    parts = parts_for(geometry)
    key = ("channels", "forward", geometry, x.dtype, parts)
    plan = cache.take(key, lambda: Forward(geometry, x.dtype, parts))
    y = plan.run(x, filters, biases)
    cache.give(key, plan)
    return y, None


def backward(g: Array, x: Array, filters: Array, geometry: Geometry, kept: None = None) -> tuple[Array, Array, Array]:
    parts = parts_for(geometry)
    key = ("channels", "backward", geometry, x.dtype, parts)
    plan = cache.take(key, lambda: Backward(geometry, x.dtype, parts))
    gradients = plan.run(g, x, filters)
    cache.give(key, plan)
    return gradients


ENGINE = of_sums("channels", refusal, forward, backward)
