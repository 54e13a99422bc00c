"""Two plain functions as an operation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from crosscheck.doors.halves import arithmetic, formats_of, widened
from crosscheck.doors.signatures import by_name
from crosscheck.doors.structure import CONVENTIONS, Structure
from crosscheck.doors.trees import branch, leaves
from crosscheck.operation import Array, Arrays, Operation, checked_inputs


def from_functions(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Mapping[str, Any],
    reference: Callable[..., Any] | None = None,
    *,
    wrt: tuple[str, ...] | None = None,
    name: str | None = None,
    convention: str | None = None,
    fixed: Mapping[str, Any] | None = None,
) -> Operation:
    """Two plain functions: `forward(**inputs) -> y`, `backward(grad_output, **inputs) -> {name: gradient}`.

    Of one differentiated input, backward may return the gradient alone; of several a tuple, in the order of its own
    arguments (a named tuple by its names): of all inputs, None for those that have no gradient, or of the
    differentiated ones.
    """
    structure = structure_of(forward, inputs, convention)
    formats = formats_of(inputs)
    return structured(structure, backward, reference, wrt=wrt, name=name, fixed=fixed, formats=formats)


def structure_of(forward: Callable[..., Any], inputs: Mapping[str, Any], convention: str | None = None) -> Structure:
    """What stands between a function of nested values and the judge (`structure`)."""
    if not isinstance(inputs, Mapping) or not inputs:
        given = "one without an array" if isinstance(inputs, Mapping) else type(inputs).__name__
        raise TypeError(f"inputs must be a non-empty dictionary of arrays by name, not {given}")
    if convention is not None and convention not in CONVENTIONS:
        raise ValueError(f"convention is {convention!r}; it must be one of {', '.join(map(repr, CONVENTIONS))}")
    forward = by_name("forward", forward, tuple(map(str, inputs)))
    given = {str(k): with_lists_as_arrays(str(k), a) for k, a in inputs.items()}
    return Structure(forward, widened(given, formats_of(given)), convention)


def in_order_of(backward: Callable[..., Any], given: tuple[str, ...]) -> list[str]:
    """The inputs in the order of a backward's own arguments, in which it returns a tuple; else as they were given."""
    try:
        named = [k for k in inspect.signature(backward).parameters if k in given]
    except (TypeError, ValueError):
        named = []
    return named if len(named) == len(given) else list(given)


def with_lists_as_arrays(name: str, value: Any) -> Any:
    """A list of plain numbers, nested or not, is an array, as NumPy has it; any other list holds inputs."""
    for leaf, given in leaves(value, name):
        if isinstance(given, Iterator):
            raise TypeError(f"input {leaf} is a {type(given).__name__}, which can be read but once; give an array")
        if isinstance(given, np.ndarray) and given.dtype.kind == "O":
            raise TypeError(f"input {leaf} has dtype object; it must be an array of numbers")
    if not (isinstance(value, list) and plain_numbers(value)):
        return value
    try:
        return np.array(value)
    except ValueError as error:
        raise ValueError(f"input {name} is a list that makes no array: {error}") from error


def plain_numbers(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(map(plain_numbers, value))
    return isinstance(value, (bool, int, float))


def structured(
    structure: Structure,
    backward: Callable[..., Any],
    reference: Callable[..., Any] | None = None,
    *,
    wrt: tuple[str, ...] | None = None,
    name: str | None = None,
    fixed: Mapping[str, Any] | None = None,
    formats: Mapping[str, np.dtype] | None = None,
) -> Operation:
    """The operation over the real arrays of a structure; `formats` in which its leaves were given (`halves`)."""
    forward = structure.forward
    arrays, names = checked_inputs(structure.arrays, structure.names(wrt), fixed)
    given = tuple(structure.inputs)
    known = None if reference is None else by_name("the reference", reference, given)
    order = in_order_of(backward, given)
    backward = by_name("backward", backward, given, "grad_output")
    differentiated = [k for k in given if any(n == k or n.startswith((f"{k}.", f"{k}[")) for n in names)]

    def answered(returned: Any) -> Any:
        if len(differentiated) == 1 and returned is not None and branch(returned) is None:
            return {differentiated[0]: returned}
        fields = getattr(returned, "_fields", ())
        if fields and set(fields) <= set(given):
            return {k: getattr(returned, k) for k in fields}
        if len(given) == 1 and branch(structure.inputs[given[0]]) is not None and not isinstance(returned, Mapping):
            return {given[0]: returned}  # nested as its input is
        if isinstance(returned, (tuple, list)) and not fields:
            for names in (order, [k for k in order if k in differentiated]):
                if len(names) == len(returned):
                    return dict(zip(names, returned, strict=True))
        return returned

    def run(values: Arrays) -> Any:
        return structure.run(forward, values)

    def back(grad_output: Array, values: Arrays) -> Any:
        v = structure.cotangent(grad_output, values)
        return structure.gradients(answered(backward(v, **structure.nested(values))), values)

    def referred(**values: Any) -> Any:
        assert known is not None
        return structure.of_reference(known(**structure.nested(values)), values)

    title = name or getattr(forward, "__name__", "forward")
    own = None
    if formats:
        own = arithmetic(structure, formats, names, lambda v, given: answered(backward(v, **given)))
    return Operation(title, run, back, arrays, names, None if known is None else referred, arithmetic=own)
