"""The names that the user's code finds while it is recorded: on this thread only, and put back whatever happens.

NumPy itself is never patched: compiled code calls `numpy.empty` through the module, and could not live with what it
would get. `np` is replaced where the user's code looks it up (`witnesses.namespaces`), by a proxy that gives the
stand-ins for the functions that make arrays; so is a function of it under whatever name, and arrays that the code's
objects hold: they may be written to.
"""

from __future__ import annotations

import functools
import math
import sys
import threading
import types
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import numpy as np

from crosscheck.recorder.creation import Vectorized, stand_ins
from crosscheck.recorder.functions import apply
from crosscheck.recorder.memory import Memory, address
from crosscheck.recorder.tape import RecordedTape
from crosscheck.recorder.values import is_recorded, stacked, values_in
from crosscheck.witnesses.namespaces import CACHED, reached, replaced

SCALARS = (np.float64, np.float32, np.float16, np.longdouble, np.complex128, np.complex64)
# Of SciPy, what is no universal function: they ask for plain arrays first.
SPECIAL = ("logsumexp", "softmax", "log_softmax", "polygamma", "multigammaln")


@contextmanager
def recording(tape: RecordedTape, *roots: Callable[..., Any]) -> Generator[None]:
    """While inside, the code of these functions finds what records on this tape."""
    lift = Swap(tape)
    with replaced(reached(*roots), lift.stand_in, {"float": lift.types[float]}):
        yield


class Swap:
    """What stands for what on the thread that records."""

    def __init__(self, tape: RecordedTape) -> None:
        self.tape, self.thread = tape, threading.get_ident()
        self.types = {kind: self.scalar(kind) for kind in (float, *SCALARS)}
        self.by_identity: dict[int, Any] = {id(kind): other for kind, other in self.types.items()}
        self.by_identity |= {id(f): self.only_here(f, made) for f, made in stand_ins(tape).items()}
        scipy_special = sys.modules.get("scipy.special")
        for name in SPECIAL if scipy_special else ():
            function = getattr(scipy_special, name)
            self.by_identity[id(function)] = self.only_here(function, self.dispatched(function))
        self.modules: dict[str, NamespaceProxy] = {}
        self.owners: dict[int, tuple[np.ndarray, Memory]] = {}

    def here(self) -> bool:
        return threading.get_ident() == self.thread

    def only_here(self, function: Callable[..., Any], made: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function, updated=())
        def either(*args: Any, **kwargs: Any) -> Any:
            return made(*args, **kwargs) if self.here() else function(*args, **kwargs)

        return either

    def dispatched(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def made(*args: Any, **kwargs: Any) -> Any:
            if values_in((args, kwargs)):
                return apply(self.tape, function, args, kwargs)
            return function(*args, **kwargs)

        return made

    def stand_in(self, value: Any) -> Any:
        """What stands for a value that the code can reach; itself where nothing does."""
        if id(value) in self.by_identity:
            return self.by_identity[id(value)]
        if isinstance(value, types.ModuleType):
            return self.module(value)
        if isinstance(value, np.ufunc) or hasattr(value, "_implementation"):
            self.by_identity[id(value)] = OfLists(self, value)
            return self.by_identity[id(value)]
        if type(value) is np.ndarray and value.dtype.kind in "fc":
            return self.array(value)
        if isinstance(value, np.vectorize):
            return Vectorized(self.tape, value)
        if isinstance(value, CACHED):
            return value.__wrapped__
        if type(value) is tuple:
            others = tuple(map(self.stand_in, value))
            return value if all(a is b for a, b in zip(others, value, strict=True)) else others
        return value

    def module(self, value: types.ModuleType) -> Any:
        name = value.__name__
        if value is not math and name.split(".")[0] != "numpy" and not name.startswith("scipy"):
            return value
        return self.modules.setdefault(name, NamespaceProxy(self, value))

    def array(self, a: np.ndarray) -> Any:
        """A recorded copy, which shares memory with the copies of what `a` shares memory with."""
        owner = a
        while type(owner.base) is np.ndarray:
            owner = owner.base
        if owner.base is not None or owner.dtype != a.dtype or not owner.flags.forc:
            own = a.copy(order="K")
            return self.tape.array(self.tape, own, Memory(own, None))
        if id(owner) not in self.owners:
            self.owners[id(owner)] = owner, Memory(owner.copy(order="K"), None)
        memory = self.owners[id(owner)][1]
        start = address(a) - address(owner)
        view = np.ndarray(a.shape, a.dtype, memory.owner.ravel(order="K"), start, a.strides)
        return self.tape.array(self.tape, view, memory)

    def scalar(self, kind: type) -> type:
        """What stands for the name `float`: a type, since it is called, asked for and used as a dtype."""
        lift, dtype = self, np.dtype(kind)

        class Scalar(type):
            dtype = np.dtype(kind)
            stands_for = kind

            def __call__(cls, *args: Any) -> Any:
                if args and is_recorded(args[0]) and lift.here():
                    a = args[0]
                    a = np.reshape(a, ()) if a.shape and kind is float else a
                    return a.astype(dtype)[()]
                return kind(*args)

            def __instancecheck__(cls, value: Any) -> bool:
                return isinstance(value, kind)

            def __subclasscheck__(cls, other: type) -> bool:
                return issubclass(other, kind)

            def __eq__(cls, other: object) -> bool:
                return other is cls or other == kind

            def __hash__(cls) -> int:
                return hash(kind)

            def __getattr__(cls, name: str) -> Any:
                return getattr(kind, name)

        return Scalar(kind.__name__, (), {})


class OfLists:
    """A function of NumPy, which does not look for recorded values in lists: `np.mean([a, b])`."""

    def __init__(self, lift: Swap, function: Any) -> None:
        self._lift, self._function = lift, function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        function = self._function
        if not any(type(a) in (list, tuple) and values_in(a) for a in args) or not self._lift.here():
            return function(*args, **kwargs)
        if isinstance(function, np.ufunc):
            return function(*(stacked(self._lift.tape, a) for a in args), **kwargs)
        return apply(self._lift.tape, function, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)


class NamespaceProxy:
    """A module, as recorded code sees it."""

    def __init__(self, lift: Swap, module: types.ModuleType) -> None:
        self.__dict__["_lift"], self.__dict__["_module"] = lift, module

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        return self._lift.stand_in(value) if self._lift.here() else value
