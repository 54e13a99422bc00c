"""What every layer can do, written once.

A layer is a thin holder of parameters around a program of operations (`program`). An operation is a file of this
package with three functions,

    forward(x, *parameters, **hyperparameters) -> (y, saved)
    tangent(nudge_x, *parameter nudges, saved) -> nudge_y
    backward(grad_output, saved) -> (grad_x, *parameter gradients)

Some read more than one array, and have a nudge and a gradient for each. Some carry a state from call to call: they take
it by keyword and return it last, (y, saved, new state).

Source: the lecture, "CNN Chain Rule Implementation".
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.program import (
    Inner,
    Passed,
    Stage,
    Step,
    chain_backward,
    chain_forward,
    is_chain,
    run_backward,
    run_forward,
    run_tangent,
    wired,
)
from manual.steps import (
    backward_of,
    bound_stage,
    forward_of,
    inner_backward,
    inner_forward,
    inner_parameter_gradients,
    inner_step,
    own_step,
    parameter_gradients_of,
    placed,
)
from manual.vectors import flat, nudges, pieces, read_only, real

__all__ = ["Layer", "Stage", "real"]

Array = np.ndarray


class Layer:
    """A layer: forward, backward, and its parameters and gradients, by name or as flat vectors in one order.

    A subclass names its parameters in `parameter_names`, sets each as an attribute in its constructor, and either says
    what it is made of (`stages`) or brings its own `forward` and `backward`, and `tangent` if it is to have one; such a
    backward leaves its parameters' gradients with `keep_gradients`. What its forward carries on to the next one it
    names in `state_names`.

    A layer remembers its last forward pass, so it serves one thread at a time; `predict` remembers nothing.

    Attributes:
        training: whether `forward` computes as in training, as it does unless told otherwise, or as `predict` does: of
            batch normalization and dropout, the only layers that compute another thing there.

    Args:
        dtype: float64 or float32; the layer computes in it, and its outputs and gradients have it.

    Raises:
        TypeError: another dtype.
    """

    parameter_names: ClassVar[tuple[str, ...]] = ()
    state_names: ClassVar[tuple[str, ...]] = ()
    training: bool

    def __init__(self, *, dtype: DTypeLike = np.float64) -> None:
        self._dtype = checks.precision(dtype)
        self.training = True
        self._saved: list[tuple[Stage | Inner, Any]] | None = None
        self._gradients: dict[str, Array] | None = None

    def __init_subclass__(cls, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if isinstance(cls.parameter_names, str):
            names = cls.parameter_names
            raise TypeError(f"parameter_names of {cls.__name__} is the string {names!r}; write ({names!r},), a tuple")

    def __setattr__(self, name: str, value: Any) -> None:
        """A parameter keeps its shape and the layer's dtype; the layer gets a copy of its own, of a state too."""
        if name in self.state_names:
            value = np.array(value, self.dtype if np.asarray(value).dtype.kind == "f" else None)
            if name in self.__dict__:
                checks.same_shape(value, self.__dict__[name].shape, name, "the state")
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
            # a layer inside: an activation
            if name in self.parameter_names or isinstance(value, Layer) or is_floating_state(self, name):
                other.__dict__[name] = value.astype(dtype)
        return other

    # ------------------------------------------------------------------ the program

    def stages(self) -> tuple[Stage, ...]:
        """The operations that the layer is made of, of layers inside it too."""
        raise NotImplementedError(f"{type(self).__name__} does not say what operations it is made of")

    def wiring(self) -> tuple[Stage | Inner, ...]:
        """As `stages`, with the layers inside as they are."""
        return self.stages()

    @property
    def runs_its_stages(self) -> bool:
        """Whether forward and backward are what `stages` says, here and in every layer inside."""
        kind = type(self)
        if kind.forward is not Layer.forward or kind.backward is not Layer.backward:
            return False
        try:
            return all(node.layer.runs_its_stages for node in self.wiring() if isinstance(node, Inner))
        except NotImplementedError:
            return False

    def program(self) -> list[Step]:
        """What forward and backward run, operation by operation, with today's parameters and state.

        A layer with passes of its own is one step, on a copy. Running the steps leaves the layer as it is.
        """
        if type(self).forward is not Layer.forward or type(self).backward is not Layer.backward:
            return [own_step(self)]
        arrays, steps = {**self.named_parameters(), **self.named_state()}, []
        for node in wired(self.wiring()):
            if isinstance(node, Inner):
                steps += placed(node.layer.program(), node)
            else:
                steps.append(bound_stage(node, arrays)._replace(layer=type(self).__name__))
        return steps

    def forward(self, x: Array) -> Array:
        """The layer's output; keeps what `backward` needs: x itself, not a copy, so leave x unchanged until then. The
        output is the caller's to write to (a flatten layer's may be a view of x).

        Raises:
            TypeError: x has another dtype than the layer.
            ValueError: a shape that does not fit.
        """
        kept = self.__dict__  # past `__setattr__`, which is for parameters and state
        kept["_saved"] = None
        ran = self._run(x)
        kept["_saved"] = ran.passed
        for name, value in ran.state.items():
            setattr(self, name, value)
        return ran.y

    def predict(self, x: Array) -> Array:
        """The layer's output as of a trained one; leaves what an earlier `forward` and `backward` kept untouched."""
        other = copy.copy(self)
        other.__dict__.update(_saved=None, _gradients=None, training=False)  # what would be copied for nothing
        if type(self).forward is Layer.forward:
            return other._run(x, predicting=True).y
        return copy.deepcopy(other).forward(x)  # deep: a forward of one's own may keep state in layers inside

    def _run(self, x: Array, predicting: bool = False) -> Passed:
        x, nodes = self.received(x, "x"), self.wiring()
        if is_chain(nodes):

            def run(node: Stage | Inner, y: Array) -> tuple[Array, Any, dict[str, Array]]:
                if isinstance(node, Inner):
                    return inner_forward(node, (y,), predicting), None, {}
                return forward_of(node, self.__dict__, (y,))

            return chain_forward(nodes, x, run)
        nodes = wired(nodes)
        ran = run_forward([self._step(node, predicting) for node in nodes], x)
        # Nodes, not steps: a step holds functions, which no copy of the layer would own and no pickle holds.
        return Passed(ran.y, [(node, saved) for node, (_, saved) in zip(nodes, ran.passed, strict=True)], ran.state)

    def _step(self, node: Stage | Inner, predicting: bool = False) -> Step:
        return inner_step(node, predicting) if isinstance(node, Inner) else bound_stage(node, self.__dict__)

    def received(self, value: Array, name: str) -> Array:
        """An array as the layer takes it in: checked, of its dtype; a network may lay it out otherwise.

        Raises:
            TypeError: another dtype than the layer's, or no array.
        """
        return checks.array(value, name, self.dtype)

    def backward(self, grad_output: Array) -> Array:
        """∂L/∂x from ∂L/∂y; leaves the gradients of the parameters in `gradients`.

        Raises:
            RuntimeError: no forward pass came before.
            TypeError: grad_output has another dtype than the layer.
            ValueError: grad_output has another shape than the output.
        """
        if self._saved is None:
            raise RuntimeError(f"backward of {type(self).__name__} was called before forward")
        g, saved = self.received(grad_output, "grad_output"), self._saved
        if is_chain([node for node, _ in saved]):
            grad_x, gradients = chain_backward(saved, g, run_back)
        else:
            grad_x, gradients = run_backward([(self._step(node), kept) for node, kept in saved], g)
        self.keep_gradients(**gradients)
        return grad_x

    def backward_to_parameters(self, grad_output: Array) -> None:
        """Leave the gradients of the parameters in `gradients`, without ∂L/∂x: all that training takes.

        Nothing before the first parameters is gone through. A layer with a backward of its own runs that. Raises as
        `backward` does.
        """
        chain = self._saved is not None and is_chain([node for node, _ in self._saved])
        if type(self).backward is not Layer.backward or not chain or self._saved is None:
            self.backward(grad_output)
            return
        first = next((n for n, (node, _) in enumerate(self._saved) if has_parameters(node)), None)
        g, gradients = self.received(grad_output, "grad_output"), {}
        if first is not None:
            (node, saved), after = self._saved[first], self._saved[first + 1 :]
            g, gradients = chain_backward(after, g, run_back)
            if isinstance(node, Inner):
                inner_parameter_gradients(node, g)
            else:
                for name, part in parameter_gradients_of(node, g, saved).items():
                    gradients[name] = gradients[name] + part if name in gradients else part
        self.keep_gradients(**gradients)

    def tangent(self, nudge_x: Array, nudge_parameters: Array | Mapping[str, Array] | None = None) -> Array:
        """How the output of the last forward pass moves, to first order, with x and the parameters; state stands still.

        Args:
            nudge_x: the shape of x.
            nudge_parameters: a vector in the order of `parameters`, or arrays by name; what is left out stands still.

        Raises:
            RuntimeError: no forward pass came before.
            TypeError: nudge_x has another dtype than the layer.
            ValueError: a shape other than that of what moves, or a name that is no parameter's.
            NotImplementedError: the layer brings its own forward, and no tangent.
        """
        if type(self).tangent is Layer.tangent and type(self).forward is not Layer.forward:
            raise NotImplementedError(f"{type(self).__name__} brings its own forward, and no tangent")
        if self._saved is None:
            raise RuntimeError(f"tangent of {type(self).__name__} was called before forward")
        nodes = wired(node for node, _ in self._saved)
        passed = [(self._step(node), saved) for node, (_, saved) in zip(nodes, self._saved, strict=True)]
        of_parameters = nudges(nudge_parameters, self._parameter_arrays(), type(self).__name__, self.dtype)
        return run_tangent(passed, self.received(nudge_x, "nudge_x"), of_parameters)

    # ------------------------------------------------------------------ parameters and gradients

    def keep_gradients(self, **gradients: Array) -> None:
        """Leave the gradients of all parameters, by name; for a `backward` of one's own.

        Raises:
            ValueError: a name too many or too few, or a shape other than the parameter's.
        """
        if not gradients and not self.parameter_names:
            self.__dict__["_gradients"] = {}
            return
        if gradients.keys() != set(self.parameter_names):
            raise ValueError(
                f"gradients of {sorted(gradients)} given; {type(self).__name__} has {sorted(self.parameter_names)}"
            )
        kept = {}
        for name in self.parameter_names:
            checks.same_shape(gradients[name], self.__dict__[name].shape, f"gradient of {name}", "the parameter")
            kept[name] = np.asarray(gradients[name], self.dtype)
        self.__dict__["_gradients"] = kept

    def named_parameters(self) -> dict[str, Array]:
        """Every parameter by name, as a read-only view."""
        return {name: read_only(array) for name, array in self._parameter_arrays().items()}

    def named_gradients(self) -> dict[str, Array]:
        """The gradient of every parameter by the same names, as a read-only view.

        Raises:
            RuntimeError: no backward pass came before.
        """
        return {name: read_only(array) for name, array in self._gradient_arrays().items()}

    def named_state(self) -> dict[str, Array]:
        """What a forward pass carries on to the next one, by name, as read-only views."""
        return {name: read_only(getattr(self, name)) for name in self.state_names}

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
        # All are cut before one is assigned: an error, an overflow too, must leave nothing half-assigned.
        self._assign(pieces(vector, self._parameter_arrays(), "parameters", type(self).__name__, self.dtype))

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
        """Take over arrays of the right shapes and dtype that nobody else holds."""
        own = type(self).__setattr__ is Layer.__setattr__  # whose copy and checks are not needed
        for name, value in values.items():
            (object.__setattr__ if own else setattr)(self, name, value)


def has_parameters(node: Stage | Inner) -> bool:
    return bool(node.layer._parameter_arrays() if isinstance(node, Inner) else node.parameters)


def run_back(node: Stage | Inner, grad_output: Array, saved: Any) -> tuple[tuple[Array, ...], dict[str, Array]]:
    """The gradients of what a node of a chain read and, unless it keeps them itself, of its parameters."""
    if isinstance(node, Inner):
        return (inner_backward(node, grad_output),), {}
    return backward_of(node, grad_output, saved)


def is_floating_state(layer: Layer, name: str) -> bool:
    return name in layer.state_names and layer.__dict__[name].dtype.kind == "f"
