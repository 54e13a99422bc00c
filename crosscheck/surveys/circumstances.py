"""What may matter beside the configuration: memory order, an earlier call, ties, the sign of the first entry.

The survey sets these itself, on the first input of whatever the factory made (`x` of a layer), where the factory does
not take an argument of that name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from crosscheck.draws import cotangent, resampled
from crosscheck.operation import Array, Arrays, Operation
from crosscheck.spaces.space import Choices, Rng, Space

CHOICES: dict[str, tuple[str, ...]] = {
    "order": ("C", "Fortran"),
    "call": ("first", "second"),
    "values": ("drawn", "ties"),
    "sign": ("positive", "negative"),
}
# How each is said of the input {x}.
WORDS = {
    ("order", "C"): "{x} is in C order",
    ("order", "Fortran"): "{x} is in Fortran order",
    ("call", "first"): "it is the first call",
    ("call", "second"): "it is the second call",
    ("values", "drawn"): "no entries of {x} tie",
    ("values", "ties"): "entries of {x} tie",
    ("sign", "positive"): "the first entry of {x} is positive",
    ("sign", "negative"): "the first entry of {x} is negative",
}
NAMES = {
    "order": "the memory order of {x}",
    "call": "an earlier call",
    "values": "ties in {x}",
    "sign": "the sign of the first entry of {x}",
}
# So few different numbers stand in an array of ties.
LEVELS = 3


def with_circumstances(space: Space, takes: frozenset[str]) -> Space:
    """The space with those circumstances as dimensions that neither it nor the factory knows."""
    free = {k: c for k, c in CHOICES.items() if k not in space.dimensions and k not in takes}
    return space.beside(**free)


def under(operation: Operation, circumstances: Choices, rng: Rng) -> tuple[Operation, Choices]:
    """The operation with its first input, and its past, as the circumstances say; and those that came about.

    A row lies in Fortran order as it lies in C order, one entry ties with none, and an array of one sign keeps it, for
    a reason perhaps.
    """
    name = operation.wrt[0]
    x = operation.inputs[name]
    there = dict(circumstances)
    if circumstances.get("values") == "ties":
        x = tied(x, rng)
        there["values"] = "ties" if len(np.unique(x)) < x.size else "drawn"
    if "sign" in circumstances:
        x = signed(x, -1.0 if circumstances["sign"] == "negative" else 1.0)
        there["sign"] = "negative" if x.size and x[(0,) * x.ndim] < 0 else "positive"
    operation = operation.at({**operation.inputs, name: x})
    if circumstances.get("order") == "Fortran":
        operation = in_fortran_order(operation, name)
        there["order"] = "C" if np.asarray(x, order="F").flags.c_contiguous else "Fortran"
    return (after_a_call(operation, rng) if circumstances.get("call") == "second" else operation), there


def tied(x: Array, rng: Rng) -> Array:
    """As many numbers, of which only a few are different: some of its own."""
    if x.size < 2:
        return x
    levels = rng.choice(x.ravel(), min(LEVELS, x.size - 1), replace=False)
    return np.asarray(rng.choice(levels, x.shape), x.dtype)


def signed(x: Array, sign: float) -> Array:
    """The array with the sign of its first entry; itself where it has one sign only."""
    if x.size == 0 or (x >= 0).all() or (x <= 0).all():
        return x
    changed = np.array(x)
    first = (0,) * x.ndim
    changed[first] = np.copysign(changed[first] if changed[first] else np.abs(x).max(), sign)
    return changed


def in_fortran_order(operation: Operation, name: str) -> Operation:
    """The same, whose code gets one input in Fortran order, whatever order the judge has it in."""

    def turned(values: Arrays) -> Arrays:
        given = values[name]
        if type(given) is not np.ndarray:  # a recorded value, of which only what is computed with it is looked at
            return values
        return {**values, name: np.asarray(given, order="F")}

    widen = operation.widen
    return replace(
        operation,
        forward=lambda values: operation.forward(turned(values)),
        backward=lambda grad_output, values: operation.backward(grad_output, turned(values)),
        widen=None if widen is None else lambda: in_fortran_order(widen(), name),
    )


def after_a_call(operation: Operation, rng: Rng) -> Operation:
    """The same, which by the time that it is first called has been through a forward and a backward at other values."""
    inputs = {k: resampled(a, rng) if k in operation.wrt else a for k, a in operation.inputs.items()}
    seed = int(rng.integers(2**31))
    pending = [True]

    def before() -> None:
        if pending:
            pending.clear()
            given = {k: np.array(a, copy=True) for k, a in inputs.items()}
            y = operation.output(given)
            operation.at(given).gradients(np.asarray(cotangent(y.shape, np.random.default_rng(seed)), operation.dtype))

    def then(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any) -> Any:
            before()
            return function(*arguments)

        return called

    widen = operation.widen
    wider = None if widen is None else lambda: after_a_call(widen(), np.random.default_rng(seed))
    return replace(operation, forward=then(operation.forward), backward=then(operation.backward), widen=wider)
