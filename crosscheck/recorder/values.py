"""Recorded values: a number or an array that carries its place on the tape, and the calls that make more of them.

    call     a NumPy function on recorded values: its real result, and a step on the tape
    read     what is at an index
    write    what an index means is overwritten, in the memory that it shares

Integers and truth values that the code takes out of the tape are what they are here: they become guards. So are all
integers that depend on the inputs (what `argmax` or `nonzero` gives): they are indices, and nothing moves them.
Comparisons stay on the tape until the code asks: a mask that selects is no branch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from crosscheck.recorder.memory import Memory, address, contiguous, put, take
from crosscheck.recorder.tape import ATOMS, RecordedTape, Ref, kind_of

Array = np.ndarray

# What holds no recorded value, and is what it is.
SIMPLE = ATOMS - {np.ndarray, slice}


class Value:
    """A real value, and where on the tape it is.

    Args:
        value: NumPy's own: an array in recorded memory, or a scalar, which nothing can write to.
        memory: that of an array; None for a scalar.
        place: None where it is not on the tape (yet).
        pending: of a view, the step that makes it, which is recorded when it is read.
    """

    __slots__ = ("at", "memory", "pending", "tape", "value", "version")

    def __init__(
        self, tape: RecordedTape, value: Any, memory: Memory | None, place: int | None = None, pending: Any = None
    ) -> None:
        self.tape, self.value, self.memory = tape, value, memory
        self.at, self.pending = place, pending
        self.version = memory.version if memory is not None else 0

    @property
    def moving(self) -> bool:
        """Whether it depends on the inputs."""
        return self.memory is None or self.memory.place is not None

    def place(self) -> int:
        """Where its present value is on the tape."""
        memory = self.memory
        if memory is None or (self.at is not None and self.version == memory.version):
            assert self.at is not None
            return self.at
        if memory.place is None:
            self.at = self.tape.constant(self.value)
        elif memory.all_of_it(self.value):
            self.at = memory.place
        elif self.pending is not None and self.version == memory.version:
            function, args, kwargs, line = self.pending
            self.at = self.tape.step(function, args, kwargs, self.value, line)
        else:
            args = (Ref(memory.place), memory.positions(self.value).copy())
            self.at = self.tape.step(take, args, {}, self.value, self.tape.line())
        self.version = memory.version
        return self.at


# ---------------------------------------------------------------------- arguments


def values_in(argument: Any) -> list[Value]:
    """The recorded values in an argument, whatever holds them."""
    found: list[Value] = []
    search(argument, found)
    return found


def search(argument: Any, found: list[Value]) -> None:
    kind = type(argument)
    if kind in ATOMS:
        return
    if issubclass(kind, Value):
        found.append(argument)
    elif issubclass(kind, (tuple, list)):
        for a in argument:
            if type(a) not in ATOMS:
                search(a, found)
    elif kind is dict:
        for a in argument.values():
            search(a, found)


def is_recorded(argument: Any) -> bool:
    return issubclass(type(argument), Value)


def real(argument: Any) -> Any:
    """The argument with real values in the place of recorded ones."""
    kind = type(argument)
    if kind in ATOMS:
        return argument
    if issubclass(kind, Value):
        return argument.value
    if kind is tuple or kind is list:
        return kind([real(a) for a in argument])
    if kind is dict:
        return {k: real(a) for k, a in argument.items()}
    if issubclass(kind, tuple) and hasattr(argument, "_fields"):
        return kind(*map(real, argument))
    return real_type(argument)


def real_type(argument: Any) -> Any:
    """What stands for `float` while recording is a type of ours; NumPy and JAX get the dtype that it stands for."""
    return argument.stands_for if isinstance(argument, type) and hasattr(argument, "stands_for") else argument


def on_tape(tape: RecordedTape, argument: Any) -> Any:
    """The argument as a step keeps it: operands by their places, other arrays as the numbers that they hold now."""
    kind = type(argument)
    if issubclass(kind, Value):
        return Ref(argument.place())
    if kind in SIMPLE:
        return argument
    if issubclass(kind, np.ndarray):
        return Ref(tape.constant(argument)) if argument.dtype.kind in "fc" else argument.copy()
    if kind is tuple or kind is list:
        return kind([on_tape(tape, a) for a in argument])
    if kind is dict:
        return {k: on_tape(tape, a) for k, a in argument.items()}
    if issubclass(kind, tuple) and hasattr(argument, "_fields"):
        return tuple(on_tape(tape, a) for a in argument)
    return real_type(argument)


# ---------------------------------------------------------------------- calls


def call(tape: RecordedTape, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`function` on recorded values: what it gives, recorded."""
    real_kwargs = real(kwargs) if kwargs else kwargs
    result = function(*[real(a) for a in args], **real_kwargs)
    return recorded(tape, function, args, kwargs, result)


def recorded(
    tape: RecordedTape, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> Any:
    """A real result as what `function` made of its arguments."""
    given = values_in(args)
    if kwargs:
        given += values_in(kwargs)
    check_thread(tape)
    if not any([v.moving for v in given]):
        return constant(tape, result, given)
    kind = result.dtype.kind if isinstance(result, (np.ndarray, np.generic)) else ""
    if kind and kind in "fcb":
        return of_array(tape, function, on_tape(tape, args), on_tape(tape, kwargs), result, given)
    if isinstance(result, (tuple, list)) and any(is_floating(r) for r in result):
        return several(tape, function, args, kwargs, result, given)
    tape.guard(function, on_tape(tape, args), on_tape(tape, kwargs), result)
    return result


def of_array(tape: RecordedTape, function: Any, args: Any, kwargs: Any, result: Any, given: list[Value]) -> Any:
    """The result of a step; a view's step is recorded when it is read."""
    line = tape.line()
    if isinstance(result, np.generic):
        return tape.array(tape, result, None, tape.step(function, args, kwargs, result, line))
    for v in given:
        if v.memory is not None and shares(result, v):
            if result.dtype != v.memory.owner.dtype:  # the real parts: read, not written to
                break
            return tape.array(tape, result, v.memory, None, (function, args, kwargs, line))
    result = contiguous(result)
    place = tape.step(function, args, kwargs, result, line)
    return tape.array(tape, result, Memory(result, place), place)


def shares(result: Array, v: Value) -> bool:
    """Whether a result is a view of a recorded value, or is it."""
    assert v.memory is not None
    return (result is v.value or result.base is not None) and v.memory.holds(result)


def view_of(v: Value, result: Array) -> Any:
    """A view that no step makes: its entries are read by their positions in memory."""
    assert v.memory is not None
    return v.tape.array(v.tape, result, v.memory)


def several(tape: RecordedTape, function: Any, args: Any, kwargs: Any, results: Any, given: list[Value]) -> Any:
    """A function with several results: one step, and one more for each; those that are views are read as views."""
    whole = tape.step(function, on_tape(tape, args), on_tape(tape, kwargs), None, tape.line())
    items = [view_or_item(tape, whole, i, r, given) for i, r in enumerate(results)]
    return type(results)(*items) if hasattr(results, "_fields") else type(results)(items)


def view_or_item(tape: RecordedTape, whole: int, number: int, result: Any, given: list[Value]) -> Any:
    for v in given:
        if is_view(result, v):
            return view_of(v, result)
    return recorded_item(tape, whole, number, result)


def is_view(result: Any, v: Value) -> bool:
    if v.memory is None or not isinstance(result, np.ndarray):
        return False
    return result.dtype == v.memory.owner.dtype and shares(result, v)


def recorded_item(tape: RecordedTape, whole: int, number: int, result: Any) -> Any:
    args = (Ref(whole), number)
    if is_floating(result) or is_truth(result):
        return of_array(tape, item, args, {}, np.array(result) if isinstance(result, np.ndarray) else result, [])
    tape.guard(item, args, {}, result)
    return result


def item(results: Any, number: int) -> Any:
    """One of several results."""
    return results[number]


def is_floating(result: Any) -> bool:
    return isinstance(result, (np.ndarray, np.generic)) and result.dtype.kind in "fc"


def is_truth(result: Any) -> bool:
    return isinstance(result, (np.ndarray, np.generic)) and result.dtype.kind == "b"


def constant(tape: RecordedTape, result: Any, given: list[Value]) -> Any:
    """What was made of constants only: recorded still, since it may be a view of what is written to."""
    if isinstance(result, (tuple, list)):
        items = [constant(tape, r, given) for r in result]
        return type(result)(*items) if hasattr(result, "_fields") else type(result)(items)
    if not isinstance(result, np.ndarray) or result.dtype.kind not in "fc":
        return result
    for v in given:
        if v.memory is not None and shares(result, v):
            return tape.array(tape, result, v.memory)
    return lifted(tape, result)


def lifted(tape: RecordedTape, a: Array) -> Any:
    """A constant array that recorded values may be written into."""
    a = contiguous(a)
    return tape.array(tape, a, Memory(a, None))


def check_thread(tape: RecordedTape) -> None:
    if threading.get_ident() != tape.thread:
        raise tape.refusal("a recorded value is used on another thread")


# ---------------------------------------------------------------------- truth values and integers


def decided(v: Value, question: Callable[[Any], Any] = np.array) -> Any:
    """What the code is told of a value, which it goes by from here on."""
    answer = question(v.value)
    if v.moving:
        v.tape.guard(question, (Ref(v.place()),), {}, answer)
    return answer


def concrete(argument: Any) -> Any:
    """Masks and the like as arrays of their own; other things as they are."""
    if type(argument) in SIMPLE:
        return argument
    if is_recorded(argument):
        if argument.moving and argument.value.dtype.kind in "fc":
            raise argument.tape.refusal("a recorded value is used as an index")
        return decided(argument)
    if type(argument) in (list, tuple):
        return type(argument)([a if type(a) in SIMPLE else concrete(a) for a in argument])
    if isinstance(argument, np.ndarray):
        return argument.copy()
    if type(argument) is slice:
        parts = (argument.start, argument.stop, argument.step)
        return slice(*map(concrete, parts)) if any(map(is_recorded, parts)) else argument
    return argument


# ---------------------------------------------------------------------- entries


def getitem(a: Any, index: Any) -> Any:
    """What is at an index; written out, since `operator.getitem` has no counterpart by name."""
    return a[index]


def read(v: Value, index: Any) -> Any:
    """`v[index]`."""
    index = concrete(index)
    result = v.value[index]
    if not v.moving:
        return constant(v.tape, result, [v])
    return of_array(v.tape, getitem, (Ref(v.place()), index), {}, result, [v])


def write(v: Value, index: Any, value: Any) -> None:
    """`v[index] = value`, index None for all of it."""
    tape, memory = v.tape, v.memory
    check_thread(tape)
    if memory is None:  # a scalar: NumPy says so
        v.value[index] = real(value)
        raise AssertionError("NumPy's scalars cannot be written to")
    if v.value.dtype != memory.owner.dtype:
        raise tape.refusal("a part of a complex array is written to")
    index = ... if index is None else concrete(index)
    given = values_in(value)
    if is_itself(v, index, value):
        return
    if not v.moving and not any(g.moving for g in given):
        v.value[index] = real(value)
        memory.version += 1
        return
    whole = index is ... and memory.all_of_it(v.value)
    operand = on_tape(tape, stacked(tape, value))
    before = memory.place if whole or memory.place is not None else tape.constant(memory.owner)
    v.value[index] = real(value)
    if whole and isinstance(operand, Ref) and tape.kinds[operand.place] == kind_of(memory.owner):
        memory.place = operand.place
    elif whole:
        memory.place = tape.step(spread, (operand, v.value.shape, v.value.dtype), {}, memory.owner, tape.line())
    else:
        assert before is not None
        args = (Ref(before), memory.positions(v.value)[index].copy(), operand)
        memory.place = tape.step(put, args, {}, memory.owner, tape.line())
    memory.version += 1


def is_itself(v: Value, index: Any, value: Any) -> bool:
    """`a[i] += b` ends in writing what `a[i]` is to where it is."""
    if not is_recorded(value) or value.memory is not v.memory:
        return False
    there = v.value[index]
    if not isinstance(there, np.ndarray) or there.shape != value.value.shape or there.strides != value.value.strides:
        return False
    return there.base is not None and np.may_share_memory(there, value.value) and address(there) == address(value.value)


def astype(a: Any, dtype: Any) -> Any:
    """The numbers in another dtype."""
    return a.astype(dtype)


def spread(value: Any, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """A value written to all of an array."""
    return np.broadcast_to(value, shape).astype(dtype)


def stacked(tape: RecordedTape, nested: Any) -> Any:
    """A list of recorded values, or of lists of them, as one array; anything else as it is."""
    if not isinstance(nested, (list, tuple)) or not values_in(nested):
        return nested
    return call(tape, np.stack, ([stacked(tape, a) for a in nested],), {})
