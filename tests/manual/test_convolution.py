"""The convolutional layer: the lecture's sum, its filter's direction, its padding, and what it refuses."""

from collections.abc import Callable
from enum import IntEnum
from typing import Any

import numpy as np
import pytest

from manual import (
    ConvolutionalLayer,
    MaxPoolingLayer,
    convolution,
    kernels,
)
from tests.manual.layers import conv
from tests.oracles import convolution_by_jax, convolution_by_loops
from tests.refusals import refused

Array = np.ndarray
Rng = np.random.Generator
ones = np.ones


HYPER = [{}, {"stride": (2, 1), "padding": (1, 2)}, {"padding": (2, 2), "dilation": (2, 1)}]


def around(hyper: dict[str, Any]) -> dict[str, Any]:
    """The padding of both sides written out, as the oracles take it."""
    return {**hyper, "padding": tuple((n, n) for n in hyper.get("padding", (0, 0)))}


def passes(arrays: list[Array], hyper: dict[str, Any]) -> tuple[list[Array], Any]:
    """y and the three gradients of x, filters, biases and g, and what was saved."""
    x, filters, biases, g = arrays
    y, saved = convolution.forward(x, filters, biases, **hyper)
    return [y, *convolution.backward(g, saved)], saved


SHAPES = ((2, 3, 5, 6), (4, 3, 2, 3), (4,))


@pytest.mark.parametrize("hyper", HYPER, ids=str)
def test_the_convolution_is_the_lectures_sum(hyper: dict[str, Any], rng: Rng) -> None:
    """At integers, where every sum is exact."""
    arrays = [rng.integers(-4, 5, shape).astype(float) for shape in SHAPES]
    arrays.append(rng.integers(-4, 5, convolution.forward(*arrays, **hyper)[0].shape).astype(float))
    mine, _ = passes(arrays, hyper)
    for computed, truth in zip(mine, convolution_by_loops(*arrays, **around(hyper)), strict=True):
        np.testing.assert_array_equal(computed, truth)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("hyper", HYPER, ids=str)
def test_the_convolution_is_that_of_another_library(hyper: dict[str, Any], dtype: Any, rng: Rng) -> None:
    """To the rounding of both: each adds up the same products in an order of its own."""
    arrays = [rng.normal(size=shape).astype(dtype) for shape in SHAPES]
    arrays.append(rng.normal(size=convolution.forward(*arrays, **hyper)[0].shape).astype(dtype))
    mine, saved = passes(arrays, hyper)
    limits = [kernels.output_bound(saved.kernel), *kernels.gradient_bounds(arrays[3], saved.kernel)]
    theirs = convolution_by_jax(*arrays, **around(hyper))
    for computed, other, limit in zip(mine, theirs, limits, strict=True):
        assert (np.abs(computed - other) <= 2 * limit).all()


def test_the_filter_is_not_flipped_on_the_way_forward_and_is_on_the_way_back() -> None:
    w = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    one = np.zeros((1, 1, 3, 3))
    one[0, 0, 1, 1] = 1.0
    y, saved = convolution.forward(one, w, np.zeros(1))
    np.testing.assert_array_equal(y[0, 0], [[4, 3], [2, 1]])
    g = np.zeros((1, 1, 2, 2))
    g[0, 0, 0, 1] = 1.0
    grad_x = convolution.backward(g, saved)[0]
    np.testing.assert_array_equal(grad_x[0, 0], [[0, 1, 2], [0, 3, 4], [0, 0, 0]])


@pytest.mark.parametrize(
    "wrong", [{"stride": (True, 1)}, {"stride": (1.0, 1)}, {"dilation": (1, True)}, {"groups": True}]
)
def test_a_size_that_only_equals_an_integer_is_refused_every_time(wrong: dict[str, Any]) -> None:
    """True == 1.0 == 1, so what is remembered of an equal, right configuration must not answer for a wrong one."""
    arrays = np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), np.ones(1)
    convolution.forward(*arrays, stride=(1, 1), dilation=(1, 1), groups=1)
    with pytest.raises(TypeError, match="must be an integer"):
        convolution.forward(*arrays, **wrong)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (2, (2, 2)),
        ((1, 2), (1, 2)),
        ([1, 2], (1, 2)),
        (((1, 2), (3, 4)), ((1, 2), (3, 4))),
        ([[1, 2], 3], ((1, 2), (3, 3))),
        ("same", "same"),
    ],
)
def test_every_way_of_saying_the_padding(given: Any, kept: Any) -> None:
    """The layer keeps it in one of three forms, and the function takes the same ones."""
    layer = conv(padding=given)
    assert layer.padding == kept
    x = ones((1, 2, 6, 5))
    y = convolution.forward(x, layer.filters, layer.biases, padding=kept)[0]
    np.testing.assert_array_equal(layer.forward(x), y)


class Side(IntEnum):
    THREE = 3


@pytest.mark.parametrize("size", [3, np.int64(3), np.uint8(3), Side.THREE, (3, 3), [3, np.int8(3)]], ids=repr)
def test_any_integer_is_a_size_and_becomes_a_pair_of_ints(size: Any) -> None:
    layer = ConvolutionalLayer(1, 1, size, size, size)
    pool = MaxPoolingLayer(size)
    for pair in (layer.kernel_size, layer.stride, pool.pool_size, pool.stride):
        assert pair == (3, 3)
        assert [type(n) for n in pair] == [int, int]


ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "bool size": (lambda: conv(kernel_size=True), TypeError, ("kernel_size", "True", "an integer")),
    "NumPy's bool": (lambda: conv(stride=np.True_), TypeError, ("stride", "True", "an integer")),
    "float size": (lambda: conv(padding=1.5), TypeError, ("padding", "1.5", "an integer")),
    "no channels": (lambda: conv(input_channels=0), ValueError, ("input_channels", "0", "at least 1")),
    "no filters": (lambda: conv(output_channels=-2), ValueError, ("output_channels", "-2", "at least 1")),
    "kernel of 0": (lambda: conv(kernel_size=(3, 0)), ValueError, ("columns of kernel_size", "0", "at least 1")),
    "stride 0": (lambda: conv(stride=0), ValueError, ("stride", "0", "at least 1")),
    "negative padding": (lambda: conv(padding=-1), ValueError, ("padding", "-1", "at least 0")),
    "negative column": (lambda: conv(padding=(0, -1)), ValueError, ("columns of padding", "-1", "at least 0")),
    "negative side": (lambda: conv(padding=((0, -1), (0, 0))), ValueError, ("bottom of padding", "-1", "at least 0")),
    "three sides": (
        lambda: conv(padding=((0, 1, 2), 0)),
        ValueError,
        ("rows of padding", "(0, 1, 2)", "(top, bottom)"),
    ),
    "another word": (lambda: conv(padding="valid"), ValueError, ("padding", "'valid'", '"same"')),
    "three sizes": (lambda: conv(kernel_size=(3, 3, 3)), ValueError, ("kernel_size", "(3, 3, 3)", "pair")),
    "groups": (lambda: conv(groups=2), ValueError, ("groups", "2", "does not divide output_channels, 3")),
    "engine": (lambda: conv(engine="quick"), ValueError, ("engine", "'quick'", "one of auto, fast")),
    "stride that is no pair": (
        lambda: convolution.forward(ones((1, 1, 3, 3)), ones((1, 1, 2, 2)), ones(1), stride=2),  # type: ignore[arg-type]
        ValueError,
        ("stride", "2", "(rows, columns) pair"),
    ),
    "rank": (lambda: conv().forward(ones((2, 5, 5))), ValueError, ("x", "(2, 5, 5)", "4 axes (B, C_in, H, W)")),
    "channels": (lambda: conv().forward(ones((1, 3, 5, 5))), ValueError, ("x", "3 channels", "take 2")),
    "kernel too large": (
        lambda: conv(padding=(0, 1)).forward(ones((1, 2, 2, 1))),
        ValueError,
        ("kernel", "(3, 3)", "fit the padded input", "(2, 3)"),
    ),
}


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_what_is_refused(call: Callable[[], Any], kind: type[Exception], words: tuple[str, ...]) -> None:
    refused(call, kind, *words)
