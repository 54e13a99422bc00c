"""An operation without a reference, with the recording of its forward for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from crosscheck.floats import DOUBLE
from crosscheck.operation import OUTPUT, Array, Arrays, Operation
from crosscheck.recorder.record import LONG, PlainForward, Replayed, record
from crosscheck.recorder.words import WHAT_TO_DO

GIVEN = "given, independent of the forward"
RECORDED = "recorded from the forward, for which it cannot vouch"
DIFFERS = "its replay in JAX differs from it"


def source(operation: Operation, why_not: str) -> str:
    """Where the reference of an operation comes from, in words; or why there is none, and what to do."""
    if is_its_own_reference(operation):
        return RECORDED
    said = getattr(operation.reference, "source", "") or getattr(
        getattr(operation.reference, "reference", None), "source", ""
    )
    if said:
        return said
    if operation.reference is None and operation.alone:
        return f"none; {operation.alone}"
    return f"none; the forward is not recorded: {why_not}; {WHAT_TO_DO}" if operation.reference is None else GIVEN


def with_recording(operation: Operation) -> tuple[Operation, str]:
    """The operation with the recorded forward as its reference, or as it is and why not.

    A float32 operation is recorded as the formula that it is judged as, at float64.
    """
    formula = operation if operation.dtype == DOUBLE else operation.widened()
    recorded = record(formula.forward, formula.inputs)
    if recorded.reference is None:
        return operation, recorded.why_not
    return referring(operation, recorded.reference), ""


def with_own_program(operation: Operation) -> Operation:
    """The operation with its backward as a program, recorded where and when it is asked for. Code that brings bounds of
    its own is not asked how it rounds, and what brings its program is not recorded."""
    if operation.own_bounds is not None or operation.own_program is not None:
        return operation
    widen = operation.widen
    wider = None if widen is None else lambda: with_own_program(widen())
    return replace(operation, widen=wider, own_program=OwnProgram(operation.backward, operation.wrt))


@dataclass
class OwnProgram:
    """See `Operation.own_program`. What could not be recorded (a loop over entries that is too long) is not tried again
    at other points of the same shapes.
    """

    backward: Callable[[Array, Arrays], Any]
    wrt: tuple[str, ...]
    refused: set[Any] = field(default_factory=set)

    def __call__(self, inputs: Arrays, grad_output: Array) -> Replayed | None:
        if self.refuses(inputs):
            return None
        found = record(self.flat, {**inputs, OUTPUT: grad_output}, LONG, double=False).reference
        if found is None:
            self.refused.add(shapes_of(inputs))
        return found

    def refuses(self, inputs: Arrays) -> bool:
        """Whether it could not be recorded at inputs of these shapes."""
        return shapes_of(inputs) in self.refused

    def flat(self, values: Arrays) -> Any:
        gradients = self.backward(values[OUTPUT], {k: a for k, a in values.items() if k != OUTPUT})
        return np.concatenate([np.ravel(gradients[k]) for k in self.wrt])


def shapes_of(inputs: Arrays) -> Any:
    return tuple((k, np.shape(a), np.asarray(a).dtype) for k, a in sorted(inputs.items()))


def referring(operation: Operation, reference: Replayed) -> Operation:
    """The operation with this reference, also when it is widened."""
    widen, quick = operation.widen, operation.moving_forward or quicker(operation, reference)
    wider = None if widen is None else lambda: replace(widen(), reference=reference, moving_forward=quick)
    return replace(operation, reference=reference, moving_forward=quick, widen=wider)


def quicker(operation: Operation, reference: Replayed) -> PlainForward | None:
    """The replay in the place of a forward that loops over entries, for the witnesses that call it hundreds of times;
    None where the forward is quick, or decides by values."""
    if len(reference.replay.checked) <= LONG or reference.guarded:
        return None
    recorded = {k: (a.shape, a.dtype) for k, a in reference.inputs.items()}

    def forward(inputs: dict[str, Array]) -> Any:
        if all((np.shape(inputs[k]), np.asarray(inputs[k]).dtype) == kind for k, kind in recorded.items()):
            return reference.replay.jitted(inputs)[0]
        return operation.forward({k: np.array(a) for k, a in inputs.items()})  # complex, longdouble

    return forward


def is_its_own_reference(operation: Operation) -> bool:
    """Whether its reference is its own forward."""
    return isinstance(operation.reference, Replayed)
