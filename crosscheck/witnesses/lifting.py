"""Lifting: code written for float64 makes its buffers in longdouble while it is run in longdouble.

Hand-written code that takes longdouble arrays often rounds to float64 on the way, because it fills a buffer that it
made:

    y = np.zeros(shape);  y[i] = ...          x.astype(np.float64)          self.grad = np.zeros(n)  in __init__

Meanwhile `np` stands for a *proxy*: NumPy with creation functions whose float64 results are longdouble, and with
longdouble for float64 (clongdouble for complex128). Numbers stay the ones that float64 gives, converted exactly: the
function stays the same one, only its arithmetic is finer. Integers, booleans and float32 stay what they are. Arrays
of float64 that the code's objects hold are lifted, too, and arrays that share memory still do; so is the dtype that
they keep.

NumPy itself is never patched: compiled code calls `numpy.empty` through the module. Only the names in the namespaces
that the code runs in are replaced (`namespaces`), and what stands there acts on the thread that lifts; for any other
it is NumPy. A function behind an `lru_cache` is called without it, so that nothing lifted stays in the cache.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import numpy as np

from crosscheck.witnesses.namespaces import CACHED, reached, replaced

WIDER = {np.float64: np.longdouble, np.complex128: np.clongdouble}
# Names for these as types: Python's own, and NumPy's, which are subclasses of them.
PYTHON = {float: np.longdouble, complex: np.clongdouble}
# What makes an array from no array, or another array of the same values.
CREATION = (
    *("zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like", "full_like"),
    *("eye", "identity", "tri", "arange", "linspace", "logspace", "geomspace", "fromiter", "fromfunction"),
    *("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray"),
)
SPELLINGS = {np.float64: ("float64", "double"), np.complex128: ("complex128", "cdouble")}


@contextmanager
def lifted(*roots: Callable[..., Any]) -> Generator[None]:
    """While inside, the code of these functions makes longdouble where it made float64, on this thread."""
    lift = Lift()
    built_in = {kind.__name__: lift.scalars[kind] for kind in PYTHON}
    with replaced(reached(*roots), lift.stand_in, built_in):
        yield


class Lift:
    """What stands for what on the thread that lifts."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.made = {name: self.wider(getattr(np, name)) for name in CREATION}
        self.scalars = {narrow: self.scalar(narrow, wide) for narrow, wide in (WIDER | PYTHON).items()}
        self.numpy = Proxy(self)
        self.by_identity = {id(np): self.numpy, **{id(getattr(np, k)): f for k, f in self.made.items()}}
        self.by_identity |= {id(narrow): cls for narrow, cls in self.scalars.items()}
        # The arrays lifted, by what owns their memory; the owners are kept alive with them.
        self.memories: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def here(self) -> bool:
        return threading.get_ident() == self.thread

    def stand_in(self, value: Any) -> Any:
        """What stands for a value that the code can reach; itself where nothing does."""
        if id(value) in self.by_identity:
            return self.by_identity[id(value)]
        if type(value) is np.ndarray and value.dtype.type in WIDER:
            return self.array(value)
        if isinstance(value, np.dtype):  # that a layer computes in
            return np.dtype(WIDER.get(value.type, value))
        if isinstance(value, CACHED):
            return value.__wrapped__
        if type(value) is tuple:
            others = tuple(map(self.stand_in, value))
            return value if all(a is b for a, b in zip(others, value, strict=True)) else others
        return value

    def array(self, a: np.ndarray) -> np.ndarray:
        """A longdouble copy that shares memory with the copies of what `a` shares memory with."""
        owner = a
        while type(owner.base) is np.ndarray:
            owner = owner.base
        if owner.base is not None or owner.dtype != a.dtype or not owner.flags.forc:
            return a.astype(WIDER[a.dtype.type])  # memory that is no array's: a copy for itself
        if id(owner) not in self.memories:
            self.memories[id(owner)] = owner, owner.astype(WIDER[a.dtype.type], order="K")
        copy = self.memories[id(owner)][1]
        times = copy.itemsize // a.itemsize
        start = (address(a) - address(owner)) * times
        return np.ndarray(a.shape, copy.dtype, copy.ravel(order="K"), start, tuple(s * times for s in a.strides))

    def wider(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A creation function whose float64 results are longdouble; what shares memory with an argument stays."""

        @functools.wraps(function)
        def made(*args: Any, **kwargs: Any) -> Any:
            if not self.here():
                return function(*args, **kwargs)
            args = (*args[:1], *(widened(a) for a in args[1:]))
            if "dtype" in kwargs:
                kwargs["dtype"] = widened(kwargs["dtype"])
            result = function(*args, **kwargs)
            if type(result) is not np.ndarray or result.dtype.type not in WIDER:
                return result
            if any(np.may_share_memory(result, a) for a in args if isinstance(a, np.ndarray)):
                return result
            return result.astype(WIDER[result.dtype.type], order="K")

        return made

    def scalar(self, narrow: type, wide: type) -> type:
        """What stands for the name `float64` or `float`: a type, since it is called, asked for and used as a dtype."""
        lift, python = self, complex if issubclass(narrow, complex) else float

        class Scalar(type):
            @property
            def dtype(cls) -> np.dtype:
                return np.dtype(wide if lift.here() else narrow)

            def __call__(cls, *args: Any) -> Any:
                return (wide if lift.here() else narrow)(*args)

            def __instancecheck__(cls, value: Any) -> bool:
                return isinstance(value, (python, wide) if lift.here() else narrow)

        return Scalar(narrow.__name__, (), {})


class Proxy:
    """NumPy, as lifted code sees it."""

    def __init__(self, lift: Lift) -> None:
        self._lift = lift
        scalars = {name: WIDER[narrow] for narrow, names in SPELLINGS.items() for name in names}
        self._own = {**lift.made, **scalars, "finfo": finfo}

    def __getattr__(self, name: str) -> Any:
        return self._own[name] if name in self._own and self._lift.here() else getattr(np, name)


def finfo(dtype: Any) -> np.finfo:
    """Code that asks for its precision gets the constants that it has in float64: else it is another function."""
    dtype = np.dtype(dtype) if not isinstance(dtype, (np.generic, np.ndarray)) else dtype.dtype
    return np.finfo(np.float64 if dtype.type in WIDER.values() else dtype)


def widened(argument: Any) -> Any:
    """An argument of a creation function: longdouble where it asks for float64, in whatever spelling."""
    asks = argument is float or argument is complex or isinstance(argument, (str, type, np.dtype))
    if not asks or argument in ("C", "F", "A", "K"):  # an order is a string, too
        return argument
    return WIDER.get(np.dtype(argument).type, argument)


def address(a: np.ndarray) -> int:
    return a.__array_interface__["data"][0]
