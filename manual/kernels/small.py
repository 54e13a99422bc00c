"""Small layers: many images in every NumPy call, and no threads.

A layer of the lecture's size takes tens of microseconds, and one NumPy call takes one of them
before it computes anything. So nothing here is done per image or per row: the columns of as many
images as fit a core's cache are unfolded by a few calls, one call runs the batch of matrix products
straight into the output, and the backward is three products' worth of the same kind:

    Y[n] = W · cols[n]                                                         (1)
    ∂L/∂W = Σ_n cols[n] · G[n]ᵀ                                                (2)
    ∂L/∂cols[n] = Wᵀ · G[n],  folded back by one `add.reduce` per residue of the stride          (3)

(n counts images; a row of ones under the columns carries the bias and its gradient; `columns.py`
has unfolding and folding.) The derivation is `gemm`'s.

Exact and rounding: as the definition, sums of the same products in another order.
"""

from typing import Any

import numpy as np

from manual.kernels import bounds, threads
from manual.kernels.engine import Engine
from manual.kernels.folding import folding
from manual.kernels.gemm import BackwardByCorrelation, Total, by_correlation, matrices, sum_of
from manual.kernels.geometry import Geometry
from manual.kernels.plans import Plan, cache
from manual.kernels.unfolding import Unfolding

Array = np.ndarray

GROUP = 5 * 2**18  # bytes of columns of a group of images
LARGEST = 2**22  # bytes of columns of one image, beyond which this is refused
SERIAL_PRODUCT = 2**18  # multiplications in one matrix product up to which OpenBLAS starts no threads


def refusal(geometry: Geometry) -> str | None:
    size = 8 * image_columns(geometry)
    if size > LARGEST:
        return f"the columns of one image take {size} bytes, more than {LARGEST}: not a small layer"
    return None


def image_columns(geometry: Geometry) -> int:
    rows, columns = geometry.positions
    return geometry.groups * (geometry.taps + 1) * rows * columns


def quiet(geometry: Geometry) -> bool:
    """Whether OpenBLAS takes one thread for each product by itself, forward and backward."""
    (rows, columns), (height, width) = geometry.positions, geometry.size
    return (geometry.taps + 1) * geometry.outputs * max(rows * columns, height * width) <= SERIAL_PRODUCT


class Small(Plan):
    """What both directions need: groups of images and their columns."""

    def __init__(self, geometry: Geometry, dtype: Any) -> None:
        super().__init__(dtype)
        self.geometry = geometry
        rows, _ = geometry.positions
        self.images = max(1, min(geometry.batch, GROUP // (image_columns(geometry) * self.dtype.itemsize)))
        self.slices = [
            slice(first, min(first + self.images, geometry.batch)) for first in range(0, geometry.batch, self.images)
        ]
        self.unfolding = Unfolding(self, geometry, self.images, rows, ones=True)
        self.quiet = quiet(geometry)


class Forward(Small):
    def __init__(self, geometry: Geometry, dtype: Any) -> None:
        super().__init__(geometry, dtype)
        self.weights = self.empty(geometry.groups, geometry.outputs, geometry.taps + 1)

    def run(self, x: Array, filters: Array, biases: Array) -> Array:
        geometry, unfolding, (block,) = self.geometry, self.unfolding, self.unfolding.blocks
        shape = (geometry.groups, geometry.outputs, geometry.taps)
        self.weights[:, :, : geometry.taps] = filters.reshape(shape)
        self.weights[:, :, geometry.taps] = biases.reshape(shape[:2])
        y = np.empty(geometry.output_shape, self.dtype)
        out = matrices(y, geometry.groups)
        for group in self.slices:
            images = x[group]
            unfolding.load(images)
            np.matmul(self.weights, unfolding.fill(block, len(images)), out=out[group])  # (1)
        return y


class Backward(Small):
    def __init__(self, geometry: Geometry, dtype: Any) -> None:
        super().__init__(geometry, dtype)
        rows, _ = geometry.positions
        self.folding = folding(self, geometry, self.images, rows)
        self.total = Total(self, self.images, geometry.groups, geometry.taps + 1, geometry.outputs)

    def run(self, g: Array, x: Array, filters: Array) -> tuple[Array, Array, Array]:
        geometry, unfolding, (block,) = self.geometry, self.unfolding, self.unfolding.blocks
        total = self.total
        weights = filters.reshape(geometry.groups, geometry.outputs, geometry.taps).swapaxes(1, 2)
        grad_x = (np.empty if self.folding.covers else np.zeros)(geometry.input_shape, self.dtype)
        total.started = False
        for group in self.slices:
            unfolding.load(x[group])
            g_images = np.ascontiguousarray(g[group])
            cols = unfolding.fill(block, len(g_images))
            g_matrices = matrices(g_images, geometry.groups)
            total.add(cols, g_matrices.swapaxes(2, 3))  # (2)
            self.folding.fold(0, g_images, weights, grad_x[group])  # (3)
        sums = sum_of([total]).swapaxes(1, 2)  # (groups, outputs, taps + 1)
        grad_filters = sums[:, :, : geometry.taps].reshape(geometry.filters_shape)
        return grad_x, np.array(grad_filters, order="C"), sums[:, :, geometry.taps].flatten()


def forward(x: Array, filters: Array, biases: Array, geometry: Geometry) -> tuple[Array, None]:
    key = ("small", "forward", geometry, x.dtype)
    plan = cache.take(key, lambda: Forward(geometry, x.dtype))
    if plan.quiet:
        y = plan.run(x, filters, biases)
    else:
        with threads.blas_at_one_thread:
            y = plan.run(x, filters, biases)
    cache.give(key, plan)
    return y, None


def backward(g: Array, x: Array, filters: Array, geometry: Geometry, kept: None = None) -> tuple[Array, Array, Array]:
    if by_correlation(geometry):
        key = ("small", "correlation", geometry, x.dtype)
        correlation = cache.take(
            key, lambda: BackwardByCorrelation(geometry, x.dtype, 1, block=GROUP, guarded=not quiet(geometry))
        )
        gradients = correlation.run(g, x, filters)
        cache.give(key, correlation)
        return gradients
    key = ("small", "columns", geometry, x.dtype)
    plan = cache.take(key, lambda: Backward(geometry, x.dtype))
    if plan.quiet:
        gradients = plan.run(g, x, filters)
    else:
        with threads.blas_at_one_thread:
            gradients = plan.run(g, x, filters)
    cache.give(key, plan)
    return gradients


ENGINE = Engine(
    "small",
    exact=True,
    refusal=refusal,
    forward=forward,
    backward=backward,
    output_bound=bounds.output_of_sums,
    gradient_bounds=bounds.gradients_of_sums,
)
