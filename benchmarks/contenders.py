"""What is timed on a workload: our engines, jitted JAX and, if it is installed, PyTorch.

The arrays hold small integers. Every product, and every sum of products in whatever order, is then
an integer that the dtype holds exactly, so two correct convolutions agree to the last bit: the
bound on their difference is 0 (for an engine that mixes entries, Winograd's or Fourier's, it is that
engine's own bound, since JAX is exact). With real numbers the guaranteed bound, γₙ·Σ|terms|, would let
almost anything pass for the filter gradient in float32, which sums up to 100 352 products. The time
that a dense product takes does not depend on the values.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from benchmarks.workloads import Workload
from manual import convolution, kernels
from reference import convolution as reference_convolution

torch: Any = import_module("torch") if find_spec("torch") else None  # the extra `peers`

Array = NDArray[Any]
Contender = Callable[[], tuple[Any, ...]]  # returns the arrays it computed, complete

POLICIES = ("auto", "fast")
LARGEST = 3  # of the integers in the arrays
DIRECTIONS = ("forward", "backward")


class Field(NamedTuple):
    """Who is timed, by name: the policies whose engines differ, "jax" and "torch"."""

    contenders: dict[str, Contender]
    engines: dict[str, str]  # policy -> the engine that it chose


def contenders(
    workload: Workload,
    direction: str,
    dtype: type[np.floating[Any]],
    rng: np.random.Generator,
    engines: tuple[str, ...] = POLICIES,
) -> Field:
    """The contenders; each computes the same from arrays made beforehand.

    The forward pass returns the output; the backward pass, from what its forward pass saved, the
    gradients of input, filters and biases. Where two policies choose the same engine, the first stands for both.
    Raises ValueError where anyone's result is not JAX's.
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
    field = Field({}, {})
    allowed: dict[str, tuple[Array, ...] | None] = {}
    for policy in engines:
        _, saved = convolution.forward(x, filters, biases, **hyperparameters, engine=policy)
        field.engines[policy] = saved.kernel.engine
        if list(field.engines.values()).count(saved.kernel.engine) > 1:
            continue
        allowed[policy] = bounds(direction, grad_output, saved)
        field.contenders[policy] = our_pass(direction, (x, filters, biases), grad_output, hyperparameters, policy)
    field.contenders["jax"] = jax_pass(direction, (x, filters, biases), grad_output, hyperparameters)
    if torch is not None:
        field.contenders["torch"] = torch_pass(direction, (x, filters, biases), grad_output, workload)
    exact = field.contenders["jax"]()
    for name, contender in field.contenders.items():
        compare(name, contender(), exact, allowed.get(name))
    return field


Arrays = tuple[Array, Array, Array]


def our_pass(direction: str, arrays: Arrays, g: Array, hyperparameters: dict[str, Any], policy: str) -> Contender:
    if direction == "forward":
        return lambda: convolution.forward(*arrays, **hyperparameters, engine=policy)[:1]
    _, saved = convolution.forward(*arrays, **hyperparameters, engine=policy)
    return lambda: convolution.backward(g, saved)


def jax_pass(direction: str, arrays: Arrays, g: Array, hyperparameters: dict[str, Any]) -> Contender:
    def reference(*arrays: jax.Array) -> jax.Array:
        return reference_convolution.forward(*arrays, **hyperparameters)

    on_device = [jax.device_put(array) for array in arrays]
    if direction == "forward":
        forward = jax.jit(reference)
        return lambda: (forward(*on_device).block_until_ready(),)
    _, pullback = jax.jit(lambda *arrays: jax.vjp(reference, *arrays))(*on_device)
    backward = jax.jit(lambda pullback, gradient: pullback(gradient))
    device_gradient = jax.device_put(g)
    return lambda: jax.block_until_ready(backward(pullback, device_gradient))


def torch_pass(direction: str, arrays: Arrays, g: Array, workload: Workload) -> Contender:
    x, filters, biases, gradient = (torch.from_numpy(array) for array in (*arrays, g))
    stride, padding = [workload.stride] * 2, [workload.padding] * 2
    if direction == "forward":

        def forward() -> tuple[Any]:
            with torch.no_grad():
                return (torch.nn.functional.conv2d(x, filters, biases, stride, padding),)

        return forward
    wanted = [True, True, True]
    return lambda: torch.ops.aten.convolution_backward(
        gradient, x, filters, [len(biases)], stride, padding, [1, 1], False, [0, 0], 1, wanted
    )


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


def compare(
    name: str, results: tuple[Any, ...], exact: tuple[Any, ...], allowed: tuple[Array, ...] | None = None
) -> None:
    """Raise ValueError unless both are the same arrays, in shape, dtype and every entry; an engine that rounds where
    nothing needs rounding may differ by its bound, since JAX's sums of integers are exact.
    """
    pairs = zip(map(np.asarray, results), map(np.asarray, exact), strict=True)
    for number, (mine, other) in enumerate(pairs):
        if (mine.shape, mine.dtype) != (other.shape, other.dtype):
            raise ValueError(
                f"result {number} is {mine.dtype} {mine.shape} by {name}, {other.dtype} {other.shape} by JAX"
            )
        bound = 0.0 if allowed is None else allowed[number]
        different = np.argwhere(~(np.abs(mine.astype(np.float64) - other) <= bound))
        if len(different):
            index = tuple(different[0].tolist())
            raise ValueError(
                f"result {number} differs in {len(different)} of {mine.size} entries, "
                f"first at {index}: {mine[index]} by {name}, {other[index]} by JAX"
            )
