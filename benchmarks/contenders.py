"""Who is timed on a convolution: our policies and engines, jitted JAX and, if it is installed, PyTorch.

The arrays hold small integers. Every product, and every sum of products in whatever order, is then
an integer that the dtype holds exactly, so two correct convolutions agree to the last bit: the
bound on their difference is 0 (for an engine that mixes entries, Winograd's or Fourier's, it is that
engine's own bound, since JAX is exact). With real numbers the guaranteed bound, γₙ·Σ|terms|, would let
almost anything pass for the filter gradient in float32, which sums up to 100 352 products. The time
that a dense product takes does not depend on the values.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import jax
import numpy as np
import pytest

from benchmarks.turns import Contender, Timed
from benchmarks.workloads import Workload
from manual import convolution, kernels
from manual.kernels import axes
from reference import convolution as reference_convolution

torch: Any = import_module("torch") if find_spec("torch") else None  # the extra `peers`
TORCH = pytest.param(
    "torch", marks=pytest.mark.skipif(torch is None, reason="PyTorch is not installed (make peers installs it)")
)

Array = np.ndarray
Results = tuple[Any, ...]
Pass = Callable[[], Results]

POLICIES = ("auto", "fast")
LARGEST = 3  # of the integers in the arrays
DTYPES = ("float32", "float64")
DIRECTIONS = ("forward", "backward")
FLOPS = {"forward": 2, "backward": 4, "both": 6}  # per multiplication of the forward pass


@dataclass
class Field:
    """The contenders of one group, validated, and what is known of them besides their time."""

    dtype: str
    contenders: dict[str, Contender] = field(default_factory=dict)
    flops: dict[str, int] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)  # name -> why it is not timed
    facts: dict[str, Any] = field(default_factory=dict)  # of everyone
    about: dict[str, dict[str, Any]] = field(default_factory=dict)  # of one
    timed: Timed | None = None

    def enter(self, name: str, call: Pass, flops: int = 0, **about: Any) -> None:
        self.contenders[name], self.flops[name], self.about[name] = Contender(call), flops, about


class Arrays:
    """Integers in the shapes of a workload, and what a convolution is called with."""

    def __init__(self, workload: Workload, dtype: str) -> None:
        check_sums_are_exact(workload, dtype)
        rng = np.random.default_rng(0)

        def draw(*shape: int) -> Array:
            return rng.integers(-LARGEST, LARGEST, shape, endpoint=True).astype(dtype)

        self.x = draw(workload.batch, workload.input_channels, workload.height, workload.width)
        inputs = workload.input_channels // workload.groups
        self.filters = draw(workload.output_channels, inputs, workload.kernel, workload.kernel)
        self.biases = draw(workload.output_channels)
        self.g = draw(workload.batch, workload.output_channels, *workload.output_size)
        self.three = (self.x, self.filters, self.biases)
        self.stride, self.padding = (workload.stride, workload.stride), (workload.padding, workload.padding)
        self.groups = workload.groups

    def forward(self, engine: str) -> tuple[Array, convolution.Saved]:
        hyperparameters = {"stride": self.stride, "padding": self.padding, "groups": self.groups}
        return convolution.forward(*self.three, **hyperparameters, engine=engine)


def contest(workload: Workload, direction: str, dtype: str, names: Sequence[str]) -> Field:
    """The named contenders; each computes the same from arrays made beforehand.

    The forward pass returns the output; the backward pass, from what its forward pass saved, the gradients of input,
    filters and biases; "both" all of them. Where "fast" takes the engine of "auto", "auto" stands for both.
    Raises ValueError where anyone's result is not JAX's.
    """
    arrays = Arrays(workload, dtype)
    found = Field(dtype)
    flops = FLOPS[direction] * workload.multiplications
    peer = jax_pass(direction, arrays)
    exact = peer()
    for name in names:
        allowed = None
        if name == "jax":
            call, about = peer, {}
        elif name == "torch":
            call, about = torch_pass(direction, arrays), {}
        else:
            try:
                _, saved = arrays.forward(name)
            except ValueError as refusal:
                found.absent[name] = str(refusal)
                continue
            engine = saved.kernel.engine
            if name == "fast" and found.about.get("auto") == {"engine": engine}:
                found.absent[name] = f'"auto" takes the same engine, {engine}'
                continue
            allowed = bounds(direction, arrays.g, saved)
            call, about = our_pass(direction, arrays, name), {"engine": engine}
        compare(name, call(), exact, allowed)
        found.enter(name, call, flops, **about)
    return found


def our_pass(direction: str, arrays: Arrays, engine: str) -> Pass:
    if direction == "forward":
        return lambda: arrays.forward(engine)[:1]
    if direction == "backward":
        _, saved = arrays.forward(engine)
        return lambda: convolution.backward(arrays.g, saved)

    def both() -> Results:
        y, saved = arrays.forward(engine)
        return y, *convolution.backward(arrays.g, saved)

    return both


def jax_pass(direction: str, arrays: Arrays) -> Pass:
    def reference(*three: jax.Array) -> jax.Array:
        hyperparameters = {"stride": arrays.stride, "padding": arrays.padding, "groups": arrays.groups}
        return reference_convolution.forward(*three, **hyperparameters)

    if direction == "both":
        return jax_both(reference, arrays.g, arrays.three)
    on_device = [jax.device_put(array) for array in arrays.three]
    if direction == "forward":
        forward = jax.jit(reference)
        return lambda: (forward(*on_device).block_until_ready(),)
    _, pullback = jax.jit(lambda *three: jax.vjp(reference, *three))(*on_device)
    backward = jax.jit(lambda pullback, gradient: pullback(gradient))
    device_gradient = jax.device_put(arrays.g)
    return lambda: jax.block_until_ready(backward(pullback, device_gradient))


def jax_both(reference: Callable[..., Any], g: Array, arrays: Sequence[Array]) -> Pass:
    @jax.jit
    def both(g: Any, *arrays: Any) -> Results:
        y, pull = jax.vjp(reference, *arrays)
        return y, *pull(g)

    on_device = [jax.device_put(array) for array in (g, *arrays)]
    return lambda: jax.block_until_ready(both(*on_device))


def torch_pass(direction: str, arrays: Arrays) -> Pass:
    x, filters, biases, gradient = (torch.from_numpy(array) for array in (*arrays.three, arrays.g))
    hyperparameters = arrays.stride, arrays.padding, 1, arrays.groups
    sizes = [len(biases)], arrays.stride, arrays.padding, [1, 1], False, [0, 0], arrays.groups, [True, True, True]

    def forward() -> Results:
        with torch.no_grad():
            return (torch.nn.functional.conv2d(x, filters, biases, *hyperparameters),)

    def backward() -> Results:
        return torch.ops.aten.convolution_backward(gradient, x, filters, *sizes)

    passes = {"forward": forward, "backward": backward, "both": lambda: (*forward(), *backward())}
    return passes[direction]


def bounds(direction: str, g: Array, saved: convolution.Saved) -> tuple[Array, ...] | None:
    """How far the engine that ran may be from the exact result by its own bound; None if it is exact on integers."""
    kernel = saved.kernel
    if kernels.ENGINES[kernel.engine].exact:
        return None
    output = () if direction == "backward" else (axes.output_bound(kernel),)
    return output if direction == "forward" else (*output, *axes.gradient_bounds(g, kernel))


def check_sums_are_exact(workload: Workload, dtype: str) -> None:
    largest_sum = workload.longest_sum * LARGEST**2 + LARGEST  # the bias comes on top
    if largest_sum > 2 ** (np.finfo(dtype).nmant + 1):
        raise ValueError(f"{workload}: {dtype} does not hold every sum exactly")


def compare(name: str, results: Results, exact: Results, allowed: Sequence[Any] | None = None) -> None:
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
