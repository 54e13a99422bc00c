"""A tape as a function: of JAX arrays, which JAX can trace and differentiate, or of NumPy's, to see that it is right.

Every equation that JAX makes of it stands in a scope that names the line of the user's code (`scope_of`).

Code may round to float32 inside, whatever it is given. Its formula does not: once a tape is believed, JAX computes all
of it in float64 (`widen`); run in NumPy it goes on to give what the code gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from crosscheck.recorder.counterparts import counterpart
from crosscheck.recorder.passes import live, together
from crosscheck.recorder.rolling import Rolled, rolled, taken
from crosscheck.recorder.tape import KindOfStep, RecordedStep, RecordedTape, Ref, mapped, run
from crosscheck.recorder.words import Unrecordable, named
from crosscheck.traces.precision import double_precision
from crosscheck.traces.sources import Source, scope_of

Array = np.ndarray


class Replay:
    """What the forward does where its guards come out as they did.

    Args:
        tape: recorded; nothing is added to it any more.
        output: the place of the result.
    """

    def __init__(self, tape: RecordedTape, output: int) -> None:
        self.tape, self.output = tape, output
        self.guards = tape.guards
        asked = {place for place, _ in self.guards}
        self.checked = live(tape.steps, {output, *asked})
        self.steps = together(live(tape.steps, {output}), tape.kinds, {output})
        lacking = [s for s in self.steps if counterpart(s.function) is None]
        if lacking:
            raise Unrecordable(f"{named(lacking[0].function)} has no counterpart in JAX (at {lacking[0].line})")
        self.compiled: Any = None
        self.kinds, self.constants = tape.kinds, tape.constants
        self.parts: list[Rolled] = rolled(self.steps, self.kinds)

    def widen(self) -> None:
        """From here on, JAX computes in float64 what the code rounds to fewer digits."""
        kinds = [KindOfStep(kind.shape, wider(kind.dtype)) for kind in self.kinds]
        given = [self.kinds[place].dtype for place in self.tape.inputs.values()]
        if kinds == list(self.kinds) or any(wider(dtype) != dtype for dtype in given):
            return  # nothing is rounded inside; or it is what was given that is
        self.kinds, self.compiled = kinds, None
        self.constants = {place: in_kind(value, kinds[place]) for place, value in self.tape.constants.items()}
        self.parts = rolled([in_double(step) for step in self.steps], kinds)

    def numpy(self, inputs: Mapping[str, Array]) -> tuple[Array, bool]:
        """What the tape gives in NumPy, and whether all guards come out as they did."""
        tape = self.tape
        values: dict[int, Any] = dict(tape.constants)
        values |= {place: np.asarray(inputs[k], tape.kinds[place].dtype) for k, place in tape.inputs.items()}
        found = run(self.checked, values)
        return found[self.output], all(same(found[place], value) for place, value in self.guards)

    def jitted(self, inputs: Mapping[str, Array]) -> tuple[Array, bool]:
        """What the tape gives in JAX, without guards."""
        with double_precision():
            if self.compiled is None:
                self.compiled = jax.jit(lambda given: self(**given))
            return np.array(self.compiled({k: inputs[k] for k in self.tape.inputs})), True

    def holds(self, inputs: Mapping[str, Array]) -> bool:
        """Whether all guards come out at another point as they did."""
        try:
            with np.errstate(all="ignore"):
                return self.numpy(inputs)[1]
        except Exception:  # outside of what the code takes, or other shapes
            return False

    def __call__(self, **inputs: Any) -> Any:
        """The result in JAX."""
        tape = self.tape
        values: dict[int, Any] = dict(self.constants)
        for name, place in tape.inputs.items():
            kind, given = self.kinds[place], jnp.asarray(inputs[name])
            if given.shape != kind.shape:
                raise ValueError(f"recorded at shape {kind.shape} of {name}, replayed at {given.shape}")
            values[place] = given.astype(kind.dtype)
        for part in self.parts:
            with jax.named_scope(scope_of(Source(*part.line)) if part.line else "somewhere"):
                if isinstance(part, RecordedStep):
                    self.step(part, values)
                else:
                    part.run(values, self.kinds)
        return jnp.asarray(taken(values[self.output]))

    def step(self, step: RecordedStep, values: dict[int, Any]) -> None:
        def value(ref: Ref) -> Any:
            return taken(values[ref.place])

        function = counterpart(step.function)
        assert function is not None
        found = function(*mapped(step.args, value), **mapped(step.kwargs, value))
        kind = self.kinds[step.place]
        values[step.place] = found if kind.dtype is None else jnp.asarray(found).astype(kind.dtype)


def wider(kind: Any) -> Any:
    """float64 for what names a shorter floating type, a dtype or a type; anything else as it is."""
    if isinstance(kind, np.dtype) or (isinstance(kind, type) and issubclass(kind, np.inexact)):
        wide = widened(np.dtype(kind))
        return kind if wide is None else wide
    return kind


@cache
def widened(dtype: np.dtype) -> np.dtype | None:
    """float64, or complex of it; None where that is not wider."""
    short = dtype.kind in "fc" and np.finfo(dtype).nmant < np.finfo(np.float64).nmant
    return np.result_type(dtype, np.float64) if short else None


def in_kind(value: Any, kind: KindOfStep) -> Any:
    return value.astype(kind.dtype) if isinstance(value, (np.ndarray, np.generic)) and kind.dtype is not None else value


def in_double(step: RecordedStep) -> RecordedStep:
    """The same step, in float64 where its arguments ask for less."""
    return step._replace(args=tuple(map(wider, step.args)), kwargs={k: wider(a) for k, a in step.kwargs.items()})


def same(a: Any, b: Any) -> bool:
    """Whether a guard comes out as it did."""
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    return np.array_equal(a, b)
