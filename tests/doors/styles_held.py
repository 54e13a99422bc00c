"""Layers as they are found in public repositories, by where they keep parameters and gradients: attributes,
dictionaries, lists, objects, layers inside layers."""

# As they are found, and not as a type checker would have them:
# pyright: reportIncompatibleMethodOverride=false, reportMissingSuperCall=false, reportAttributeAccessIssue=false
# pyright: reportAssignmentType=false, reportOptionalMemberAccess=false, reportOperatorIssue=false

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tests.doors.planting import Array, normal, s


class Style(NamedTuple):
    """A layer, its input, what the caller says of it, and the gradients that must be judged."""

    layer: Any
    x: Any
    says: dict[str, Any]
    gradients: tuple[str, ...]


class Attributes:
    """W, b; dW, db."""

    def __init__(self) -> None:
        self.W, self.b = normal(4, 3), normal(3)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad: Array) -> Array:
        self.dW = s("W", self.x.T @ grad)
        self.db = s("b", grad.sum(axis=0))
        return s("x", grad @ self.W.T)


class Words:
    """weights, biases; grad_weights, grad_biases."""

    def __init__(self) -> None:
        self.weights, self.biases = normal(4, 3), np.zeros(3)
        self.input = self.grad_weights = self.grad_biases = None

    def forward(self, input: Array) -> Array:
        self.input = input
        return np.dot(input, self.weights) + self.biases

    def backward(self, grad_output: Array) -> Array:
        self.grad_weights = s("weights", np.dot(self.input.T, grad_output))
        self.grad_biases = s("biases", grad_output.sum(0))
        return s("x", np.dot(grad_output, self.weights.T))


class Suffixes:
    """w, b; w_grad, b_grad, made in the constructor."""

    def __init__(self) -> None:
        self.w, self.b = normal(4, 3), normal(3)
        self.w_grad, self.b_grad = np.zeros_like(self.w), np.zeros_like(self.b)

    def forward(self, x: Array) -> Array:
        self.x = x
        return np.maximum(x @ self.w + self.b, 0)

    def backward(self, d: Array) -> Array:
        d = d * (self.x @ self.w + self.b > 0)
        self.w_grad[:] = s("w", self.x.T @ d)
        self.b_grad[:] = s("b", d.sum(0))
        return s("x", d @ self.w.T)


class Mixed:
    """weights and bias; dW and db."""

    def __init__(self) -> None:
        self.weights, self.bias = normal(4, 3), normal(1, 3)

    def forward(self, inputs: Array) -> Array:
        self.inputs = inputs
        self.output = np.tanh(inputs @ self.weights + self.bias)
        return self.output

    def backward(self, dvalues: Array) -> Array:
        dz = dvalues * (1 - self.output**2)
        self.dW = s("weights", self.inputs.T @ dz)
        self.db = s("bias", dz.sum(0, keepdims=True))
        return s("x", dz @ self.weights.T)


class LeftInput:
    """As in "Neural Networks from Scratch": dweights, dbiases, and dinputs, which is not returned."""

    def __init__(self) -> None:
        self.weights, self.biases = 0.1 * normal(4, 3), np.zeros((1, 3))

    def forward(self, inputs: Array) -> Array:
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases
        return self.output

    def backward(self, dvalues: Array) -> None:
        self.dweights = s("weights", np.dot(self.inputs.T, dvalues))
        self.dbiases = s("biases", np.sum(dvalues, axis=0, keepdims=True))
        self.dinputs = s("x", np.dot(dvalues, self.weights.T))


class BatchNorm:
    """gamma, beta; dgamma, dbeta; running statistics, which do not move the output in training."""

    def __init__(self, training: bool = True) -> None:
        self.gamma, self.beta, self.training = 1 + 0.1 * normal(3), normal(3), training
        self.running_mean, self.running_var, self.momentum, self.eps = np.zeros(3), np.ones(3), 0.9, 1e-5

    def forward(self, x: Array) -> Array:
        if self.training:
            mean, var = x.mean(0), x.var(0)
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean
            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        else:
            mean, var = self.running_mean, self.running_var
        self.istd = 1 / np.sqrt(var + self.eps)
        self.xhat = (x - mean) * self.istd
        return self.gamma * self.xhat + self.beta

    def backward(self, dout: Array) -> Array:
        self.dgamma = s("gamma", (dout * self.xhat).sum(0))
        self.dbeta = s("beta", dout.sum(0))
        dxhat = dout * self.gamma
        if not self.training:
            return s("x", dxhat * self.istd)
        return s("x", self.istd * (dxhat - dxhat.mean(0) - self.xhat * (dxhat * self.xhat).mean(0)))


class Dictionaries:
    """params["W"], grads["W"]."""

    def __init__(self) -> None:
        self.params = {"W": normal(4, 3), "b": normal(3)}
        self.grads: dict[str, Array] = {}

    def forward(self, x: Array) -> Array:
        self.cache = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout: Array) -> Array:
        self.grads["W"] = s("W", self.cache.T @ dout)
        self.grads["b"] = s("b", dout.sum(0))
        return s("x", dout @ self.params["W"].T)


class MarkedKeys(Dictionaries):
    """parameters["W1"], gradients["dW1"]: two layers in one."""

    def __init__(self) -> None:
        self.parameters = {"W1": normal(4, 3), "b1": normal(3), "W2": normal(3, 2), "b2": normal(2)}

    def forward(self, x: Array) -> Array:
        p = self.parameters
        hidden = np.tanh(x @ p["W1"] + p["b1"])
        self.cache = {"x": x, "hidden": hidden}
        return hidden @ p["W2"] + p["b2"]

    def backward(self, dout: Array) -> Array:
        p, hidden = self.parameters, self.cache["hidden"]
        dz = (dout @ p["W2"].T) * (1 - hidden**2)
        self.gradients = {
            "dW2": s("W2", hidden.T @ dout),
            "db2": s("b2", dout.sum(0)),
            "dW1": s("W1", self.cache["x"].T @ dz),
            "db1": s("b1", dz.sum(0)),
        }
        return s("x", dz @ p["W1"].T)


class Lists:
    """params = [W, b], grads = [dW, db], as in "Deep Learning from Scratch 2"; written in place."""

    def __init__(self) -> None:
        W, b = normal(4, 3), normal(3)
        self.params, self.grads = [W, b], [np.zeros_like(W), np.zeros_like(b)]

    def forward(self, x: Array) -> Array:
        W, b = self.params
        self.x = x
        return np.dot(x, W) + b

    def backward(self, dout: Array) -> Array:
        W, _ = self.params
        self.grads[0][...] = s("params.0", np.dot(self.x.T, dout))
        self.grads[1][...] = s("params.1", np.sum(dout, axis=0))
        return s("x", np.dot(dout, W.T))


class Aliased:
    """W and b, and the same arrays again in params; gradients in grads."""

    def __init__(self) -> None:
        self.W, self.b = normal(4, 3), normal(3)
        self.params, self.grads = [self.W, self.b], [np.zeros((4, 3)), np.zeros(3)]

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + self.params[1]

    def backward(self, dout: Array) -> Array:
        self.grads[0] = s("W", self.x.T @ dout)
        self.grads[1] = s("b", dout.sum(0))
        return s("x", dout @ self.params[0].T)


class Views:
    """One flat vector theta, of which W and b are views; the gradient in one vector, too."""

    def __init__(self) -> None:
        self.theta, self.dtheta = normal(15), np.zeros(15)
        self.W, self.b = self.theta[:12].reshape(4, 3), self.theta[12:]
        self.dW, self.db = self.dtheta[:12].reshape(4, 3), self.dtheta[12:]

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout: Array) -> Array:
        self.dW[...] = s("W", self.x.T @ dout)
        self.db[...] = s("b", dout.sum(0))
        return s("x", dout @ self.W.T)


class Parameter:
    """An array with its gradient beside it."""

    def __init__(self, data: Array) -> None:
        self.data, self.grad = data, np.zeros_like(data)


class Parameters:
    """Objects with data and grad."""

    def __init__(self) -> None:
        self.weight, self.bias = Parameter(normal(4, 3)), Parameter(normal(3))

    def parameters(self) -> list[Parameter]:
        return [self.weight, self.bias]

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.weight.data + self.bias.data

    def backward(self, grad: Array) -> Array:
        self.weight.grad = s("weight", self.x.T @ grad)
        self.bias.grad = s("bias", grad.sum(0))
        return s("x", grad @ self.weight.data.T)


class Variable:
    """With slots: value and gradient."""

    __slots__ = ("gradient", "value")

    def __init__(self, value: Array) -> None:
        self.value, self.gradient = value, None


class Variables:
    """Objects with value and gradient in a dictionary of them."""

    def __init__(self) -> None:
        self._params = {"kernel": Variable(normal(4, 3)), "bias": Variable(normal(3))}

    def forward(self, x: Array) -> Array:
        self._x = x
        return x @ self._params["kernel"].value + self._params["bias"].value

    def backward(self, grad: Array) -> Array:
        self._params["kernel"].gradient = s("kernel", self._x.T @ grad)
        self._params["bias"].gradient = s("bias", grad.sum(0))
        return s("x", grad @ self._params["kernel"].value.T)


class Boxes:
    """A dictionary for each parameter: {"val": ..., "grad": ...}."""

    def __init__(self) -> None:
        self.W, self.b = {"val": normal(4, 3), "grad": 0}, {"val": normal(3), "grad": 0}

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W["val"] + self.b["val"]

    def backward(self, grad: Array) -> Array:
        self.W["grad"] = s("W", self.x.T @ grad)
        self.b["grad"] = s("b", grad.sum(0))
        return s("x", grad @ self.W["val"].T)


class Private:
    """__W and _b; __dW and _grad_b."""

    def __init__(self) -> None:
        self.__W, self._b = normal(4, 3), normal(3)

    def forward(self, x: Array) -> Array:
        self.__x = x
        return x @ self.__W + self._b

    def backward(self, grad: Array) -> Array:
        self.__dW = s("_Private__W", self.__x.T @ grad)
        self._grad_b = s("_b", grad.sum(0))
        return s("x", grad @ self.__W.T)


class Adding:
    """Gradients that add up over calls until somebody sets them to zero."""

    def __init__(self) -> None:
        self.W, self.b = normal(4, 3), normal(3)
        self.zero_grad()

    def zero_grad(self) -> None:
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad: Array) -> Array:
        self.dW += s("W", self.x.T @ grad)
        self.db += s("b", grad.sum(0))
        return s("x", grad @ self.W.T)


class AddingFromNothing(Adding):
    """The same, from None."""

    def zero_grad(self) -> None:
        self.dW = self.db = None

    def backward(self, grad: Array) -> Array:
        dW, db = s("W", self.x.T @ grad), s("b", grad.sum(0))
        self.dW = dW if self.dW is None else self.dW + dW
        self.db = db if self.db is None else self.db + db
        return s("x", grad @ self.W.T)


class Number:
    """A PReLU with one slope for all: a Python number, and its gradient."""

    def __init__(self) -> None:
        self.slope = 0.25

    def forward(self, x: Array) -> Array:
        self.x = x
        return np.where(x > 0, x, self.slope * x)

    def backward(self, grad: Array) -> Array:
        self.dslope = s("slope", float((grad * np.minimum(self.x, 0)).sum()))
        return s("x", np.where(self.x > 0, grad, self.slope * grad))


class Columns:
    """Samples in columns, bias of shape (F, 1)."""

    def __init__(self) -> None:
        self.W, self.b = normal(3, 4), normal(3, 1)

    def forward(self, A_prev: Array) -> Array:
        self.A_prev = A_prev
        return 1 / (1 + np.exp(-(self.W @ A_prev + self.b)))

    def backward(self, dA: Array) -> Array:
        A = 1 / (1 + np.exp(-(self.W @ self.A_prev + self.b)))
        dZ = dA * A * (1 - A)
        self.dW = s("W", dZ @ self.A_prev.T)
        self.db = s("b", dZ.sum(1))
        return s("x", self.W.T @ dZ)


class Wide:
    """A bias of shape (F,) with a gradient of shape (1, F)."""

    def __init__(self) -> None:
        self.W, self.b = normal(4, 3), normal(3)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad: Array) -> Array:
        self.dW = s("W", self.x.T @ grad)
        self.db = s("b", grad.sum(0, keepdims=True))
        return s("x", grad @ self.W.T)


class Sequential:
    """Layers in a list."""

    def __init__(self) -> None:
        self.layers = [Attributes(), Tanh(), Unbiased()]

    def forward(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, grad: Array) -> Array:
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad


class Tanh:
    def forward(self, x: Array) -> Array:
        self.y = np.tanh(x)
        return self.y

    def backward(self, grad: Array) -> Array:
        return grad * (1 - self.y**2)


class Unbiased:
    """Inside `Sequential`: the names are its own."""

    def __init__(self) -> None:
        self.weight = Parameter(normal(3, 2))

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.weight.data

    def backward(self, grad: Array) -> Array:
        self.weight.grad = s("weight", self.x.T @ grad)
        return grad @ self.weight.data.T


class Composed:
    """Layers as attributes, of which one is inside another."""

    def __init__(self) -> None:
        self.first, self.norm = Attributes(), BatchNorm()

    def forward(self, x: Array) -> Array:
        return self.norm.forward(self.first.forward(x))

    def backward(self, grad: Array) -> Array:
        return self.first.backward(self.norm.backward(grad))


class Stacks:
    """weights[i] and biases[i] in lists; their gradients in lists of other names."""

    def __init__(self) -> None:
        self.weights, self.biases = [normal(4, 3), normal(3, 2)], [normal(3), normal(2)]

    def forward(self, x: Array) -> Array:
        self.a = [x]
        for w, b in zip(self.weights, self.biases, strict=True):
            self.a.append(np.tanh(self.a[-1] @ w + b))
        return self.a[-1]

    def backward(self, grad: Array) -> Array:
        self.grad_weights, self.grad_biases = [0, 0], [0, 0]
        for i in (1, 0):
            grad = grad * (1 - self.a[i + 1] ** 2)
            self.grad_weights[i] = s(f"weights.{i}", self.a[i].T @ grad)
            self.grad_biases[i] = s(f"biases.{i}", grad.sum(0))
            grad = grad @ self.weights[i].T
        return s("x", grad)


class Lazy:
    """Parameters made at the first call, when the size of the input is known."""

    def __init__(self, units: int) -> None:
        self.units, self.W, self.b = units, None, None

    def __call__(self, x: Array) -> Array:
        if self.W is None:
            self.W, self.b = np.random.default_rng().normal(size=(x.shape[1], self.units)), np.zeros(self.units)
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad: Array) -> Array:
        self.dW = s("W", self.x.T @ grad)
        self.db = s("b", grad.sum(0))
        return s("x", grad @ self.W.T)


class Shared:
    """Parameters as the class's own arrays."""

    W, b = normal(4, 3), normal(3)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad: Array) -> Array:
        self.dW = s("W", self.x.T @ grad)
        self.db = s("b", grad.sum(0))
        return s("x", grad @ self.W.T)


X = normal(5, 4, seed=1)
WB, WORDS = ("x", "W", "b"), ("x", "weights", "biases")

HELD = {
    "attributes": lambda: Style(Attributes(), X, {}, WB),
    "words": lambda: Style(Words(), X, {}, WORDS),
    "suffixes": lambda: Style(Suffixes(), X, {}, ("x", "w", "b")),
    "mixed words": lambda: Style(Mixed(), X, {}, ("x", "weights", "bias")),
    "dinputs left": lambda: Style(LeftInput(), X, {}, WORDS),
    "batch norm in training": lambda: Style(BatchNorm(), X[:, :3], {}, ("x", "gamma", "beta")),
    "batch norm in evaluation": lambda: Style(
        BatchNorm(False), X[:, :3], {"constants": ("running_mean", "running_var")}, ("x", "gamma", "beta")
    ),
    "dictionaries": lambda: Style(Dictionaries(), X, {}, WB),
    "marked keys": lambda: Style(MarkedKeys(), X, {}, ("x", "W1", "b1", "W2", "b2")),
    "lists": lambda: Style(Lists(), X, {}, ("x", "params.0", "params.1")),
    "aliased": lambda: Style(Aliased(), X, {}, WB),
    "views": lambda: Style(Views(), X, {}, WB),
    "objects with data and grad": lambda: Style(Parameters(), X, {}, ("x", "weight", "bias")),
    "objects with value and gradient": lambda: Style(Variables(), X, {}, ("x", "kernel", "bias")),
    "boxes": lambda: Style(Boxes(), X, {}, WB),
    "private": lambda: Style(Private(), X, {}, ("x", "_Private__W", "_b")),
    "adding": lambda: Style(Adding(), X, {}, WB),
    "adding from None": lambda: Style(AddingFromNothing(), X, {}, WB),
    "a number": lambda: Style(Number(), X, {}, ("x", "slope")),
    "columns": lambda: Style(Columns(), X.T, {}, WB),
    "wide bias gradient": lambda: Style(Wide(), X, {}, WB),
    "stacks": lambda: Style(Stacks(), X, {}, ("x", "weights.0", "biases.0", "weights.1", "biases.1")),
    "lazy": lambda: Style(Lazy(3), X, {}, WB),
    "of the class": lambda: Style(Shared(), X, {}, WB),
    "sequential": lambda: Style(Sequential(), X, {}, ("x", "W", "b", "weight")),
    "composed": lambda: Style(Composed(), X, {}, ("x", "W", "gamma", "beta")),
}
