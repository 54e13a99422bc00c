"""The subject: every layer of the lecture with its hand-derived backward pass, in NumPy.

Each operation is a file: the forward equation, the derivation, `forward`, `tangent`, `backward`, and the layer class.
Beside them the losses, the network, optimizers, training and data. Two rooms serve them: `manual.machine` has threads,
scratch and long runs of memory for whoever wants speed, `manual.kernels` the engines of the convolution alone.

Names are loaded when first used, so that importing one layer loads what it needs and no more: a ReLU no engine.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from manual.add import Residual
    from manual.attention import SelfAttention
    from manual.average_pooling import AveragePoolingLayer, AveragePoolingLayer1d, AveragePoolingLayer3d
    from manual.batch_norm import BatchNorm, BatchNorm2d
    from manual.binary_cross_entropy import BinaryCrossEntropy
    from manual.concatenation import Concat
    from manual.convolution import ConvolutionalLayer, ConvolutionalLayer1d, ConvolutionalLayer3d
    from manual.data import create_image_data, load_digits, train_test_split
    from manual.dropout import Dropout
    from manual.elu import ELU
    from manual.embedding import Embedding
    from manual.flatten import FlattenLayer
    from manual.gauss_newton import gauss_newton_product
    from manual.gelu import GELU
    from manual.group_norm import GroupNorm, InstanceNorm
    from manual.hard_swish import HardSwish
    from manual.huber import Huber
    from manual.layer import Layer
    from manual.layer_norm import LayerNorm
    from manual.leaky_relu import LeakyReLU
    from manual.linear import FullyConnectedLayer, LinearLayer
    from manual.linear_activation import LinearActivation
    from manual.log_softmax import LogSoftmax
    from manual.lp_pooling import LpPoolingLayer, LpPoolingLayer1d, LpPoolingLayer3d
    from manual.max_pooling import GlobalMaxPooling, MaxPoolingLayer, MaxPoolingLayer1d, MaxPoolingLayer3d
    from manual.maxout import Maxout
    from manual.mean_absolute_error import MeanAbsoluteError
    from manual.mean_squared_error import MeanSquaredError
    from manual.multiply import Gate
    from manual.network import LayeredNeuralNetwork
    from manual.optimizers import SGD, Adam
    from manual.pad import CircularPadding, Crop, ReflectionPadding, ReplicationPadding, ZeroPadding
    from manual.pixel_shuffle import PixelShuffle, PixelUnshuffle
    from manual.prelu import PReLU
    from manual.program import Stage
    from manual.relu import ReLUActivation
    from manual.resampling import AdaptiveAveragePooling, GlobalAveragePooling, Upsampling
    from manual.rms_norm import RMSNorm
    from manual.selu import SELU
    from manual.sigmoid import SigmoidActivation
    from manual.silu import SiLU
    from manual.soft_relu import SoftReLUActivation
    from manual.softmax import Softmax
    from manual.softmax_cross_entropy import SoftmaxCrossEntropy
    from manual.standardization import Standardization
    from manual.tanh import TanhActivation
    from manual.training import TrainingDiverged, evaluate, fit
    from manual.transposed_convolution import (
        TransposedConvolutionalLayer,
        TransposedConvolutionalLayer1d,
        TransposedConvolutionalLayer3d,
    )
    from manual.weight_norm import WeightNorm

HOMES = {
    "Residual": "manual.add",
    "SelfAttention": "manual.attention",
    "AveragePoolingLayer": "manual.average_pooling",
    "AveragePoolingLayer1d": "manual.average_pooling",
    "AveragePoolingLayer3d": "manual.average_pooling",
    "BatchNorm": "manual.batch_norm",
    "BatchNorm2d": "manual.batch_norm",
    "BinaryCrossEntropy": "manual.binary_cross_entropy",
    "Concat": "manual.concatenation",
    "ConvolutionalLayer": "manual.convolution",
    "ConvolutionalLayer1d": "manual.convolution",
    "ConvolutionalLayer3d": "manual.convolution",
    "create_image_data": "manual.data",
    "load_digits": "manual.data",
    "train_test_split": "manual.data",
    "Dropout": "manual.dropout",
    "ELU": "manual.elu",
    "Embedding": "manual.embedding",
    "FlattenLayer": "manual.flatten",
    "gauss_newton_product": "manual.gauss_newton",
    "GELU": "manual.gelu",
    "GroupNorm": "manual.group_norm",
    "InstanceNorm": "manual.group_norm",
    "HardSwish": "manual.hard_swish",
    "Huber": "manual.huber",
    "Layer": "manual.layer",
    "LayerNorm": "manual.layer_norm",
    "LeakyReLU": "manual.leaky_relu",
    "FullyConnectedLayer": "manual.linear",
    "LinearLayer": "manual.linear",
    "LinearActivation": "manual.linear_activation",
    "LogSoftmax": "manual.log_softmax",
    "LpPoolingLayer": "manual.lp_pooling",
    "LpPoolingLayer1d": "manual.lp_pooling",
    "LpPoolingLayer3d": "manual.lp_pooling",
    "GlobalMaxPooling": "manual.max_pooling",
    "MaxPoolingLayer": "manual.max_pooling",
    "MaxPoolingLayer1d": "manual.max_pooling",
    "MaxPoolingLayer3d": "manual.max_pooling",
    "Maxout": "manual.maxout",
    "MeanAbsoluteError": "manual.mean_absolute_error",
    "MeanSquaredError": "manual.mean_squared_error",
    "Gate": "manual.multiply",
    "LayeredNeuralNetwork": "manual.network",
    "Adam": "manual.optimizers",
    "SGD": "manual.optimizers",
    "CircularPadding": "manual.pad",
    "Crop": "manual.pad",
    "ReflectionPadding": "manual.pad",
    "ReplicationPadding": "manual.pad",
    "ZeroPadding": "manual.pad",
    "PixelShuffle": "manual.pixel_shuffle",
    "PixelUnshuffle": "manual.pixel_shuffle",
    "PReLU": "manual.prelu",
    "Stage": "manual.program",
    "ReLUActivation": "manual.relu",
    "AdaptiveAveragePooling": "manual.resampling",
    "GlobalAveragePooling": "manual.resampling",
    "Upsampling": "manual.resampling",
    "RMSNorm": "manual.rms_norm",
    "SELU": "manual.selu",
    "SigmoidActivation": "manual.sigmoid",
    "SiLU": "manual.silu",
    "SoftReLUActivation": "manual.soft_relu",
    "Softmax": "manual.softmax",
    "SoftmaxCrossEntropy": "manual.softmax_cross_entropy",
    "Standardization": "manual.standardization",
    "TanhActivation": "manual.tanh",
    "TrainingDiverged": "manual.training",
    "evaluate": "manual.training",
    "fit": "manual.training",
    "TransposedConvolutionalLayer": "manual.transposed_convolution",
    "TransposedConvolutionalLayer1d": "manual.transposed_convolution",
    "TransposedConvolutionalLayer3d": "manual.transposed_convolution",
    "WeightNorm": "manual.weight_norm",
}

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "SGD",
    "Adam",
    "AdaptiveAveragePooling",
    "AveragePoolingLayer",
    "AveragePoolingLayer1d",
    "AveragePoolingLayer3d",
    "BatchNorm",
    "BatchNorm2d",
    "BinaryCrossEntropy",
    "CircularPadding",
    "Concat",
    "ConvolutionalLayer",
    "ConvolutionalLayer1d",
    "ConvolutionalLayer3d",
    "Crop",
    "Dropout",
    "Embedding",
    "FlattenLayer",
    "FullyConnectedLayer",
    "Gate",
    "GlobalAveragePooling",
    "GlobalMaxPooling",
    "GroupNorm",
    "HardSwish",
    "Huber",
    "InstanceNorm",
    "Layer",
    "LayerNorm",
    "LayeredNeuralNetwork",
    "LeakyReLU",
    "LinearActivation",
    "LinearLayer",
    "LogSoftmax",
    "LpPoolingLayer",
    "LpPoolingLayer1d",
    "LpPoolingLayer3d",
    "MaxPoolingLayer",
    "MaxPoolingLayer1d",
    "MaxPoolingLayer3d",
    "Maxout",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "PReLU",
    "PixelShuffle",
    "PixelUnshuffle",
    "RMSNorm",
    "ReLUActivation",
    "ReflectionPadding",
    "ReplicationPadding",
    "Residual",
    "SelfAttention",
    "SiLU",
    "SigmoidActivation",
    "SoftReLUActivation",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Stage",
    "Standardization",
    "TanhActivation",
    "TrainingDiverged",
    "TransposedConvolutionalLayer",
    "TransposedConvolutionalLayer1d",
    "TransposedConvolutionalLayer3d",
    "Upsampling",
    "WeightNorm",
    "ZeroPadding",
    "create_image_data",
    "evaluate",
    "fit",
    "gauss_newton_product",
    "load_digits",
    "train_test_split",
]


def __getattr__(name: str) -> Any:
    """A public name from its home, or a file of the package."""
    if name in HOMES:
        return getattr(import_module(HOMES[name]), name)
    if name in files():
        return import_module(f"manual.{name}")
    raise AttributeError(f"module 'manual' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *HOMES, *files()})


def files() -> set[str]:
    """The files and rooms of the package."""
    return {found.name for found in iter_modules(__path__)}
