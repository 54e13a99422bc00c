"""A function of one array with one number for its result, and its gradient, as SciPy's minimizers take them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

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
    arrays, names = checked_inputs({"x": point(x0)}, None)
    title = getattr(f, "__name__", type(f).__name__)

    def forward(values: Arrays) -> Any:
        y = f(values["x"], *args)
        if grad is True:
            y = pair(y, title)[0]
        if np.size(y) != 1:
            raise ValueError(
                f"f returned shape {np.shape(y)}; it must return one number (crosscheck.check takes arrays)"
            )
        return np.reshape(y, ())

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


def point(x0: Any) -> Array:
    """The point as SciPy takes it: numbers in a list, and integers, are float64."""
    if x0 is None or isinstance(x0, (str, bytes, dict, set)):
        raise TypeError(f"x0 is {'None' if x0 is None else f'a {type(x0).__name__}'}; it must be an array of numbers")
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
