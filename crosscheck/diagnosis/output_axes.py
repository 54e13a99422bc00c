"""What the axes of the output are called: from what the reference does on the way to it, or from what moves it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from crosscheck.diagnosis.words import OUTPUT_IMAGE, output_names, plain_names
from crosscheck.operation import Operation
from crosscheck.traces.tape import Step, Tape

Names = tuple[str, ...]
# A share of itself by which a sample is moved to see what it moves.
MOVE = 2.0**-6
# Steps whose result has the operand's shape by chance only.
ELSEWHERE = frozenset(["transpose", "dot_general", "conv_general_dilated", "gather", "scatter", "dynamic_slice"])


def output_axes(operation: Operation, tape: Tape | None, ndim: int) -> Names:
    """The words for the output's axes; the first of three is that of the batch only if the first input's is, too."""
    found = None if tape is None else followed(tape)
    if found is not None and len(found) == ndim:
        return found
    names = output_names(ndim)
    return names if ndim != 3 or by_samples(operation) else ("axis 0", *names[1:])


def followed(tape: Tape) -> Names | None:
    """The names of a convolution's result, as far as the steps behind it leave the axes what they are."""
    known: dict[int, Names] = {}
    for step in tape.steps:
        if step.name == "conv_general_dilated":
            spec = step.eqn.params["dimension_numbers"].out_spec
            if len(spec) == 4:
                known[step.writes[0]] = tuple(OUTPUT_IMAGE[spec.index(axis)] for axis in range(4))
            continue
        names = carried(step, tape, known)
        if names is not None:
            known[step.writes[0]] = names
    return known.get(tape.output)


def carried(step: Step, tape: Tape, known: Mapping[int, Names]) -> Names | None:
    """The names of what one step writes, from those of the first operand that has some."""
    written = tuple(tape.avals[step.writes[0]].shape)
    for place in step.reads:
        if place not in known:
            continue
        names, shape = known[place], tuple(tape.avals[place].shape)
        if step.name == "transpose":
            return tuple(names[axis] for axis in step.eqn.params["permutation"])
        long = [name for name, size in zip(names, shape, strict=True) if size != 1]
        if step.name == "squeeze":
            gone = step.eqn.params["dimensions"]
            return tuple(name for axis, name in enumerate(names) if axis not in gone)
        if step.name in ("reshape", "slice") and [n for n in shape if n != 1] == list(written):
            return tuple(long)
        if shape == written and step.name not in ELSEWHERE:
            return names
    return None


def batch_recognised(operation: Operation, axes: Iterable[Names], ndim: int) -> bool:
    """Whether the first axis is that of a batch: a convolution says so, or parameters that all of it shares; or its
    entries do not hear of one another, where those of another axis do."""
    if any("batch" in names and names != plain_names(len(names)) for names in axes):
        return True
    first = next((a for a in operation.inputs.values() if a.dtype.kind == "f"), None)
    if first is None or first.ndim < 2 or not ndim:
        return False
    if not by_samples(operation):
        return False
    shared = any(a.shape == first.shape[1:] for a in operation.inputs.values())
    return shared or any(mixed(operation, axis) for axis in range(1, first.ndim))


def mixed(operation: Operation, axis: int) -> bool:
    """Whether some entry of the output hears of the first along an axis of the first input, and of others, too."""
    name, x = next((k, a) for k, a in operation.inputs.items() if a.dtype.kind == "f")
    y = operation.output()

    def heard(part: slice) -> np.ndarray:
        moved = np.array(x)
        at = np.moveaxis(moved, axis, 0)[part]
        at += MOVE * np.where(at == 0, 1, at)
        return operation.moved({name: moved}) != y

    try:
        return bool((heard(slice(1)) & heard(slice(1, None))).any())
    except Exception:  # the code at a point that its author did not choose
        return False


def by_samples(operation: Operation) -> bool:
    """Whether the first entry along the first axis of the first input moves the first entry of the output alone."""
    name = next((k for k, a in operation.inputs.items() if a.dtype.kind == "f"), None)
    if name is None:
        return True
    x = operation.inputs[name]
    try:
        y = operation.output()
        if x.ndim < 2 or x.shape[0] != y.shape[0]:
            return False
        moved = np.array(x)
        moved[0] += MOVE * np.where(moved[0] == 0, 1, moved[0])
        changed = operation.moved({name: moved}) != y
    except Exception:  # the code at a point that its author did not choose
        return True
    return not changed[1:].any()
