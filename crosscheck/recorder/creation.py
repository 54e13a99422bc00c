"""What stands for the functions that make arrays, which NumPy does not hand over by its protocols.

`np.zeros(n)` is a recorded array meanwhile, constant until something recorded is written into it; `np.array([a, b])` of
recorded values stacks them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from crosscheck.recorder import functions
from crosscheck.recorder.functions import copied
from crosscheck.recorder.tape import RecordedTape
from crosscheck.recorder.values import (
    decided,
    is_recorded,
    lifted,
    real,
    real_type,
    stacked,
    values_in,
    view_of,
)

AnyFunction = Callable[..., Any]
Made = Callable[..., Any]

FRESH = ("zeros", "ones", "empty", "full", "eye", "identity", "tri", "arange", "linspace", "logspace", "geomspace")
LIKE = ("zeros_like", "ones_like", "empty_like", "full_like")
FROM = ("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "asarray_chkfinite", "require")


def stand_ins(tape: RecordedTape) -> dict[AnyFunction, Made]:
    """By the function of NumPy, what stands for it on this tape."""
    made: dict[AnyFunction, Made] = {getattr(np, n): fresh(tape, getattr(np, n)) for n in FRESH}
    made |= {getattr(np, n): like(tape, getattr(np, n)) for n in LIKE}
    made |= {getattr(np, n): conversion(tape, getattr(np, n)) for n in FROM}
    made[np.fromiter] = from_iterator(tape)
    made[np.lib.stride_tricks.as_strided] = strided(tape)
    made[np.isscalar] = lambda a: np.isscalar(real(a))
    made[np.iterable] = lambda a: np.iterable(real(a))
    made[np.vectorize] = lambda *a, **k: Vectorized(tape, np.vectorize(*a, **k))
    made |= mathematics(tape)
    return made


def fresh(tape: RecordedTape, function: AnyFunction) -> Made:
    """A new array; what is left undefined is zeros, so that two runs are alike."""
    function = np.zeros if function is np.empty else function

    def made(*args: Any, **kwargs: Any) -> Any:
        if any(v.moving for v in values_in((args, kwargs))):
            return filled(tape, function, *args, **kwargs)
        result = function(*real(args), **real(kwargs))
        return lifted(tape, result) if result.dtype.kind in "fc" else result

    return made


def filled(tape: RecordedTape, function: AnyFunction, *args: Any, **kwargs: Any) -> Any:
    """`np.full(shape, value)`, `np.linspace(a, b)` with recorded values."""
    if function is np.full:
        names = dict(zip(("shape", "fill_value", "dtype", "order"), args, strict=False)) | kwargs
        value = stacked(tape, names["fill_value"])
        dtype = real_type(names.get("dtype")) or real(value).dtype
        new = lifted(tape, np.zeros(names["shape"], dtype))
        new[...] = value
        return new
    return functions.apply(tape, function, args, kwargs)


def like(tape: RecordedTape, function: AnyFunction) -> Made:
    function = np.zeros_like if function is np.empty_like else function

    def made(prototype: Any, *args: Any, **kwargs: Any) -> Any:
        if any(v.moving for v in values_in((args, kwargs))):  # full_like
            names = dict(zip(("fill_value", "dtype"), args, strict=False)) | kwargs
            dtype = real_type(names.get("dtype")) or real(prototype).dtype
            new = lifted(tape, np.zeros(np.shape(real(prototype)), dtype))
            new[...] = names["fill_value"]
            return new
        result = function(np.asarray(real(prototype)), *real(args), **real(kwargs))
        return lifted(tape, result) if result.dtype.kind in "fc" else result

    return made


def conversion(tape: RecordedTape, function: AnyFunction) -> Made:
    """`np.array`, `np.asarray` and the like."""
    copies = function is np.array
    layout = {np.asfortranarray: "F", np.ascontiguousarray: "C"}.get(function)

    def made(value: Any = None, *args: Any, **kwargs: Any) -> Any:
        names = dict(zip(("dtype",), args, strict=False)) | kwargs
        if not values_in(value):
            result = function(value, *real(args), **real(kwargs))
            if not isinstance(result, np.ndarray) or result.dtype.kind not in "fc" or result is value:
                return result
            same = isinstance(value, np.ndarray) and np.may_share_memory(result, value)
            return result if same else lifted(tape, result)
        a: Any = value if is_recorded(value) else stacked(tape, value)
        dtype, order = real_type(names.get("dtype")), names.get("order") or layout or "K"
        if dtype is not None and np.dtype(dtype) != real(a).dtype:
            a = a.astype(dtype, order)
        elif a.memory is None or (copies and is_recorded(value) and names.get("copy", True)) or lies(a, order):
            a = copied(a, order)
        missing = int(names.get("ndmin", layout is not None)) - np.ndim(real(a))
        return a if missing <= 0 or not is_recorded(a) else np.reshape(a, (1,) * missing + real(a).shape)

    return made


def lies(a: Any, order: str) -> bool:
    """Whether an array lies otherwise in memory than is asked for."""
    return (order == "F" and not a.value.flags.f_contiguous) or (order == "C" and not a.value.flags.c_contiguous)


def from_iterator(tape: RecordedTape) -> Made:
    def made(iterable: Any, dtype: Any = float, count: int = -1, **kwargs: Any) -> Any:
        items = list(iterable)
        if not values_in(items):
            result = np.fromiter(items, real_type(dtype), count, **kwargs)
            return lifted(tape, result) if result.dtype.kind in "fc" else result
        return stacked(tape, items if count < 0 else items[:count]).astype(dtype)

    return made


def strided(tape: RecordedTape) -> Made:
    as_strided = np.lib.stride_tricks.as_strided

    def made(x: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_recorded(x):
            return as_strided(x, *args, **kwargs)
        return view_of(x, as_strided(x.value, *real(args), **real(kwargs)))

    return made


class Vectorized:
    """`np.vectorize`: one call for each entry, and the dtype of the first result, as NumPy has it."""

    def __init__(self, tape: RecordedTape, of: np.vectorize, pyfunc: AnyFunction | None = None) -> None:
        self.tape, self.of = tape, of
        self.pyfunc = pyfunc or of.pyfunc

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not values_in((args, kwargs)):
            return self.of(*args, **kwargs)
        if self.of.signature is not None or kwargs or self.of.excluded:
            raise self.tape.refusal("numpy.vectorize with a signature, excluded or named arguments is not recorded")
        args = tuple(stacked(self.tape, a) for a in args)
        shape = np.broadcast_shapes(*(np.shape(real(a)) for a in args))
        wide = [np.broadcast_to(a, shape) for a in args]
        results = [self.pyfunc(*(a[i] for a in wide)) for i in np.ndindex(*shape)]
        if isinstance(results[0], tuple):
            raise self.tape.refusal("numpy.vectorize of a function with several results is not recorded")
        dtype = np.dtype(self.of.otypes[0]) if self.of.otypes else np.asarray(real(results[0])).dtype
        if not values_in(results):
            return np.array(results, dtype).reshape(shape)
        return np.reshape(stacked(self.tape, results).astype(dtype), shape)


def mathematics(tape: RecordedTape) -> dict[AnyFunction, Made]:
    """Python's `math` on recorded numbers, by the function of NumPy."""
    other = {"pow": "power", "acos": "arccos", "asin": "arcsin", "atan": "arctan", "atan2": "arctan2"}
    other |= {"acosh": "arccosh", "asinh": "arcsinh", "atanh": "arctanh"}
    special = {"erf": "erf", "erfc": "erfc", "lgamma": "gammaln", "gamma": "gamma"}
    made: dict[AnyFunction, Made] = {}
    for name in dir(math):
        function, same = getattr(math, name), getattr(np, other.get(name, name), None)
        if isinstance(same, np.ufunc) and name not in (
            "floor",
            "ceil",
            "trunc",
            "gcd",
            "lcm",
            "ldexp",
            "frexp",
            "modf",
        ):
            made[function] = of_number(function, same)
        elif name in special:
            made[function] = of_special(function, special[name])
    made[math.fsum] = lambda a: np.sum(np.stack(list(a))) if values_in(list(a)) else math.fsum(a)
    made[math.floor], made[math.ceil], made[math.trunc] = (
        rounding(math.floor),
        rounding(math.ceil),
        rounding(math.trunc),
    )
    return made


def rounding(function: AnyFunction) -> Made:
    return lambda x: decided(x, function) if is_recorded(x) else function(x)


def of_number(function: AnyFunction, same: np.ufunc) -> Made:
    def made(*args: Any) -> Any:
        if not values_in(args):
            return function(*args)
        if function is math.log and len(args) == 2:
            return np.log(args[0]) / np.log(args[1])
        return same(*(np.ravel(a)[0] if np.ndim(real(a)) else a for a in args))

    return made


def of_special(function: AnyFunction, name: str) -> Made:
    def made(x: Any) -> Any:
        if not is_recorded(x):
            return function(x)
        import scipy.special

        return getattr(scipy.special, name)(x)

    return made
