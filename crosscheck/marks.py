"""Points inside a function, marked by the one who derives it: `z = crosscheck.tap("z", x @ w + b)`.

Outside of a check `tap` is the identity: of NumPy's arrays, of JAX's, under `jax.jit` and `jax.grad`, of anything. In a
check the function is called with one more input for every point, which is zero and is added there,

    z = x W + b + δ,     ∂L/∂δ = ∂L/∂z at δ = 0                                                        (1)

so the gradient at a point is the gradient of an input, and every witness gives it as it gives the others. A point that
is passed once goes by its name; one that is passed several times, in a loop, by `h[0]`, `h[1]`, ... in the order in
which it is passed.
"""

from __future__ import annotations

import dis
import inspect
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")


def tap(name: str, value: T) -> T:
    """`value`, marked as the point `name`; to be used in the place of what was marked: `z = tap("z", z)`.

    A backward that is checked may return the gradient there under the point's name, beside those of the inputs, in the
    order in which it derives them; the check then says which is the first that is wrong.
    """
    here = MARKING.get()
    return value if here is None else here.passed(name, value)


class MarkedPoint(NamedTuple):
    """A point as it was passed: what stood there."""

    shape: tuple[int, ...]
    dtype: Any


class Noting:
    """Notes which points are passed, and adds nothing.

    Args:
        who: forward or the reference, for the sentences.
        trace: that of the caller's JAX tracers; None where there are none.
    """

    def __init__(self, who: str, trace: Any = None) -> None:
        self.who, self.trace = who, trace
        self.places: list[tuple[str, MarkedPoint]] = []

    def passed(self, name: str, value: Any) -> Any:
        self.refuse(name, value)
        self.places.append((name, MarkedPoint(tuple(value.shape), value.dtype) if hasattr(value, "dtype") else REAL))
        return value

    def refuse(self, name: Any, value: Any) -> None:
        """What cannot be a point is refused in a sentence."""
        if not isinstance(name, str) or not name.isidentifier():
            raise TypeError(
                f"tap is given the name {name!r}, in {self.who}; it must be a word, as a variable's name is"
            )
        dtype = getattr(value, "dtype", None)
        kind = getattr(dtype, "kind", "f" if isinstance(value, float) else "")
        if kind not in ("f", "c"):
            what = f"a {type(value).__name__}" if dtype is None else f"an array of {dtype}"
            raise TypeError(f"tap({name!r}) is given {what}, in {self.who}; a point is one array of floats")
        if getattr(value, "_trace", self.trace) is not self.trace:
            raise ValueError(
                f"tap({name!r}) stands inside jax.jit, vmap, scan or another transformation in {self.who}, where one "
                "point would be many: mark what goes in and comes out instead, or write the loop out in Python"
            )
        if is_dropped(CALLER):
            raise ValueError(
                f"tap({name!r}) is called in {self.who}, and what it returns is not used: write {name} = "
                f"tap({name!r}, ...)"
            )

    def named(self) -> dict[str, MarkedPoint]:
        """The points by their names, those that were passed several times with their number."""
        times, so_far = Counter(name for name, _ in self.places), Counter[str]()
        found: dict[str, MarkedPoint] = {}
        for name, place in self.places:
            found[name if times[name] == 1 else f"{name}[{so_far[name]}]"] = place
            so_far[name] += 1
        return found


class Adding:
    """Adds to each point what is given for it."""

    def __init__(self, added: Mapping[str, Any]) -> None:
        self.added, self.times = added, Counter[str]()

    def passed(self, name: str, value: Any) -> Any:
        number, self.times[name] = self.times[name], self.times[name] + 1
        more = self.added.get(name if name in self.added else f"{name}[{number}]")
        if more is None or (type(more) is np.ndarray and not more.any()):
            return value  # the same array: what is written into it shows
        if more.shape != getattr(value, "shape", ()):
            raise ValueError(f"the point {name} has shape {getattr(value, 'shape', ())}; it was {more.shape} before")
        if getattr(value, "dtype", more.dtype) == np.float32 and more.dtype == np.float64:
            more = more.astype(np.float32)  # what is computed in float32 inside stays so
        return value + more


CALLER = 4  # from `is_dropped` up: refuse, passed, tap, and who called it
REAL = MarkedPoint((), "float64")
MARKING: ContextVar[Noting | Adding | None] = ContextVar("marking", default=None)


@contextmanager
def marking(how: Noting | Adding) -> Generator[None]:
    """While inside, on this thread, `tap` does what `how` says."""
    token = MARKING.set(how)
    try:
        yield
    finally:
        MARKING.reset(token)


def is_dropped(depth: int) -> bool:
    """Whether the frame so far up throws away what the call that it is in returns."""
    frame = inspect.currentframe()
    for _ in range(depth):
        frame = None if frame is None else frame.f_back
    if frame is None:
        return False
    for at in dis.get_instructions(frame.f_code):
        if at.offset > frame.f_lasti:
            return at.opname == "POP_TOP"
    return False
