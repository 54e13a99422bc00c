"""Samples innermost in memory: the same numbers in the same axes, by other runs of memory."""

from typing import Any

import numpy as np
import pytest

from manual import (
    ConvolutionalLayer,
    FlattenLayer,
    LayeredNeuralNetwork,
    LinearLayer,
    MaxPoolingLayer,
    ReLUActivation,
    max_pooling,
)
from manual.machine import rows
from manual.machine.elementwise import BLOCK, each_block
from manual.machine.layout import samples_first, samples_innermost, samples_last

Array = np.ndarray


def innermost(a: Array) -> Array:
    return samples_first(np.ascontiguousarray(samples_last(a)))


def test_the_layout_is_told_apart(rng: np.random.Generator) -> None:
    a = rng.normal(size=(5, 2, 3, 4))
    assert samples_innermost(innermost(a))
    assert not samples_innermost(a)
    assert not samples_innermost(innermost(a)[:, :, ::2])
    np.testing.assert_array_equal(innermost(a), a)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(40))
def test_pooling_is_its_definition(seed: int, dtype: Any) -> None:
    """Ties, NaN, overlap, gaps and entries that no window reads."""
    rng = np.random.default_rng(seed)
    size, pool, stride = (tuple(rng.integers(1, most, 2).tolist()) for most in (9, 4, 4))
    size = (size[0] + pool[0], size[1] + pool[1])
    x = innermost(rng.integers(-2, 3, (6, 3, *size)).astype(dtype))
    if seed % 4 == 0:
        x[rng.random(x.shape) < 0.1] = np.nan
    y, saved = max_pooling.forward(x, pool_size=pool, stride=stride)
    np.testing.assert_array_equal(y, max_pooling.values(saved.x, pool, stride))
    g = rng.integers(-4, 5, y.shape).astype(dtype)
    for arriving in (g, innermost(g)):
        (grad_x,) = max_pooling.backward(arriving, saved)
        expected = np.zeros(x.shape, dtype)
        used = tuple(map(slice, saved.x.shape))
        expected[used] = max_pooling.gradient(g, saved.x, pool, stride)
        np.testing.assert_array_equal(grad_x, expected)


def network(rng: int, channels: int = 2) -> LayeredNeuralNetwork:
    return LayeredNeuralNetwork(
        [
            ConvolutionalLayer(channels, 5, 3, padding=1, activation=ReLUActivation(), rng=rng),
            MaxPoolingLayer(2),
            ConvolutionalLayer(5, 7, (2, 3), activation=ReLUActivation(), rng=rng + 1),
            MaxPoolingLayer(3, 1),
            FlattenLayer(),
            LinearLayer(7 * 4, 4, rng=rng + 2),
        ]
    )


def test_a_network_of_small_images_computes_what_its_layers_do() -> None:
    """In integers nothing rounds: bit for bit, whatever the layout and the engine."""
    rng = np.random.default_rng(3)
    whole = network(0)
    whole.parameters = rng.integers(-2, 3, whole.parameters.size)
    x = rng.integers(-2, 3, (19, 2, 10, 12)).astype(float)
    y = whole.forward(x)
    assert whole.layers[0]._saved[0][1].kernel.engine == "lanes"  # type: ignore[index]
    alone = network(0)
    alone.parameters = whole.parameters
    single = np.concatenate([alone.predict(x[n : n + 1]) for n in range(len(x))])
    np.testing.assert_array_equal(y, single)
    g = rng.integers(-2, 3, y.shape).astype(float)
    grad_x, gradients = whole.backward(g), whole.gradients
    sums, pieces = np.zeros_like(gradients), []
    for n in range(len(x)):
        alone.forward(x[n : n + 1])
        pieces.append(alone.backward(g[n : n + 1]))
        sums += alone.gradients
    np.testing.assert_array_equal(grad_x, np.concatenate(pieces))
    np.testing.assert_array_equal(gradients, sums)


@pytest.mark.parametrize("samples", [3, 19])
def test_the_parameters_gradients_without_the_inputs(samples: int) -> None:
    rng = np.random.default_rng(4)
    whole = network(0)
    whole.parameters = rng.integers(-2, 3, whole.parameters.size)
    x = rng.integers(-2, 3, (samples, 2, 10, 12)).astype(float)
    g = rng.integers(-2, 3, whole.forward(x).shape).astype(float)
    whole.backward(g)
    expected = whole.gradients
    whole.forward(x)
    whole.backward_to_parameters(g)
    np.testing.assert_array_equal(whole.gradients, expected)


def test_parameters_gradients_before_a_forward_pass() -> None:
    with pytest.raises(RuntimeError, match="was called before forward"):
        network(0).backward_to_parameters(np.zeros((1, 4)))


def test_blocks_take_arrays_of_other_layouts(rng: np.random.Generator) -> None:
    shape = (7, 3, 80, BLOCK // 800)
    a, b = innermost(rng.normal(size=shape)), rng.normal(size=shape)
    result = np.empty_like(a)
    each_block(lambda to, a, b: np.subtract(a, b, out=to), (result,), (a, b))
    assert samples_innermost(result)
    np.testing.assert_array_equal(result, a - b)


def test_samples_a_few_at_a_time_are_all_of_them(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    monkeypatch.setattr(rows, "BLOCK", 60)
    monkeypatch.setattr(rows, "PARALLEL", 1)
    a, b = rng.integers(-9, 9, (23, 4, 5)).astype(float), rng.integers(-9, 9, (23, 1)).astype(float)
    doubled, moved, summed = rows.in_parts(lambda a, b: (2 * a, a[:, 0] + b, a.sum(0)), a, b, sums=1)
    np.testing.assert_array_equal(doubled, 2 * a)
    np.testing.assert_array_equal(moved, a[:, 0] + b)
    np.testing.assert_array_equal(summed, a.sum(0))


def test_channels_a_few_at_a_time_are_all_of_them(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    monkeypatch.setattr(rows, "BLOCK", 100)
    monkeypatch.setattr(rows, "PARALLEL", 1)
    a, b = rng.integers(-9, 9, (3, 23, 4)).astype(float), rng.integers(-9, 9, (1, 23, 1)).astype(float)
    scaled, means, summed = rows.in_parts(
        lambda a, b: (a * b, a.mean((0, 2), keepdims=True), a.sum(1)), a, b, axis=1, sums=1
    )
    np.testing.assert_array_equal(scaled, a * b)
    np.testing.assert_array_equal(means, a.mean((0, 2), keepdims=True))
    np.testing.assert_array_equal(summed, a.sum(1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((7, 64), (1,)),
        ((3, 5, 14, 16), (2, 3)),
        ((3, 5, 14, 16), (0, 2, 3)),
        ((2, 3, 3000), (2,)),  # rows that are cut
        ((2, 3, 1031), (2,)),  # and one that cannot be: a prime number
        ((6, 5), (1,)),
        ((40, 64), (0,)),
        ((40, 64), (0, 1)),
        ((0, 64), (1,)),
        ((4, 0), (1,)),
        ((50,), (0,)),
        ((), ()),
    ],
)
def test_sums_over_axes(shape: tuple[int, ...], axes: tuple[int, ...], dtype: type, rng: np.random.Generator) -> None:
    """Of whole numbers, whose sums are exact however they are added up; whatever the layout."""
    a, b = (rng.integers(-9, 9, shape).astype(dtype) for _ in range(2))
    turned = np.asarray(a.T.copy().T)
    apart = np.stack([a, a], -1)[..., 0]
    for x in (a, turned, apart):
        for y in (b, np.asarray(b.T.copy().T)):
            np.testing.assert_array_equal(rows.total(x, axes), x.sum(axes, keepdims=True))
            np.testing.assert_array_equal(rows.total(x, axes, y), (x * y).sum(axes, keepdims=True))
    assert rows.total(a, axes).dtype == dtype
