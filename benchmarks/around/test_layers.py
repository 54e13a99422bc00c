"""The other layers that show in a CNN's profile, beside jitted JAX and PyTorch: pooling, dense, activations.

Every pass is forward and backward together, as a training step makes them. Before it is timed, each contender's output
and gradients are compared with JAX's. The gradient that arrives is made of integers, whose sums are exact, and so are
the dense layer's arrays: everyone must be equal to the last bit. The sigmoid rounds (`SIGMOID`).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

import reference.linear
import reference.max_pooling
import reference.relu
import reference.sigmoid
from benchmarks.contenders import DTYPES, LARGEST, TORCH, Array, Field, Pass, compare, jax_both, torch
from manual import linear, max_pooling, relu, sigmoid

# How far two sigmoids y = 1/(1+E) and their gradients G·y·(1-y) may be apart, in units roundoff. An exponential within
# 4 units in the last place, 8u of it, moves y by at most y·(1-y)·8u ≤ 2u; the sum and the quotient by u each: 4u. The
# gradient moves by |G|·|1-2y| times that and three roundings of at most |G|/4: 3·(4 + 3/4). Two of each are compared.
SIGMOID = (2 * 4.0, 2 * LARGEST * 4.75)
IMAGE = (8, 64, 56, 56)
WINDOWS = {"max pooling 56×56, 2×2": (56, 2, 2), "max pooling 112×112, 3×3 stride 2": (112, 3, 2)}


class Work(NamedTuple):
    """One layer at one size, by the three."""

    ours: Callable[..., tuple[Array, Any]]  # forward
    backward: Callable[[Array, Any], tuple[Array, ...]]
    reference: Callable[..., Any]
    torch: Callable[..., Any] | None
    shapes: tuple[tuple[int, ...], ...]
    copies: int = 0  # arrays of the output's size that a pass at least reads or writes, where that is all it does
    flops: int = 0
    integers: bool = False
    allowed: tuple[float, ...] = ()  # distance of each result from JAX, in units roundoff; none: equal


def pooling(side: int, size: int, stride: int) -> Work:
    hyper: dict[str, Any] = {"pool_size": (size, size), "stride": (stride, stride)}
    return Work(
        lambda x: max_pooling.forward(x, **hyper),
        max_pooling.backward,
        lambda x: reference.max_pooling.forward(x, **hyper),
        torch and (lambda x: torch.nn.functional.max_pool2d(x, size, stride)),
        ((*IMAGE[:2], side, side),),
    )


def dense(batch: int, side: int) -> Work:
    shapes = (batch, side), (side, side), (side,)
    theirs = torch and (lambda x, w, b: torch.addmm(b, x, w))
    flops = 6 * batch * side * side
    return Work(linear.forward, linear.backward, reference.linear.forward, theirs, shapes, 0, flops, integers=True)


def activation(ours: Any, theirs: Any, others: Any, allowed: tuple[float, ...] = ()) -> Work:
    return Work(ours.forward, ours.backward, theirs.forward, others, (IMAGE,), copies=4, allowed=allowed)


WORKS = {
    **{name: pooling(*window) for name, window in WINDOWS.items()},
    "dense 1024 → 1024, batch 256": dense(256, 1024),
    "ReLU (8, 64, 56, 56)": activation(relu, reference.relu, torch and torch.relu),
    "sigmoid (8, 64, 56, 56)": activation(sigmoid, reference.sigmoid, torch and torch.sigmoid, SIGMOID),
}


def contest(work: Work, dtype: str, names: Sequence[str]) -> Field:
    """Forward and backward by us ("manual"), "jax", "torch", and a "copy" of the output: what the machine allows."""
    rng = np.random.default_rng(0)

    def draw(shape: tuple[int, ...], integers: bool) -> Array:
        if integers:
            return rng.integers(-LARGEST, LARGEST, shape, endpoint=True).astype(dtype)
        return rng.standard_normal(shape).astype(dtype)

    arrays = [draw(shape, work.integers) for shape in work.shapes]
    output = work.ours(*arrays)[0]
    g = draw(output.shape, True)

    def ours() -> tuple[Array, ...]:
        y, saved = work.ours(*arrays)
        return y, *work.backward(g, saved)

    passes: dict[str, Pass] = {"manual": ours, "jax": jax_both(work.reference, g, arrays)}
    if work.torch is not None:
        passes["torch"] = torch_both(work.torch, g, arrays)
    exact = passes["jax"]()
    unit = float(np.finfo(dtype).eps) / 2
    allowed = [units * unit for units in work.allowed] or None
    found = Field(dtype, facts={"copies": work.copies})
    for name, call in passes.items():
        compare(name, call(), exact, allowed)
        if name in names:
            found.enter(name, call, work.flops)
    if "copy" in names:
        found.enter("copy", lambda: (output.copy(),))  # into new memory, as all results are
    return found


def torch_both(forward: Callable[..., Any], g: Array, arrays: Sequence[Array]) -> Pass:
    leaves = [torch.from_numpy(array).requires_grad_() for array in arrays]
    gradient = torch.from_numpy(g)

    def both() -> tuple[Any, ...]:
        y = forward(*leaves)
        return y.detach(), *torch.autograd.grad(y, leaves, gradient)

    return both


@pytest.fixture
def field(validated, layer: str, dtype: str) -> Field:
    return validated(lambda names: contest(WORKS[layer], dtype, names))


@pytest.mark.parametrize("contender", ["manual", "jax", TORCH, "copy"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", WORKS)
def test_layer(field: Field, in_turns) -> None:
    in_turns()
