"""Small layers: many images in every NumPy call, and threads only for the larger of them.

A layer of the lecture's size takes tens of microseconds, and one NumPy call takes one of them
before it computes anything. So nothing here is done per image or per row: the columns of as many
images as fit a core's cache are unfolded by a few calls, one call runs the batch of matrix products
straight into the output, and the backward is three products' worth of the same kind:

    Y[b] = W · cols[b]                                                         (1)
    ∂L/∂W = Σ_b cols[b] · G[b]ᵀ                                                (2)
    ∂L/∂cols[b] = Wᵀ · G[b],  folded back by one `add.reduce` per residue of the stride          (3)

(A row of ones under the columns carries the bias and its gradient; `unfolding.py` and `folding.py`
have the maps.) The derivation is `gemm`'s.

Exact and rounding: as the definition, sums of the same products in another order.

Letters: Y output; W filters; G = ∂L/∂Y; L loss; b sample.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from manual.kernels.engine import of_sums
from manual.kernels.folding import folding
from manual.kernels.gemm import BackwardByCorrelation, Total, by_correlation, matrices, sum_of
from manual.kernels.geometry import Geometry
from manual.kernels.unfolding import Unfolding
from manual.machine import products, threads
from manual.machine.plans import Plan, cache

Array = np.ndarray

GROUP = 5 * 2**18  # bytes of columns of a group of images
PARALLEL = 48_000_000  # multiplications, by bytes of a number; below, handing work to a thread costs more than it saves
LARGEST = 2**22  # bytes of columns of one image, beyond which this is refused
LAYOUTS = 1024  # configurations that are remembered
SERIAL_PRODUCT = 2**18  # multiplications in one matrix product up to which OpenBLAS starts no threads


def refusal(geometry: Geometry) -> str | None:
    size = 8 * image_columns(geometry)
    if size > LARGEST:
        return f"the columns of one image take {size} bytes, more than {LARGEST}: not a small layer"
    return None


def image_columns(geometry: Geometry) -> int:
    rows, columns = geometry.positions
    return geometry.groups * (geometry.taps + 1) * rows * columns


class Small(Plan):
    """What both directions need: the columns of up to `images` images."""

    def __init__(self, geometry: Geometry, dtype: Any, images: int) -> None:
        super().__init__(dtype)
        self.geometry, self.images = geometry, images
        self.unfolding = Unfolding(self, geometry, images, geometry.positions[0], ones=True)

    def groups(self, part: range) -> list[slice]:
        """A part of the batch, `images` at a time."""
        return [slice(first, min(first + self.images, part.stop)) for first in part[:: self.images]]


class Forward(Small):
    """Equation (1)."""

    def __init__(self, geometry: Geometry, dtype: Any, images: int) -> None:
        super().__init__(geometry, dtype, images)
        self.weights = self.empty(geometry.groups, geometry.outputs, geometry.taps + 1)

    def run(self, x: Array, filters: Array, biases: Array, y: Array, part: range) -> None:
        """(1) into y (B, groups, C_out/groups, positions), for the images of a part."""
        geometry, unfolding, (block,) = self.geometry, self.unfolding, self.unfolding.blocks
        shape = (geometry.groups, geometry.outputs, geometry.taps)
        self.weights[:, :, : geometry.taps] = filters.reshape(shape)
        self.weights[:, :, geometry.taps] = biases.reshape(shape[:2])
        for group in self.groups(part):
            images = x[group]
            unfolding.load(images)
            products.by_columns(self.weights, unfolding.fill(block, len(images)), y[group])  # (1)


class Backward(Small):
    """Equations (2) and (3)."""

    def __init__(self, geometry: Geometry, dtype: Any, images: int) -> None:
        super().__init__(geometry, dtype, images)
        self.folding = folding(self, geometry, images, geometry.positions[0])
        inner = geometry.positions[0] * geometry.positions[1]
        self.total = Total(self, images, geometry.groups, geometry.taps + 1, geometry.outputs, inner=inner)

    def run(self, g: Array, x: Array, filters: Array, grad_x: Array, part: range) -> None:
        """(3) into grad_x (B, C_in, H, W), and (2) into the total, for the images of a part."""
        geometry, unfolding, (block,) = self.geometry, self.unfolding, self.unfolding.blocks
        weights = filters.reshape(geometry.groups, geometry.outputs, geometry.taps).swapaxes(1, 2)
        self.total.started = False
        for group in self.groups(part):
            unfolding.load(x[group])
            g_images = np.ascontiguousarray(g[group])
            cols = unfolding.fill(block, len(g_images))
            self.total.add(cols, matrices(g_images, geometry.groups).swapaxes(2, 3))  # (2)
            self.folding.fold(0, g_images, weights, grad_x[group])  # (3)


class Layout:
    """How a batch is cut: what follows from a configuration and need not be computed at every call."""

    def __init__(self, geometry: Geometry, dtype: Any, most_threads: int) -> None:
        self.geometry, self.dtype = geometry, dtype
        self.output_shape = geometry.output_shape
        few = geometry.multiplications * dtype.itemsize < PARALLEL
        self.parts = threads.share(geometry.batch, 1 if few else most_threads)
        self.images = max(1, min(len(self.parts[0]), GROUP // (image_columns(geometry) * dtype.itemsize)))
        self.by_correlation = by_correlation(geometry)
        (rows, columns), (height, width) = geometry.positions, geometry.size
        # Whether OpenBLAS takes one thread for each product by itself, forward and backward.
        product = (geometry.taps + 1) * geometry.outputs * max(rows * columns, height * width)
        self.quiet = product <= SERIAL_PRODUCT


@lru_cache(LAYOUTS)
def layout_of(geometry: Geometry, dtype: Any, most_threads: int) -> Layout:
    return Layout(geometry, dtype, most_threads)


def forward(x: Array, filters: Array, biases: Array, geometry: Geometry) -> tuple[Array, None]:
    layout = layout_of(geometry, x.dtype, threads.num_threads())
    key = (layout, "forward")
    y = np.empty(layout.output_shape, x.dtype)
    out = matrices(y, geometry.groups)

    def part(number: int) -> None:
        plan = cache.take(key, lambda: Forward(geometry, x.dtype, layout.images))
        plan.run(x, filters, biases, out, layout.parts[number])
        cache.give(key, plan)

    threads.run(part, len(layout.parts), guarded=not layout.quiet)
    return y, None


def backward(g: Array, x: Array, filters: Array, geometry: Geometry, kept: None = None) -> tuple[Array, Array, Array]:
    layout = layout_of(geometry, x.dtype, threads.num_threads())
    if layout.by_correlation:
        return backward_by_correlation(g, x, filters, layout)
    parts, key = layout.parts, (layout, "columns")
    plans = [cache.take(key, lambda: Backward(geometry, x.dtype, layout.images)) for _ in parts]
    grad_x = (np.empty if plans[0].folding.covers else np.zeros)(geometry.input_shape, x.dtype)
    threads.run(
        lambda number: plans[number].run(g, x, filters, grad_x, parts[number]), len(parts), guarded=not layout.quiet
    )
    sums = sum_of([plan.total for plan in plans]).swapaxes(1, 2)  # (groups, outputs, taps + 1)
    grad_filters = np.array(sums[:, :, : geometry.taps].reshape(geometry.filters_shape), order="C")
    grad_biases = sums[:, :, geometry.taps].flatten()
    for plan in plans:
        cache.give(key, plan)
    return grad_x, grad_filters, grad_biases


def backward_by_correlation(g: Array, x: Array, filters: Array, layout: Layout) -> tuple[Array, Array, Array]:
    key = (layout, "correlation")
    plan = cache.take(
        key,
        lambda: BackwardByCorrelation(
            layout.geometry, layout.dtype, len(layout.parts), block=GROUP, guarded=not layout.quiet
        ),
    )
    gradients = plan.run(g, x, filters)
    cache.give(key, plan)
    return gradients


ENGINE = of_sums("small", refusal, forward, backward)
