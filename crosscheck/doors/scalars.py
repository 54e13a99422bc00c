"""A function of one array with one number for its result, and its gradient, as SciPy's minimizers take them.

What is differentiated may be the parameters of a network: a dictionary of arrays, a list, one in the other. Its
gradients are nested as it is, or in a dictionary whose keys are spelled as gradients are (`dW1` of `W1`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from crosscheck.doors.functions import plain_numbers, structure_of, structured
from crosscheck.doors.layers.spelling import named_alike
from crosscheck.doors.trees import branch, leaves, rebuilt
from crosscheck.operation import Array, Arrays, Operation, checked_inputs


def from_scalar(
    f: Callable[..., Any],
    grad: Callable[..., Any] | bool,
    x0: Any,
    args: Any = (),
    reference: Callable[..., Any] | None = None,
) -> Operation:
    """`f(x, *args) -> number` and `grad(x, *args) -> array`; `grad=True` for an f that returns both.

    Raises:
        TypeError, ValueError: what is given or returned is of another kind; the sentence says what.
    """
    if not callable(f):
        raise TypeError(f"f is {f!r}; it must be a function f(x, *args) that returns a number")
    if not callable(grad) and grad is not True:
        raise TypeError(
            f"grad is {grad!r}; it must be a function grad(x, *args) that returns an array, or True for an f that "
            "returns (value, gradient)"
        )
    if reference is not None and not callable(reference):
        raise TypeError(f"reference is {reference!r}; it must be a function in jax.numpy, or None")
    args = args if isinstance(args, tuple) else (args,)
    if is_nested(x0):
        return from_parameters(f, grad, x0, args, reference)
    arrays, names = checked_inputs({"x": point(x0)}, None)
    title = getattr(f, "__name__", type(f).__name__)

    def forward(values: Arrays) -> Any:
        return one_number(f(values["x"], *args), grad, title)

    def backward(grad_output: Array, values: Arrays) -> Arrays:
        gradient = pair(f(values["x"], *args), title)[1] if grad is True else grad(values["x"], *args)
        if gradient is None or isinstance(gradient, (dict, tuple)):
            kind = "None" if gradient is None else f"a {type(gradient).__name__}"
            raise TypeError(f"grad returned {kind}; it must return an array of x's shape, {values['x'].shape}")
        return {"x": np.asarray(gradient) * grad_output}

    def given(x: Any) -> Any:
        assert reference is not None
        return reference(x, *args).reshape(())

    return Operation(title, forward, backward, arrays, names, None if reference is None else given)


def one_number(y: Any, grad: Any, title: str) -> Any:
    """The value of what f returned."""
    if grad is True:
        y = pair(y, title)[0]
    if np.size(y) != 1:
        raise ValueError(f"f returned shape {np.shape(y)}; it must return one number (crosscheck.check takes arrays)")
    return np.reshape(y, ())


def is_nested(x0: Any) -> bool:
    """Whether it holds arrays, and is no list of numbers."""
    if isinstance(x0, Mapping):
        return bool(x0)
    return isinstance(x0, (list, tuple)) and any(np.ndim(leaf) for _, leaf in leaves(x0)) and not plain_numbers(x0)


def from_parameters(
    f: Callable[..., Any],
    grad: Callable[..., Any] | bool,
    x0: Any,
    args: tuple[Any, ...],
    reference: Callable[..., Any] | None,
) -> Operation:
    """The same of nested values: `f({"W": W, "b": b}, *args)`, and gradients nested alike."""
    named = isinstance(x0, Mapping) and all(isinstance(k, str) for k in x0)
    title = getattr(f, "__name__", type(f).__name__)

    def nested(given: Mapping[str, Any]) -> Any:
        return given if named else given["x"]

    def forward(**given: Any) -> Any:
        return one_number(f(nested(given), *args), grad, title)

    def backward(grad_output: Array, **given: Any) -> Any:
        if grad is True:
            gradient = pair(f(nested(given), *args), title)[1]
        else:
            assert callable(grad)
            gradient = grad(nested(given), *args)
        if branch(gradient) is None:
            kind = "None" if gradient is None else f"a {type(gradient).__name__}"
            raise TypeError(f"grad returned {kind}; it must return the gradients, nested as x0 is")
        if named and isinstance(gradient, Mapping) and not set(given) <= set(gradient):
            gradient = respelled(gradient, given)
        return rebuilt(gradient, lambda _, leaf: None if leaf is None else np.asarray(leaf) * grad_output)

    def referred(**given: Any) -> Any:
        assert reference is not None
        return reference(nested(given), *args).reshape(())

    structure = structure_of(forward, dict(x0) if named else {"x": x0})
    return structured(structure, backward, None if reference is None else referred, name=title)


def respelled(gradients: Mapping[Any, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Gradients that are called so (`dW1`), by what they are of; what is beside them (`dA1`) is of nothing here."""
    found: dict[str, Any] = {}
    for name in given:
        fits = [k for k in gradients if named_alike(name, str(k)) == 0]
        if len(fits) == 1:
            found[name] = gradients[fits[0]]
    return found if len(found) == len(given) else dict(gradients)


def point(x0: Any) -> Array:
    """The point as SciPy takes it: numbers in a list, and integers, are float64."""
    if x0 is None or isinstance(x0, (str, bytes, dict, set)):
        kind = "None" if x0 is None else "an empty dictionary" if isinstance(x0, dict) else f"a {type(x0).__name__}"
        raise TypeError(f"x0 is {kind}; it must be an array of numbers, or a dictionary or a list of such")
    x = np.asarray(x0)
    if x.dtype.kind in "iu":
        x = x.astype(np.float64)
    if x.dtype.kind != "f":
        raise TypeError(f"x0 has dtype {x.dtype}; it must be an array of real numbers")
    return x


def pair(y: Any, title: str) -> tuple[Any, Any]:
    if not (isinstance(y, (tuple, list)) and len(y) == 2):
        raise TypeError(f"grad is True, and {title} returned {type(y).__name__}; it must return (value, gradient)")
    return y[0], y[1]
