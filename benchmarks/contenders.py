"""What is timed on a workload: our convolution, jitted JAX, and a bare matrix product.

The arrays hold small integers. Every product, and every sum of products in whatever order, is then
an integer that the dtype holds exactly, so two correct convolutions agree to the last bit: the
bound on their difference is 0 (for an engine that mixes entries, Winograd's or Fourier's, it is that
engine's own bound, since JAX is exact). With real numbers the guaranteed bound, γₙ·Σ|terms|, would let
almost anything pass for the filter gradient in float32, which sums up to 100 352 products. The time
that a dense product takes does not depend on the values.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from benchmarks.workloads import Workload
from manual import convolution, kernels
from reference import convolution as reference_convolution

Array = NDArray[Any]
Contender = Callable[[], tuple[Any, ...]]  # returns the arrays it computed, complete

OURS = "manual"
LARGEST = 3  # of the integers in the arrays


def contenders(
    workload: Workload, direction: str, dtype: type[np.floating[Any]], rng: np.random.Generator
) -> dict[str, Contender]:
    """The contenders by name, `OURS` first; each computes the same from arrays made beforehand.

    The forward pass returns the output; the backward pass, from what its forward pass saved, the
    gradients of input, filters and biases. Raises ValueError where ours and JAX's differ.
    """
    check_sums_are_exact(workload, dtype)
    rows, columns = workload.output_size
    x, filters, biases, grad_output = (
        rng.integers(-LARGEST, LARGEST, shape, endpoint=True).astype(dtype)
        for shape in (
            (workload.batch, workload.input_channels, workload.height, workload.width),
            (workload.output_channels, workload.input_channels, workload.kernel, workload.kernel),
            (workload.output_channels,),
            (workload.batch, workload.output_channels, rows, columns),
        )
    )
    hyperparameters: dict[str, Any] = {
        "stride": (workload.stride, workload.stride),
        "padding": (workload.padding, workload.padding),
    }

    def reference(*arrays: jax.Array) -> jax.Array:
        return reference_convolution.forward(*arrays, **hyperparameters)

    device_arrays = [jax.device_put(array) for array in (x, filters, biases)]
    side = round(workload.multiplications ** (1 / 3))
    left, right = (rng.standard_normal((side, side)).astype(dtype) for _ in range(2))

    _, saved = convolution.forward(x, filters, biases, **hyperparameters)
    if direction == "forward":
        forward = jax.jit(reference)
        field: dict[str, Contender] = {
            OURS: lambda: convolution.forward(x, filters, biases, **hyperparameters)[:1],
            "jax": lambda: (forward(*device_arrays).block_until_ready(),),
            "matmul": lambda: (left @ right,),
        }
    else:
        _, pullback = jax.jit(lambda *arrays: jax.vjp(reference, *arrays))(*device_arrays)
        backward = jax.jit(lambda pullback, gradient: pullback(gradient))
        device_gradient = jax.device_put(grad_output)
        field = {
            OURS: lambda: convolution.backward(grad_output, saved),
            "jax": lambda: jax.block_until_ready(backward(pullback, device_gradient)),
            "matmul": lambda: (left @ right, right @ left),
        }
    compare(field[OURS](), field["jax"](), bounds(direction, grad_output, saved))
    return field


def bounds(direction: str, grad_output: Array, saved: convolution.Saved) -> tuple[Array, ...] | None:
    """How far the engine that ran may be from the exact result by its own bound; None if it is exact on integers."""
    kernel = saved.kernel
    if kernels.ENGINES[kernel.engine].exact:
        return None
    if direction == "forward":
        return (kernels.output_bound(kernel),)
    return kernels.gradient_bounds(grad_output, kernel)


def check_sums_are_exact(workload: Workload, dtype: type[np.floating[Any]]) -> None:
    largest_sum = workload.longest_sum * LARGEST**2 + LARGEST  # the bias comes on top
    if largest_sum > 2 ** (np.finfo(dtype).nmant + 1):
        raise ValueError(f"{workload.name}: {np.dtype(dtype)} does not hold every sum exactly")


def compare(ours: tuple[Any, ...], theirs: tuple[Any, ...], allowed: tuple[Array, ...] | None = None) -> None:
    """Raise ValueError unless both are the same arrays, in shape, dtype and every entry; an engine that rounds where
    nothing needs rounding may differ by its bound, since JAX's sums of integers are exact.
    """
    for number, (mine, other) in enumerate(zip(ours, map(np.asarray, theirs), strict=True)):
        if (mine.shape, mine.dtype) != (other.shape, other.dtype):
            raise ValueError(f"result {number} is {mine.dtype} {mine.shape} here, {other.dtype} {other.shape} in JAX")
        bound = 0.0 if allowed is None else allowed[number]
        different = np.argwhere(~(np.abs(mine.astype(np.float64) - other) <= bound))
        if len(different):
            index = tuple(different[0].tolist())
            raise ValueError(
                f"result {number} differs in {len(different)} of {mine.size} entries, "
                f"first at {index}: {mine[index]} here, {other[index]} in JAX"
            )
