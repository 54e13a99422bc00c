"""A rule of a framework, as the judge is asked about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from crosscheck.doors.afterwards import added
from crosscheck.doors.functions import structure_of, structured
from crosscheck.doors.structure import Structure
from crosscheck.evidence.result import Result
from crosscheck.frameworks.otherwise import OtherCall, asked_otherwise
from crosscheck.judge import judge
from crosscheck.manner import manner_of
from crosscheck.operation import Notice, Operation


@dataclass(frozen=True)
class Question:
    """A rule as functions of named, nested values, and what its framework knows beside.

    Args:
        name: for the report.
        forward, backward: of NumPy arrays, as `check` takes them.
        inputs: by name.
        convention: of complex gradients (`check`).
        reference: of the structure, the reference of the operation; None without one.
        own_program: of the structure, `Operation.own_program`; None: the backward is recorded where it can be.
        ways: of the structure, the other ways to call the rule.
        remarks: what is to be said of it.
        alone: `Operation.alone`.
    """

    name: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    inputs: Mapping[str, Any]
    convention: str
    reference: Callable[[Structure], Any] | None
    own_program: Callable[[Structure, tuple[str, ...]], Any] | None = None
    ways: Callable[[Structure], tuple[OtherCall, ...]] = lambda structure: ()
    remarks: Callable[[], tuple[Notice, ...]] = lambda: ()
    alone: str = ""


@dataclass(frozen=True)
class Manners:
    """How the caller wants to be answered; see `crosscheck.check`."""

    grad_output: Any = None
    wrt: tuple[str, ...] | None = None
    seed: int = 0
    diagnose: bool = True
    budget: float | None = None
    accuracy: Any = None


def answered(question: Question, manners: Manners) -> Result:
    """The judge's result, with what the other ways and the nested structure have to say."""
    structure = structure_of(question.forward, question.inputs, question.convention)

    def posed(structure: Structure) -> Operation:
        operation = structured(structure, question.backward, None, wrt=manners.wrt, name=question.name)
        program = None if question.own_program is None else question.own_program(structure, operation.wrt)
        return replace(
            operation,
            reference=None if question.reference is None else question.reference(structure),
            own_program=program,
            manner=manner_of(operation.wrt, manners.accuracy),
            alone=question.alone,
        )

    operation, v = posed(structure), structure.flat_cotangent(manners.grad_output)
    operation = replace(operation, remarks=question.remarks())
    result = judge(operation, grad_output=v, seed=manners.seed, diagnose=manners.diagnose, budget=manners.budget)
    if manners.budget is None:
        result = asked_otherwise(result, operation, question.ways(structure))

    def again(other: Any, structure: Structure) -> Result:
        other = v if other is None else other
        return judge(
            posed(structure), grad_output=other, seed=manners.seed, diagnose=False, exact=False, progress=False
        )

    return added(result, structure, again if manners.diagnose and manners.budget is None else None)
