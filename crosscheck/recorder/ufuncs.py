"""Universal functions on recorded values: calls, reductions, `out=`, `where=` and `at`.

A call with `out=` is the same call and a write of its result. `a += b` on a part of an array is an addition at its
positions, and stays one on the tape: so loops that add up can be put together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from crosscheck.recorder.memory import add
from crosscheck.recorder.tape import RecordedTape, Ref
from crosscheck.recorder.values import Value, call, concrete, is_recorded, on_tape, real, stacked, values_in, write
from crosscheck.recorder.words import named


@dataclass(frozen=True)
class Method:
    """`np.add.reduce` and its like: equal where they are the same."""

    ufunc: np.ufunc
    method: str

    @property
    def __name__(self) -> str:
        return f"{self.ufunc.__name__}.{self.method}"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.ufunc, self.method)(*args, **kwargs)


def apply_ufunc(
    tape: RecordedTape, ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What `__array_ufunc__` is asked for."""
    if method == "at":
        return at(tape, ufunc, *inputs)
    out = kwargs.pop("out", None)
    inputs = tuple([stacked(tape, a) if type(a) in (list, tuple) else a for a in inputs])
    if ufunc.signature is None and ufunc.types[0].startswith("O"):
        return of_python(tape, ufunc, inputs)
    function = ufunc if method == "__call__" else Method(ufunc, method)
    if out is None:
        if kwargs.get("where", True) is not True and method == "__call__":
            raise tape.refusal(f"{named(ufunc)} has where= without out=: the other entries are undefined")
        return call(tape, function, inputs, kwargs)
    if len(out) != 1:
        raise tape.refusal(f"{named(ufunc)} has several out=")
    return into(tape, function, inputs, kwargs, out[0])


def into(tape: RecordedTape, function: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
    """A call whose result is written to `out`."""
    if not is_recorded(out):
        if any(v.moving for v in values_in(inputs)):
            raise tape.refusal("a recorded value is written into an array that was made out of reach")
        return function(*real(inputs), out=out, **real(kwargs))
    if function is np.add and adds(inputs, kwargs, out):
        return accumulate(tape, inputs[1], out)
    where = kwargs.pop("where", True) if isinstance(function, np.ufunc) else True
    result = call(tape, function, inputs, kwargs)
    dtype = real(result).dtype
    if not np.can_cast(dtype, out.value.dtype, "same_kind"):
        function(*real(inputs), out=out.value, **real(kwargs))  # NumPy says what it thinks of that
    if where is not True:
        result = call(tape, np.where, (where, result, out), {})
    write(out, None, result)
    return out


def adds(inputs: tuple[Any, ...], kwargs: dict[str, Any], out: Value) -> bool:
    """Whether this is `a[...] += b` on a part of an array."""
    memory = out.memory
    if memory is None or inputs[0] is not out or kwargs or memory.all_of_it(out.value):
        return False
    b = inputs[1]
    same_memory = is_recorded(b) and b.memory is memory
    kind = real(b).dtype if is_recorded(b) or isinstance(b, (np.ndarray, np.generic)) else np.result_type(type(b))
    return (
        not same_memory
        and np.result_type(kind, out.value.dtype) == out.value.dtype
        and np.ndim(real(b)) <= out.value.ndim
    )


def accumulate(tape: RecordedTape, b: Any, out: Value) -> Value:
    memory = out.memory
    assert memory is not None
    place = memory.place
    if out.moving or (is_recorded(b) and b.moving):
        before = memory.place if memory.place is not None else tape.constant(memory.owner)
        args = (Ref(before), memory.positions(out.value).copy(), on_tape(tape, b))
        place = tape.step(add, args, {}, memory.owner, tape.line())
    np.add(out.value, real(b), out=out.value)
    memory.place = place
    memory.version += 1
    return out


SCATTERED = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply}
SCATTERED |= {"maximum": np.maximum, "minimum": np.minimum}


@dataclass(frozen=True)
class Scattered:
    """`ufunc.at` without writing: the new array."""

    ufunc: np.ufunc

    @property
    def __name__(self) -> str:
        return f"{self.ufunc.__name__}.at"

    def __call__(self, a: Any, index: Any, *values: Any) -> Any:
        new = np.array(a)
        self.ufunc.at(new, index, *values)
        return new


def at(tape: RecordedTape, ufunc: np.ufunc, target: Any, index: Any, *values: Any) -> None:
    if not is_recorded(target):
        if any(v.moving for v in values_in(values)):
            raise tape.refusal("a recorded value is written into an array that was made out of reach")
        ufunc.at(target, concrete(index), *real(values))
        return
    if ufunc.__name__ not in SCATTERED:
        raise tape.refusal(f"{named(ufunc)}.at is not recorded")
    index = concrete(index)
    values = tuple(stacked(tape, v) for v in values)
    new = call(tape, Scattered(ufunc), (target, index, *values), {})
    write(target, None, new)


def of_python(tape: RecordedTape, ufunc: np.ufunc, inputs: tuple[Any, ...]) -> Any:
    """A function of Python objects (`np.frompyfunc`), one entry after another."""
    arrays = np.broadcast_arrays(*(objects(a) for a in inputs))
    results = ufunc(*arrays)
    if not isinstance(results, np.ndarray):
        return results
    if results.size == 0:
        raise tape.refusal("a function of Python objects has no entries")
    flat = call(tape, np.stack, (results.ravel().tolist(),), {})
    return call(tape, np.reshape, (flat, results.shape), {})


def objects(a: Any) -> np.ndarray:
    """An array of objects, one for each entry."""
    shape = np.shape(real(a))
    found = np.empty(shape, object)
    for index in np.ndindex(shape):
        found[index] = a[index] if shape else a
    return found
