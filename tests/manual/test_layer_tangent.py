"""Forward mode of a layer and of a network: one loop over its steps, whatever it is made of."""

from typing import Any

import numpy as np
import pytest

from manual import (
    BatchNorm,
    Concat,
    Dropout,
    Gate,
    Layer,
    LayeredNeuralNetwork,
    LinearLayer,
    ReLUActivation,
    Residual,
    SelfAttention,
    SigmoidActivation,
    Stage,
    WeightNorm,
    linear,
)
from manual.program import INPUT, run_forward, run_tangent
from tests.manual.layers import IMAGES, ROWS, every_layer, nested

Array = np.ndarray
Rng = np.random.Generator


def nudged(layer: Layer, shape: tuple[int, ...], rng: Rng) -> tuple[Array, Array, Array]:
    """x after a forward pass, and nudges of x and of the parameters."""
    x, nudge = rng.normal(size=(2, *shape)).astype(layer.dtype)
    layer.forward(x)
    return x, nudge, rng.normal(size=layer.parameters.shape).astype(layer.dtype)


@every_layer
def test_a_layers_tangent_is_that_of_its_program(make: Any, shape: tuple[int, ...], rng: Rng) -> None:
    layer = make(np.float64)
    x, nudge_x, vector = nudged(layer, shape, rng)
    ends = np.cumsum([a.size for a in layer.named_parameters().values()])[:-1]
    cut = zip(layer.named_parameters().items(), np.split(vector, ends) if vector.size else [], strict=True)
    by_name = {k: piece.reshape(a.shape) for (k, a), piece in cut}
    steps = run_forward(layer.program(), x).passed
    expected = run_tangent(steps, nudge_x, by_name)
    np.testing.assert_array_equal(layer.tangent(nudge_x, vector), expected)
    np.testing.assert_array_equal(layer.tangent(nudge_x, by_name), expected)


@every_layer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_has_the_layers_dtype(make: Any, shape: tuple[int, ...], dtype: Any, rng: Rng) -> None:
    layer = make(dtype)
    _, nudge_x, vector = nudged(layer, shape, rng)
    assert layer.tangent(nudge_x, vector).dtype == dtype


def test_a_network_passes_nudges_on_from_layer_to_layer(rng: Rng) -> None:
    network = nested()
    x, nudge, vector = nudged(network, IMAGES, rng)
    expected = network.tangent(nudge, vector)
    at = 0
    for layer in network.layers:
        own = vector[at : at + layer.parameters.size]
        at += own.size
        x, nudge = layer.forward(x), layer.tangent(nudge, own)
    np.testing.assert_array_equal(nudge, expected)


def test_what_is_left_out_stands_still(rng: Rng) -> None:
    layer = LinearLayer(4, 5, rng=0)
    x, nudge_x, _ = nudged(layer, ROWS, rng)
    weights = rng.normal(size=(4, 5))
    np.testing.assert_array_equal(layer.tangent(nudge_x), nudge_x @ layer.weights)
    np.testing.assert_allclose(layer.tangent(np.zeros_like(x), {"weights": weights}), x @ weights, rtol=1e-15)


def test_a_value_that_is_read_twice_moves_all_that_read_it(rng: Rng) -> None:
    """By hand: a residual connection, a concatenation with the input, a gate."""
    inner = LinearLayer(4, 4, rng=0)
    x, nudge_x, _ = nudged(inner, ROWS, rng)
    moved = inner.tangent(nudge_x)
    for block, expected in (
        (Residual(inner), moved + nudge_x),
        (Concat([inner], passed=True), np.concatenate([moved, nudge_x], axis=1)),
        (Gate(inner), nudge_x * (x @ inner.weights) + x * moved),
    ):
        block.forward(x)
        np.testing.assert_allclose(block.tangent(nudge_x), expected, rtol=1e-14)


class Twice(Layer):
    """(x·W + b)·W + b: two stages with the same parameters."""

    parameter_names = ("weights", "biases")

    def __init__(self) -> None:
        super().__init__()
        self.weights, self.biases = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([2.0, -3.0])

    def stages(self) -> tuple[Stage, ...]:
        both = ("weights", "biases")
        return Stage("linear", both), Stage("linear", both)


def test_a_parameter_that_is_taken_twice_moves_both(rng: Rng) -> None:
    layer, (x, nudge_x, w, b) = Twice(), (rng.integers(-3, 4, s) + 0.0 for s in ((3, 2), (3, 2), (2, 2), (2,)))
    y = layer.forward(x)
    moved = layer.tangent(nudge_x, {"weights": w, "biases": b})
    between = x @ layer.weights + layer.biases
    np.testing.assert_array_equal(y, between @ layer.weights + layer.biases)
    np.testing.assert_array_equal(moved, (nudge_x @ layer.weights + x @ w + b) @ layer.weights + between @ w + b)
    g = rng.integers(1, 5, y.shape) + 0.0
    pulled = layer.backward(g)
    gradients = layer.named_gradients()
    assert (g * moved).sum() == (pulled * nudge_x).sum() + (gradients["weights"] * w).sum() + (
        gradients["biases"] * b
    ).sum()


# ---------------------------------------------------------------------- state


def test_state_stands_still_and_is_left_as_it_is(rng: Rng) -> None:
    """Running statistics in evaluation are constants; in training the output does not depend on them."""
    layer = BatchNorm(4)
    layer.running_mean, layer.running_variance = rng.normal(size=4), rng.uniform(1, 2, 4)
    layer.training = False
    x, nudge_x, _ = nudged(layer, ROWS, rng)
    before = {k: a.copy() for k, a in layer.named_state().items()}
    np.testing.assert_allclose(layer.tangent(nudge_x), nudge_x / np.sqrt(before["running_variance"] + 1e-5), rtol=1e-14)
    layer.training = True
    layer.forward(x)
    before = {k: a.copy() for k, a in layer.named_state().items()}
    moved = layer.tangent(nudge_x)
    for name, array in layer.named_state().items():
        np.testing.assert_array_equal(array, before[name])
    layer.running_mean, layer.running_variance = rng.normal(size=4), rng.uniform(1, 2, 4)
    layer.forward(x)
    np.testing.assert_array_equal(layer.tangent(nudge_x), moved)


def test_a_mask_of_the_last_forward_pass_masks_the_nudge(rng: Rng) -> None:
    layer = Dropout(0.5, seed=3)
    ones = np.ones((4, 6))
    y = layer.forward(ones)
    seed = layer.seed.copy()
    np.testing.assert_array_equal(layer.tangent(ones), y)
    np.testing.assert_array_equal(layer.seed, seed)


# ---------------------------------------------------------------------- layers of one's own


class Doubled(LayeredNeuralNetwork):
    """A forward of its own, and no tangent."""

    def forward(self, x: Array) -> Array:
        return 2 * super().forward(x)

    def backward(self, grad_output: Array) -> Array:
        return super().backward(2 * grad_output)


class Moved(Doubled):
    """With one."""

    def tangent(self, nudge_x: Array, nudge_parameters: Any = None) -> Array:
        return 2 * super().tangent(nudge_x, nudge_parameters)


def test_a_layer_with_a_forward_of_its_own_needs_a_tangent_of_its_own(rng: Rng) -> None:
    for inside in (False, True):
        layer = Doubled([LinearLayer(4, 3, rng=0)])
        layer = LayeredNeuralNetwork([layer]) if inside else layer
        x, nudge_x, _ = nudged(layer, ROWS, rng)
        with pytest.raises(NotImplementedError, match="Doubled brings its own forward, and no tangent"):
            layer.tangent(nudge_x)
        with pytest.raises(NotImplementedError, match="Doubled brings its own forward, and no tangent"):
            run_tangent(run_forward(layer.program(), x).passed, nudge_x, layer.named_parameters())


def test_its_own_tangent_is_what_a_network_runs(rng: Rng) -> None:
    inner = LinearLayer(4, 3, rng=0)
    network = LayeredNeuralNetwork([Moved([inner]), ReLUActivation()])
    x, nudge_x, vector = nudged(network, ROWS, rng)
    moved = network.tangent(nudge_x, vector)
    passed = run_forward(network.program(), x).passed
    by_name = {"0.0.weights": vector[:12].reshape(4, 3), "0.0.biases": vector[12:]}
    np.testing.assert_array_equal(run_tangent(passed, nudge_x, by_name), moved)
    _, saved = linear.forward(x, inner.weights, inner.biases)
    alone = 2 * linear.tangent(nudge_x, *by_name.values(), saved=saved)
    np.testing.assert_array_equal(moved, np.where(x @ inner.weights > 0, alone, 0))


# ---------------------------------------------------------------------- refusals


def test_what_does_not_fit_is_refused(rng: Rng) -> None:
    layer = LinearLayer(4, 5, rng=0)
    nudge = np.zeros(ROWS)
    with pytest.raises(RuntimeError, match="tangent of LinearLayer was called before forward"):
        layer.tangent(nudge)
    layer.forward(np.ones(ROWS))
    refused: list[tuple[tuple[Any, ...], type[Exception], str]] = [
        ((nudge.astype(np.float32),), TypeError, "nudge_x has dtype float32, the layer computes in float64"),
        ((nudge[:2],), ValueError, r"nudge_x has shape \(2, 4\); x has shape \(3, 4\)"),
        (
            (nudge, np.zeros(3)),
            ValueError,
            r"nudge_parameters has shape \(3,\); LinearLayer takes a vector of length 25",
        ),
        ((nudge, {"weight": nudge}), ValueError, "names 'weight'; the parameters of LinearLayer are weights, biases"),
        ((nudge, {"weights": nudge}), ValueError, r"the nudge of weights has shape \(3, 4\); the parameter has"),
        ((nudge, {"biases": ["a"] * 5}), TypeError, "the nudge of biases has dtype <U1; it must be real numbers"),
    ]
    for given, error, said in refused:
        with pytest.raises(error, match=said):
            layer.tangent(*given)
    bare = ReLUActivation()
    bare.forward(nudge)
    with pytest.raises(ValueError, match="names 'x'; the parameters of ReLUActivation are none"):
        bare.tangent(nudge, {INPUT: nudge})


def test_a_network_says_which_layer_refused(rng: Rng) -> None:
    network = LayeredNeuralNetwork([SigmoidActivation(), WeightNorm(LinearLayer(4, 2, rng=0))])
    network.forward(np.ones(ROWS))
    with pytest.raises(ValueError, match=r"layer 0 \(SigmoidActivation\): nudge_x has shape"):
        network.tangent(np.ones((2, 4)))


def test_one_that_reads_its_input_three_times_is_linear_in_each(rng: Rng) -> None:
    """Self-attention: along the values alone the shares do not move."""
    layer = SelfAttention(4, 2, rng=0)
    x, _, _ = nudged(layer, (2, 3, 4), rng)
    for name in ("values_weights", "values_biases", "output_biases"):
        nudge = rng.normal(size=layer.named_parameters()[name].shape)
        moved = layer.tangent(np.zeros_like(x), {name: nudge})
        y, other = layer.forward(x), SelfAttention(4, 2)
        other.parameters = layer.parameters
        setattr(other, name, getattr(layer, name) + 2.0 * nudge)  # a straight line, however far
        np.testing.assert_allclose(other.forward(x) - y, 2.0 * moved, rtol=1e-12, atol=1e-13)
