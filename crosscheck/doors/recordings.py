"""A function of one point, recorded: the function in JAX, and its gradient there."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from crosscheck.doors.jacobians import title
from crosscheck.doors.numbers import number_like
from crosscheck.operation import Array, Operation
from crosscheck.recorder.operations import with_recording
from crosscheck.traces.pointwise import is_guarded


def value_and_gradient(reference: Callable[..., Any], args: tuple[Any, ...]) -> Callable[..., Any]:
    """x → (f(x), ∇f(x)) of a function in JAX."""
    jax = import_module("jax")

    def both(x: Any) -> Any:
        return jax.value_and_grad(lambda x: jax.numpy.reshape(reference(x, *args), ()))(x)

    return both


def recorded(f: Callable[..., Any], x: Any, point: Array, args: tuple[Any, ...]) -> Callable[..., Any]:
    """f in JAX, as it was recorded."""
    plain = Operation(
        title(f), lambda v: f(number_like(x, v["x"]), *args), lambda v, inputs: {}, {"x": point}, ("x",), None
    )
    operation, why_not = with_recording(plain)
    found = operation.reference
    if found is None or is_guarded(found):
        raise ValueError(
            f"f is not recorded: {why_not or 'it decides by values'}; give grad=, the gradient by hand, or reference=, "
            "f in jax.numpy"
        )
    return lambda x, *args: found(x=x)
