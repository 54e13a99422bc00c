"""What every layer can do, written once.

A layer is a thin holder of parameters around a chain of operations. An operation is a file of this package with two
functions,

    forward(x, *parameters, **hyperparameters) -> (y, saved)
    backward(grad_output, saved) -> (grad_x, *parameter gradients)

and the chain rule for a chain is to go back through it in reverse order, each operation's ∂L/∂x being the next one's
∂L/∂y:

    X₀ = X,  X_{n+1} = f_n(X_n; P_n)         ∂L/∂X_n, ∂L/∂P_n = backward_n(∂L/∂X_{n+1})                        (1)

Letters: X input, of operation n as X_n; P parameters; f operation; n its number; L loss.

Source: the lecture, "CNN Chain Rule Implementation".
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike

from manual import checks

Array = np.ndarray


class Stage(NamedTuple):
    """One operation of a layer's chain."""

    operation: str  # the file's name, the same in manual/ and reference/
    parameters: tuple[str, ...]  # the arrays after x, by their names in named_parameters()
    hyperparameters: dict[str, Any]  # the keyword-only arguments of forward that say what is computed
    options: Mapping[str, Any] = {}  # those that only say how, of manual's forward alone


class Layer:
    """A layer: forward, backward, and its parameters and gradients, by name or as flat vectors in one order.

    A subclass names its parameters in `parameter_names`, sets each as an attribute in its constructor, and either says
    what it is made of (`stages`) or brings its own `forward` and `backward`; such a backward leaves its parameters'
    gradients with `keep_gradients`.

    A layer remembers its last forward pass, so it serves one thread at a time; `predict` remembers nothing.

    Args:
        dtype: float64 or float32; the layer computes in it, and its outputs and gradients have it.

    Raises:
        TypeError: another dtype.
    """

    parameter_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, dtype: DTypeLike = np.float64) -> None:
        self._dtype = checks.precision(dtype)
        self._saved: list[tuple[Stage, Any]] | None = None
        self._gradients: dict[str, Array] | None = None

    def __init_subclass__(cls, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if isinstance(cls.parameter_names, str):
            names = cls.parameter_names
            raise TypeError(f"parameter_names of {cls.__name__} is the string {names!r}; write ({names!r},), a tuple")

    def __setattr__(self, name: str, value: Any) -> None:
        """A parameter keeps its shape and the layer's dtype; the layer gets a copy of its own."""
        if name in self.parameter_names:
            value = real(value, name).astype(self.dtype)
            if name in self.__dict__:
                checks.same_shape(value, self.__dict__[name].shape, name, "the parameter")
        super().__setattr__(name, value)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 or float32."""
        return self._dtype

    def astype(self, dtype: DTypeLike) -> Self:
        """A copy of the layer that computes in `dtype`; it has seen no forward pass.

        Raises TypeError for a dtype other than float32 and float64.
        """
        other = copy.copy(self)
        other.__dict__.update(_dtype=checks.precision(dtype), _saved=None, _gradients=None)
        for name, value in self.__dict__.items():
            if name in self.parameter_names or isinstance(value, Layer):  # a layer inside: an activation
                other.__dict__[name] = value.astype(dtype)
        return other

    # ------------------------------------------------------------------ the chain

    def stages(self) -> tuple[Stage, ...]:
        """The operations that the layer is a chain of."""
        raise NotImplementedError(f"{type(self).__name__} does not say what operations it is made of")

    def forward(self, x: Array) -> Array:
        """The layer's output; keeps what `backward` needs: x itself, not a copy, so leave x unchanged until then. The
        output is the caller's to write to (a flatten layer's may be a view of x).

        Raises:
            TypeError: x has another dtype than the layer.
            ValueError: a shape that does not fit.
        """
        self._saved = None
        y, saved = self._run(x)
        self._saved = saved
        return y

    def predict(self, x: Array) -> Array:
        """The layer's output; leaves what an earlier `forward` and `backward` kept untouched."""
        if type(self).forward is Layer.forward:
            return self._run(x)[0]
        other = copy.copy(self)
        other.__dict__.update(_saved=None, _gradients=None)  # what would be copied for nothing
        return copy.deepcopy(other).forward(x)  # deep: a forward of one's own may keep state in layers inside

    def _run(self, x: Array) -> tuple[Array, list[tuple[Stage, Any]]]:
        y, saved = checks.array(x, "x", self.dtype), []
        for stage in self.stages():
            parameters = [getattr(self, name) for name in stage.parameters]
            y, kept = operation(stage).forward(y, *parameters, **stage.hyperparameters, **stage.options)
            saved.append((stage, kept))
        return y, saved

    def backward(self, grad_output: Array) -> Array:
        """∂L/∂x from ∂L/∂y (1); leaves the gradients of the parameters in `gradients`.

        Raises:
            RuntimeError: no forward pass came before.
            TypeError: grad_output has another dtype than the layer.
            ValueError: grad_output has another shape than the output.
        """
        if self._saved is None:
            raise RuntimeError(f"backward of {type(self).__name__} was called before forward")
        g = checks.array(grad_output, "grad_output", self.dtype)
        gradients: dict[str, Array] = {}
        for stage, saved in reversed(self._saved):
            g, *of_parameters = operation(stage).backward(g, saved)  # (1)
            gradients.update(zip(stage.parameters, of_parameters, strict=True))
        self.keep_gradients(**gradients)
        return g

    # ------------------------------------------------------------------ parameters and gradients

    def keep_gradients(self, **gradients: Array) -> None:
        """Leave the gradients of all parameters, by name; for a `backward` of one's own.

        Raises:
            ValueError: a name too many or too few, or a shape other than the parameter's.
        """
        if set(gradients) != set(self.parameter_names):
            raise ValueError(
                f"gradients of {sorted(gradients)} given; {type(self).__name__} has {sorted(self.parameter_names)}"
            )
        kept = {}
        for name in self.parameter_names:
            checks.same_shape(gradients[name], self.__dict__[name].shape, f"gradient of {name}", "the parameter")
            kept[name] = np.asarray(gradients[name], self.dtype)
        self._gradients = kept

    def named_parameters(self) -> dict[str, Array]:
        """Every parameter by name, as a read-only view."""
        return {name: read_only(array) for name, array in self._parameter_arrays().items()}

    def named_gradients(self) -> dict[str, Array]:
        """The gradient of every parameter by the same names, as a read-only view.

        Raises:
            RuntimeError: no backward pass came before.
        """
        return {name: read_only(array) for name, array in self._gradient_arrays().items()}

    @property
    def parameters(self) -> Array:
        """All parameters as one flat vector, read-only; assign a vector of the same length to change them.

        Raises, on assignment:
            ValueError: another length, or more than one axis.
            TypeError: not real numbers.
        """
        return flat(self._parameter_arrays(), self.dtype)

    @parameters.setter
    def parameters(self, vector: Array) -> None:
        arrays = self._parameter_arrays()
        vector = real(vector, "parameters").astype(self.dtype)  # now: an overflow must leave nothing half-assigned
        size = sum(a.size for a in arrays.values())
        if vector.shape != (size,):
            raise ValueError(
                f"parameters has shape {vector.shape}; {type(self).__name__} takes a vector of length {size}"
            )
        ends = np.cumsum([a.size for a in arrays.values()])
        pieces = np.split(vector, ends[:-1]) if arrays else []
        self._assign({k: p.reshape(a.shape) for (k, a), p in zip(arrays.items(), pieces, strict=True)})

    @property
    def gradients(self) -> Array:
        """The gradients of all parameters as one flat vector in the order of `parameters`, read-only.

        They are those of the last `backward`, whatever happened to the parameters since.

        Raises:
            RuntimeError: no backward pass came before.
        """
        return flat(self._gradient_arrays(), self.dtype)

    def _parameter_arrays(self) -> dict[str, Array]:
        return {name: getattr(self, name) for name in self.parameter_names}

    def _gradient_arrays(self) -> dict[str, Array]:
        if not self.parameter_names:
            return {}
        if self._gradients is None:
            raise RuntimeError(f"gradients of {type(self).__name__} were asked for before backward")
        return self._gradients

    def _assign(self, values: Mapping[str, Array]) -> None:
        for name, value in values.items():
            setattr(self, name, value)


def operation(stage: Stage) -> Any:
    """The file of this package that a stage names."""
    return import_module(f"manual.{stage.operation}")


def real(value: Any, name: str) -> Array:
    """`value` as an array of real numbers."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} has dtype {array.dtype}; it must be real numbers")
    return array


def read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def flat(arrays: Mapping[str, Array], dtype: np.dtype[Any]) -> Array:
    vector = np.concatenate([a.ravel() for a in arrays.values()]) if arrays else np.zeros(0, dtype)
    return read_only(vector)


# ---------------------------------------------------------------------- for layers with weights

Activation = Layer | type[Layer] | None


def as_activation(activation: Activation, dtype: np.dtype[Any]) -> Layer | None:
    """An activation layer that computes in `dtype`, from an instance, a class, or None.

    Raises:
        TypeError: anything else; a layer with parameters, or one that is not a chain of stages: the layer that it
            belongs to runs its stages, and would pass over a forward or backward of its own.
    """
    if activation is None:
        return None
    kind = activation if isinstance(activation, type) else type(activation)
    if not issubclass(kind, Layer) or kind.parameter_names:
        raise TypeError(f"activation is {activation!r}; it must be an activation layer, its class, or None")
    inherited = kind.forward is Layer.forward and kind.backward is Layer.backward
    if not inherited or kind.stages is Layer.stages:
        raise TypeError(
            f"activation is a {kind.__name__}, with a forward or backward of its own; put it into a network, after the "
            "layer"
        )
    return (kind() if isinstance(activation, type) else activation).astype(dtype)


def stages_of(activation: Layer | None) -> tuple[Stage, ...]:
    return () if activation is None else activation.stages()


def he_normal(rng: np.random.Generator | int | None, shape: tuple[int, ...], *, fan_in: int) -> Array:
    """Normal draws with variance 2 / fan_in: a ReLU's output then keeps its scale (He et al., arXiv 1502.01852)."""
    return np.random.default_rng(rng).normal(scale=np.sqrt(2.0 / fan_in), size=shape)
