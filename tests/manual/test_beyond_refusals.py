"""What the layers beyond the lecture's refuse, and that a network says where."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from manual import (
    GELU,
    AveragePoolingLayer,
    BatchNorm2d,
    Concat,
    ConvolutionalLayer,
    ConvolutionalLayer1d,
    ConvolutionalLayer3d,
    Dropout,
    Gate,
    GroupNorm,
    Huber,
    LayeredNeuralNetwork,
    LayerNorm,
    MaxPoolingLayer,
    PixelShuffle,
    ReflectionPadding,
    ReLUActivation,
    Residual,
    RMSNorm,
    SelfAttention,
    SoftmaxCrossEntropy,
    Stage,
    Standardization,
    TransposedConvolutionalLayer,
    TransposedConvolutionalLayer1d,
    Upsampling,
    WeightNorm,
)
from manual.attention import forward as attention
from manual.program import wired
from tests.refusals import refused

ones = np.ones

ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "output padding as large as stride and dilation": (
        lambda: TransposedConvolutionalLayer(1, 1, 3, (2, 3), dilation=2, output_padding=(2, 2)),
        ValueError,
        ("output_padding[0] is 2", "below the stride, 2", "dilation, 2"),
    ),
    "groups that do not divide the output": (
        lambda: TransposedConvolutionalLayer1d(4, 3, 2, groups=2),
        ValueError,
        ("groups is 2", "output_channels, 3"),
    ),
    "nothing left": (
        lambda: LayeredNeuralNetwork([TransposedConvolutionalLayer1d(1, 1, 3, padding=2)]).forward(ones((1, 1, 2))),
        ValueError,
        ("layer 0 (TransposedConvolutionalLayer1d)", "padding[0] is (2, 2)", "nothing", "output of 4"),
    ),
    "transposed by the word": (
        lambda: TransposedConvolutionalLayer(1, 1, 3, padding=cast("Any", "same")),
        ValueError,
        ("padding is 'same'", "integers"),
    ),
    "channels for another transposed convolution": (
        lambda: TransposedConvolutionalLayer(2, 1, 3).forward(ones((1, 3, 2, 2))),
        ValueError,
        ("x has 3 channels", "take 2"),
    ),
    "another way to transpose": (
        lambda: TransposedConvolutionalLayer(2, 1, 3, engine="gemm"),
        ValueError,
        ("'gemm'", "auto, definition"),
    ),
    "an image for a sequence": (
        lambda: ConvolutionalLayer1d(2, 3, 2).forward(ones((1, 2, 4, 4))),
        ValueError,
        ("x has shape (1, 2, 4, 4)", "3 axes (B, C_in, W)"),
    ),
    "a vector for a sequence": (
        lambda: ConvolutionalLayer1d(2, 3, 2).forward(ones((1, 2))),
        ValueError,
        ("x has shape (1, 2)", "3 axes (B, C_in, W)"),
    ),
    "a dilated kernel larger than the padded volume": (
        lambda: LayeredNeuralNetwork(
            [GELU(), ConvolutionalLayer3d(1, 1, 2, padding=(1, 0, 0), dilation=(1, 1, 4))]
        ).forward(ones((1, 1, 1, 2, 4))),
        ValueError,
        ("layer 1 (ConvolutionalLayer3d)", "kernel (2, 2, 2)", "dilated to (2, 2, 5)", "(3, 2, 4)"),
    ),
    "groups that do not divide the channels of a volume": (
        lambda: ConvolutionalLayer3d(4, 3, 1, groups=2),
        ValueError,
        ("groups is 2", "output_channels, 3"),
    ),
    "a stride for two axes of three": (
        lambda: ConvolutionalLayer3d(1, 1, 2, (1, 2)),
        ValueError,
        ("stride is (1, 2)", "3 integers"),
    ),
    "no stride along an axis": (lambda: ConvolutionalLayer1d(1, 1, 2, 0), ValueError, ("stride is 0", "at least 1")),
    "padding with two sides of three": (
        lambda: ConvolutionalLayer3d(1, 1, 2, padding=cast("Any", (1, (0, 1, 2), 0))),
        ValueError,
        ("padding[1] is (0, 1, 2)", "(before, after)"),
    ),
    "groups that do not divide": (lambda: GroupNorm(2, 3), ValueError, ("groups is 2", "channels, 3")),
    "one sample in training": (
        lambda: LayeredNeuralNetwork([GELU(), BatchNorm2d(2)]).forward(ones((1, 2, 1, 1))),
        ValueError,
        ("layer 1 (BatchNorm2d)", "1 per channel", "larger batch"),
    ),
    "vectors for images": (lambda: BatchNorm2d(2).forward(ones((3, 2))), ValueError, ("x has shape (3, 2)", "4 axes")),
    "branches that do not fit": (
        lambda: LayeredNeuralNetwork([Residual(ConvolutionalLayer(2, 3, 1, rng=0))]).forward(ones((1, 2, 3, 3))),
        ValueError,
        ("layer 0 (Residual)", "(1, 2, 3, 3)", "(1, 3, 3, 3)"),
    ),
    "a branch that fails": (
        lambda: Concat([ReLUActivation(), MaxPoolingLayer(5)]).forward(ones((1, 2, 3, 3))),
        ValueError,
        ("layer 1 (MaxPoolingLayer)", "pool_size", "(5, 5)"),
    ),
    "parts that do not fit": (
        lambda: Concat([ReLUActivation(), MaxPoolingLayer(2)]).forward(ones((1, 2, 4, 4))),
        ValueError,
        ("array 1", "(1, 2, 2, 2)", "(1, 2, 4, 4)", "axis 1"),
    ),
    "a gate that does not fit": (
        lambda: Gate(MaxPoolingLayer(2)).forward(ones((1, 2, 4, 4))),
        ValueError,
        ("gate", "(1, 2, 2, 2)", "(1, 2, 4, 4)"),
    ),
    "a dilated window": (
        lambda: AveragePoolingLayer(3, dilation=2).forward(ones((1, 1, 4, 6))),
        ValueError,
        ("window of 3 rows", "dilation 2", "4 rows"),
    ),
    "a window in the padding": (
        lambda: MaxPoolingLayer(2, padding=2).forward(ones((1, 1, 4, 4))),
        ValueError,
        ("padding", "no entry"),
    ),
    "more to mirror than there is": (
        lambda: ReflectionPadding(3).forward(ones((1, 1, 3, 5))),
        ValueError,
        ("mirror", "at most 2 of 3"),
    ),
    "channels for no block": (lambda: PixelShuffle(2).forward(ones((1, 6, 2, 2))), ValueError, ("scale is 2", "6")),
    "everything dropped": (lambda: Dropout(1.0), ValueError, ("rate is 1.0", "below 1")),
    "another rule": (lambda: Upsampling(4, "cubic"), ValueError, ("'cubic'", "bilinear")),
    "other last axes": (
        lambda: LayerNorm(3).forward(ones((2, 4))),
        ValueError,
        ("scales has shape (3,)", "(2, 4)"),
    ),
    "no weights": (lambda: WeightNorm(ReLUActivation()), TypeError, ("ReLUActivation", "no weights")),
    "heads that do not divide": (lambda: SelfAttention(6, 4), ValueError, ("heads is 4", "6")),
    "a mask of another shape": (
        lambda: attention(*(ones((1, 2, 2)) for _ in range(3)), mask=[[True, False, True]]),
        ValueError,
        ("mask has shape (1, 3)", "(2, 2)"),
    ),
    "an axis named twice": (
        lambda: LayeredNeuralNetwork([Standardization((1, -1))]).forward(ones((2, 4))),
        ValueError,
        ("layer 0 (Standardization)", "axes is (1, -1)", "twice"),
    ),
    "no axes to normalize": (lambda: LayerNorm(()), ValueError, ("shape is ()", "at least one axis")),
    "no axes to scale": (lambda: RMSNorm(()), ValueError, ("shape is ()", "at least one axis")),
    "an image for volumes": (
        lambda: LayeredNeuralNetwork([ReLUActivation(), ConvolutionalLayer3d(2, 2, 2)]).forward(ones((2, 2, 3, 3))),
        ValueError,
        ("layer 1 (ConvolutionalLayer3d)", "x has shape (2, 2, 3, 3)", "5 axes (B, C_in, D, H, W)"),
    ),
    "a class that counts less than nothing": (
        lambda: SoftmaxCrossEntropy([1, -2]).forward(ones((2, 2)), np.array([0, 0])),
        ValueError,
        ("weights[1] is -2.0", "at least 0"),
    ),
    "a class that counts what is no number": (
        lambda: SoftmaxCrossEntropy([np.nan, 1]).forward(ones((2, 2)), np.array([0, 0])),
        ValueError,
        ("weights[0] is nan", "finite"),
    ),
    "an ignored batch": (
        lambda: SoftmaxCrossEntropy(ignored=1).forward(ones((2, 3)), np.array([1, 1])),
        ValueError,
        ("no sample counts",),
    ),
    "a target outside the classes": (
        lambda: SoftmaxCrossEntropy(ignored=7).forward(ones((2, 3)), np.array([7, 4])),
        ValueError,
        ("target[1] is 4", "0 to 2"),
    ),
    "another reduction": (lambda: Huber(reduction="max"), ValueError, ("'max'", "mean, sum, none")),
    "a value that is not there": (
        lambda: wired([Stage("relu", reads=("before",))]),
        ValueError,
        ("0:relu", "'before'"),
    ),
    "a value that nobody reads": (
        lambda: wired([Stage("relu"), Stage("tanh", reads=("x",))]),
        ValueError,
        ("0:relu", "never read"),
    ),
}


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_what_is_refused(call: Callable[[], Any], kind: type[Exception], words: tuple[str, ...]) -> None:
    refused(call, kind, *words)
