"""The subject: every layer of the lecture with its hand-derived backward pass, in NumPy.

Each operation is a file: the forward equation, the derivation, `forward`, `backward`, and the lecture's layer class.
"""

from manual.convolution import ConvolutionalLayer
from manual.flatten import FlattenLayer
from manual.layer import Layer, Stage
from manual.linear import FullyConnectedLayer, LinearLayer
from manual.linear_activation import LinearActivation
from manual.max_pooling import MaxPoolingLayer
from manual.mean_squared_error import MeanSquaredError
from manual.network import LayeredNeuralNetwork
from manual.relu import ReLUActivation
from manual.sigmoid import SigmoidActivation
from manual.soft_relu import SoftReLUActivation
from manual.softmax_cross_entropy import SoftmaxCrossEntropy
from manual.tanh import TanhActivation

__all__ = [
    "ConvolutionalLayer",
    "FlattenLayer",
    "FullyConnectedLayer",
    "Layer",
    "LayeredNeuralNetwork",
    "LinearActivation",
    "LinearLayer",
    "MaxPoolingLayer",
    "MeanSquaredError",
    "ReLUActivation",
    "SigmoidActivation",
    "SoftReLUActivation",
    "SoftmaxCrossEntropy",
    "Stage",
    "TanhActivation",
]
