"""The subject: every layer of the lecture with its hand-derived backward pass, in NumPy.

Each operation is a file: the forward equation, the derivation, `forward`, `backward`, and the lecture's layer class.
Beside them the losses, the network, optimizers, training and data; `manual.kernels` holds the convolution's engines.
"""

from manual.convolution import ConvolutionalLayer
from manual.data import create_image_data, load_digits, train_test_split
from manual.flatten import FlattenLayer
from manual.layer import Layer, Stage
from manual.linear import FullyConnectedLayer, LinearLayer
from manual.linear_activation import LinearActivation
from manual.max_pooling import MaxPoolingLayer
from manual.mean_squared_error import MeanSquaredError
from manual.network import LayeredNeuralNetwork
from manual.optimizers import SGD, Adam
from manual.relu import ReLUActivation
from manual.sigmoid import SigmoidActivation
from manual.soft_relu import SoftReLUActivation
from manual.softmax_cross_entropy import SoftmaxCrossEntropy
from manual.tanh import TanhActivation
from manual.training import TrainingDiverged, evaluate, fit

__all__ = [
    "SGD",
    "Adam",
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
    "TrainingDiverged",
    "create_image_data",
    "evaluate",
    "fit",
    "load_digits",
    "train_test_split",
]
