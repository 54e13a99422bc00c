"""Columns and a matrix product, block by block: the general engine.

Unfold a block of output positions into columns (`unfolding.py`), with a row of ones under them. Then
(1) of the definition, bias included, is one matrix product

    Y[c, (h,w)] = Σ_{(k,i,j)} W[c, (k,i,j)] · cols[(k,i,j), (h,w)] + bias[c] · 1              (1)

and its gradients are those of a product. With G the block's ∂L/∂Y as a matrix,

    ∂L/∂W[c,(k,i,j)] = Σ_{(h,w)} cols[(k,i,j), (h,w)] · G[c, (h,w)],  the row of ones giving ∂L/∂bias          (2)
    ∂L/∂cols[(k,i,j), (h,w)] = Σ_c W[c, (k,i,j)] · G[c, (h,w)],  folded back into ∂L/∂X                       (3)

At stride 1 there is another way to ∂L/∂X. Solve m = h + d·i for h in (4) of the definition:

    ∂L/∂X[k,m,n] = Σ_{c,i,j} W[c,k,i,j] · G[c, m-d·i, n-e·j]                   (4)

a correlation of G, padded by d·(K_h-1) less the padding of X, with the filters turned by 180° and
their two channel axes exchanged. The columns of G that it unfolds, gcols[(c,i,j), (m,n)] = G[c,
m-d·i, n-e·j], serve the filters too, since (2) sums over all pairs of an output and an input
position that belong together, and can run over the input's:

    ∂L/∂W[c,k,i,j] = Σ_{(m,n)} gcols[(c,i,j), (m,n)] · X[k, (m,n)]             (5)

So one unfolding of C_out·K_h·K_w rows does the whole backward, where (2) and (3) unfold and fold
C_in·K_h·K_w rows. The way with less to move is taken.

Blocks hold about `BLOCK` bytes of columns, so that they stay in a core's cache between the copy and
the product. Threads share out groups of images, or blocks if there are fewer images than threads.

Exact and rounding: as the definition, sums of the same products in another order.

Letters: X input; Y output; W filters; G = ∂L/∂Y; L loss; c output channel; k input channel; h, w output position; i, j
position in the window; d, e dilation; m, n input position.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from manual.kernels.engine import of_sums
from manual.kernels.folding import folding
from manual.kernels.geometry import Geometry
from manual.kernels.unfolding import Unfolding
from manual.machine import products, threads
from manual.machine.plans import Plan, cache

Array = np.ndarray

BLOCK = 2**20  # bytes of columns in a block
LEAST_POSITIONS = 256  # a product with fewer columns than this does not reach its speed
PARALLEL = 48_000_000  # multiplications, by bytes of a number; below, handing work to a thread costs more than it saves


def refusal(geometry: Geometry) -> str | None:
    return None


class Task(NamedTuple):
    """A stretch of blocks of one group of images."""

    images: slice
    blocks: slice


class Blocking:
    """How a batch is cut: groups of images, blocks of output rows, and what part of them each thread gets."""

    def __init__(
        self, geometry: Geometry, rows_of_columns: int, itemsize: int, parts: int, block: int | None = None
    ) -> None:
        output_rows, output_columns = geometry.positions
        most = max((block or BLOCK) // (rows_of_columns * itemsize), LEAST_POSITIONS)
        self.rows = balanced(output_rows, max(1, most // output_columns))
        self.images = 1
        if self.rows == output_rows:
            self.images = max(1, min(most // (output_rows * output_columns), -(-geometry.batch // parts)))
        self.blocks = -(-output_rows // self.rows)
        groups = [
            slice(first, min(first + self.images, geometry.batch)) for first in range(0, geometry.batch, self.images)
        ]
        if len(groups) >= parts:
            everything = slice(0, self.blocks)
            self.tasks = [[Task(groups[n], everything) for n in part] for part in threads.share(len(groups), parts)]
        else:
            self.tasks = [self.stretches(groups, part) for part in threads.share(len(groups) * self.blocks, parts)]

    def stretches(self, groups: list[slice], part: range) -> list[Task]:
        found = []
        for n, group in enumerate(groups):
            start = max(part.start - n * self.blocks, 0)
            stop = min(part.stop - n * self.blocks, self.blocks)
            if start < stop:
                found.append(Task(group, slice(start, stop)))
        return found


def balanced(total: int, most: int) -> int:
    """The size of the pieces of `total`, at most `most` each and as equal as can be."""
    return -(-total // -(-total // most))


def matrices(images: Array, groups: int) -> Array:
    """(B, channels, H, W) as (B, groups, channels of a group, H·W)."""
    batch, channels, height, width = images.shape
    return images.reshape(batch, groups, channels // groups, height * width)


class Forward(Plan):
    """Equation (1)."""

    def __init__(self, geometry: Geometry, dtype: Any, parts: int, *, bias: bool = True) -> None:
        super().__init__(dtype)
        self.geometry, self.bias = geometry, bias
        cut = Blocking(geometry, geometry.groups * (geometry.taps + 1), self.dtype.itemsize, parts)
        self.tasks = cut.tasks
        self.unfoldings = [Unfolding(self, geometry, cut.images, cut.rows, ones=bias) for _ in self.tasks]
        self.weights = self.empty(geometry.groups, geometry.outputs, geometry.taps + bias)

    def run(self, x: Array, filters: Array, biases: Array | None) -> Array:
        geometry = self.geometry
        y = np.empty(geometry.output_shape, self.dtype)
        shape = (geometry.groups, geometry.outputs, geometry.taps)
        self.weights[:, :, : geometry.taps] = filters.reshape(shape)
        if biases is not None:
            self.weights[:, :, geometry.taps] = biases.reshape(shape[:2])
        threads.run(partial(self.part, x, matrices(y, geometry.groups)), len(self.tasks))
        return y

    def part(self, x: Array, y: Array, part: int) -> None:
        unfolding = self.unfoldings[part]
        for task in self.tasks[part]:
            images = x[task.images]
            unfolding.load(images)
            out = y[task.images]
            for block in unfolding.blocks[task.blocks]:
                cols = unfolding.fill(block, len(images))
                products.by_columns(self.weights, cols, out[..., block.places])  # (1)


class Total:
    """A sum of matrix products over blocks and images, for one thread.

    Filters that have many entries are summed up as they lie in memory, the outputs first: turned round afterwards, they
    would be read a number from every line. Few are summed up as `products.by_rows` has them fastest.
    """

    def __init__(self, plan: Plan, images: int, groups: int, rows: int, columns: int, *, inner: int) -> None:
        self.turned = rows * columns > products.OUTPUTS and not products.height_of(rows, inner, columns)
        shape = (groups, columns, rows) if self.turned else (groups, rows, columns)
        self.products = plan.empty(images if images > 1 else 0, *shape)
        self.total = plan.empty(*shape)
        self.partial = plan.empty(*shape)
        self.started = False

    def add(self, left: Array, right: Array) -> None:
        """Add the sum over images of left @ right."""
        if self.turned:
            left, right = right.swapaxes(-1, -2), left.swapaxes(-1, -2)
        to = self.partial if self.started else self.total
        if len(left) == 1:
            products.by_rows(left[0], right[0], to)
        else:
            some = self.products[: len(left)]
            products.by_rows(left, right, some)
            np.add.reduce(some, axis=0, out=to)
        if self.started:
            np.add(self.total, self.partial, out=self.total)
        self.started = True


def sum_of(totals: list[Total]) -> Array:
    """The sum over threads (groups, rows, columns), which is left in the first one's array; 0 of an empty batch."""
    first = totals[0].total
    if not totals[0].started:
        first[...] = 0
    for other in totals[1:]:
        if other.started:
            np.add(first, other.total, out=first)
    return first.swapaxes(1, 2) if totals[0].turned else first


class BackwardByColumns(Plan):
    """Equations (2) and (3)."""

    def __init__(self, geometry: Geometry, dtype: Any, parts: int) -> None:
        super().__init__(dtype)
        self.geometry = geometry
        # Blocks of one image follow each other in one thread: folding carries sums from one to the next.
        rows = geometry.groups * (2 * geometry.taps + 1)
        cut = Blocking(geometry, rows, self.dtype.itemsize, min(parts, max(geometry.batch, 1)))
        self.tasks = cut.tasks
        self.unfoldings = [Unfolding(self, geometry, cut.images, cut.rows, ones=True) for _ in self.tasks]
        self.foldings = [folding(self, geometry, cut.images, cut.rows) for _ in self.tasks]
        shape, inner = (geometry.groups, geometry.taps + 1, geometry.outputs), geometry.positions[1] * cut.rows
        self.totals = [Total(self, cut.images, *shape, inner=inner) for _ in self.tasks]

    def run(self, g: Array, x: Array, filters: Array) -> tuple[Array, Array, Array]:
        geometry = self.geometry
        weights = filters.reshape(geometry.groups, geometry.outputs, geometry.taps).swapaxes(1, 2)
        grad_x = (np.empty if self.foldings[0].covers else np.zeros)(geometry.input_shape, self.dtype)
        threads.run(partial(self.part, g, x, weights, grad_x), len(self.tasks))
        total = sum_of(self.totals).swapaxes(1, 2)  # (groups, outputs, taps + 1)
        grad_filters = total[:, :, : geometry.taps].reshape(geometry.filters_shape)
        grad_biases = total[:, :, geometry.taps].flatten()
        return grad_x, np.array(grad_filters, order="C"), grad_biases

    def part(self, g: Array, x: Array, weights: Array, grad_x: Array, part: int) -> None:
        unfolding, total = self.unfoldings[part], self.totals[part]
        total.started = False
        for task in self.tasks[part]:
            unfolding.load(x[task.images])
            g_images, out = np.ascontiguousarray(g[task.images]), grad_x[task.images]
            g_matrices = matrices(g_images, self.geometry.groups)
            for number, block in enumerate(unfolding.blocks):
                cols = unfolding.fill(block, len(out))
                total.add(cols, g_matrices[..., block.places].swapaxes(2, 3))  # (2)
                self.foldings[part].fold(number, g_images, weights, out)  # (3)


class BackwardByCorrelation(Plan):
    """Equations (4) and (5)."""

    def __init__(
        self, geometry: Geometry, dtype: Any, parts: int, *, block: int | None = None, guarded: bool = True
    ) -> None:
        super().__init__(dtype)
        self.geometry, self.guarded = geometry, guarded
        self.adjoint = geometry._replace(
            inputs=geometry.outputs,
            outputs=geometry.inputs,
            size=geometry.positions,
            padding=geometry.adjoint_padding,
        )
        cut = Blocking(self.adjoint, geometry.groups * self.adjoint.taps, self.dtype.itemsize, parts, block)
        self.tasks = cut.tasks
        self.unfoldings = [Unfolding(self, self.adjoint, cut.images, cut.rows, ones=False) for _ in self.tasks]
        shape, inner = (geometry.groups, self.adjoint.taps, geometry.inputs), geometry.size[1] * cut.rows
        self.totals = [Total(self, cut.images, *shape, inner=inner) for _ in self.tasks]
        self.weights = self.empty(geometry.groups, geometry.inputs, geometry.outputs, *geometry.kernel)
        self.ones = self.empty(geometry.positions[0] * geometry.positions[1])
        self.ones[...] = 1
        self.biases = self.empty(len(self.tasks), geometry.groups * geometry.outputs)

    def run(self, g: Array, x: Array, filters: Array) -> tuple[Array, Array, Array]:
        geometry = self.geometry
        groups, inputs, outputs, kernel = geometry.groups, geometry.inputs, geometry.outputs, geometry.kernel
        turned = filters.reshape(groups, outputs, inputs, *kernel)[..., ::-1, ::-1]
        np.copyto(self.weights, turned.swapaxes(1, 2))
        grad_x = np.empty(geometry.input_shape, self.dtype)
        weights = self.weights.reshape(groups, inputs, self.adjoint.taps)
        threads.run(partial(self.part, g, x, weights, grad_x), len(self.tasks), guarded=self.guarded)
        total = sum_of(self.totals).reshape(groups, outputs, *kernel, inputs)[:, :, ::-1, ::-1]
        grad_filters = np.empty(geometry.filters_shape, self.dtype)
        to = grad_filters.reshape(groups, outputs, inputs, *kernel)
        np.copyto(to, np.moveaxis(total, -1, 2))
        return grad_x, grad_filters, self.biases.sum(axis=0)

    def part(self, g: Array, x: Array, weights: Array, grad_x: Array, part: int) -> None:
        unfolding, total, groups = self.unfoldings[part], self.totals[part], self.geometry.groups
        total.started = False
        grad_biases = self.biases[part]
        grad_biases[...] = 0
        for task in self.tasks[part]:
            g_images = np.ascontiguousarray(g[task.images])
            unfolding.load(g_images)
            x_matrices = matrices(np.ascontiguousarray(x[task.images]), groups)
            out = matrices(grad_x[task.images], groups)
            if task.blocks.start == 0:  # every image once
                flat = g_images.reshape(*g_images.shape[:2], -1)
                grad_biases += np.add.reduce(flat @ self.ones, axis=0)  # (3) of the definition
            for block in unfolding.blocks[task.blocks]:
                gcols = unfolding.fill(block, len(g_images))
                products.by_columns(weights, gcols, out[..., block.places])  # (4)
                total.add(gcols, x_matrices[..., block.places].swapaxes(2, 3))  # (5)


def by_correlation(geometry: Geometry) -> bool:
    """Whether (4) and (5) are possible and move less than (2) and (3), which go over their columns twice."""
    possible = geometry.stride == (1, 1) and min(map(min, geometry.adjoint_padding)) >= 0
    (height, width), (rows, columns) = geometry.size, geometry.positions
    return possible and geometry.outputs * height * width < 2 * geometry.inputs * rows * columns


def parts_for(geometry: Geometry, itemsize: int) -> int:
    return 1 if geometry.multiplications * itemsize < PARALLEL else threads.num_threads()


def forward(x: Array, filters: Array, biases: Array, geometry: Geometry) -> tuple[Array, None]:
    parts = parts_for(geometry, x.itemsize)
    key = ("gemm", "forward", geometry, x.dtype, parts)
    plan = cache.take(key, lambda: Forward(geometry, x.dtype, parts))
    y = plan.run(x, filters, biases)
    cache.give(key, plan)
    return y, None


def backward(g: Array, x: Array, filters: Array, geometry: Geometry, kept: None = None) -> tuple[Array, Array, Array]:
    parts = parts_for(geometry, x.itemsize)
    kind = BackwardByCorrelation if by_correlation(geometry) else BackwardByColumns
    key = ("gemm", "backward", geometry, x.dtype, parts)
    plan = cache.take(key, lambda: kind(geometry, x.dtype, parts))
    gradients = plan.run(g, x, filters)
    cache.give(key, plan)
    return gradients


ENGINE = of_sums("gemm", refusal, forward, backward)
