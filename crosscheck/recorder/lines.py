"""Where in the user's backward a gradient is computed: the line that last made its numbers.

The backward is recorded, and from each gradient the tape is read backwards: over what only rearranges, to the first
step that a line of the user's code made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import crosscheck
from crosscheck.operation import OUTPUT, Array, Operation
from crosscheck.recorder.operations import OwnProgram
from crosscheck.recorder.record import LONG, record
from crosscheck.recorder.tape import Line, RecordedStep
from crosscheck.recorder.values import is_recorded
from crosscheck.traces.sources import Source

HERE = str(Path(crosscheck.__file__).parent)
REARRANGE: tuple[Callable[..., Any], ...] = (
    np.reshape,
    np.ravel,
    np.transpose,
    np.swapaxes,
    np.moveaxis,
    np.squeeze,
    np.expand_dims,
    np.broadcast_to,
    np.ascontiguousarray,
    np.copy,
)


class Noted:
    """Where the gradients are on the tape. Without a __dict__ nothing of it is put back after a recording."""

    __slots__ = ("places",)

    def __init__(self) -> None:
        self.places: dict[str, int] = {}


def lines_of_gradients(operation: Operation, cotangent: Array) -> dict[str, str]:
    """By name, `layer.py:14: dw = x.T @ g`; nothing for a backward, or a gradient, that cannot be recorded."""
    noted, own = Noted(), operation.own_program
    if isinstance(own, OwnProgram) and own.refuses(operation.inputs):
        return {}

    def flat(values: Mapping[str, Any]) -> Any:
        returned = operation.backward(values[OUTPUT], {k: a for k, a in values.items() if k != OUTPUT})
        for k in operation.wrt:
            if is_recorded(returned[k]):
                noted.places[k] = returned[k].place()
        return np.concatenate([np.ravel(returned[k]) for k in operation.wrt])

    recorded = record(flat, {**operation.inputs, OUTPUT: cotangent}, LONG, double=False).reference
    if recorded is None:
        return {}
    steps = {step.place: step for step in recorded.replay.tape.steps}
    found = {k: line_behind(steps, place) for k, place in noted.places.items()}
    return {k: str(Source(line.file, line.number, 0)) for k, line in found.items() if line is not None}


def line_behind(steps: Mapping[int, RecordedStep], place: int) -> Line | None:
    """The line that made the numbers at a place."""
    while place in steps:
        step = steps[place]
        users = step.line is not None and not step.line.file.startswith(HERE)
        if users and step.function not in REARRANGE:
            return step.line
        if not step.reads:
            return None
        place = step.reads[0]
    return None
