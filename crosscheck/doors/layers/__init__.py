"""A layer as an operation: any class with `forward`, `backward`, and parameters that can be found.

    places      where a layer keeps its arrays            nudges     which of them move the output
    spelling    how gradients are spelled                 pairing    which array is the gradient of which
    looking     what is known so far                      discovery  what forward shows
    once        one backward, from which the rest is seen:  resetting  layers that are told to begin anew
    left        gradients that it leaves in the layer     answers    gradients that it returns, matched by `returned`
    steps       gradients that it uses up, by a rate or an optimizer (updating: whether they can be read)
    overlap     parameters that share memory              sources    where each gradient comes from
    applying    layers that make their step when told     outputs    which of what forward returns are outputs
    route       all of that, followed at every call       declared   layers that name their parameters themselves
    nested      parameters that are lists of numbers    methods    the methods, by their names and arguments
    ways        what the caller says of it                state      what forward leaves behind

What is known of a layer beyond that (its reference, the bounds of the algorithm that computes it) an *adapter* brings:
a function registered for the layer's class.

    @adapter.register(MyLayer)
    def my_layer(layer, x, reference=None): return replace(any_layer(layer, x, reference), reference=...)

A package announces the module that does so as an entry point in the group `crosscheck.adapters`; it is loaded at the
first layer that no adapter knows.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import entry_points
from typing import Any

import numpy as np

from crosscheck.doors.layers.applying import route_with_step
from crosscheck.doors.layers.declared import identical
from crosscheck.doors.layers.discovery import look_at
from crosscheck.doors.layers.outputs import laid_out, totalled
from crosscheck.doors.layers.places import private
from crosscheck.doors.layers.route import Route, samples
from crosscheck.doors.layers.state import compared, output_alone
from crosscheck.doors.layers.ways import Ways, calling, checked_ways, given_inputs
from crosscheck.doors.signatures import by_name
from crosscheck.operation import Array, Arrays, Operation, checked_inputs, wide

__all__ = ["Ways", "adapter", "any_layer", "from_layer", "identical", "load_adapters"]

ADAPTERS = "crosscheck.adapters"  # the group of entry points


def from_layer(layer: Any, x: Any, reference: Callable[..., Any] | None = None, ways: Ways | None = None) -> Operation:
    """A layer: `forward(x)`, `backward(grad_output) -> ∂L/∂x`, its parameters and their gradients as they are found.

    The judge works on a deep copy. A layer with an adapter brings its reference; another's
    `reference(x, **parameters) -> y` must be given to have a witness that is independent of its forward. With `ways`
    (what the caller says of the layer) it is taken as any layer.

    Raises:
        TypeError: without one of the two methods, or with parameters that can be neither read nor assigned.
    """
    check_layer_given(layer)
    if reference is not None and not callable(reference):
        raise TypeError(
            f"reference is {reference!r}, a {type(reference).__name__}; it must be a function in jax.numpy, or None"
        )
    if ways is not None and ways != Ways():
        return any_layer(layer, x, reference, checked_ways(ways))
    if adapter.dispatch(type(layer)) is any_layer:
        load_adapters()
    return adapter(layer, x, reference)


def check_layer_given(layer: Any) -> None:
    rule = "it must be an object with the methods forward and backward"
    if inspect.isclass(layer):
        raise TypeError(f"layer is the class {layer.__name__}; {rule}: make one, {layer.__name__}(...)")
    if layer is None or isinstance(layer, (str, bytes, int, float, np.ndarray, list, tuple, dict, set)):
        said = "None" if layer is None else f"a {type(layer).__name__}"
        raise TypeError(f"layer is {said}; {rule}")


@functools.cache
def load_adapters() -> None:
    """Import every module that a package announces; its registrations are what is wanted of it."""
    for entry in entry_points(group=ADAPTERS):
        entry.load()


def any_layer(layer: Any, x: Any, reference: Callable[..., Any] | None = None, ways: Ways | None = None) -> Operation:
    """A layer of which nothing is known but its methods, and what the caller says of it."""
    ways = Ways() if ways is None else ways
    inputs, wrt, passed, nested = given_inputs(layer, x, ways)
    called = calling(layer, tuple(inputs), passed, ways, nested)
    with warnings.catch_warnings():
        # A layer that is looked at is run at values that its author did not choose.
        warnings.simplefilter("ignore", RuntimeWarning)
        one = {k: a[0] for k, a in inputs.items()} if ways.per_sample else inputs
        look = look_at(called, layer, one, wrt)
        route = route_with_step(look)
    wrt = look.wrt
    held = {k: place.value(look.base) for k, place in route.held.items()}
    values = held if look.declared is None else look.declared.values(look.base)
    if not (wrt or values):
        k, a = next(iter(inputs.items()))
        raise TypeError(f"{k} has dtype {a.dtype}; it must be float32 or float64")
    arrays, names = checked_inputs({**inputs, **{k: np.asarray(a) for k, a in values.items()}}, (*wrt, *values))
    known = None if reference is None else by_name("the reference", reference, tuple(arrays))
    said = (*look.remarks, *compared(route, arrays, names, known))
    known = output_alone(known) if known is not None and ways.state else known
    known = known if known is None or look.layout is None else laid_out(known, look.layout)
    known = known if known is None or not isinstance(ways.loss, str) else totalled(known, ways.loss)
    return replace(following(route, called.title, arrays, names, known, said), layout=lambda: look.layout)


def following(
    route: Route, title: str, arrays: Arrays, names: tuple[str, ...], reference: Any, remarks: tuple[Any, ...]
) -> Operation:
    """The operation that follows a route, on a copy of its own; widened, on one with float64 for float32."""

    def made(wider: bool) -> Operation:
        layer = private(route.base, wider)

        def current() -> Any:
            return private(route.base, wider) if route.anew else layer

        def forward(values: Arrays) -> Any:
            if not route.calling.ways.per_sample:
                return route.forward(current(), values)
            inputs = route.calling.inputs
            count = len(values[inputs[0]])
            rows = [{**values, **{k: values[k][i] for k in inputs}} for i in range(count)]
            return np.stack([route.forward(current(), row) for row in rows])

        def backward(grad_output: Array, values: Arrays) -> Arrays:
            if route.calling.ways.per_sample:
                return samples(route, current(), grad_output, values)
            return route.gradients(current(), grad_output, values)

        given = {k: wide(a) for k, a in arrays.items()} if wider else arrays
        return Operation(title, forward, backward, given, names, reference, lambda: made(True), remarks=remarks)

    return made(False)


adapter = functools.singledispatch(any_layer)
