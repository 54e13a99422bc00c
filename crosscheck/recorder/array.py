"""The recorded array: what the user's code is handed in the place of its inputs.

It says that it is an `ndarray` (or a `float64`, of a scalar) where it is asked by `isinstance`, and has the methods
and operators of one. But it is none: compiled code that would read its numbers past the tape must ask for them, by
`__array__`, and is refused. So nothing that depends on the inputs becomes a constant unseen.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from crosscheck.recorder import functions, ufuncs
from crosscheck.recorder.functions import copied
from crosscheck.recorder.memory import Memory
from crosscheck.recorder.tape import RecordedTape
from crosscheck.recorder.values import Value, astype, call, decided, read, real, real_type, write


class RecordedArray(Value, NDArrayOperatorsMixin):
    """See above."""

    __slots__ = ()
    __array_priority__ = 1000
    __hash__ = None

    @property
    def __class__(self) -> type:  # type: ignore[override]
        return type(self.value)

    # ------------------------------------------------------------------ NumPy's protocols

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return ufuncs.apply_ufunc(self.tape, ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return functions.apply(self.tape, function, args, kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """For code that must have plain numbers: of what does not move, and of decisions."""
        if self.moving and self.value.dtype.kind != "b":
            raise self.tape.refusal("a recorded value is handed to code that is out of reach")
        a = np.asarray(decided(self))
        a = a if dtype is None else a.astype(dtype)
        a.flags.writeable = False
        return a

    # ------------------------------------------------------------------ what it is

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @shape.setter
    def shape(self, shape: tuple[int, ...]) -> None:
        raise self.tape.refusal("the shape of a recorded array is assigned: write x = x.reshape(...)")

    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    dtype = property(lambda self: self.value.dtype)
    nbytes = property(lambda self: self.value.nbytes)
    itemsize = property(lambda self: self.value.itemsize)
    strides = property(lambda self: self.value.strides)
    flags = property(lambda self: self.value.flags)
    base = property(lambda self: self.value.base)

    @property
    def T(self) -> Any:
        return self.transpose()

    @property
    def mT(self) -> Any:
        return np.matrix_transpose(self)

    @property
    def real(self) -> Any:
        return np.real(self) if self.value.dtype.kind == "c" else self

    @property
    def imag(self) -> Any:
        return np.imag(self)

    @property
    def flat(self) -> Flat:
        return Flat(self)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        if not self.value.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self.value)))

    def __repr__(self) -> str:
        return repr(self.value)

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)

    # ------------------------------------------------------------------ what it decides

    def __bool__(self) -> bool:
        return decided(self, bool)

    def __int__(self) -> int:
        return decided(self, int)

    def __index__(self) -> int:
        return decided(self, operator.index)

    def __floor__(self) -> int:
        return decided(self, math.floor)

    def __ceil__(self) -> int:
        return decided(self, math.ceil)

    def __trunc__(self) -> int:
        return decided(self, math.trunc)

    def __contains__(self, value: Any) -> bool:
        return bool((self == value).any())

    def __float__(self) -> float:
        if not self.moving:
            return float(self.value)
        raise self.tape.refusal("a recorded value is turned into a Python float by code that is out of reach")

    def __complex__(self) -> complex:
        if not self.moving:
            return complex(self.value)
        raise self.tape.refusal("a recorded value is turned into a Python complex by code that is out of reach")

    def __round__(self, digits: int | None = None) -> Any:
        return decided(self, round) if digits is None else np.round(self, digits)

    # ------------------------------------------------------------------ entries

    def __getitem__(self, index: Any) -> Any:
        return read(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        mask = selection(self, index, value)
        if mask is None:
            write(self, index, value)
        else:
            write(self, None, call(self.tape, np.where, (mask, value, self), {}))

    def __pow__(self, other: Any) -> Any:
        return call(self.tape, operator.pow, (self, other), {})

    # ------------------------------------------------------------------ methods that are no function of the same form

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        dtype = np.dtype(real_type(dtype))
        if dtype == self.value.dtype:
            return copied(self, order) if copy else self
        if self.value.dtype.kind == "c" and dtype.kind != "c":
            return np.real(self).astype(dtype)
        return call(self.tape, astype, (self, dtype), {})

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        shape = shape[0] if len(shape) == 1 else shape
        return functions.apply(self.tape, np.reshape, (self, shape), {"order": order} if order != "C" else {})

    def transpose(self, *axes: Any) -> Any:
        order = (axes[0] if len(axes) == 1 else axes) if axes else None
        return call(self.tape, np.transpose, (self, order), {})

    def copy(self, order: str = "C") -> Any:
        return copied(self, order)

    def __copy__(self) -> Any:
        return copied(self)

    def __deepcopy__(self, memo: Any) -> Any:
        return copied(self) if self.memory is not None else self

    def flatten(self, order: str = "C") -> Any:
        row: Any = np.ravel(self, order=order)  # type: ignore[arg-type]
        return copied(row)

    def fill(self, value: Any) -> None:
        write(self, None, value)

    def sort(self, axis: int = -1, kind: Any = None, order: Any = None) -> None:
        write(self, None, np.sort(self, axis=axis))

    def partition(self, kth: Any, axis: int = -1) -> None:
        write(self, None, np.partition(self, kth, axis=axis))

    def put(self, indices: Any, values: Any, mode: str = "raise") -> None:
        functions.apply(self.tape, np.put, (self, indices, values, mode), {})

    def compress(self, condition: Any, axis: int | None = None) -> Any:
        return np.compress(condition, self, axis=axis)

    def item(self, *index: Any) -> Any:
        if index:
            return np.ravel(self)[index[0]] if len(index) == 1 and np.ndim(index[0]) == 0 else self[index]
        return np.reshape(self, -1)[0] if self.value.size == 1 else self.value.item()

    def tolist(self) -> Any:
        return [a.tolist() for a in self] if self.value.ndim else self[()]

    def view(self, *kind: Any) -> Any:
        if kind and np.dtype(real_type(kind[0])) != self.value.dtype and kind[0] is not np.ndarray:
            raise self.tape.refusal("the bits of a recorded value are read as another dtype")
        return np.reshape(self, self.value.shape)

    def tobytes(self, *args: Any) -> bytes:
        if self.moving:
            raise self.tape.refusal("the bits of a recorded value are read")
        return self.value.tobytes(*args)


class Flat:
    """`x.flat`: entries by their number, row by row."""

    def __init__(self, a: RecordedArray) -> None:
        self.a = a

    def __len__(self) -> int:
        return self.a.value.size

    def __iter__(self) -> Iterator[Any]:
        flat = np.ravel(self.a)
        return (flat[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        row: Any = np.ravel(self.a)
        return copied(row)[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        numbers = np.atleast_1d(np.arange(len(self))[index])
        self.a[np.unravel_index(numbers, self.a.value.shape)] = value


def selection(a: RecordedArray, index: Any, value: Any) -> Any:
    """The mask, as wide as the array, where `a[mask] = number` selects by a mask that is on the tape; else None."""
    if not isinstance(index, RecordedArray) or not index.moving or index.value.dtype.kind != "b" or not a.ndim:
        return None
    if np.ndim(real(value)) or index.value.shape != a.value.shape[: index.value.ndim] or not index.value.ndim:
        return None
    if a.memory is None or np.result_type(real(value), a.value.dtype) != a.value.dtype:
        return None
    return index[(..., *[None] * (a.value.ndim - index.value.ndim))]


def method(name: str) -> Callable[..., Any]:
    function = getattr(np, name)

    def made(self: RecordedArray, *args: Any, **kwargs: Any) -> Any:
        return functions.apply(self.tape, function, (self, *args), kwargs)

    made.__name__ = name
    return made


METHODS = (
    *("sum", "mean", "max", "min", "prod", "std", "var", "argmax", "argmin", "any", "all", "ravel", "swapaxes"),
    *("squeeze", "clip", "cumsum", "cumprod", "repeat", "take", "round", "diagonal", "trace", "argsort", "conj"),
    *("conjugate", "nonzero", "dot", "searchsorted", "choose", "argpartition"),
)
for name in METHODS:
    setattr(RecordedArray, name, method(name))


def in_place(symbol: str, ufunc: np.ufunc) -> Callable[..., Any]:
    def made(self: RecordedArray, other: Any) -> Any:
        if self.memory is None:  # a scalar: a new one
            return ufunc(self, other)
        return ufuncs.apply_ufunc(self.tape, ufunc, "__call__", (self, other), {"out": (self,)})

    made.__name__ = symbol
    return made


IN_PLACE = {
    **{"add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "floordiv": np.floor_divide},
    **{"mod": np.remainder, "pow": np.power, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor},
    **{"matmul": np.matmul, "lshift": np.left_shift, "rshift": np.right_shift},
}
for word, ufunc in IN_PLACE.items():
    setattr(RecordedArray, f"__i{word}__", in_place(f"__i{word}__", ufunc))


def new_tape(most: int) -> RecordedTape:
    return RecordedTape(RecordedArray, most)


def of_input(tape: RecordedTape, name: str, a: np.ndarray) -> RecordedArray:
    """An input: a copy of the caller's array, with a place on the tape."""
    own = np.array(a, order="K")
    tape.inputs[name] = tape.place(own)
    return RecordedArray(tape, own, Memory(own, tape.inputs[name]), tape.inputs[name])
