"""PyTorch as an oracle for the lecture's own layers: 200 random configurations of each, forward and all gradients.

The configurations are those of the layers' spaces, all options included; both sides compute in float64. What two right
computations may differ by is what `test_torch` allows.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import manual
from crosscheck.lecture import spaces
from crosscheck.spaces.space import Choices, Space

torch = pytest.importorskip("torch")
functional: Any = torch.nn.functional

# PyTorch's own, after it is known to be there.
from tests.manual.test_torch import CONFIGURATIONS, close  # noqa: E402

pytestmark = pytest.mark.proof

Tensors = dict[str, Any]


# PyTorch's softplus is x itself from a threshold on, 20 unless it is given: exp would overflow from 709 on.
ACTIVATIONS: dict[Any, Callable[[Any], Any]] = {
    None: lambda x: x,
    manual.LinearActivation: lambda x: x,
    manual.ReLUActivation: torch.relu,
    manual.TanhActivation: torch.tanh,
    manual.SigmoidActivation: torch.sigmoid,
    manual.SoftReLUActivation: lambda x: functional.softplus(x, threshold=700),
}


def sides(n: int, kernel: int, stride: int, dilation: int, padding: Any) -> tuple[int, int]:
    """The padding of one axis; "same" as TensorFlow and ONNX have it, which PyTorch does only for a stride of 1."""
    if padding == "same":
        total = max(0, (-(-n // stride) - 1) * stride + dilation * (kernel - 1) + 1 - n)
        return total // 2, total - total // 2
    return padding if isinstance(padding, tuple) else (padding, padding)


def convolution(p: Choices, t: Tensors) -> Any:
    each = ["same"] * 2 if p["padding"] == "same" else p["padding"]
    along = zip(p["size"], p["kernel"], p["stride"], p["dilation"], each, strict=True)
    (top, bottom), (left, right) = (sides(*one) for one in along)
    x = functional.pad(t["x"], (left, right, top, bottom))
    y = functional.conv2d(x, t["filters"], t["biases"], p["stride"], 0, p["dilation"], p["groups"])
    return ACTIVATIONS[p["activation"]](y)


def network(p: Choices, t: Tensors) -> Any:
    y = functional.conv2d(t["x"], t["0.filters"], t["0.biases"], padding=1)
    y = functional.max_pool2d(ACTIVATIONS[p["activation"]](y), 2).flatten(1)
    return functional.linear(y, t["3.weights"].T, t["3.biases"])


ORACLES: dict[str, Callable[[Choices, Tensors], Any]] = {
    "convolution": convolution,
    "max_pooling": lambda p, t: functional.max_pool2d(t["x"], p["window"], p["stride"]),
    "flatten": lambda p, t: torch.flatten(t["x"], p["start"], p["end"]),
    "linear": lambda p, t: ACTIVATIONS[p["activation"]](functional.linear(t["x"], t["weights"].T, t["biases"])),
    "activation": lambda p, t: ACTIVATIONS[p["activation"]](t["x"]),
    "mean_squared_error": lambda p, t: functional.mse_loss(t["prediction"], t["target"]),
    "softmax_cross_entropy": lambda p, t: functional.cross_entropy(t["prediction"], t["target"]),
    "network": network,
}


@pytest.mark.parametrize("space", spaces.LECTURE, ids=lambda space: space.name)
def test_pytorch_agrees(space: Space) -> None:
    assert space.make is not None
    rng = np.random.default_rng(zlib.crc32(space.name.encode()))
    for _ in range(CONFIGURATIONS):
        point = {**space.draw(rng), "dtype": np.float64}
        operation = space.make(point, rng)
        tensors = {k: torch.tensor(a, requires_grad=k in operation.wrt) for k, a in operation.inputs.items()}
        theirs = ORACLES[space.name](point, tensors)
        y = operation.output()
        g = rng.normal(size=np.shape(y))
        gradients = operation.gradients(g)
        theirs.backward(torch.tensor(g))
        sizes = (1.0, *(float(np.max(np.abs(a), initial=0.0)) for a in (*operation.inputs.values(), y)))
        # A sum has as many terms as there are entries, each a product of two numbers of this size.
        size = max(sizes) ** 2 * max(a.size for a in operation.inputs.values())
        close(f"{point}: y", y, theirs.detach(), size)
        for name, gradient in gradients.items():
            close(f"{point}: {name}", gradient, tensors[name].grad, size)


def test_every_space_of_the_lecture_has_its_oracle() -> None:
    assert ORACLES.keys() == {space.name for space in spaces.LECTURE}


def test_a_wrong_gradient_is_seen() -> None:
    point = spaces.LINEAR.point(batch=3, inputs=5, outputs=4)
    assert spaces.LINEAR.make is not None
    operation = spaces.LINEAR.make(point, np.random.default_rng(0))
    g = np.random.default_rng(1).normal(size=(3, 4))
    right = operation.gradients(g)["weights"]
    close("weights", right, right.copy(), 1.0)
    with pytest.raises(AssertionError):
        close("weights", right * (1 + 1e-9), right, 1.0)
