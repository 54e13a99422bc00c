"""A window as large as the image: a dense layer.

There is one output position, and it reads the whole image. With n for (k,i,j), the image flattened as it lies in
memory,

    Y[b,c] = Σ_n X[b,n] · W[c,n] + bias[c]                                      (1)

    ∂L/∂W[c,n] = Σ_b G[b,c] · X[b,n]                                            (2)
    ∂L/∂bias[c] = Σ_b G[b,c]                                                    (3)
    ∂L/∂X[b,n] = Σ_c G[b,c] · W[c,n]                                            (4)

Nothing is unfolded and nothing copied; all samples are in one product. As code, of which the rest only shares out rows
and columns among the threads:

    x, w, g = x.reshape(batch, -1), filters.reshape(outputs, -1), g.reshape(batch, outputs)
    y = x @ w.T + biases
    grad_filters, grad_biases, grad_x = g.T @ x, g.sum(axis=0), g @ w

Exact and rounding: as the definition, sums of the same products in another order.

Letters: X input; Y output; W filters; G = ∂L/∂Y; L loss; b sample; c output channel; k input channel; i, j position in
the window; n the place of (k,i,j) in memory.
"""

import numpy as np

from manual.kernels.engine import of_sums
from manual.kernels.geometry import Geometry
from manual.machine import threads

Array = np.ndarray

PARALLEL = 4_000_000  # multiplications; below, handing work to a thread costs more than it saves
SERIAL_PRODUCT = 2**18  # multiplications in one matrix product up to which OpenBLAS starts no threads


def refusal(geometry: Geometry) -> str | None:
    if geometry.kernel != geometry.size:
        return f"the kernel is {geometry.kernel}, not as large as the input, {geometry.size}"
    if any(map(any, geometry.padding)):
        return f"the padding is {geometry.padding}, not 0"
    if geometry.dilation != (1, 1) and geometry.reach != (0, 0):
        return f"the dilation is {geometry.dilation}, not (1, 1)"
    if geometry.groups != 1:
        return f"there are {geometry.groups} groups, not 1"
    return None


def parts_for(geometry: Geometry) -> int:
    return 1 if geometry.multiplications < PARALLEL else threads.num_threads()


def run(work: threads.Work, count: int, geometry: Geometry) -> None:
    threads.run(work, count, guarded=geometry.multiplications > SERIAL_PRODUCT)


def flat(array: Array) -> Array:
    """(samples or filters, everything else)."""
    return array.reshape(len(array), -1) if array.size else array.reshape(len(array), int(np.prod(array.shape[1:])))


def forward(x: Array, filters: Array, biases: Array, geometry: Geometry) -> tuple[Array, None]:
    y = np.empty(geometry.output_shape, x.dtype)
    rows, weights, out = flat(x), flat(filters), flat(y)
    shares = threads.share(geometry.outputs, parts_for(geometry))

    def part(number: int) -> None:
        some = slice(shares[number].start, shares[number].stop)
        np.matmul(rows, weights[some].T, out=out[:, some])
        np.add(out[:, some], biases[some], out=out[:, some])  # (1)

    run(part, len(shares), geometry)
    return y, None


def backward(g: Array, x: Array, filters: Array, geometry: Geometry, kept: None = None) -> tuple[Array, Array, Array]:
    grad_x, grad_filters = np.empty(geometry.input_shape, x.dtype), np.empty(geometry.filters_shape, x.dtype)
    given, rows, weights, of_rows, of_weights = map(flat, (g, x, filters, grad_x, grad_filters))
    parts = parts_for(geometry)
    by_output, by_input = threads.share(geometry.outputs, parts), threads.share(geometry.taps, parts)
    count = min(len(by_output), len(by_input))
    by_output, by_input = threads.share(geometry.outputs, count), threads.share(geometry.taps, count)

    def part(number: int) -> None:
        some = slice(by_output[number].start, by_output[number].stop)
        np.matmul(given[:, some].T, rows, out=of_weights[some])  # (2)
        some = slice(by_input[number].start, by_input[number].stop)
        np.matmul(given, weights[:, some], out=of_rows[:, some])  # (4)

    run(part, count, geometry)
    return grad_x, grad_filters, given.sum(axis=0)  # (3)


ENGINE = of_sums("dense", refusal, forward, backward)
