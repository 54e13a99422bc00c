"""A plain forward of PyTorch as a program of JAX: what it dispatched at a point, one operation after another.

The search for a reason reads the forward's steps. PyTorch has no jaxpr; but what a forward dispatches is a straight
line, each of whose operations has a counterpart in JAX (`counterparts`) and a line of the user's code. It is recorded
anew at every point, so that nothing that was decided by values is carried from one to another.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cache
from itertools import islice
from types import FrameType
from typing import Any, NamedTuple

import jax
import numpy as np

from crosscheck.operation import Array, Arrays
from crosscheck.torch.calls import TensorCall
from crosscheck.torch.counterparts import COUNTERPARTS
from crosscheck.torch.needs import pytorch
from crosscheck.torch.sizes import base_name, decomposition, flat
from crosscheck.torch.tensors import array
from crosscheck.traces.once import TracedOnce
from crosscheck.traces.precision import double_precision
from crosscheck.traces.sources import Source, scope_of

MOST = 5_000  # operations; longer ones are searched by their gradients alone
MOST_POINTS = 16  # at which it was something else are remembered
# The same numbers by other functions: in ulp of the largest.
ROUNDING = 2.0**12


class Unknown(Exception):
    """An operation that has no counterpart, or one that cannot be followed."""


class Given(NamedTuple):
    """An operand: the result of a step, or an input."""

    number: int


class Dispatched(NamedTuple):
    """What was dispatched: its counterpart, its arguments, where its results go, and the line that asked for it."""

    function: Callable[..., Any]
    args: Any
    kwargs: Any
    places: tuple[int, ...]
    line: Source | None


class Followed:
    """A plain forward as a function of the judge's arrays by name that JAX can trace.

    It is what the forward does at the point where it was recorded. `at(inputs)` is the one for another point: itself
    where the same was dispatched there.

    Args:
        called: the forward.
        inputs: the judge's arrays at the point.
    """

    recorded = True  # `pointwise.is_recorded`
    guarded = True

    def __init__(self, called: TensorCall, inputs: Arrays) -> None:
        self.called, self.inputs = called, inputs
        self.ops: list[Dispatched] = []
        self.places: dict[str, int] = {}
        self.constants: dict[int, Array] = {}
        self.others: OrderedDict[bytes, Followed] = OrderedDict()
        self.traced = TracedOnce(self.run)
        found, handed = called.given({k: np.array(a) for k, a in inputs.items()})
        mode = recorders()(self)
        for k, t in handed.items():
            if found[k] is not t:
                raise Unknown("an input that is written to")
            self.places[k] = mode.place_of(t)
        with pytorch().enable_grad(), mode:
            y = called.f(**handed)
        if not isinstance(y, pytorch().Tensor) or y not in mode.known:
            raise Unknown("no single tensor that was computed")
        self.output = mode.known[y]
        self.value = array(y)

    def at(self, inputs: Mapping[str, Array]) -> Followed:
        """The program at another point."""
        key = b"".join(np.asarray(inputs[k]).tobytes() + repr(np.shape(inputs[k])).encode() for k in sorted(inputs))
        if key not in self.others:
            other = Followed(self.called, {k: np.asarray(inputs[k]) for k in self.inputs})
            self.others[key] = self if other.same(self) else other
            while len(self.others) > MOST_POINTS:
                self.others.popitem(last=False)
        return self.others[key]

    def same(self, other: Followed) -> bool:
        """Whether both do the same with their inputs."""
        return (
            self.ops == other.ops
            and self.output == other.output
            and self.constants.keys() == other.constants.keys()
            and all(np.array_equal(a, other.constants[k]) for k, a in self.constants.items())
        )

    def __call__(self, **inputs: Any) -> Any:
        return self.traced(**inputs)

    def run(self, **inputs: Any) -> Any:
        """One operation after another."""
        values: dict[int, Any] = dict(self.constants)
        values |= {place: inputs[k] for k, place in self.places.items()}
        for op in self.ops:
            with jax.named_scope("" if op.line is None else scope_of(op.line)):
                out = op.function(*read(op.args, values), **read(op.kwargs, values))
            for place, one in zip(op.places, flat(out), strict=True):
                values[place] = one
        return values[self.output]


def read(argument: Any, values: Mapping[int, Any]) -> Any:
    """Arguments with values in the place of operands."""
    if isinstance(argument, Given):
        return values[argument.number]
    if isinstance(argument, (list, tuple)):
        return type(argument)(read(a, values) for a in argument)
    return {k: read(a, values) for k, a in argument.items()} if isinstance(argument, dict) else argument


def program_of(called: TensorCall, inputs: Arrays) -> Followed | None:
    """The forward's program at a point; None where it has none that gives the forward's numbers."""
    try:
        found = Followed(called, inputs)
        with double_precision():
            y = np.asarray(found(**inputs))
    except Exception:  # an operation without a counterpart, or one that is called otherwise in this version
        return None
    size = float(np.max(np.abs(found.value), initial=0.0))
    near = y.shape == found.value.shape and np.abs(y - found.value).max(initial=0.0) <= ROUNDING * 2.0**-52 * size
    return found if near else None


@cache
def recorders() -> Any:
    """The class of the mode that records, made when PyTorch is there."""
    torch = pytorch()
    from torch.utils._python_dispatch import TorchDispatchMode  # pyright: ignore[reportMissingImports]
    from torch.utils.weak import WeakTensorKeyDictionary  # pyright: ignore[reportMissingImports]

    class Recorder(TorchDispatchMode):  # pyright: ignore[reportUntypedBaseClass]
        """Notes what is dispatched."""

        def __init__(self, program: Followed) -> None:
            super().__init__()
            self.program = program
            self.known: Any = WeakTensorKeyDictionary()
            self.kept: list[Any] = []  # a tensor that is gone might lend its name to another
            self.count = 0

        def place_of(self, t: Any) -> int:
            """A new place, for a tensor that was made."""
            self.count += 1
            self.known[t] = self.count
            self.kept.append(t)
            return self.count

        def operand(self, a: Any) -> Any:
            if isinstance(a, torch.Tensor):
                if a not in self.known:
                    self.program.constants[self.place_of(a)] = array(a)
                return Given(self.known[a])
            if isinstance(a, (list, tuple)):
                return type(a)(self.operand(b) for b in a)
            return {k: self.operand(b) for k, b in a.items()} if isinstance(a, dict) else a

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            name = base_name(func)
            if not holds_tensor((*args, *kwargs.values())) or name == "_local_scalar_dense":
                return func(*args, **kwargs)  # made of nothing, or a number that decides: a constant where it is read
            function = COUNTERPARTS.get(name)
            if function is None:
                parts = decomposition(func) or func.decompose
                with self:
                    out = parts(*args, **kwargs)
                if out is NotImplemented:
                    raise Unknown(name)
                return out
            if func._schema.is_mutable and self.is_shared(args[0]):
                raise Unknown("a view that is written to")
            if len(self.program.ops) >= MOST:
                raise Unknown("a forward of so many operations")
            given, by_name = self.operand(args), self.operand(kwargs)
            by_name = {k: a for k, a in by_name.items() if k not in ("dtype", "layout", "device", "memory_format")}
            by_name.pop("pin_memory", None)
            out = func(*args, **kwargs)
            places = tuple(self.place_of(a) if isinstance(a, torch.Tensor) else 0 for a in flat(out))
            self.program.ops.append(Dispatched(function, given, by_name, places, users_line()))
            return out

        def is_shared(self, t: Any) -> bool:
            """Whether another tensor that is known lies in the same memory."""
            here, laid = t.untyped_storage().data_ptr(), (t.shape, t.stride(), t.storage_offset())
            others = [other for other in self.kept if other.untyped_storage().data_ptr() == here]
            return any((other.shape, other.stride(), other.storage_offset()) != laid for other in others)

    return Recorder


def holds_tensor(given: Any) -> bool:
    """Whether a tensor stands among arguments."""
    if isinstance(given, (list, tuple)):
        return any(map(holds_tensor, given))
    return isinstance(given, pytorch().Tensor)


OURS, PYTORCH = "crosscheck", "torch"
LISTENING = (__name__, "crosscheck.torch.lines")  # whose frames stand between an operation and this question


def users_line() -> Source | None:
    """The innermost line that is not PyTorch's; None where PyTorch was called by us."""
    frame: FrameType | None = inspect.currentframe()
    while frame is not None and (name := str(frame.f_globals.get("__name__", ""))).split(".")[0] in (PYTORCH, OURS):
        if name.startswith(OURS) and name not in LISTENING:
            return None
        frame = frame.f_back
    if frame is None:
        return None
    positions = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), None)  # two bytes an instruction
    return Source(frame.f_code.co_filename, frame.f_lineno, (positions[2] or 0) if positions else 0)
