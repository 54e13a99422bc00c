"""Every reference forward says what its equation says, by plain loops.

Products and sums are tried at small integers, where both sides are exact and so must be equal.
"""

import math
from collections.abc import Callable
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest

from reference import (
    convolution,
    flatten,
    linear,
    linear_activation,
    max_pooling,
    mean_squared_error,
    network,
    relu,
    sigmoid,
    soft_relu,
    softmax_cross_entropy,
    tanh,
)
from tests.oracles import convolution_by_loops

Array = npt.NDArray[np.floating]
Pair = tuple[int, int]
Sides = tuple[Pair, Pair]

DTYPES = [np.float32, np.float64]


def integers(rng: np.random.Generator, *shape: int) -> Array:
    return rng.integers(-9, 10, shape).astype(np.float64)


def convolved(
    x: Array, filters: Array, biases: Array, stride: Pair, sides: Sides, dilation: Pair, groups: int
) -> Array:
    """By the oracle, whose output's shape is counted here."""
    samples, _, height, width = x.shape
    channels, _, rows, columns = filters.shape
    (top, bottom), (left, right) = sides
    out_height = (height + top + bottom - dilation[0] * (rows - 1) - 1) // stride[0] + 1
    out_width = (width + left + right - dilation[1] * (columns - 1) - 1) // stride[1] + 1
    g = np.zeros((samples, channels, out_height, out_width))
    return convolution_by_loops(x, filters, biases, g, stride=stride, padding=sides, dilation=dilation, groups=groups)[
        0
    ]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("hyperparameters", "sides", "stride", "dilation", "groups"),
    [
        pytest.param({}, ((0, 0), (0, 0)), (1, 1), (1, 1), 1, id="defaults"),
        pytest.param(
            {"stride": (2, 3), "padding": (1, 2)},
            ((1, 1), (2, 2)),
            (2, 3),
            (1, 1),
            1,
            id="stride-and-padding",
        ),
        pytest.param({"padding": ((0, 2), (1, 0))}, ((0, 2), (1, 0)), (1, 1), (1, 1), 1, id="padding-by-side"),
        pytest.param({"padding": (1, (0, 2))}, ((1, 1), (0, 2)), (1, 1), (1, 1), 1, id="padding-mixed"),
        pytest.param({"dilation": (2, 1)}, ((0, 0), (0, 0)), (1, 1), (2, 1), 1, id="dilation"),
        pytest.param({"groups": 2}, ((0, 0), (0, 0)), (1, 1), (1, 1), 2, id="groups"),
        pytest.param(
            {"stride": (2, 1), "padding": ((2, 1), (0, 3)), "dilation": (1, 2), "groups": 4},
            ((2, 1), (0, 3)),
            (2, 1),
            (1, 2),
            4,
            id="all-at-once",
        ),
    ],
)
def test_convolution(
    rng: np.random.Generator,
    hyperparameters: dict[str, object],
    sides: Sides,
    stride: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
    dtype: type[np.floating],
):
    x, filters = integers(rng, 2, 4, 6, 7), integers(rng, 8, 4 // groups, 3, 2)
    biases = integers(rng, 8)
    expected = convolved(x, filters, biases, stride, sides, dilation, groups)
    arrays = (a.astype(dtype) for a in (x, filters, biases))
    y = convolution.forward(*arrays, **hyperparameters)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(
    ("pool_size", "stride"),
    [((2, 2), None), ((2, 3), (2, 3)), ((3, 2), (1, 1)), ((1, 2), (3, 1)), ((5, 7), (2, 2))],
)
def test_max_pooling(rng: np.random.Generator, pool_size: tuple[int, int], stride: tuple[int, int] | None):
    x = integers(rng, 2, 3, 5, 7) - 20  # negative throughout: an initial value of 0 would show
    s, t = stride or pool_size
    (p, q), (height, width) = pool_size, x.shape[2:]
    expected = np.zeros((2, 3, (height - p) // s + 1, (width - q) // t + 1))
    for b, c, h, w in np.ndindex(expected.shape):
        expected[b, c, h, w] = max(x[b, c, s * h + i, t * w + j] for i in range(p) for j in range(q))
    np.testing.assert_array_equal(max_pooling.forward(x, pool_size=pool_size, stride=stride), expected)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ({}, (2, 60)),
        ({"start_dim": 0}, (120,)),
        ({"start_dim": 1, "end_dim": 2}, (2, 12, 5)),
        ({"start_dim": -3, "end_dim": -2}, (2, 12, 5)),
        ({"start_dim": 3}, (2, 3, 4, 5)),
    ],
)
def test_flatten(axes: dict[str, int], shape: tuple[int, ...]):
    y = flatten.forward(np.arange(120.0).reshape(2, 3, 4, 5), **axes)
    assert y.shape == shape
    assert np.ravel(y).tolist() == list(range(120))


def test_linear(rng: np.random.Generator):
    x, weights, biases = integers(rng, 3, 5), integers(rng, 5, 2), integers(rng, 2)
    expected = [[sum(x[b, d] * weights[d, o] for d in range(5)) + biases[o] for o in range(2)] for b in range(3)]
    np.testing.assert_array_equal(linear.forward(x, weights, biases), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("module", "equation"),
    [
        (linear_activation, lambda v: v),
        (relu, lambda v: v if v > 0 else 0.0),
        (sigmoid, lambda v: 1 / (1 + math.exp(-v))),
        (tanh, math.tanh),
        (soft_relu, lambda v: math.log1p(math.exp(v))),
    ],
    ids=lambda p: p.__name__ if isinstance(p, ModuleType) else "",
)
def test_activation(
    rng: np.random.Generator,
    module: ModuleType,
    equation: Callable[[float], float],
    dtype: type[np.floating],
):
    x = rng.normal(scale=3, size=(4, 5)).astype(dtype)
    expected = [[equation(float(v)) for v in row] for row in x]
    y = module.forward(x)
    assert y.dtype == dtype
    # Each library rounds exp, log and tanh in its own way, to a few units in the last place.
    np.testing.assert_allclose(y, expected, rtol=float(8 * np.finfo(dtype).eps))


@pytest.mark.parametrize("module", [relu, sigmoid, tanh, soft_relu])
def test_activations_do_not_overflow(module: ModuleType):
    limits = {relu: (0, 1000), sigmoid: (0, 1), tanh: (-1, 1), soft_relu: (0, 1000)}
    assert tuple(module.forward(np.array([-1000.0, 1000.0])).tolist()) == limits[module]


def test_mean_squared_error(rng: np.random.Generator):
    prediction, target = integers(rng, 4, 2), integers(rng, 4, 2)
    expected = sum((prediction[b, o] - target[b, o]) ** 2 for b in range(4) for o in range(2)) / 8
    loss = mean_squared_error.forward(prediction, target=target)
    assert loss.shape == ()
    assert loss.item() == expected


def test_mean_squared_error_refuses_shapes_that_would_spread_out():
    with pytest.raises(ValueError, match=r"target has shape \(3,\).*\(3, 1\)"):
        mean_squared_error.forward(np.zeros((3, 1)), target=np.zeros(3))


def cross_entropy_by_loops(logits: Array, probabilities: Array) -> float:
    total = 0.0
    for row, shares in zip(logits.tolist(), probabilities.tolist(), strict=True):
        log_sum = math.log(sum(math.exp(v) for v in row))
        total -= sum(share * (v - log_sum) for v, share in zip(row, shares, strict=True))
    return total / len(logits)


def test_softmax_cross_entropy(rng: np.random.Generator):
    logits, labels = rng.normal(size=(5, 4)), rng.integers(0, 4, 5)
    probabilities = rng.dirichlet(np.ones(4), 5)
    for target, shares in ((labels, np.eye(4)[labels]), (probabilities, probabilities)):
        loss = softmax_cross_entropy.forward(logits, target=target)
        assert loss.shape == ()
        expected = cross_entropy_by_loops(logits, shares)
        # Forty terms of size 1 or so, each rounded a few times.
        np.testing.assert_allclose(loss, expected, rtol=float(64 * np.finfo(float).eps))


def test_softmax_cross_entropy_does_not_overflow():
    logits = np.array([[1000.0, -1000.0], [-1000.0, 1000.0]])
    assert softmax_cross_entropy.forward(logits, target=np.array([0, 1])).item() == 0
    assert softmax_cross_entropy.forward(logits, target=np.array([1, 0])).item() == 2000
    assert softmax_cross_entropy.forward(logits, target=np.full((2, 2), 0.5)).item() == 1000


@pytest.mark.parametrize("label", [-1, 3])
def test_label_out_of_range_is_nan(label: int):
    loss = softmax_cross_entropy.forward(np.eye(3), target=np.array([0, 1, label]))
    assert np.isnan(loss)


@pytest.mark.parametrize(
    "target",
    [np.zeros(2, int), np.zeros(3), np.zeros((3, 2)), np.zeros((3, 4), int)],
    ids=["too-few-labels", "float-labels", "too-few-classes", "integer-probabilities"],
)
def test_softmax_cross_entropy_refuses_other_targets(target: npt.NDArray[np.generic]):
    with pytest.raises(ValueError, match=f"dtype {target.dtype} is neither integer labels"):
        softmax_cross_entropy.forward(np.zeros((3, 4)), target=target)


def test_biases_are_not_spread_out():
    with pytest.raises(TypeError, match="reshape"):
        convolution.forward(np.zeros((1, 1, 3, 3)), np.zeros((2, 1, 2, 2)), np.zeros(1))
    with pytest.raises(TypeError, match="reshape"):
        linear.forward(np.zeros((1, 3)), np.zeros((3, 2)), np.zeros(1))


def test_network_is_its_stages_in_turn(rng: np.random.Generator):
    x = integers(rng, 2, 1, 5, 5)
    parameters = {
        "0.filters": integers(rng, 3, 1, 2, 2),
        "0.biases": integers(rng, 3),
        "3.weights": integers(rng, 12, 4),
        "3.biases": integers(rng, 4),
    }
    stages = [
        ("convolution", ("0.filters", "0.biases"), {"stride": (1, 1)}),
        ("relu", (), {}),
        ("max_pooling", (), {"pool_size": (2, 2)}),
        ("flatten", (), {}),
        ("linear", ("3.weights", "3.biases"), {}),
    ]
    y = convolution.forward(x, parameters["0.filters"], parameters["0.biases"])
    y = max_pooling.forward(relu.forward(y), pool_size=(2, 2))
    y = linear.forward(flatten.forward(y), parameters["3.weights"], parameters["3.biases"])
    # An iterator will do: the stages are read once.
    np.testing.assert_array_equal(network.forward(x, parameters, stages=iter(stages)), y)


def test_network_without_stages_is_the_identity(rng: np.random.Generator):
    x = integers(rng, 2, 3)
    np.testing.assert_array_equal(network.forward(x, {}, stages=()), x)


@pytest.mark.parametrize("operation", ["convolutoin", "network", "precision", "os", ""])
def test_network_names_an_unknown_operation_and_the_known_ones(operation: str):
    with pytest.raises(ValueError, match=f"no operation '{operation}'.*convolution, .*flatten.*tanh"):
        network.forward(np.zeros((1, 1)), {}, stages=[(operation, (), {})])
