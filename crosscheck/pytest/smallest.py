"""The smallest configuration and the smallest values at which a check still fails.

Both are points of a space, and one shrinker leads them to the simplest that fails (`Space.shrink`): the configuration
in the test's own space, or in one made of the rows of its table; the values in one whose dimensions are the lengths of
the arrays' axes and the kinds of their numbers,

    axes of 5           1, 2, 3, 4, 5                      every axis of that length at once
    values of x         ones, counted, whole, tenths, hundredths, as they were

A point fails if a gradient that was wrong is wrong there, or what failed the check beside the numbers is found there.
One that the code refuses does not fail; and when the time is up, none does.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from crosscheck.doors.numbers import kind_of
from crosscheck.doors.trees import leaves, rebuilt
from crosscheck.evidence.result import Result
from crosscheck.pytest.fixture import VERDICT_ALONE, AskedDoor, FailedCheck
from crosscheck.pytest.tables import ConfigurationRow, Table, settled
from crosscheck.spaces.space import Space

Array = np.ndarray

SECONDS = 20.0  # that a failing test may take longer
ARRAYS = ("inputs", "x", "x0")  # the arguments of the doors that hold them
SHORT = (1, 2, 3, 4, 6)
KINDS: dict[str, Callable[[Array], Array]] = {
    "ones": np.ones_like,
    "counted": lambda a: np.arange(1, a.size + 1, dtype=a.dtype).reshape(a.shape),
    "whole": np.round,
    "tenths": lambda a: np.round(a, 1),
    "hundredths": lambda a: np.round(a, 2),
    "as they were": lambda a: a,
}
REFUSALS = (Exception, pytest.skip.Exception, pytest.fail.Exception, pytest.xfail.Exception)


class Shrinking:
    """The search for what is smallest, as long as there is time.

    Args:
        error: the failure.
        budget: seconds; None: `SECONDS`.
    """

    def __init__(self, error: FailedCheck, budget: float | None) -> None:
        self.error = error
        self.wrong = wrong_in(error.result)
        self.end = time.monotonic() + (SECONDS if budget is None else budget)

    def fails(self, result: Result | None) -> bool:
        return result is not None and bool(self.wrong & wrong_in(result))

    @property
    def late(self) -> bool:
        return time.monotonic() >= self.end

    # ------------------------------------------------------------------ configurations

    def configuration(self, table: Table, row: ConfigurationRow, test: Callable[..., Any]) -> dict[str, Any]:
        """The smallest at which the test fails; the failure there is kept. `test` takes what the table gives."""
        space = table.space or of_rows(table)
        kept: dict[str, tuple[dict[str, Any], FailedCheck]] = {}

        def fails(point: dict[str, Any]) -> bool:
            configuration = settled(space, point, 0) if point != row.point else row.configuration
            if self.late or configuration is None:
                return False
            error = failure(lambda: test(**table.arguments(configuration)))
            if error is None or not self.fails(error.result):
                return False
            kept["last"] = configuration, error
            return True

        with suppress(ValueError):  # it does not fail twice
            space.shrink(row.point, fails)
        found, self.error = kept.get("last", (row.configuration, self.error))
        return found

    # ------------------------------------------------------------------ values

    def values(self) -> AskedDoor:
        """What was asked, with the smallest values at which it fails."""
        asked = self.error.asked
        bound = inspect.signature(asked.door).bind(*asked.args, **asked.kwargs)
        name = next((k for k in ARRAYS if k in bound.arguments), None)
        if name is None:
            return asked
        given = bound.arguments[name]
        space = of_values(given)
        quick = {"diagnose": False} if "diagnose" in inspect.signature(asked.door).parameters else {}

        def with_values(point: dict[str, Any]) -> AskedDoor:
            bound.arguments[name] = at_point(given, point)
            return AskedDoor(asked.door, bound.args, bound.kwargs)

        def fails(point: dict[str, Any]) -> bool:
            if self.late:
                return False
            other = with_values(point)
            try:
                return self.fails(other.door(*other.args, **{**other.kwargs, **quick}))
            except REFUSALS:
                return False

        start = {k: choices[-1] for k, choices in space.dimensions.items()}
        with suppress(ValueError):
            start = space.shrink(start, fails)
        return with_values(start)


def failure(call: Callable[[], Any]) -> FailedCheck | None:
    """The check that fails when this is called; None where none does."""
    alone = VERDICT_ALONE.set(True)
    try:
        call()
    except FailedCheck as error:
        return error
    except REFUSALS:
        return None
    finally:
        VERDICT_ALONE.reset(alone)
    return None


def wrong_in(result: Result) -> frozenset[str]:
    """The gradients that are wrong, and the kinds of findings that fail a check."""
    gradients = {k for k, g in getattr(result, "gradients", {}).items() if g.verdict == "disagree"}
    return frozenset(gradients | {f"finding {f.kind}" for f in getattr(result, "findings", ()) if f.fails})


# ---------------------------------------------------------------------- spaces


def of_rows(table: Table) -> Space:
    """All combinations of what stands in the columns of a table: numbers by their size, else as they come."""
    columns: dict[str, list[Any]] = {}
    for row in table.rows:
        for name, choice in row.point.items():
            column = columns.setdefault(name, [])
            if not any(choice is c or equal(choice, c) for c in column):
                column.append(choice)
    return Space("table", {k: tuple(sorted(c, key=abs) if all(map(is_number, c)) else c) for k, c in columns.items()})


def equal(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(np.all(a == b))


def is_number(choice: Any) -> bool:
    return isinstance(choice, (int, float)) and not isinstance(choice, bool)


def of_values(given: Any) -> Space:
    """The lengths of the axes, and the kinds of numbers, of all arrays in there."""
    arrays = {name: leaf for name, leaf in leaves(given) if kind_of(leaf) in ("f", "c", "i") and np.ndim(leaf)}
    lengths = sorted({n for a in arrays.values() for n in np.shape(a) if n > 1}, reverse=True)
    dimensions: dict[str, tuple[Any, ...]] = {axes(n): (*(m for m in SHORT if m < n), n) for n in lengths}
    dimensions |= {numbers(k): tuple(KINDS) for k, a in leaves(given) if kind_of(a) in ("f", "c")}
    return Space("values", dimensions)


def axes(length: int) -> str:
    return f"axes of {length}"


def numbers(leaf: str) -> str:
    return f"values of {leaf}"


def at_point(given: Any, point: dict[str, Any]) -> Any:
    """The arrays at a point of `of_values`."""

    def leaf(name: str, value: Any) -> Any:
        kind = kind_of(value)
        if kind not in ("f", "c", "i"):
            return value
        if np.ndim(value):
            value = value[tuple(slice(point.get(axes(n), n)) for n in np.shape(value))]
        if kind == "i":
            return value
        found = KINDS[point[numbers(name)]](np.asarray(value))
        return found if hasattr(value, "dtype") else found.item()

    return rebuilt(given, leaf)
