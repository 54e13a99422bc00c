"""The tape: what was done to recorded values, one step after another, each at a place and by a line of the user's code.

A place is written once. It holds an input, a constant (a copy of what stood there when it was read), or what a step
made of other places. What a step calls is a NumPy function, or one of ours that is written for NumPy too: a tape can
be run in NumPy, where it must give what the code gives, and in JAX by the counterparts of its functions.

A *guard* is a number that the code took out of the tape to decide something: a branch, an index, a shape. Where the
guards come out as they did, the code does what is on the tape; where one does not, it does something else.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping
from itertools import islice
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from crosscheck.recorder.words import Unrecordable

Array = np.ndarray

# Some ten seconds of recording. Longer loops are the business of a reference that is written for arrays.
MOST_STEPS = 250_000
# Whose frames are passed on the way to the line of the user's code.
OURS = ("crosscheck.recorder", "numpy", "scipy")
# What a door computes between the judge and the user's function is nobody's line.
DOORS = "crosscheck.doors"


class Ref(NamedTuple):
    """An operand: what is at a place."""

    place: int


class Line(NamedTuple):
    """A line of the user's code, and the column of the call in it."""

    file: str
    number: int
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file.rsplit('/', 1)[-1]}:{self.number}"


class KindOfStep(NamedTuple):
    """Shape and dtype of what is at a place; of what is no array, nothing."""

    shape: tuple[int, ...]
    dtype: np.dtype | None


class RecordedStep(NamedTuple):
    """`function(*args, **kwargs)`, put at `place`; the operands among the arguments are `Ref`s, in order in `reads`."""

    place: int
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    line: Line | None
    reads: tuple[int, ...]


def step_of(
    place: int, function: Callable[..., Any], args: Any, kwargs: dict[str, Any], line: Line | None
) -> RecordedStep:
    reads: list[int] = []
    collect(args, reads)
    if kwargs:
        collect(kwargs, reads)
    return RecordedStep(place, function, args, kwargs, line, tuple(reads))


def collect(argument: Any, reads: list[int]) -> None:
    kind = type(argument)
    if kind is Ref:
        reads.append(argument.place)
    elif kind is tuple or kind is list:
        for a in argument:
            if type(a) not in ATOMS:
                collect(a, reads)
    elif kind is dict:
        for a in argument.values():
            collect(a, reads)


ATOMS = frozenset([int, float, bool, str, type(None), slice, np.ndarray, type(Ellipsis)])


class RecordedTape:
    """What is recorded while it is recorded.

    Args:
        array: the class of recorded arrays.
        most: how many steps are recorded before it is given up.
    """

    def __init__(self, array: Callable[..., Any], most: int = MOST_STEPS) -> None:
        self.array, self.most = array, most
        self.thread = threading.get_ident()
        self.steps: list[RecordedStep] = []
        self.kinds: list[KindOfStep] = []
        self.constants: dict[int, Array] = {}
        self.inputs: dict[str, int] = {}
        self.guards: list[tuple[int, Any]] = []
        self.failure = ""
        self.passed: dict[CodeType, bool | None] = {}
        self.columns: dict[tuple[CodeType, int], int] = {}

    def place(self, value: Any) -> int:
        """A new place, for values like this one."""
        self.kinds.append(kind_of(value))
        return len(self.kinds) - 1

    def constant(self, value: Array) -> int:
        """A copy of the numbers as they are now."""
        place = self.place(value)
        self.constants[place] = np.array(value, order="K")
        return place

    def step(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], value: Any, line: Line | None
    ) -> int:
        """A step whose result is like `value`."""
        if len(self.steps) >= self.most:
            raise self.refusal(f"it takes more than {self.most:,} steps on entries")
        place = self.place(value)
        self.steps.append(step_of(place, function, args, kwargs, line))
        return place

    def guard(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], value: Any) -> None:
        """The code goes by `value` from here on."""
        self.guards.append((self.step(function, args, kwargs, value, self.line()), value))

    def refusal(self, reason: str) -> Unrecordable:
        """To be raised. The recording is given up, also where the code catches what is raised."""
        where = self.line()
        self.failure = self.failure or (f"{reason} (at {where})" if where else reason)
        return Unrecordable(self.failure)

    def line(self) -> Line | None:
        """The innermost line that is neither ours nor NumPy's."""
        frame = inspect.currentframe()
        while frame is not None:
            code = frame.f_code
            if code not in self.passed:
                module = str(frame.f_globals.get("__name__", ""))
                self.passed[code] = True if module.startswith(OURS) else None if module.startswith(DOORS) else False
            if self.passed[code] is None:
                return None
            if not self.passed[code]:
                return Line(code.co_filename, frame.f_lineno, self.column(code, frame.f_lasti))
            frame = frame.f_back
        return None

    def column(self, code: CodeType, instruction: int) -> int:
        """Where in its line an instruction stands; 0 where that is not kept."""
        at = (code, instruction)
        if at not in self.columns:
            positions = next(islice(code.co_positions(), instruction // 2, None), None)  # two bytes an instruction
            self.columns[at] = (positions[2] or 0) if positions else 0
        return self.columns[at]


def kind_of(value: Any) -> KindOfStep:
    if isinstance(value, (np.ndarray, np.generic)):
        return KindOfStep(value.shape, value.dtype)
    return KindOfStep((), None)


def mapped(argument: Any, of_ref: Callable[[Ref], Any]) -> Any:
    """An argument with something in the place of every operand, whatever holds it."""
    kind = type(argument)
    if kind is Ref:
        return of_ref(argument)
    if kind is tuple or kind is list:
        return kind([a if type(a) in ATOMS else mapped(a, of_ref) for a in argument])
    if kind is dict:
        return {k: mapped(a, of_ref) for k, a in argument.items()} if argument else argument
    return argument


def run(steps: list[RecordedStep], values: dict[int, Any]) -> Mapping[int, Any]:
    """The steps in NumPy, into `values`, which holds the inputs and the constants."""

    def value(ref: Ref) -> Any:
        return values[ref.place]

    for step in steps:
        values[step.place] = step.function(*mapped(step.args, value), **mapped(step.kwargs, value))
    return values
