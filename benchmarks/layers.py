"""The other layers that show in a CNN's profile, beside jitted JAX and PyTorch: pooling, dense, activations.

Every pass is forward and backward together, as a training step makes them. Before it is timed, each contender's output
and gradients are compared with JAX's. The gradient that arrives is made of integers, whose sums are exact, and so are
the dense layer's arrays: everyone must be equal to the last bit. The sigmoid rounds (`SIGMOID`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

import reference.linear
import reference.max_pooling
import reference.relu
import reference.sigmoid
from benchmarks.contenders import Contender, compare, torch
from manual import linear, max_pooling, relu, sigmoid

Array = np.ndarray
LARGEST = 3  # of the integers

# How far two sigmoids y = 1/(1+E) and their gradients G·y·(1-y) may be apart, in units roundoff. An exponential within
# 4 units in the last place, 8u of it, moves y by at most y·(1-y)·8u ≤ 2u; the sum and the quotient by u each: 4u. The
# gradient moves by |G|·|1-2y| times that and three roundings of at most |G|/4: 3·(4 + 3/4). Two of each are compared.
SIGMOID = (2 * 4.0, 2 * LARGEST * 4.75)


class Work(NamedTuple):
    """One layer at one size."""

    name: str
    ours: Callable[..., tuple[Array, Any]]  # forward
    backward: Callable[[Array, Any], tuple[Array, ...]]
    reference: Callable[..., Any]  # the forward in JAX
    torch: Callable[..., Any] | None  # the forward in PyTorch
    shapes: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    copies: int = 0  # arrays of the output's size that a pass at least reads or writes, where that is all it does
    flops: int = 0
    integers: bool = False
    allowed: tuple[float, ...] = ()  # distance of each result from JAX, in units roundoff; none: equal


def pooling(name: str, batch: int, channels: int, side: int, size: int, stride: int) -> Work:
    hyper: dict[str, Any] = {"pool_size": (size, size), "stride": (stride, stride)}
    rows = (side - size) // stride + 1
    return Work(
        name,
        lambda x: max_pooling.forward(x, **hyper),
        max_pooling.backward,
        lambda x: reference.max_pooling.forward(x, **hyper),
        torch and (lambda x: torch.nn.functional.max_pool2d(x, size, stride)),
        ((batch, channels, side, side),),
        (batch, channels, rows, rows),
    )


def dense(name: str, batch: int, inputs: int, outputs: int) -> Work:
    return Work(
        name,
        linear.forward,
        linear.backward,
        reference.linear.forward,
        torch and (lambda x, w, b: torch.addmm(b, x, w)),
        ((batch, inputs), (inputs, outputs), (outputs,)),
        (batch, outputs),
        flops=6 * batch * inputs * outputs,
        integers=True,
    )


def activation(
    name: str, module: Any, theirs: Any, others: Any, shape: tuple[int, ...], allowed: tuple[float, ...] = ()
) -> Work:
    return Work(
        name, module.forward, module.backward, theirs.forward, others, (shape,), shape, copies=4, allowed=allowed
    )


def works(batch: int = 8) -> list[Work]:
    image = (batch, 64, 56, 56)
    return [
        pooling("max pooling 56×56, 2×2", batch, 64, 56, 2, 2),
        pooling("max pooling 112×112, 3×3 stride 2", batch, 64, 112, 3, 2),
        dense("dense 1024 → 1024, batch 256", 32 * batch, 1024, 1024),
        activation("ReLU (8, 64, 56, 56)", relu, reference.relu, torch and torch.relu, image),
        activation("sigmoid (8, 64, 56, 56)", sigmoid, reference.sigmoid, torch and torch.sigmoid, image, SIGMOID),
    ]


def contenders(work: Work, dtype: Any, rng: np.random.Generator) -> dict[str, Contender]:
    """Forward and backward by us ("manual"), "jax" and, if installed, "torch"; equal, or ValueError."""

    def draw(shape: tuple[int, ...], integers: bool) -> Array:
        if integers:
            return rng.integers(-LARGEST, LARGEST, shape, endpoint=True).astype(dtype)
        return rng.standard_normal(shape).astype(dtype)

    arrays, g = [draw(shape, work.integers) for shape in work.shapes], draw(work.output, True)

    def ours() -> tuple[Array, ...]:
        y, saved = work.ours(*arrays)
        return y, *work.backward(g, saved)

    @jax.jit
    def both(g: Any, *arrays: Any) -> tuple[Any, ...]:
        y, pull = jax.vjp(work.reference, *arrays)
        return y, *pull(g)

    on_device = [jax.device_put(array) for array in (g, *arrays)]
    field: dict[str, Contender] = {"manual": ours, "jax": lambda: jax.block_until_ready(both(*on_device))}
    if work.torch is not None:
        field["torch"] = torch_pass(work.torch, arrays, g)
    exact = field["jax"]()
    unit = float(np.finfo(dtype).eps) / 2
    allowed = tuple(np.asarray(units * unit) for units in work.allowed) or None
    for name, contender in field.items():
        compare(name, contender(), exact, allowed)
    return field


def torch_pass(forward: Callable[..., Any], arrays: list[Array], g: Array) -> Contender:
    leaves = [torch.from_numpy(array).requires_grad_() for array in arrays]
    gradient = torch.from_numpy(g)

    def both() -> tuple[Any, ...]:
        y = forward(*leaves)
        return y.detach(), *torch.autograd.grad(y, leaves, gradient)

    return both


def copy_of(work: Work, dtype: Any) -> Contender:
    """A copy of an array of the output's shape, into new memory as all results are: what the machine allows."""
    source = np.ones(work.output, dtype)
    return lambda: (source.copy(),)
