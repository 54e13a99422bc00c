"""What is under check: a forward, a hand-derived backward, a reference, and named inputs.

A layer, a whole network, a module of `manual`, or two plain functions of a user all become an `Operation`; everything
after that knows only operations. An operation calls the user's code on private copies, so that nothing the caller
passed is ever written to, and checks what comes back, naming what was wrong. An exception in the user's own code passes
through untouched, with its traceback.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

import reference.network
from manual import Layer, LayeredNeuralNetwork, kernels

Array = np.ndarray
Arrays = dict[str, Array]

OUTPUT = ""  # the output's place beside the names of the inputs
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


@dataclass(frozen=True)
class Operation:
    """A forward and a backward over named arrays.

    Args:
        name: for the report.
        forward: {name: array} -> y.
        backward: (grad_output, {name: array}) -> {name: gradient}, for every name in `wrt`.
        inputs: the point, by name; differentiated or not.
        wrt: the names that are differentiated.
        reference: `reference(**inputs) -> y` in jax.numpy, or None.
        widen: gives the same operation on float64 copies (for code that holds arrays of its own dtype).
        moving_forward: the same function, quicker to evaluate many times and for complex numbers; None: `forward`. It
        must
            not write to its arguments.
        own_bounds: (inputs, grad_output) -> how far each hand-derived gradient, and under `OUTPUT` the output, may be
            from exact by the algorithm that computes it, where it says so; None where it rounds like a plain sum.
    """

    name: str
    forward: Callable[[Arrays], Any]
    backward: Callable[[Array, Arrays], Any]
    inputs: Arrays
    wrt: tuple[str, ...]
    reference: Callable[..., Any] | None
    widen: Callable[[], Operation] | None = field(default=None, repr=False)
    moving_forward: Callable[[Arrays], Any] | None = field(default=None, repr=False)
    own_bounds: Callable[[Arrays, Array], Arrays | None] | None = field(default=None, repr=False)

    @property
    def dtype(self) -> np.dtype:
        """The dtype that the differentiated inputs share; mixed inputs count as the coarser one."""
        return min((self.inputs[k].dtype for k in self.wrt), key=lambda d: d.itemsize)

    def at(self, inputs: Arrays) -> Operation:
        """The same operation at another point."""
        return replace(self, inputs=inputs)

    def widened(self) -> Operation:
        """The same formula on float64 copies of the inputs."""
        base = self if self.widen is None else self.widen()
        return base.at({k: wide(a) for k, a in self.inputs.items()})

    def output(self, changed: Arrays | None = None) -> Array:
        """The forward's y at the point, with some inputs replaced."""
        inputs = {**self.inputs, **(changed or {})}
        y = self.forward({k: np.array(a, copy=True) for k, a in inputs.items()})
        return as_array(y, f"forward of {self.name}", "one array")

    def moved(self, changed: Arrays) -> Array:
        """As `output`, for witnesses that evaluate many points."""
        if self.moving_forward is None:
            return self.output(changed)
        return np.asarray(self.moving_forward({**self.inputs, **changed}))

    def gradients(self, grad_output: Array) -> Arrays:
        """The hand-derived gradients at the point, copied at once, one per name in `wrt`."""
        returned = self.backward(
            np.array(grad_output, copy=True), {k: np.array(a, copy=True) for k, a in self.inputs.items()}
        )
        if not isinstance(returned, Mapping):
            raise TypeError(
                f"backward of {self.name} returned {type(returned).__name__}; it must return a dictionary with "
                f"a gradient for each of {', '.join(self.wrt)}"
            )
        missing = [k for k in self.wrt if k not in returned]
        if missing:
            raise ValueError(
                f"backward of {self.name} returned no gradient for {', '.join(missing)}; it returned "
                f"{', '.join(map(str, returned)) or 'nothing'}"
            )
        return {
            k: np.array(as_array(returned[k], f"gradient {k} of {self.name}", "an array"), copy=True) for k in self.wrt
        }


def wide(a: Array) -> Array:
    return a.astype(np.float64) if a.dtype.kind == "f" else a


def as_array(value: Any, who: str, wanted: str) -> Array:
    """`value` as an array of real numbers, or a sentence that says what it was."""
    if isinstance(value, (tuple, list, dict)) or value is None:
        kind = type(value).__name__
        raise TypeError(f"{who} returned {'None' if value is None else f'a {kind}'}; it must return {wanted}")
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{who} returned dtype {array.dtype}; it must return {wanted} of real numbers")
    return array


def checked_inputs(inputs: Mapping[str, Any], wrt: tuple[str, ...] | None) -> tuple[Arrays, tuple[str, ...]]:
    """Private copies of the inputs, and the names to differentiate (all floating ones unless given)."""
    if not isinstance(inputs, Mapping) or not inputs:
        raise TypeError(f"inputs must be a non-empty dictionary of arrays by name, not {type(inputs).__name__}")
    arrays = {str(k): np.array(a, copy=True) for k, a in inputs.items()}
    for k, a in arrays.items():
        if a.dtype.kind not in "fiub":
            raise TypeError(f"input {k} has dtype {a.dtype}; it must be real")
        if a.dtype.kind == "f" and a.dtype not in FLOATS:
            raise TypeError(f"input {k} has dtype {a.dtype}; float32 and float64 are judged")
        if a.dtype.kind == "f" and not np.isfinite(a).all():
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(a))[0])
            raise ValueError(f"input {k} is {a[where]} at {where}; a gradient there says nothing")
    if wrt is None:
        names = tuple(k for k, a in arrays.items() if a.dtype.kind == "f")
    else:
        names = (wrt,) if isinstance(wrt, str) else tuple(wrt)
        if not names:
            raise ValueError("wrt is empty: it names the inputs to differentiate")
        for k in names:
            if k not in arrays:
                raise ValueError(f"wrt names {k!r}, which is not among the inputs {', '.join(arrays)}")
            if arrays[k].dtype.kind != "f":
                raise TypeError(
                    f"wrt names {k!r}, whose dtype is {arrays[k].dtype}; only floating inputs are differentiated"
                )
    if not names:
        raise ValueError("nothing to differentiate: no input is floating point")
    return arrays, names


# ---------------------------------------------------------------------- the doors


def from_functions(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Mapping[str, Any],
    reference: Callable[..., Any] | None = None,
    *,
    wrt: tuple[str, ...] | None = None,
    name: str | None = None,
) -> Operation:
    """Two plain functions: `forward(**inputs) -> y`, `backward(grad_output, **inputs) -> {name: gradient}`."""
    arrays, names = checked_inputs(inputs, wrt)
    return Operation(
        name or getattr(forward, "__name__", "forward"),
        lambda values: forward(**values),
        lambda grad_output, values: backward(grad_output, **values),
        arrays,
        names,
        None if reference is None else by_name(reference, tuple(arrays)),
    )


def by_name(reference: Callable[..., Any], names: tuple[str, ...]) -> Callable[..., Any]:
    """The reference as a function of keyword arguments; one that takes its arrays by position only gets them in order.

    Raises:
        TypeError: a reference that takes other names, or another number of arrays.
    """
    try:
        parameters = inspect.signature(reference).parameters.values()
    except (TypeError, ValueError):  # a built-in without a signature: it will say itself what it wants
        return reference
    keyword = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    if any(p.kind is p.VAR_KEYWORD for p in parameters) or set(names) <= keyword:
        return reference
    ordered = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in ordered if p.default is p.empty]
    only_position = any(p.kind is p.POSITIONAL_ONLY for p in ordered[: len(names)])
    if only_position and len(required) <= len(names) <= len(ordered):
        return lambda **values: reference(*(values[name] for name in names))
    takes = ", ".join(p.name for p in parameters) or "nothing"
    raise TypeError(f"the reference takes {takes}; the inputs are {', '.join(names)}")


def positional_names(function: Callable[..., Any]) -> list[str]:
    """The names of the positional parameters: the arrays of an operation."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in inspect.signature(function).parameters.values() if p.kind in kinds]


def from_module(
    operation: ModuleType | Any,
    inputs: Mapping[str, Any],
    reference: Callable[..., Any] | None = None,
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    wrt: tuple[str, ...] | None = None,
) -> Operation:
    """A pair `forward(*arrays, **hyper) -> (y, saved)` and `backward(grad_output, saved) -> gradients in order`.

    The positional parameters of `forward` are the arrays; inputs beyond them are passed by keyword and not
    differentiated (a loss's target).
    """
    hyper = dict(hyperparameters or {})
    known = positional_names(operation.forward)
    positional = [k for k in known if k in inputs]
    if wrt is None:
        wrt = tuple(k for k in positional if np.asarray(inputs[k]).dtype.kind == "f")
    arrays, names = checked_inputs(inputs, wrt)
    keyword = [k for k in arrays if k not in positional]
    title = getattr(operation, "__name__", type(operation).__name__).rsplit(".", 1)[-1]

    def run(values: Arrays) -> tuple[Any, Any]:
        result = operation.forward(*[values[k] for k in positional], **{k: values[k] for k in keyword}, **hyper)
        if not (isinstance(result, tuple) and len(result) == 2):
            raise TypeError(f"forward of {title} must return (y, saved), not {type(result).__name__}")
        return result

    def backward(grad_output: Array, values: Arrays) -> Arrays:
        returned = operation.backward(grad_output, run(values)[1])
        if isinstance(returned, Mapping):
            return dict(returned)
        if isinstance(returned, list):
            returned = tuple(returned)
        if not isinstance(returned, tuple):
            returned = (returned,)
        if len(returned) != len(positional):
            raise ValueError(
                f"backward of {title} returned {len(returned)} gradients for the {len(positional)} arrays "
                f"{', '.join(positional)}"
            )
        return dict(zip(positional, returned, strict=True))

    bound = None if reference is None else lambda **values: reference(**values, **hyper)
    return Operation(title, lambda values: run(values)[0], backward, arrays, names, bound)


def from_layer(layer: Any, x: Any, reference: Callable[..., Any] | None = None) -> Operation:
    """A layer: `forward(x)`, `backward(grad_output) -> ∂L/∂x`, parameters and gradients by name or as flat vectors.

    The judge works on a deep copy. Our own layers bring their reference; another's `reference(x, **parameters) -> y`
    must be given to have the autodiff witness.
    """
    for method in ("forward", "backward"):
        if not callable(getattr(layer, method, None)):
            raise TypeError(f"layer is a {type(layer).__name__} without a {method} method")
    private = copy.deepcopy(layer)
    parameters = Parameters(private)
    arrays, names = checked_inputs({"x": x, **parameters.values()}, None)
    if arrays["x"].dtype.kind != "f":
        raise TypeError(f"x has dtype {arrays['x'].dtype}; it must be float32 or float64")
    chain = Chain.of(layer) if isinstance(layer, Layer) else None
    if reference is None and isinstance(layer, Layer):
        reference = twin(layer)

    def load(values: Arrays) -> None:
        parameters.assign({k: v for k, v in values.items() if k != "x"})

    def forward(values: Arrays) -> Any:
        load(values)
        return private.forward(values["x"])

    def backward(grad_output: Array, values: Arrays) -> Arrays:
        load(values)
        private.forward(values["x"])
        grad_x = private.backward(grad_output)
        return {"x": grad_x, **parameters.gradients()}

    def widen() -> Operation:
        if isinstance(layer, Layer):
            return from_layer(layer.astype(np.float64), wide(np.asarray(x)), reference)
        return from_layer(layer, wide(np.asarray(x)), reference).at({k: wide(a) for k, a in arrays.items()})

    if chain is None:
        return Operation(type(layer).__name__, forward, backward, arrays, names, reference, widen)
    return Operation(
        type(layer).__name__, forward, backward, arrays, names, reference, widen, chain.forward, chain.own_bounds
    )


class Chain:
    """The forward of our own layers as the chain of functions that it is, for witnesses that evaluate it many times.

    It takes complex numbers, and it keeps what every stage gave: stages before the first changed array are not run
    again.
    """

    def __init__(self, layer: Layer) -> None:
        self.stages = layer.stages()
        self.functions = [import_module(f"manual.{stage.operation}").forward for stage in self.stages]
        self.last: list[tuple[list[Array], Array]] = []

    @classmethod
    def of(cls, layer: Layer) -> Chain | None:
        """The chain of a layer whose forward is the inherited one; None where a layer brings its own."""
        plain = type(layer).forward in (Layer.forward, LayeredNeuralNetwork.forward)
        if not plain or any(cls.of(inner) is None for inner in getattr(layer, "layers", ())):
            return None
        try:
            return cls(layer)
        except NotImplementedError:
            return None

    def forward(self, values: Arrays) -> Array:
        with kernels.use("exact"):  # an engine that mixes entries would make every output depend on every input
            return self.run(values)

    def run(self, values: Arrays) -> Array:
        y, fresh = values["x"], False
        for place, (stage, function) in enumerate(zip(self.stages, self.functions, strict=True)):
            arrays = [values[name] for name in stage.parameters]
            seen = [y, *arrays] if place == 0 else arrays
            if not fresh and place < len(self.last) and all(map(identical, self.last[place][0], seen)):
                y = self.last[place][1]
                continue
            fresh = True
            y, _ = function(y, *arrays, **stage.hyperparameters)
            self.last[place:] = [([np.array(a, copy=True) for a in seen], y)]
        return y

    def own_bounds(self, values: Arrays, grad_output: Array) -> Arrays | None:
        """The bound of the engine that computes a single convolution, where that engine mixes entries.

        With a ReLU after it the bound passes through unchanged; behind any other step it would have to be carried on.
        """
        first, *rest = self.stages
        if first.operation != "convolution" or any(s.operation not in ("relu", "linear_activation") for s in rest):
            return None
        arrays = [values[name] for name in first.parameters]
        y, saved = self.functions[0](values["x"], *arrays, **first.hyperparameters, **first.options)
        if kernels.ENGINES[saved.kernel.engine].exact:
            return None
        later = []
        for stage, function in zip(rest, self.functions[1:], strict=True):
            y, kept = function(y, **stage.hyperparameters)
            later.append((stage, kept))
        g = grad_output.astype(y.dtype)
        for stage, kept in reversed(later):
            (g,) = import_module(f"manual.{stage.operation}").backward(g, kept)
        gradients = kernels.gradient_bounds(g, saved.kernel, kernels.probable)
        named = dict(zip(("x", *first.parameters), gradients, strict=True))
        return {**named, OUTPUT: kernels.output_bound(saved.kernel, kernels.probable)}


def identical(a: Array, b: Array) -> bool:
    """The same bits, but for the sign of zero; NaN is never identical."""
    return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())


class Parameters:
    """A layer's parameters by name, whether it names them itself or has only flat vectors.

    They are assigned through the layer's flat vector or, where it has none, one by one: to its attribute of that name,
    or into the array that it names.
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.named = callable(getattr(layer, "named_parameters", None)) and callable(
            getattr(layer, "named_gradients", None)
        )
        self.flat = not self.named or getattr(layer, "parameters", None) is not None
        self.heard = False  # whether an assignment was seen to reach the layer

    def values(self) -> Arrays:
        if self.named:
            return {str(k): np.asarray(a) for k, a in self.layer.named_parameters().items()}
        flat = getattr(self.layer, "parameters", None)
        if isinstance(flat, (list, tuple, dict)):
            raise TypeError(
                f"{type(self.layer).__name__}.parameters is a {type(flat).__name__}; the judge reads a flat vector, or "
                "named_parameters() and named_gradients()"
            )
        flat = flat() if callable(flat) else flat
        return {} if flat is None or np.size(flat) == 0 else {"parameters": np.asarray(flat)}

    def assign(self, values: Arrays) -> None:
        if not values:
            return
        if self.flat and callable(getattr(self.layer, "parameters", None)):
            raise self.deaf()
        try:
            if self.flat:
                self.layer.parameters = np.concatenate([np.ravel(values[k]) for k in self.values()])
            else:
                for name, current in self.layer.named_parameters().items():
                    if isinstance(getattr(self.layer, name, None), np.ndarray):
                        setattr(self.layer, name, values[name])
                    else:
                        np.copyto(current, values[name])
        except (AttributeError, TypeError, ValueError) as error:
            if isinstance(error, AttributeError) or not self.flat:
                raise self.deaf() from error
            raise
        if not self.heard:
            if any(not identical(a, values[k].reshape(a.shape)) for k, a in self.values().items()):
                raise self.deaf()
            self.heard = True

    def deaf(self) -> TypeError:
        return TypeError(
            f"{type(self.layer).__name__}.parameters cannot be assigned; the judge moves parameters one by one: "
            "give the layer a setter for its flat vector, or use crosscheck.check with plain functions"
        )

    def gradients(self) -> Arrays:
        if self.named:
            return {str(k): np.asarray(a) for k, a in self.layer.named_gradients().items()}
        names = self.values()
        if not names:
            return {}
        flat = getattr(self.layer, "gradients", None)
        flat = flat() if callable(flat) else flat
        return {"parameters": np.asarray(flat)}


def twin(layer: Layer) -> Callable[..., Any] | None:
    """The reference of one of our own layers, composed from the operations it is made of."""
    try:
        stages = [(stage.operation, stage.parameters, stage.hyperparameters) for stage in layer.stages()]
    except NotImplementedError:
        return None

    def forward(x: Any, **parameters: Any) -> Any:
        return reference.network.forward(x, parameters, stages=stages)

    return forward


TARGET = "target"


def with_loss(operation: Operation, loss: Any, target: Array) -> Operation:
    """`operation` followed by a loss of `manual`: forward(prediction, target), gradient(prediction, target).

    The result is a scalar, and its cotangent a number that is not 1, so that a loss which ignores it shows. The target
    is one more input, which is not differentiated.
    """
    inner = operation
    last, twin_last = (import_module(f"{package}.{loss.operation}") for package in ("manual", "reference"))

    def parted(values: Arrays) -> tuple[Arrays, Any]:
        return {k: a for k, a in values.items() if k != TARGET}, values[TARGET]

    def forward(values: Arrays) -> Any:
        before, aim = parted(values)
        return loss.forward(inner.forward(before), aim)

    def backward(grad_output: Array, values: Arrays) -> Any:
        before, aim = parted(values)
        prediction = np.asarray(inner.forward(before))
        grad_prediction = grad_output * loss.gradient(prediction, aim)
        return inner.backward(grad_prediction.astype(prediction.dtype), before)

    def reference_forward(**values: Any) -> Any:
        assert inner.reference is not None
        before, aim = parted(values)
        return twin_last.forward(inner.reference(**before), target=aim)

    def moving(values: Arrays) -> Any:
        assert inner.moving_forward is not None
        before, aim = parted(values)
        return last.forward(inner.moving_forward(before), target=aim)[0]

    return Operation(
        f"{inner.name} with {type(loss).__name__}",
        forward,
        backward,
        {**inner.inputs, TARGET: np.array(target, copy=True)},
        inner.wrt,
        None if inner.reference is None else reference_forward,
        lambda: with_loss(inner.widened(), loss, wide(np.asarray(target))),
        None if inner.moving_forward is None else moving,
    )


def from_loss(loss: Any, prediction: Array, target: Array) -> Operation:
    """A loss of `manual` alone: its gradient with respect to the prediction."""
    arrays, names = checked_inputs({"prediction": prediction}, None)
    identity = Operation(
        "prediction",
        lambda values: values["prediction"],
        lambda grad_output, values: {"prediction": grad_output},
        arrays,
        names,
        lambda prediction: prediction,
        moving_forward=lambda values: values["prediction"],
    )
    return replace(with_loss(identity, loss, target), name=type(loss).__name__)
