"""The gradient of another configuration: of the same forward with another choice of an option.

What may be chosen an operation says itself (`Operation.configurations`), since the numbers that it is called with do
not: a mask that is left out, padding that is counted, a corner that is aligned otherwise. Such a gradient is a right
one, of another forward. It is asked for whole, and before any mistake in a step of this one: that somebody derived
the other formula is the simpler story.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crosscheck.diagnosis.points import Point
from crosscheck.diagnosis.problem import Problem
from crosscheck.evidence.reason import Diagnosis
from crosscheck.traces.tape import Tape, record


def other_configuration(problem: Problem, name: str, points: list[Point]) -> Diagnosis | None:
    """The first configuration whose gradient it is at every point; None if there is none."""
    for said, tape in problem.given.once("configurations", lambda: tapes(problem)).items():
        if all(is_gradient(tape, point, name) for point in points):
            text = f"the gradient of {name} is that of the same forward with {said}"
            return Diagnosis("other-option", text, {"option": said})
    return None


def tapes(problem: Problem) -> dict[str, Tape]:
    """Of every configuration that exists at these sizes."""
    offered = problem.operation.configurations
    found = {} if offered is None else {said: recorded(forward, problem) for said, forward in offered().items()}
    return {said: tape for said, tape in found.items() if tape is not None}


def recorded(forward: Callable[..., Any], problem: Problem) -> Tape | None:
    """The tape of a configuration at these sizes; None where it does not exist there."""
    inputs = problem.given.inputs
    try:
        tape = record(forward, inputs, problem.operation.wrt)
        tape.pull(tape.run(inputs), problem.given.v)
    except Exception:  # nobody chose it for these sizes
        return None
    return tape


def is_gradient(tape: Tape, point: Point, name: str) -> bool:
    gradients = tape.pull(tape.run(point.inputs), point.v).gradients
    return point.same(gradients[name], name)
