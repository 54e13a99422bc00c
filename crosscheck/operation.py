"""What is under check: a forward, a hand-derived backward, a reference, and named inputs.

A layer, a whole network, a module, or two plain functions all become an `Operation` at the doors; everything after
that knows only operations. An operation calls the user's code on private copies, so that nothing the caller
passed is ever written to, and checks what comes back, naming what was wrong. An exception in the user's own code passes
through untouched, with its traceback.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from crosscheck.floats import PRECISIONS
from crosscheck.manner import OUTPUT as OUTPUT
from crosscheck.manner import Manner

Array = np.ndarray
Arrays = dict[str, Array]

# (inputs, cotangent) -> the true gradients, and under `OUTPUT` the output where it is asked for.
Truth = Callable[[Arrays, Array], Arrays]


class Notice(NamedTuple):
    """What a door has to say of what it was given: a finding of the check.

    Args:
        kind: stable, for programs.
        explanation: one sentence.
        fails: whether the check cannot agree.
    """

    kind: str
    explanation: str
    fails: bool


class Arithmetic(NamedTuple):
    """The code in a format that is too coarse for its formula to be judged there.

    Args:
        format: float16 or bfloat16.
        answers: (inputs, cotangent) -> the gradients, and under `OUTPUT` the output, as the code computes them on
            arrays of that format; all in float64.
    """

    format: np.dtype
    answers: Callable[[Arrays, Array], Arrays]


@dataclass(frozen=True)
class Operation:
    """A forward and a backward over named arrays.

    Args:
        name: for the report.
        forward: {name: array} -> y.
        backward: (grad_output, {name: array}) -> {name: gradient}, for every name in `wrt`.
        inputs: the point, by name; differentiated or not.
        wrt: the names that are differentiated.
        reference: `reference(**inputs) -> y` in jax.numpy, or None.
        widen: gives the same operation on float64 copies (for code that holds arrays of its own dtype).
        moving_forward: the same function, quicker to evaluate many times and for complex numbers; None: `forward`. It
            must not write to its arguments.
        own_bounds: (inputs, grad_output) -> how far each hand-derived gradient, and under `OUTPUT` the output, may be
            from exact by the algorithm that computes it, where it says so; None where it rounds like a plain sum.
        own_program: (inputs, grad_output) -> what the backward does there as a function of the same inputs, and under
            `OUTPUT` of the cotangent, that JAX can trace: all gradients as one vector, in the order of `wrt`. It gives
            None where that is not to be had.
        arithmetic: the code in the coarser format in which its inputs were given; None where that is theirs.
        remarks: what the door has to say, of what it found and what it could not judge.
        manner: what the caller says of how it is to be judged.
        alone: where there is no reference and nothing to record, why, and what to do; "": the forward may be recorded.
        layout: gives where several outputs lie in the one vector that the judge has for them, and `layouts.Layout` has
            the rest; None where there is but one array.
        configurations: gives what else the forward could have been configured to: in words, and in jax.numpy; None
            where nothing is known of that.
    """

    name: str
    forward: Callable[[Arrays], Any]
    backward: Callable[[Array, Arrays], Any]
    inputs: Arrays
    wrt: tuple[str, ...]
    reference: Callable[..., Any] | None
    widen: Callable[[], Operation] | None = field(default=None, repr=False)
    moving_forward: Callable[[Arrays], Any] | None = field(default=None, repr=False)
    own_bounds: Callable[[Arrays, Array], Arrays | None] | None = field(default=None, repr=False)
    own_program: Callable[[Arrays, Array], Callable[..., Any] | None] | None = field(default=None, repr=False)
    arithmetic: Arithmetic | None = field(default=None, repr=False)
    remarks: tuple[Notice, ...] = ()
    manner: Manner = field(default_factory=Manner)
    alone: str = ""
    layout: Callable[[], Any] | None = field(default=None, repr=False)
    configurations: Callable[[], Mapping[str, Callable[..., Any]]] | None = field(default=None, repr=False)

    @property
    def dtype(self) -> np.dtype:
        """The dtype that the differentiated inputs share; mixed inputs count as the coarser one."""
        return min((self.inputs[k].dtype for k in self.wrt), key=lambda d: d.itemsize)

    @property
    def format(self) -> np.dtype:
        """In which the code was given, and its arithmetic is judged."""
        return self.dtype if self.arithmetic is None else self.arithmetic.format

    @property
    def drawn(self) -> tuple[str, ...]:
        """The differentiated inputs that have other values at another point."""
        return tuple(k for k in self.wrt if k not in self.manner.still)

    def at(self, inputs: Arrays) -> Operation:
        """The same operation at another point."""
        return replace(self, inputs=inputs)

    def widened(self) -> Operation:
        """The same formula on float64 copies of the inputs."""
        base = self if self.widen is None else replace(self.widen(), manner=self.manner)
        return base.at({k: wide(a) for k, a in self.inputs.items()})

    def output(self, changed: Arrays | None = None) -> Array:
        """The forward's y at the point, with some inputs replaced."""
        inputs = {**self.inputs, **(changed or {})}
        y = self.forward({k: np.array(a, copy=True) for k, a in inputs.items()})
        y = as_array(y, f"forward of {self.name}", "one array")
        return ours(y)

    def moved(self, changed: Arrays) -> Array:
        """As `output`, for witnesses that evaluate many points."""
        if self.moving_forward is None:
            return self.output(changed)
        y = np.asarray(self.moving_forward({**self.inputs, **changed}))
        return ours(y)

    def continued(self, changed: Arrays) -> Array:
        """The forward at complex numbers, and whatever array it makes of them."""
        if self.moving_forward is not None:
            return np.asarray(self.moving_forward({**self.inputs, **changed}))
        y = np.asarray(self.forward({k: np.array(a, copy=True) for k, a in {**self.inputs, **changed}.items()}))
        return ours(y)

    def gradients(self, grad_output: Array) -> Arrays:
        """The hand-derived gradients at the point, copied at once, one per name in `wrt`."""
        returned = self.backward(
            np.array(grad_output, copy=True), {k: np.array(a, copy=True) for k, a in self.inputs.items()}
        )
        return self.gradients_of(returned)

    def gradients_of(self, returned: Any) -> Arrays:
        """What a backward returned, as arrays by name, or a sentence that says what it was."""
        if not isinstance(returned, Mapping):
            raise TypeError(
                f"backward of {self.name} returned {type(returned).__name__}; it must return a dictionary with "
                f"a gradient for each of {', '.join(self.wrt)}, or a tuple of them in that order"
            )
        missing = [k for k in self.wrt if k not in returned]
        if missing:
            raise ValueError(
                f"backward of {self.name} returned no gradient for {', '.join(missing)}; it returned "
                f"{', '.join(map(str, returned)) or 'nothing'}; wrt= names the inputs to differentiate, if not all"
            )
        surplus = [str(k) for k in returned if k not in self.inputs and k != OUTPUT]
        if surplus:
            raise ValueError(
                f"backward of {self.name} returned a gradient for {', '.join(surplus)}, which is not among the inputs "
                f"{', '.join(self.inputs)}"
            )
        return {
            k: np.array(as_array(returned[k], f"gradient {k} of {self.name}", "an array"), copy=True) for k in self.wrt
        }


def describe(error: Exception) -> str:
    """What the user's code raised, in one line."""
    text = f"{type(error).__name__}: {error}"
    return text.splitlines()[0][:200]


def wide(a: Array) -> Array:
    return a.astype(np.float64) if a.dtype.kind == "f" else a


def counted(y: Array) -> int:
    return sys.getrefcount(y)


def of_nobody_else() -> int:
    """How many references a function sees to an array that only its caller has; interpreters count differently."""
    y = np.empty(1)
    return counted(y)


NOBODY_ELSE = of_nobody_else()


def ours(y: Array) -> Array:
    """An array that may be kept and written to: the code may hold the one that it returned (and write its next output
    there), or have it from JAX, read-only. Ten million entries are copied only where that is so."""
    alone = y.base is None and y.flags.writeable and sys.getrefcount(y) <= NOBODY_ELSE
    return y if alone else y.copy()


def as_array(value: Any, who: str, wanted: str) -> Array:
    """`value` as an array of real numbers, or a sentence that says what it was."""
    if isinstance(value, (tuple, list, dict)) or value is None:
        kind = type(value).__name__
        raise TypeError(f"{who} returned {'None' if value is None else f'a {kind}'}; it must return {wanted}")
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{who} returned dtype {array.dtype}; it must return {wanted} of real numbers")
    return array


def array_of(name: str, value: Any) -> Array:
    """A private copy of one input."""
    rule = "it must be an array of real numbers"
    if value is None or isinstance(value, (str, bytes, Mapping)) or inspect.isgenerator(value):
        raise TypeError(f"input {name} is {'None' if value is None else f'a {type(value).__name__}'}; {rule}")
    try:
        return np.array(value, copy=True)
    except (TypeError, ValueError) as error:
        raise type(error)(f"input {name} is a {type(value).__name__} that makes no array; {rule}") from error


def checked_inputs(
    inputs: Mapping[str, Any], wrt: tuple[str, ...] | None, fixed: Mapping[str, Any] | None = None
) -> tuple[Arrays, tuple[str, ...]]:
    """Private copies of the inputs, and the names to differentiate (all floating ones unless given).

    What is not differentiated may be infinite or NaN, as a mask is; what is, may be infinite where it is `fixed`.
    """
    if not isinstance(inputs, Mapping) or not inputs:
        given = "one without an array" if isinstance(inputs, Mapping) else type(inputs).__name__
        raise TypeError(f"inputs must be a non-empty dictionary of arrays by name, not {given}")
    arrays = {str(k): array_of(str(k), a) for k, a in inputs.items()}
    for k, a in arrays.items():
        if a.dtype.kind not in "fiub":
            raise TypeError(f"input {k} has dtype {a.dtype}; it must be real")
        if a.dtype.kind == "f" and a.dtype not in PRECISIONS:
            raise TypeError(f"input {k} has dtype {a.dtype}; float32 and float64 are judged")
    if wrt is None:
        names = tuple(k for k, a in arrays.items() if a.dtype.kind == "f")
    else:
        if not isinstance(wrt, (str, tuple, list, set, frozenset)):
            raise TypeError(f"wrt is {wrt!r}, of type {type(wrt).__name__}; it must be names of inputs")
        names = (wrt,) if isinstance(wrt, str) else tuple(wrt)
        if not names:
            raise ValueError("wrt is empty: it names the inputs to differentiate")
        for k in names:
            if k not in arrays:
                raise ValueError(f"wrt names {k!r}, which is not among the inputs {', '.join(arrays)}")
            if arrays[k].dtype.kind != "f":
                raise TypeError(
                    f"wrt names {k!r}, whose dtype is {arrays[k].dtype}; only floating inputs are differentiated"
                )
    if not names:
        raise ValueError("nothing to differentiate: no input is floating point")
    for k in names:
        held = np.zeros(arrays[k].shape, bool) if fixed is None or k not in fixed else np.asarray(fixed[k], bool)
        free = ~held if held.shape == arrays[k].shape else np.ones(arrays[k].shape, bool)
        lost = np.isnan(arrays[k]) | (np.isinf(arrays[k]) & free)
        if lost.any():
            where = tuple(int(i) for i in np.argwhere(lost)[0])
            raise ValueError(
                f"input {k} is {arrays[k][where]} at {where}, where nothing can be moved: a gradient there says "
                "nothing; leave it out of wrt, or hold infinite entries by fixed="
            )
    return arrays, names
