"""A forward recorded at a point, and believed only after it was compared.

    record(forward, inputs)     the code runs once on recorded arrays; what it did is a function of the same inputs

The tape is run in NumPy at the point and at one beside it, and must give what the forward gives there: at the point
to the last bits, and beside it too, so that nothing that depends on the inputs has become a constant. Where guards
come out otherwise beside the point, closer ones are tried.
"""

from __future__ import annotations

import gc
import warnings
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from crosscheck.recorder.array import new_tape, of_input
from crosscheck.recorder.lifting import recording
from crosscheck.recorder.replay import Replay
from crosscheck.recorder.tape import MOST_STEPS, Line, RecordedTape
from crosscheck.recorder.values import is_recorded, stacked, values_in
from crosscheck.recorder.words import Unrecordable, where_raised
from crosscheck.traces.once import TracedOnce
from crosscheck.traces.precision import double_precision
from crosscheck.witnesses.namespaces import kept, reached

Array = np.ndarray
Inputs = Mapping[str, Array]
PlainForward = Callable[[dict[str, Array]], Any]

# By what share of itself every number is moved: a little, and less where that decides otherwise.
MOVES = (2.0**-4, 2.0**-12, 2.0**-24)
# A replay beside the point is right to rounding, or it lacks a part of what the move changed: at least this share.
SHARE = 2.0**-8
# The same functions on the same numbers in another layout: sums in another order, in ulp of the largest entry.
ROUNDING = 2.0**10
# Steps from which on the tape is run as the program that JAX makes of it: NumPy takes longer than the compilation.
LONG = 20_000
# So many points of a forward with guards are remembered.
MOST_POINTS = 16


@dataclass(frozen=True)
class Recorded:
    """What came of recording a forward.

    Args:
        reference: `reference(**inputs)` in JAX; None where it could not be recorded.
        why_not: in a line; "" where it could.
        steps: on the tape that are needed for the result.
        lines: of the user's code that they come from.
    """

    reference: Replayed | None
    why_not: str
    steps: int = 0
    lines: tuple[Line, ...] = ()


class Replayed:
    """A recorded forward as a function of its named inputs that JAX can trace.

    It is what the forward does at the point where it was recorded. `at(inputs)` is the one for another point: itself
    where nothing was decided by values, else recorded anew there.
    """

    recorded = True  # `pointwise.is_recorded`

    def __init__(self, forward: PlainForward, inputs: Inputs, replay: Replay, *, double: bool = True) -> None:
        self.forward, self.replay = forward, replay
        if double:
            replay.widen()
        self.inputs = {k: np.array(a) for k, a in inputs.items()}
        self.traced = TracedOnce(replay)  # each trace of a long tape goes through all of its steps again
        self.others: OrderedDict[bytes, Replayed | Silent] = OrderedDict()

    @property
    def guarded(self) -> bool:
        """Whether it holds only where what the code decides by values falls as it did."""
        return bool(self.replay.guards)

    @property
    def steps(self) -> int:
        """On the tape: calls of NumPy that one run of the forward makes."""
        return len(self.replay.steps)

    def __call__(self, **inputs: Any) -> Any:
        return self.traced(**inputs)

    def at(self, inputs: Inputs) -> Replayed | Silent:
        """The function at another point; one that gives NaN where the forward cannot be recorded."""
        if self.holds(inputs):
            return self
        key = b"".join(np.asarray(inputs[k]).tobytes() + repr(np.shape(inputs[k])).encode() for k in sorted(inputs))
        if key not in self.others:
            self.others[key] = self.of_shapes(inputs) or self.anew(inputs)
            while len(self.others) > MOST_POINTS:
                self.others.popitem(last=False)
        return self.others[key]

    def of_shapes(self, inputs: Inputs) -> Replayed | None:
        """One that was recorded at another point of these shapes, and holds at all of them."""
        others = (other for other in self.others.values() if isinstance(other, Replayed) and not other.guarded)
        return next((other for other in others if other.holds(inputs)), None)

    def anew(self, inputs: Inputs) -> Replayed | Silent:
        inputs = {k: np.asarray(a, self.inputs[k].dtype) for k, a in inputs.items()}
        try:
            with quiet():
                replay = replay_of(self.forward, inputs)
                check_jax(replay, inputs, run_forward(self.forward, inputs))
            return Replayed(self.forward, inputs, replay)
        except Exception:  # the code at a point that its author did not choose
            return Silent()

    def holds(self, inputs: Inputs) -> bool:
        """Whether the forward does the same at another point."""
        for k, a in self.inputs.items():
            given = np.asarray(inputs[k])
            if given.shape != a.shape or (k not in self.replay.tape.inputs and not np.array_equal(given, a)):
                return False
        return not self.guarded or self.replay.holds(inputs)


class Silent:
    """What is said where nothing could be recorded: nothing finite, which no witness is blamed for."""

    guarded = True

    def __call__(self, **inputs: Any) -> Any:
        return jnp.nan * sum(jnp.sum(a) for a in inputs.values())


@contextmanager
def quiet() -> Generator[None]:
    """No warnings of the user's code; and Python does not look for garbage, of which long tapes look like a lot."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        if enabled:
            gc.enable()


def record(forward: PlainForward, inputs: Inputs, most: int = MOST_STEPS, *, double: bool = True) -> Recorded:
    """The forward `{name: array} -> y` as a function of its inputs in JAX, or why not.

    Args:
        most: steps on the tape.
        double: whether what the code rounds to fewer digits is computed in float64: its formula, not its arithmetic.
    """
    try:
        with quiet():
            y = run_forward(forward, inputs)
            replay = replay_of(forward, inputs, most)
            compare(forward, inputs, y, replay)
    except Unrecordable as reason:
        return Recorded(None, str(reason))
    except Exception as error:  # the user's code on arrays that are none, or a function of JAX that takes less
        return Recorded(None, refusal(error))
    lines = dict.fromkeys(step.line._replace(column=0) for step in replay.steps if step.line is not None)
    return Recorded(Replayed(forward, inputs, replay, double=double), "", len(replay.steps), tuple(lines))


def refusal(error: Exception) -> str:
    """An exception of the code, or of JAX, in a line."""
    if "JAX array" in str(error) or "not a valid JAX type" in str(error):
        return f"it computes in JAX itself{where_raised(error)}"
    said = (str(error).splitlines() or [""])[0][:160]
    return f"it refuses to be recorded: {type(error).__name__}: {said}{where_raised(error)}"


def replay_of(forward: PlainForward, inputs: Inputs, most: int = MOST_STEPS) -> Replay:
    """One run of the forward on recorded arrays."""
    tape = new_tape(most)
    given: dict[str, Any] = {
        k: of_input(tape, k, a) if np.asarray(a).dtype.kind == "f" else np.array(a, order="K")
        for k, a in inputs.items()
    }
    with recording(tape, forward):
        try:
            y = forward(given)
        except Exception:
            if tape.failure:
                raise Unrecordable(tape.failure) from None
            raise
        if tape.failure:
            raise Unrecordable(tape.failure)
        y = stacked(tape, y) if isinstance(y, list) else y
    return Replay(tape, output_of(tape, y))


def output_of(tape: RecordedTape, y: Any) -> int:
    if not is_recorded(y):
        kind = type(y).__name__
        if values_in(y):
            raise Unrecordable(f"it returns a {kind} of recorded values")
        raise Unrecordable(f"it returns a plain {kind}: what it does with its inputs was not seen")
    if not y.moving:
        raise Unrecordable("its result does not depend on its inputs by anything that was seen")
    return y.place()


# ---------------------------------------------------------------------- compared


def compare(forward: PlainForward, inputs: Inputs, true: Array, replay: Replay) -> None:
    """The tape against the forward at the point and beside it.

    Raises:
        Unrecordable: they differ, or JAX does not take the tape.
    """
    check_jax(replay, inputs, true)
    run = replay.jitted if len(replay.checked) > LONG and not replay.guards else replay.numpy
    y, holds = run(inputs)
    if not holds or not close(y, true, np.zeros(true.shape)):
        raise Unrecordable("its replay is not what it gives: it does not do the same twice, or something was not seen")
    rng = np.random.default_rng(0)
    for size in MOVES:
        beside = {k: moved(a, size, rng) if k in replay.tape.inputs else a for k, a in inputs.items()}
        try:
            there = run_forward(forward, beside)
            again, holds = run(beside)
        except Exception:  # outside of what the code takes: closer, then
            continue
        if not holds or not np.isfinite(there[np.isfinite(true)]).all():
            continue
        if again.shape != there.shape or not close(again, there, difference(there, true)):
            raise Unrecordable("its replay beside the point is not what it gives there: something was not seen")
        return


def close(found: Array, true: Array, change: Array) -> bool:
    """Whether two results differ by rounding only: by less than a share of the change that is looked for."""
    if found.shape != true.shape:
        return False
    if true.dtype.kind == "b":
        return np.array_equal(found, true)
    known = np.isfinite(true)
    size = float(np.max(np.abs(true), initial=0.0, where=known))
    rounding = ROUNDING * float(np.finfo(true.dtype).eps) * size if true.dtype.kind == "f" else 0.0
    off = np.abs(np.where(known, found, 0.0) - np.where(known, true, 0.0))
    return bool((off <= SHARE * np.where(known, change, 0.0) + rounding).all()) and bool(
        (np.isfinite(found) == known).all()
    )


def difference(a: Array, b: Array) -> Array:
    return np.abs(a - b) if a.dtype.kind != "b" else np.zeros(a.shape)


def run_forward(forward: PlainForward, inputs: Inputs) -> Array:
    with kept(reached(forward)):
        return np.array(forward({k: np.array(a) for k, a in inputs.items()}))


def moved(a: Array, size: float, rng: np.random.Generator) -> Array:
    """Every number moved by that share of itself; zeros stay, since they may have been meant."""
    return np.asarray(a * (1 + size * rng.choice([-1.0, 1.0], a.shape)), a.dtype)


def check_jax(replay: Replay, inputs: Inputs, y: Array) -> None:
    with double_precision():
        out = jax.eval_shape(lambda d: replay(**d), {k: inputs[k] for k in replay.tape.inputs})
    if tuple(out.shape) != y.shape or out.dtype != y.dtype:
        raise Unrecordable(f"its replay gives {out.dtype} {out.shape}, where it gives {y.dtype} {y.shape}")
