"""Every error at the edge of `manual`: its type, and that its message names the argument, the value and the rule."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from manual import (
    ConvolutionalLayer,
    FlattenLayer,
    FullyConnectedLayer,
    Layer,
    LayeredNeuralNetwork,
    LinearLayer,
    MaxPoolingLayer,
    MeanSquaredError,
    ReLUActivation,
    SigmoidActivation,
    SoftmaxCrossEntropy,
    convolution,
    flatten,
    linear,
    max_pooling,
)

ones = np.ones


def conv(*, seen: tuple[int, ...] | None = None, **options: Any) -> ConvolutionalLayer:
    layer = ConvolutionalLayer(**{"input_channels": 2, "output_channels": 3, "kernel_size": 3, "rng": 0, **options})
    if seen is not None:
        layer.forward(ones(seen, layer.dtype))
    return layer


class Own(ReLUActivation):
    """A forward of one's own, which a layer that only runs stages would not call."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        return np.where(x > 0, x, 0.1 * x)


def assign(layer: Layer, name: str, value: Any) -> None:
    setattr(layer, name, value)


ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    # sizes
    "bool size": (lambda: conv(kernel_size=True), TypeError, "kernel_size must be an integer, not the bool True"),
    "NumPy's bool": (lambda: conv(stride=np.True_), TypeError, "stride must be an integer, not the bool True"),
    "bool in a pair": (lambda: MaxPoolingLayer((2, False)), TypeError, "columns of pool_size must be .*bool False"),
    "float size": (lambda: conv(padding=1.5), TypeError, "padding must be an integer, not 1.5"),
    "whole float": (lambda: LinearLayer(3.0, 2), TypeError, "input_size must be an integer, not 3.0"),  # type: ignore[arg-type]
    "text": (lambda: LinearLayer(3, "2"), TypeError, "output_size must be an integer, not '2'"),  # type: ignore[arg-type]
    "no channels": (lambda: conv(input_channels=0), ValueError, "input_channels is 0; it must be at least 1"),
    "no filters": (lambda: conv(output_channels=-2), ValueError, "output_channels is -2; it must be at least 1"),
    "kernel of 0": (lambda: conv(kernel_size=(3, 0)), ValueError, "columns of kernel_size is 0; .* at least 1"),
    "stride 0": (lambda: conv(stride=0), ValueError, "stride is 0; it must be at least 1"),
    "stride 0 in pooling": (lambda: MaxPoolingLayer(2, (0, 1)), ValueError, "rows of stride is 0; .* at least 1"),
    "negative padding": (lambda: conv(padding=-1), ValueError, "padding is -1; it must be at least 0"),
    "negative column": (lambda: conv(padding=(0, -1)), ValueError, "columns of padding is -1; .* at least 0"),
    "three sizes": (lambda: conv(kernel_size=(3, 3, 3)), ValueError, r"kernel_size is \(3, 3, 3\); .*pair"),
    "float axis": (lambda: FlattenLayer(1.0), TypeError, "start_dim must be an integer, not 1.0"),  # type: ignore[arg-type]
    "no features": (lambda: FullyConnectedLayer(0, 2), ValueError, "input_size is 0; it must be at least 1"),
    # hyper-parameters of the functions
    "stride that is no pair": (
        lambda: convolution.forward(ones((1, 1, 3, 3)), ones((1, 1, 2, 2)), ones(1), stride=2),  # type: ignore[arg-type]
        ValueError,
        "stride is 2; it must be a .rows, columns. pair",
    ),
    "pool of 0": (
        lambda: max_pooling.forward(ones((1, 1, 3, 3)), pool_size=(0, 2)),
        ValueError,
        "rows of pool_size is 0; it must be at least 1",
    ),
    # dtypes
    "integers as dtype": (lambda: conv(dtype=np.int64), TypeError, "dtype must be float32 or float64, not int64"),
    "half as dtype": (lambda: ReLUActivation(dtype="f2"), TypeError, "dtype must be float32 or float64, not float16"),
    "None as dtype": (
        lambda: conv(dtype=None),
        TypeError,
        "dtype must be float32 or float64, not None",
    ),
    "no dtype": (lambda: conv().astype("fast"), TypeError, "dtype must be float32 or float64, not 'fast'"),
    "x in float32": (
        lambda: conv().forward(ones((1, 2, 3, 3), np.float32)),
        TypeError,
        "x has dtype float32, the layer computes in float64",
    ),
    "x in float64": (
        lambda: conv(dtype=np.float32).forward(ones((1, 2, 3, 3))),
        TypeError,
        "x has dtype float64, the layer computes in float32",
    ),
    "x in integers": (lambda: ReLUActivation().forward([1, 2]), TypeError, "x has dtype int64, .* in float64"),  # type: ignore[arg-type]
    "complex x": (
        lambda: LinearLayer(1, 1).forward(ones((1, 1)) * 1j),
        TypeError,
        "x has dtype complex128, .* float64",
    ),
    "grad_output in float32": (
        lambda: conv(seen=(1, 2, 3, 3)).backward(ones((1, 3, 1, 1), np.float32)),
        TypeError,
        "grad_output has dtype float32, the layer computes in float64",
    ),
    # shapes
    "rank": (
        lambda: conv().forward(ones((2, 5, 5))),
        ValueError,
        r"x has shape \(2, 5, 5\); .* 4 axes \(B, C_in, H, W\)",
    ),
    "rank in pooling": (lambda: MaxPoolingLayer(2).forward(ones(3)), ValueError, r"x has shape \(3,\); .* 4 axes"),
    "rank in linear": (
        lambda: LinearLayer(3, 2).forward(ones(3)),
        ValueError,
        r"x has shape \(3,\); .* 2 axes \(B, D\)",
    ),
    "channels": (lambda: conv().forward(ones((1, 3, 5, 5))), ValueError, r"x has 3 channels \(shape .*take 2"),
    "features": (lambda: LinearLayer(3, 2).forward(ones((1, 4))), ValueError, r"x has 4 features \(shape .*take 3"),
    "kernel too large": (
        lambda: conv(padding=(0, 1)).forward(ones((1, 2, 2, 1))),
        ValueError,
        r"kernel \(3, 3\) does not fit the padded input \(2, 3\)",
    ),
    "pool too large": (
        lambda: MaxPoolingLayer((2, 3)).forward(ones((1, 1, 2, 2))),
        ValueError,
        r"pool_size is \(2, 3\); it must fit the input's rows and columns, \(2, 2\)",
    ),
    "axis that is not there": (
        lambda: FlattenLayer(1, 3).forward(ones((2, 3))),
        ValueError,
        r"end_dim is 3; x has shape \(2, 3\), and its axes are -2 to 1",
    ),
    "axis too far back": (
        lambda: flatten.forward(ones((2, 3)), start_dim=-3),
        ValueError,
        "start_dim is -3; .* -2 to 1",
    ),
    "end before start": (
        lambda: FlattenLayer(2, 1).forward(ones((2, 3, 4))),
        ValueError,
        "end_dim 1 lies before start_dim 2",
    ),
    "biases": (
        lambda: linear.forward(ones((1, 3)), ones((3, 2)), ones(3)),
        ValueError,
        r"biases has shape \(3,\); one bias per output has shape \(2,\)",
    ),
    "shape of grad_output": (
        lambda: conv(seen=(1, 2, 3, 3)).backward(ones((1, 3, 2, 1))),
        ValueError,
        r"grad_output has shape \(1, 3, 2, 1\); the output has shape \(1, 3, 1, 1\)",
    ),
    "grad_output that would broadcast": (
        lambda: conv(seen=(1, 2, 3, 3), activation=ReLUActivation).backward(np.float64(1)),  # type: ignore[arg-type]
        ValueError,
        r"grad_output has shape \(\); the output has shape \(1, 3, 1, 1\)",
    ),
    # order of calls
    "backward first": (
        lambda: conv().backward(ones((1, 3, 1, 1))),
        RuntimeError,
        "backward of ConvolutionalLayer was called before forward",
    ),
    "gradients first": (
        lambda: conv(seen=(1, 2, 3, 3)).gradients,
        RuntimeError,
        "gradients of ConvolutionalLayer were asked for before backward",
    ),
    "named gradients first": (lambda: LinearLayer(1, 1).named_gradients(), RuntimeError, "gradients of LinearLayer"),
    # parameters
    "vector too short": (
        lambda: assign(conv(), "parameters", ones(56)),
        ValueError,
        r"parameters has shape \(56,\); ConvolutionalLayer takes a vector of length 57",
    ),
    "vector as matrix": (
        lambda: assign(LinearLayer(1, 1), "parameters", ones((2, 1))),
        ValueError,
        r"\(2, 1\); Linear",
    ),
    "vector for nothing": (lambda: assign(ReLUActivation(), "parameters", ones(1)), ValueError, "vector of length 0"),
    "complex vector": (
        lambda: assign(LinearLayer(1, 1), "parameters", [1j, 1]),
        TypeError,
        "parameters has dtype complex128; it must be real numbers",
    ),
    "filters of another shape": (
        lambda: assign(conv(), "filters", ones((3, 2, 3, 2))),
        ValueError,
        r"filters has shape \(3, 2, 3, 2\); the parameter has shape \(3, 2, 3, 3\)",
    ),
    "a number for biases": (lambda: assign(conv(), "biases", 0.0), ValueError, r"biases has shape \(\); .* \(3,\)"),
    "bools for biases": (lambda: assign(conv(), "biases", ones(3, bool)), TypeError, "biases has dtype bool; .* real"),
    # activations
    "name of an activation": (
        lambda: conv(activation="relu"),
        TypeError,
        "activation is 'relu'; it must be an activation",
    ),
    "layer with parameters": (lambda: conv(activation=LinearLayer(1, 1)), TypeError, "activation is <.*LinearLayer"),
    "class with parameters": (lambda: conv(activation=LinearLayer), TypeError, "activation is <class .*LinearLayer"),
    "forward of one's own": (
        lambda: conv(activation=Own),
        TypeError,
        "activation is an? Own, with a forward .* of its own",
    ),
    "network": (
        lambda: FullyConnectedLayer(1, 1, LayeredNeuralNetwork([LinearLayer(1, 1)])),
        TypeError,
        "activation is a LayeredNeuralNetwork, .*put it into a network",
    ),
    # losses
    "label too large": (
        lambda: SoftmaxCrossEntropy().forward(ones((2, 3)), np.array([0, 3])),
        ValueError,
        r"target\[1\] is 3; the labels of 3 classes are 0 to 2",
    ),
    "label below 0": (
        lambda: SoftmaxCrossEntropy().gradient(ones((1, 3)), np.array([-1])),
        ValueError,
        "is -1; the labels",
    ),
    "labels as floats": (
        lambda: SoftmaxCrossEntropy().forward(ones((2, 3)), np.array([0.0, 1.0])),
        ValueError,
        r"target has shape \(2,\) and dtype float64; it must be integer labels of shape \(2,\) or probabilities",
    ),
    "too few labels": (
        lambda: SoftmaxCrossEntropy().forward(ones((2, 3)), np.array([0])),
        ValueError,
        r"\(1,\) and dtype",
    ),
    "logits of one sample": (
        lambda: SoftmaxCrossEntropy().forward(ones(3), np.array([0])),
        ValueError,
        r"prediction has shape \(3,\); it must have 2 axes \(B, K\)",
    ),
    "nothing to average": (
        lambda: MeanSquaredError().forward(ones((0, 3)), ones((0, 3))),
        ValueError,
        r"prediction has shape \(0, 3\); a mean over nothing has no value",
    ),
    "target that would broadcast": (
        lambda: MeanSquaredError().gradient(ones((2, 3)), ones(3)),
        ValueError,
        r"target has shape \(3,\); the prediction has shape \(2, 3\)",
    ),
    "prediction of integers": (
        lambda: MeanSquaredError().forward(ones(3, int), ones(3)),
        TypeError,
        "prediction has dtype int64; a loss takes float32 or float64",
    ),
    "complex target": (
        lambda: MeanSquaredError().forward(ones(3), ones(3) * 1j),
        TypeError,
        "target has dtype complex128",
    ),
    # networks
    "no layers": (lambda: LayeredNeuralNetwork([]), ValueError, "layers is empty; a network needs at least one layer"),
    "no layer": (
        lambda: LayeredNeuralNetwork([ReLUActivation(), np.tanh]),  # type: ignore[list-item]
        TypeError,
        r"layers\[1\] is <ufunc 'tanh'>, which is not a Layer",
    ),
    "class of a layer": (
        lambda: LayeredNeuralNetwork([ReLUActivation]),  # type: ignore[list-item]
        TypeError,
        r"layers\[0\] is <class .*, which is not a Layer \(an instance of one\)",
    ),
    "mixed dtypes": (
        lambda: LayeredNeuralNetwork([conv(), ReLUActivation(dtype=np.float32)]),
        TypeError,
        r"layer 0 \(ConvolutionalLayer\) in float64, layer 1 \(ReLUActivation\) in float32",
    ),
    "backward of a network first": (
        lambda: LayeredNeuralNetwork([ReLUActivation()]).backward(ones(1)),
        RuntimeError,
        "backward of LayeredNeuralNetwork was called before forward",
    ),
    # layers of one's own
    "a string of names": (
        lambda: type("Scale", (Layer,), {"parameter_names": "scale"}),
        TypeError,
        r"parameter_names of Scale is the string 'scale'; write \('scale',\), a tuple",
    ),
    "gradients by other names": (
        lambda: LinearLayer(1, 1).keep_gradients(weights=ones((1, 1))),
        ValueError,
        r"gradients of \['weights'\] given; LinearLayer has \['biases', 'weights'\]",
    ),
    "gradients of other shapes": (
        lambda: LinearLayer(1, 1).keep_gradients(weights=ones((1, 1)), biases=ones(2)),
        ValueError,
        r"gradient of biases has shape \(2,\); the parameter has shape \(1,\)",
    ),
}


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_errors(call: Callable[[], Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        call()
    assert type(caught.value) is kind


# ---------------------------------------------------------------------- one instance twice


def test_the_same_layer_twice_is_refused_wherever_it_stands() -> None:
    relu = ReLUActivation()
    with pytest.raises(ValueError, match="layers 0 and 2 are the same ReLUActivation"):
        LayeredNeuralNetwork([relu, ReLUActivation(), relu])
    deep = LayeredNeuralNetwork([SigmoidActivation(), LayeredNeuralNetwork([relu])])
    with pytest.raises(ValueError, match=r"layers 0 and 1\.1\.0 are the same ReLUActivation"):
        LayeredNeuralNetwork([relu, deep])
    inner = LayeredNeuralNetwork([LinearLayer(2, 2)])
    with pytest.raises(ValueError, match="layers 0 and 1 are the same LayeredNeuralNetwork"):
        LayeredNeuralNetwork([inner, inner])
    LayeredNeuralNetwork([ReLUActivation(), relu, LayeredNeuralNetwork([ReLUActivation()])])


def test_two_layers_may_share_an_activation() -> None:
    relu = ReLUActivation()
    LayeredNeuralNetwork([LinearLayer(2, 2), FullyConnectedLayer(2, 2, relu), FullyConnectedLayer(2, 2, relu), relu])


# ---------------------------------------------------------------------- errors inside a network


def network() -> LayeredNeuralNetwork:
    return LayeredNeuralNetwork(
        [
            conv(activation=ReLUActivation),
            LayeredNeuralNetwork([MaxPoolingLayer(2), FlattenLayer()]),
            LinearLayer(12, 2),
        ]
    )


def test_an_error_inside_names_the_layer() -> None:
    net = network()
    with pytest.raises(ValueError, match=r"^layer 0 \(ConvolutionalLayer\): x has 1 channels"):
        net.forward(ones((1, 1, 6, 6)))
    with pytest.raises(TypeError, match=r"^layer 0 \(ConvolutionalLayer\): x has dtype float32"):
        net.forward(ones((1, 2, 6, 6), np.float32))
    with pytest.raises(ValueError, match=r"^layer 1 \(LayeredNeuralNetwork\): layer 0 \(MaxPoolingLayer\): pool_size"):
        net.forward(ones((1, 2, 3, 3)))
    with pytest.raises(ValueError, match=r"^layer 2 \(LinearLayer\): x has 27 features"):
        net.forward(ones((1, 2, 8, 8)))
    with pytest.raises(ValueError, match=r"^layer 2 \(LinearLayer\): x has 27 features"):
        net.predict(ones((1, 2, 8, 8)))
    net.forward(ones((1, 2, 6, 6)))
    with pytest.raises(ValueError, match=r"^layer 2 \(LinearLayer\): grad_output has shape \(1, 3\)"):
        net.backward(ones((1, 3)))
    with pytest.raises(TypeError, match=r"^layer 2 \(LinearLayer\): grad_output has dtype float32"):
        net.backward(ones((1, 2), np.float32))


class Broken(ReLUActivation):
    def forward(self, x: np.ndarray) -> np.ndarray:
        raise error_of(x)


def error_of(x: np.ndarray) -> Exception:
    return ArithmeticError("no") if x.ndim else UnicodeDecodeError("ascii", b"", 0, 1, "no")


@pytest.mark.parametrize("x", [ones(1), ones(())])
def test_an_exception_of_another_type_keeps_it_and_notes_the_layer(x: np.ndarray) -> None:
    with pytest.raises(type(error_of(x))) as caught:
        LayeredNeuralNetwork([ReLUActivation(), Broken()]).forward(x)
    assert caught.value.__notes__ == ["layer 1 (Broken)"]


@pytest.mark.parametrize("make", [conv, network])
def test_after_a_failed_forward_backward_refuses_and_forward_works(make: Callable[[], Layer]) -> None:
    layer, x = make(), ones((1, 2, 6, 6))
    y = layer.forward(x)
    grad_x = layer.backward(y)
    gradients = layer.gradients
    with pytest.raises(ValueError, match="x has shape"):
        layer.forward(ones((2, 6, 6)))
    with pytest.raises(RuntimeError, match="before forward"):
        layer.backward(y)
    np.testing.assert_array_equal(layer.forward(x), y)
    np.testing.assert_array_equal(layer.backward(y), grad_x)
    np.testing.assert_array_equal(layer.gradients, gradients)


def test_a_refused_gradient_leaves_the_gradients_of_before() -> None:
    layer = conv(seen=(1, 2, 3, 3))
    layer.backward(ones((1, 3, 1, 1)))
    before = layer.gradients
    with pytest.raises(ValueError, match="grad_output"):
        layer.backward(ones((1, 3, 1, 2)))
    np.testing.assert_array_equal(layer.gradients, before)


def test_a_refused_vector_leaves_the_parameters() -> None:
    net = network()
    before = net.parameters
    with pytest.raises(ValueError, match=f"takes a vector of length {before.size}"):
        net.parameters = np.zeros(before.size + 1)
    np.testing.assert_array_equal(net.parameters, before)
