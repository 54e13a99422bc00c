"""Long tapes rolled up: steps that do the same to different entries are one step on all of them.

A loop over entries leaves thousands of short steps. Two steps can be done together if neither needs the other. By the
*level* of a step, one more than the highest of its operands', those of one level need nothing of each other; those of
them that call the same function on the same shapes are a *group*, and are done by one call, mapped (`jax.vmap`) over
a new first axis:

    out[i, j] = (x[i:i+3, j:j+3] * w).sum()         one gather, one product, one sum, one write

Entries of an array are taken by their numbers, so that slices at other places are the same function of other
numbers. What a group reads of another group is its rows.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from crosscheck.recorder.counterparts import counterpart
from crosscheck.recorder.memory import add_all, put_all, take
from crosscheck.recorder.tape import KindOfStep, Line, RecordedStep, Ref, mapped
from crosscheck.recorder.values import getitem

Array = np.ndarray

# A program of fewer steps is left as it was written: JAX compiles it in a second or two, and it reads like the code.
SHORT = 300
# Slices with more entries than this are worth a step of their own.
FEW_ENTRIES = 2**14


@dataclass(frozen=True)
class EqualSteps:
    """Steps that are one call.

    Args:
        places: of the results, one for each row.
        args, kwargs: with the number of an operand in the place of each `Ref`.
        sources: of each operand, the place that each row reads, or the numbers that the rows have.
    """

    function: Any
    places: tuple[int, ...]
    args: Any
    kwargs: dict[str, Any]
    sources: tuple[tuple[int, ...] | Array, ...]
    line: Line | None

    def run(self, values: dict[int, Any], kinds: list[KindOfStep]) -> None:
        """The call; each row of its result is the value of its step."""
        shared = [isinstance(s, tuple) and len(set(s)) == 1 for s in self.sources]
        given = [
            taken(values[s[0]]) if alike else s if isinstance(s, np.ndarray) else rows_of([values[p] for p in s])
            for s, alike in zip(self.sources, shared, strict=True)
        ]
        function = counterpart(self.function)
        assert function is not None
        dtype = kinds[self.places[0]].dtype

        def one(*operand: Any) -> Any:
            def value(ref: Ref) -> Any:
                return operand[ref.place]

            found = jnp.asarray(function(*mapped(self.args, value), **mapped(self.kwargs, value)))
            return found if dtype is None else found.astype(dtype)

        if all(shared):
            values.update(dict.fromkeys(self.places, one(*given)))
            return
        rows = jax.vmap(one, in_axes=tuple(None if alike else 0 for alike in shared))(*given)
        values.update((place, TableRow(rows, number)) for number, place in enumerate(self.places))


@dataclass(frozen=True)
class Writes:
    """Many writes, or additions, to one array: `put_all` or `add_all` of rows."""

    step: RecordedStep

    @property
    def line(self) -> Line | None:
        return self.step.line

    def run(self, values: dict[int, Any], kinds: list[KindOfStep]) -> None:
        content, positions, given = self.step.args
        found = [values[v.place] if isinstance(v, Ref) else v for v in given]
        at, pieces = [], []
        start = 0
        for end in range(1, len(found) + 1):
            if (
                end < len(found)
                and goes_on(found[end - 1], found[end])
                and positions[end - 1].shape == positions[end].shape
            ):
                continue
            here = np.stack(positions[start:end])
            piece = rows_of(found[start:end])
            missing = here.ndim - np.ndim(piece)
            at.append(here)
            pieces.append(piece.reshape(piece.shape[:1] + (1,) * missing + piece.shape[1:]) if missing > 0 else piece)
            start = end
        function = counterpart(self.step.function)
        assert function is not None
        values[self.step.place] = function(taken(values[content.place]), tuple(at), tuple(pieces))


class TableRow:
    """A row of a group's result, which is taken out where it is read alone."""

    __slots__ = ("number", "rows")

    def __init__(self, rows: Any, number: int) -> None:
        self.rows, self.number = rows, number


def taken(value: Any) -> Any:
    return value.rows[value.number] if isinstance(value, TableRow) else value


def goes_on(a: Any, b: Any) -> bool:
    """Whether two values can be stacked without taking them out one by one."""
    if isinstance(a, TableRow) and isinstance(b, TableRow):
        return a.rows is b.rows
    return isinstance(a, (np.ndarray, np.generic)) and isinstance(b, (np.ndarray, np.generic)) and a.shape == b.shape


def rows_of(found: list[Any]) -> Any:
    """Values below one another: what are rows already stays together."""
    pieces, start = [], 0
    for end in range(1, len(found) + 1):
        if end < len(found) and goes_on(found[end - 1], found[end]):
            continue
        pieces.append(piece_of(found[start:end]))
        start = end
    return pieces[0] if len(pieces) == 1 else jnp.concatenate([jnp.asarray(p) for p in pieces])


def piece_of(alike: list[Any]) -> Any:
    first = alike[0]
    if isinstance(first, TableRow):
        numbers = np.array([row.number for row in alike])
        everything = numbers.size == first.rows.shape[0] and np.array_equal(numbers, np.arange(numbers.size))
        return first.rows if everything else first.rows[numbers]
    if isinstance(first, (np.ndarray, np.generic)):
        return np.stack(alike)
    return jnp.asarray(first)[None]


# ---------------------------------------------------------------------- finding them


Rolled = RecordedStep | EqualSteps | Writes


def rolled(steps: list[RecordedStep], kinds: list[KindOfStep]) -> list[Rolled]:
    """The program in an order in which it can run, groups together; a short one as it is."""
    if len(steps) + sum(len(s.args[1]) for s in steps if s.function in (put_all, add_all)) <= SHORT:
        return list(steps)
    level: dict[int, int] = {}
    groups: dict[Any, list[tuple[RecordedStep, list[Any]]]] = defaultdict(list)
    for step in steps:
        level[step.place] = 1 + max((level.get(p, 0) for p in step.reads), default=0)
        read: list[Any] = []
        key = (level[step.place], signature(step, kinds, read))
        groups[key].append((step, read))
    parts: list[Rolled] = []
    for _, members in sorted(groups.items(), key=lambda entry: entry[0][0]):
        first = members[0][0]
        if first.function in (put_all, add_all):
            parts += [Writes(step) for step, _ in members]
        elif len(members) == 1 or kinds[first.place].dtype is None:
            parts += [step for step, _ in members]
        else:
            parts.append(group(members, kinds))
    return parts


def signature(step: RecordedStep, kinds: list[KindOfStep], read: list[Any]) -> Any:
    """What must be the same for two steps to be one call; the operands go to `read`."""
    if step.function in (put_all, add_all):
        return step.place
    positions = numbers(step, kinds)
    if positions is not None:
        read += [step.args[0].place, positions]
        return take, kinds[step.args[0].place], positions.shape
    return step.function, key(step.args, kinds, read), key(step.kwargs, kinds, read), kinds[step.place]


def numbers(step: RecordedStep, kinds: list[KindOfStep]) -> Array | None:
    """The entries that a step takes out of an array by their numbers; None where it does something else, or many."""
    if step.function is take:
        return step.args[1]
    if step.function is not getitem or not isinstance(step.args[0], Ref):
        return None
    shape = kinds[step.args[0].place].shape
    if int(np.prod(kinds[step.place].shape)) > FEW_ENTRIES:
        return None
    return np.asarray(numbered(shape)[step.args[1]])


@functools.lru_cache(64)
def numbered(shape: tuple[int, ...]) -> Array:
    return np.arange(int(np.prod(shape))).reshape(shape)


def key(argument: Any, kinds: list[KindOfStep], read: list[Any]) -> Any:
    """An argument as a key; operands by their kind."""
    if isinstance(argument, Ref):
        read.append(argument.place)
        return Ref, kinds[argument.place]
    if type(argument) in (tuple, list):
        return type(argument), tuple(key(a, kinds, read) for a in argument)
    if type(argument) is dict:
        return tuple((k, key(a, kinds, read)) for k, a in argument.items())
    if isinstance(argument, np.ndarray):
        return argument.shape, argument.dtype, argument.tobytes()
    if isinstance(argument, slice):
        return slice, argument.start, argument.stop, argument.step
    if isinstance(argument, float):
        return type(argument), np.float64(argument).tobytes()
    return type(argument), argument


def group(members: list[tuple[RecordedStep, list[Any]]], kinds: list[KindOfStep]) -> EqualSteps:
    first, read = members[0]
    places = tuple(step.place for step, _ in members)
    count = iter(range(len(read)))
    sources = tuple(
        np.stack([r[i] for _, r in members]) if isinstance(read[i], np.ndarray) else tuple(r[i] for _, r in members)
        for i in range(len(read))
    )
    if numbers(first, kinds) is not None:
        return EqualSteps(take, places, (Ref(0), Ref(1)), {}, sources, first.line)

    def number(_: Ref) -> Ref:
        return Ref(next(count))

    args, kwargs = mapped((first.args, first.kwargs), number)
    return EqualSteps(first.function, places, args, kwargs, sources, first.line)
