"""Hand-written layers of NumPy packages: where each lives, at which point it is checked, and what is known of it."""

from __future__ import annotations

import collections
import collections.abc
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

import crosscheck
from tools.frameworks_torch import Row

Array = np.ndarray


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def module(package: str, path: str) -> Any:
    """A module of a package without running the package's own `__init__`, which wants more than its layers do."""
    if package not in sys.modules:
        spec = find_spec(package)
        assert spec is not None
        found = ModuleType(package)
        found.__path__ = list(spec.submodule_search_locations or ())
        sys.modules[package] = found
    return import_module(f"{package}.{path}")


# ---------------------------------------------------------------------- numpy-ml


def numpy_ml() -> Any:
    if not hasattr(collections, "Hashable"):  # which Python 3.10 took away
        collections.Hashable = collections.abc.Hashable  # type: ignore[attr-defined]
    return module("numpy_ml", "neural_nets.layers.layers")


def of_numpy_ml() -> Iterator[Row]:
    table: dict[str, tuple[Callable[[Any], Any], Any, str]] = {
        "FullyConnected, tanh": (lambda m: m.FullyConnected(5, act_fn="tanh"), normal(4, 3), ""),
        "FullyConnected, relu": (lambda m: m.FullyConnected(5, act_fn="relu"), normal(4, 3), ""),
        "FullyConnected, sigmoid": (lambda m: m.FullyConnected(5, act_fn="sigmoid"), normal(4, 3), ""),
        "Softmax": (lambda m: m.Softmax(), normal(4, 3), ""),
        "Softmax, dim=0": (
            lambda m: m.Softmax(dim=0),
            normal(4, 3),
            "its backward goes over the rows, whatever `dim` is",
        ),
        "Conv1D, stride 2": (lambda m: m.Conv1D(4, 3, pad=1, stride=2, act_fn="tanh"), normal(2, 9, 3), ""),
        "Conv1D, causal, dilated": (lambda m: m.Conv1D(4, 3, pad="causal", dilation=1), normal(2, 9, 3), ""),
        "Conv2D, stride 2": (lambda m: m.Conv2D(4, (3, 2), pad=1, stride=2), normal(2, 7, 8, 3), ""),
        "Conv2D, dilated": (lambda m: m.Conv2D(4, (3, 2), dilation=1, act_fn="relu"), normal(2, 7, 8, 3), ""),
        "Conv2D, same": (lambda m: m.Conv2D(4, (3, 3), pad="same"), normal(2, 5, 8, 3), ""),
        "Deconv2D": (lambda m: m.Deconv2D(4, (3, 3), pad=0, stride=2), normal(2, 4, 5, 3), ""),
        "Pool2D, max": (lambda m: m.Pool2D((2, 3), stride=2, pad=0, mode="max"), normal(2, 6, 7, 3), ""),
        "Pool2D, max, padded": (
            lambda m: m.Pool2D((3, 3), stride=2, pad=1, mode="max"),
            normal(2, 7, 7, 3),
            "its backward looks for the maximum in the image without the padding, at the places of the padded one",
        ),
        "Pool2D, average": (lambda m: m.Pool2D((2, 3), stride=1, pad=0, mode="average"), normal(2, 6, 7, 3), ""),
        "BatchNorm1D": (lambda m: m.BatchNorm1D(), normal(6, 3), ""),
        "BatchNorm2D": (lambda m: m.BatchNorm2D(), normal(2, 4, 5, 3), ""),
        "LayerNorm1D": (lambda m: m.LayerNorm1D(), normal(6, 3), ""),
        "LayerNorm2D": (lambda m: m.LayerNorm2D(), normal(2, 4, 5, 3), ""),
        "Embedding": (lambda m: m.Embedding(4, vocab_size=7), np.array([[0, 3, 3], [6, 0, 3]]), ""),
        "Embedding, mean": (
            lambda m: m.Embedding(4, vocab_size=7, pool="mean"),
            np.array([[0, 3, 3], [6, 0, 3]]),
            "an index that is repeated in one row is counted once",
        ),
        "Add": (lambda m: m.Add(act_fn="tanh"), [normal(4, 3), normal(4, 3, seed=1)], ""),
        "Multiply": (lambda m: m.Multiply(act_fn="tanh"), [normal(4, 3, seed=i) for i in range(3)], ""),
        "Flatten": (lambda m: m.Flatten(), normal(4, 3, 2), ""),
        "DotProductAttention": (
            lambda m: m.DotProductAttention(),
            (normal(2, 4, 3), normal(2, 5, 3, seed=1), normal(2, 5, 6, seed=2)),
            "",
        ),
    }
    for name, (make, x, why) in table.items():

        def ask(make: Any = make, x: Any = x) -> Any:
            np.random.seed(0)  # noqa: NPY002 - by which the package draws its weights
            return crosscheck.check_layer(make(numpy_ml()), x)

        yield Row("numpy-ml", name, ask, why)

    def cell() -> Any:
        np.random.seed(0)  # noqa: NPY002
        layer = numpy_ml().RNNCell(4)
        return crosscheck.check_layer(layer, normal(5, 3), constants=("derived_variables.A.1",))

    yield Row("numpy-ml", "RNNCell", cell)


# ---------------------------------------------------------------------- synapgrad


def of_synapgrad() -> Iterator[Row]:
    def ops() -> Any:
        return module("synapgrad", "cpu_ops")

    def checked(name: str, inputs: dict[str, Array], *args: Any, of: str = "inputs") -> Callable[[], Any]:
        """A pair of functions; its backward reads the inputs, their shapes, or the output."""

        def ask() -> Any:
            there, back = getattr(ops(), f"{name}_forward"), getattr(ops(), f"{name}_backward")
            first = lambda y: y[0] if isinstance(y, tuple) else y  # noqa: E731

            def forward(**given: Any) -> Any:
                return first(there(*given.values(), *args))

            def backward(grad_output: Any, **given: Any) -> Any:
                saved: list[Any] = [*given.values()]
                if of == "shapes":
                    saved = [a.shape for a in saved]
                if of == "output":
                    saved = [forward(**given)]
                return back(grad_output, *saved, *args)

            return crosscheck.check(forward, backward, inputs, name=name)

        return ask

    a, b = normal(4, 3), normal(3, seed=1)
    rows: list[tuple[str, Callable[[], Any], str]] = [
        ("add", checked("add", {"a": a, "b": b}, of="shapes"), ""),
        ("mul", checked("mul", {"a": a, "b": normal(4, 1, seed=1)}), ""),
        ("matmul", checked("matmul", {"a": a, "b": normal(3, 5, seed=1)}), ""),
        ("matmul, batched", checked("matmul", {"a": normal(2, 4, 3), "b": normal(3, 5, seed=1)}), ""),
        ("pow", checked("pow", {"a": np.abs(a)}, 2.5), ""),
        ("exp", checked("exp", {"a": a}, of="output"), ""),
        ("log", checked("log", {"a": np.abs(a) + 0.5}), "an ε of 1e-12 is added to the denominator"),
        ("sqrt", checked("sqrt", {"a": np.abs(a) + 0.5}, of="output"), ""),
        ("sum, one axis", checked("sum", {"a": a}, 0, False, of="shapes"), ""),
        ("mean, one axis", checked("mean", {"a": a}, 1, True, of="shapes"), ""),
        ("max, one axis", checked("max", {"a": a}, 1, False), ""),
        ("min, one axis", checked("min", {"a": a}, 0, False), ""),
        ("unfold_dim", checked("unfold_dim", {"a": normal(2, 7, 3)}, 1, 3, 2, of="shapes"), ""),
        ("relu", checked("relu", {"a": a}), ""),
        ("leaky_relu", checked("leaky_relu", {"a": a}, 0.1), ""),
        ("selu", checked("selu", {"a": a}, 1.67, 1.05), ""),
        ("tanh", checked("tanh", {"a": a}, of="output"), ""),
        ("sigmoid", checked("sigmoid", {"a": a}, of="output"), ""),
        ("softmax", checked("softmax", {"a": a}, 1, of="output"), ""),
        ("softmax, axis 0", checked("softmax", {"a": a}, 0, of="output"), "its Jacobians are those of the rows"),
        ("log_softmax", checked("log_softmax", {"a": a}, 1, of="output"), "an ε of 1e-12 beside the probability"),
    ]
    yield from (Row("synapgrad", name, ask, why) for name, ask, why in rows)

    def convolution(axes: int) -> Callable[[], Any]:
        def ask() -> Any:
            there, back = getattr(ops(), f"conv{axes}d_forward"), getattr(ops(), f"conv{axes}d_backward")
            window = (2, 1, 2)  # stride, padding, dilation

            def forward(a: Any, weight: Any, bias: Any) -> Any:
                return there(a, weight, bias, *window)[0]

            def backward(grad_output: Any, a: Any, weight: Any, bias: Any) -> Any:
                windows = there(a, weight, bias, *window)[1]
                return back(grad_output, a.shape, weight, bias, *window, windows)

            spatial, kernel = (9, 8)[:axes], (3, 2)[:axes]
            inputs = {"a": normal(2, 3, *spatial), "weight": normal(4, 3, *kernel, seed=1), "bias": normal(4, seed=2)}
            return crosscheck.check(forward, backward, inputs, name=f"conv{axes}d")

        return ask

    def pooling(kind: str) -> Callable[[], Any]:
        def ask() -> Any:
            there, back = getattr(ops(), f"{kind}_pool2d_forward"), getattr(ops(), f"{kind}_pool2d_backward")
            window = ((3, 2), (2, 2), (1, 1), 1)

            def forward(a: Any) -> Any:
                return there(a, *window)[0]

            def backward(grad_output: Any, a: Any) -> Any:
                return back(grad_output, *window, *there(a, *window)[1:])

            return crosscheck.check(forward, backward, {"a": normal(2, 3, 7, 8)}, name=f"{kind}_pool2d")

        return ask

    yield Row("synapgrad", "conv1d", convolution(1))
    yield Row("synapgrad", "conv2d", convolution(2))
    yield Row("synapgrad", "max_pool2d", pooling("max"))
    yield Row("synapgrad", "avg_pool2d", pooling("avg"))

    def batch_norm() -> Any:
        def forward(x: Any, gamma: Any, beta: Any) -> Any:
            return ops().batch_norm_forward(x, gamma, beta, None, None, True, 0.1, 1e-5)[0]

        def backward(grad_output: Any, x: Any, gamma: Any, beta: Any) -> Any:
            *_, mean, variance = ops().batch_norm_forward(x, gamma, beta, None, None, True, 0.1, 1e-5)
            return ops().batch_norm_backward(grad_output, x, gamma, beta, False, True, 1e-5, mean, variance)

        inputs = {"x": normal(4, 3, 5, 2), "gamma": normal(3, seed=1), "beta": normal(3, seed=2)}
        return crosscheck.check(forward, backward, inputs)

    yield Row("synapgrad", "batch_norm", batch_norm)


# ---------------------------------------------------------------------- numpy-nn


def of_numpy_nn() -> Iterator[Row]:
    def activation(name: str) -> Callable[[], Any]:
        def ask() -> Any:
            layer = getattr(module("numpy_nn", f"activations.{name}"), name)
            return crosscheck.check_layer(layer.__new__(layer), normal(4, 1))  # a column, as the package has them

        return ask

    whys = {
        "ReLU": "its backward writes the mask into the input that it was given",
        "Softmax": "x xᵀ of the input where s sᵀ of the output is meant, and no product with the gradient that arrives",
    }
    for name in ("ReLU", "LeakyReLU", "ELU", "Sigmoid", "TanH", "Swish", "Softmax"):
        yield Row("numpy-nn", name, activation(name), whys.get(name, ""))


# ---------------------------------------------------------------------- numpynet


def of_numpynet() -> Iterator[Row]:
    """Layers for one sample, which update their weights in `backpropagate` by the network's learning rate."""

    def layer(file: str, name: str, *args: Any, shape: tuple[int, ...], **more: Any) -> Callable[[], Any]:
        def ask() -> Any:
            if "numba" not in sys.modules and find_spec("numba") is None:  # by which one backward is compiled
                sys.modules["numba"] = ModuleType("numba")
                sys.modules["numba"].njit = lambda function: function  # type: ignore[attr-defined]
            np.random.seed(0)  # noqa: NPY002
            made = getattr(module("numpynet", f"layers.{file}"), name)(*args, **more)
            made.connect(SimpleNamespace(learning_rate=0.1), SimpleNamespace(output_shape=shape), None)
            return crosscheck.check_layer(made, normal(*shape), forward="propagate")

        return ask

    at_its_result = "an activation's derivative is taken at its result, and asks for the operand"
    yield Row("numpynet", "DenseLayer", layer("dense", "DenseLayer", 4, shape=(3,)))
    yield Row("numpynet", "BiasLayer", layer("bias", "BiasLayer", shape=(3,)))
    yield Row("numpynet", "SoftmaxLayer", layer("softmax", "SoftmaxLayer", shape=(5,)))
    yield Row("numpynet", "Conv2DLayer", layer("conv", "Conv2DLayer", 2, 3, shape=(6, 7, 3)))
    yield Row("numpynet", "Conv2DLayer, stride 2", layer("conv", "Conv2DLayer", 2, 3, stride=(2, 2), shape=(7, 7, 3)))
    yield Row("numpynet", "Pool2DLayer", layer("pool", "Pool2DLayer", 2, shape=(6, 8, 3)))
    for name, why in (("relu", ""), ("sigmoid", at_its_result), ("tanh", at_its_result)):
        asked = layer("activation", "ActivationLayer", name, shape=(5,))
        yield Row("numpynet", f"ActivationLayer, {name}", asked, why)


def rows() -> Iterator[Row]:
    yield from of_numpy_ml()
    yield from of_synapgrad()
    yield from of_numpy_nn()
    yield from of_numpynet()
