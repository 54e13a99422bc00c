"""A layer as an operation: any class with `forward`, `backward`, and parameters that can be read and assigned.

What is known of a layer beyond that (its reference, the bounds of the algorithm that computes it) an *adapter* brings:
a function registered for the layer's class.

    @adapter.register(MyLayer)
    def my_layer(layer, x, reference=None): return replace(any_layer(layer, x, reference), reference=...)

A package announces the module that does so as an entry point in the group `crosscheck.adapters`; it is loaded at the
first layer that no adapter knows.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

import numpy as np

from crosscheck.operation import Array, Arrays, Operation, checked_inputs, wide

ADAPTERS = "crosscheck.adapters"  # the group of entry points


def from_layer(layer: Any, x: Any, reference: Callable[..., Any] | None = None) -> Operation:
    """A layer: `forward(x)`, `backward(grad_output) -> ∂L/∂x`, parameters and gradients by name or as flat vectors.

    The judge works on a deep copy. A layer with an adapter brings its reference; another's
    `reference(x, **parameters) -> y` must be given to have the autodiff witness.

    Raises:
        TypeError: without one of the two methods, or with parameters that can be neither read nor assigned.
    """
    if adapter.dispatch(type(layer)) is any_layer:
        load_adapters()
    return adapter(layer, x, reference)


@functools.cache
def load_adapters() -> None:
    """Import every module that a package announces; its registrations are what is wanted of it."""
    for entry in entry_points(group=ADAPTERS):
        entry.load()


def any_layer(layer: Any, x: Any, reference: Callable[..., Any] | None = None) -> Operation:
    """A layer of which nothing is known but its methods."""
    for method in ("forward", "backward"):
        if not callable(getattr(layer, method, None)):
            raise TypeError(f"layer is a {type(layer).__name__} without a {method} method")
    private = copy.deepcopy(layer)
    parameters = Parameters(private)
    arrays, names = checked_inputs({"x": x, **parameters.values()}, None)
    if arrays["x"].dtype.kind != "f":
        raise TypeError(f"x has dtype {arrays['x'].dtype}; it must be float32 or float64")

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
        return any_layer(layer, wide(np.asarray(x)), reference).at({k: wide(a) for k, a in arrays.items()})

    return Operation(type(layer).__name__, forward, backward, arrays, names, reference, widen)


adapter = functools.singledispatch(any_layer)


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
