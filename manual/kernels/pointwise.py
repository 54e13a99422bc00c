"""A 1×1 window: a matrix product at every position, nothing to unfold.

    Y[b,c,(h,w)] = Σ_k W[c,k] · X[b,k,(h,w)] + bias[c]                          (1)

    ∂L/∂W[c,k]       = Σ_{b,(h,w)} G[b,c,(h,w)] · X[b,k,(h,w)]                  (2)
    ∂L/∂bias[c]      = Σ_{b,(h,w)} G[b,c,(h,w)]                                (3)
    ∂L/∂X[b,k,(h,w)] = Σ_c W[c,k] · G[b,c,(h,w)]                               (4)

Images are already the matrices that these products take, if there is no stride and no padding.
Threads share out the images, or the positions if there are fewer images than threads.

Exact and rounding: as the definition, sums of the same products in another order.

Letters: X input; Y output; W filters; G = ∂L/∂Y; L loss; b sample; c output channel; k input channel; h, w output
position, which is the input's.
"""

from functools import partial
from typing import Any

import numpy as np

from manual.kernels.engine import of_sums
from manual.kernels.gemm import Total, matrices, parts_for, sum_of
from manual.kernels.geometry import Geometry
from manual.machine import products, threads
from manual.machine.plans import Plan, cache

Array = np.ndarray


def refusal(geometry: Geometry) -> str | None:
    if geometry.kernel != (1, 1):
        return f"the kernel is {geometry.kernel}, not (1, 1)"
    if geometry.stride != (1, 1):
        return f"the stride is {geometry.stride}, not (1, 1)"
    if any(map(any, geometry.padding)):
        return f"the padding is {geometry.padding}, not 0"
    return None


def tasks(geometry: Geometry, parts: int) -> list[list[tuple[int, slice]]]:
    """What each thread does: (image, positions) pairs."""
    places = geometry.size[0] * geometry.size[1]
    if geometry.batch >= parts:
        return [[(n, slice(0, places)) for n in part] for part in threads.share(geometry.batch, parts)]
    images = range(geometry.batch)
    return [[(n, slice(part.start, part.stop)) for n in images] for part in threads.share(places, parts)]


def forward(x: Array, filters: Array, biases: Array, geometry: Geometry) -> tuple[Array, None]:
    y = np.empty(geometry.output_shape, x.dtype)
    out = matrices(y, geometry.groups)
    weights = filters.reshape(geometry.groups, geometry.outputs, geometry.inputs)
    column = biases.reshape(geometry.groups, geometry.outputs, 1)
    work = tasks(geometry, parts_for(geometry, x.itemsize))

    def part(number: int) -> None:
        for n, places in work[number]:
            image = matrices(np.ascontiguousarray(x[n : n + 1]), geometry.groups)[0]
            products.by_columns(weights, image[..., places], out[n][..., places])
            np.add(out[n][..., places], column, out=out[n][..., places])  # (1)

    threads.run(part, len(work))
    return y, None


class Backward(Plan):
    """Equations (2) to (4)."""

    def __init__(self, geometry: Geometry, dtype: Any, parts: int) -> None:
        super().__init__(dtype)
        self.geometry = geometry
        self.tasks = tasks(geometry, parts)
        shape, inner = (geometry.groups, geometry.inputs, geometry.outputs), geometry.size[0] * geometry.size[1]
        self.totals = [Total(self, 1, *shape, inner=inner) for _ in self.tasks]
        self.biases = self.empty(len(self.tasks), geometry.groups, geometry.outputs)
        self.ones = self.empty(geometry.size[0] * geometry.size[1])
        self.ones[...] = 1

    def run(self, g: Array, x: Array, filters: Array) -> tuple[Array, Array, Array]:
        geometry = self.geometry
        weights = filters.reshape(geometry.groups, geometry.outputs, geometry.inputs).swapaxes(1, 2)
        grad_x = np.empty(geometry.input_shape, self.dtype)
        threads.run(partial(self.part, g, x, weights, matrices(grad_x, geometry.groups)), len(self.tasks))
        grad_filters = sum_of(self.totals).swapaxes(1, 2).reshape(geometry.filters_shape)
        return grad_x, np.array(grad_filters, order="C"), self.biases.sum(axis=0).reshape(-1)

    def part(self, g: Array, x: Array, weights: Array, grad_x: Array, part: int) -> None:
        groups, total, grad_biases = self.geometry.groups, self.totals[part], self.biases[part]
        total.started = False
        grad_biases[...] = 0
        for n, places in self.tasks[part]:
            g_image = matrices(np.ascontiguousarray(g[n : n + 1]), groups)[..., places]
            x_image = matrices(np.ascontiguousarray(x[n : n + 1]), groups)[..., places]
            total.add(x_image, g_image.swapaxes(2, 3))  # (2)
            grad_biases += g_image[0] @ self.ones[places]  # (3)
            products.by_columns(weights, g_image[0], grad_x[n][..., places])  # (4)


def backward(g: Array, x: Array, filters: Array, geometry: Geometry, kept: None = None) -> tuple[Array, Array, Array]:
    parts = parts_for(geometry, x.itemsize)
    key = ("pointwise", "backward", geometry, x.dtype, parts)
    plan = cache.take(key, lambda: Backward(geometry, x.dtype, parts))
    gradients = plan.run(g, x, filters)
    cache.give(key, plan)
    return gradients


ENGINE = of_sums("pointwise", refusal, forward, backward)
