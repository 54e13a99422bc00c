"""The other layers that show in a CNN's profile, beside jitted JAX and PyTorch: pooling, dense, activations.

Every pass is forward and backward together, as a training step makes them. Before it is timed, each contender's output
and gradients are compared with JAX's. The gradient that arrives is made of integers, whose sums are exact, and so are
the dense layer's arrays: everyone must be equal to the last bit. The sigmoid rounds (`SIGMOID`).
"""

from typing import Any

import pytest

import reference.linear
import reference.max_pooling
import reference.relu
import reference.sigmoid
from benchmarks.contenders import DTYPES, LARGEST, TORCH, Field, torch
from benchmarks.layer_passes import Work, contest
from manual import linear, max_pooling, relu, sigmoid

# How far two sigmoids y = 1/(1+E) and their gradients G·y·(1-y) may be apart, in units roundoff. An exponential within
# 4 units in the last place, 8u of it, moves y by at most y·(1-y)·8u ≤ 2u; the sum and the quotient by u each: 4u. The
# gradient moves by |G|·|1-2y| times that and three roundings of at most |G|/4: 3·(4 + 3/4). Two of each are compared.
SIGMOID = (2 * 4.0, 2 * LARGEST * 4.75)
IMAGE = (8, 64, 56, 56)
WINDOWS = {"max pooling 56×56, 2×2": (56, 2, 2), "max pooling 112×112, 3×3 stride 2": (112, 3, 2)}


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


@pytest.fixture
def field(validated, layer: str, dtype: str) -> Field:
    return validated(lambda names: contest(WORKS[layer], dtype, names))


@pytest.mark.parametrize("contender", ["manual", "jax", TORCH, "copy"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", WORKS)
def test_layer(field: Field, in_turns) -> None:
    in_turns()
