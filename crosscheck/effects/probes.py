"""The table of probes: which side effects are looked for, by which change of the call, and what is expected.

A row is one side effect that shows under one change. The rows are gone through once, in order, and a change is made
when the first row with it comes up: so a row also says when it looks, after the changes above it and before those below
it. Each sentence that the expectation yields is a finding of the row's kind. Written arguments, answers that differ
between identical calls, and stale answers are wrong whatever the numbers say, and fail. The rest is told, and fails
only where a returned value is wrong by it. A layer's gradients may be views of its own state: that is told only where
they change under the caller's hands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, NamedTuple, TypeVar

from crosscheck.effects import batch, layout, memory, state, uninitialised, visits
from crosscheck.effects.calls import Calls, Change

T = TypeVar("T")
FAILS, TOLD = True, False


class Probe(NamedTuple, Generic[T]):
    """One side effect to look for.

    Args:
        name: the side effect.
        change: how the code is called for it.
        expectation: (calls, what the change was answered) -> a sentence for each way in which it is not met.
        kind: of the findings; stable, for programs.
        fails: whether they make the verdict `disagree`.
    """

    name: str
    change: Change[T]
    expectation: Callable[[Calls, T], Iterable[str]]
    kind: str
    fails: bool


# fmt: off
PROBES: tuple[Probe[Any], ...] = (
    # two forwards and two backwards, in the same array objects
    Probe("forward writes to arguments",    visits.FORWARD,     memory.arguments_unchanged, "mutated-argument", FAILS),
    Probe("forward changes the dtype",      visits.FORWARD,     memory.dtypes_kept,         "dtype",            TOLD),
    Probe("backward writes to arguments",   visits.BACKWARD,    memory.arguments_unchanged, "mutated-argument", FAILS),
    Probe("gradients share memory",         visits.BACKWARD,    memory.apart,               "aliased",          TOLD),
    Probe("backward changes the dtype",     visits.BACKWARD,    memory.dtypes_kept,         "dtype",            TOLD),
    Probe("backward overwrites the output", visits.BACKWARD,    memory.output_stays,        "aliased",          TOLD),
    Probe("forward writes to those of B",   visits.FORWARD_B,   memory.arguments_unchanged, "mutated-argument", FAILS),
    Probe("backward writes to those of B",  visits.BACKWARD_B,  memory.arguments_unchanged, "mutated-argument", FAILS),
    Probe("forward overwrites the output",  visits.BACKWARD_B,  memory.own_output_stays,    "aliased",          TOLD),
    Probe("one answer everywhere",          visits.BACKWARD_B,  state.another_answer,       "stale",            FAILS),
    # one more of both, only where the code can make empty arrays
    Probe("memory read before it is set",   uninitialised.FILLED, uninitialised.not_read,  "uninitialised",    FAILS),
    # the third backward, with all variants in one call; where its answer differs, what changed it: one at a time
    Probe("an answer moved by other calls", layout.EQUAL_CALLS, state.never_stale,          "stale",            FAILS),
    Probe("an answer added to",             layout.EQUAL_CALLS, state.never_accumulates,    "accumulates",      FAILS),
    Probe("an answer of chance",            layout.EQUAL_CALLS, state.never_random,         "nondeterministic", FAILS),
    Probe("equal values written",           layout.READ_ONLY,   layout.nothing_written,     "mutated-argument", FAILS),
    Probe("read-only arrays refused",       layout.READ_ONLY,   layout.read_only_accepted,  "readonly",         TOLD),
    Probe("read-only arrays misread",       layout.READ_ONLY,   layout.same_read_only,      "readonly",         FAILS),
    Probe("strided arrays refused",         layout.STRIDED,     layout.strided_accepted,    "noncontiguous",    TOLD),
    Probe("strided arrays misread",         layout.STRIDED,     layout.same_strided,        "noncontiguous",    FAILS),
    Probe("Fortran order refused",          layout.FORTRAN,     layout.fortran_accepted,    "fortran-order",    TOLD),
    Probe("Fortran order misread",          layout.FORTRAN,     layout.same_fortran,        "fortran-order",    FAILS),
    Probe("nonlinear in the cotangent",     layout.DOUBLED,     layout.linear,              "nonlinear",        FAILS),
    Probe("a difference without a cause",   layout.ALL_AT_ONCE, layout.explained,           "nondeterministic", FAILS),
    Probe("gradients overwritten later",    layout.ALL_AT_ONCE, memory.gradients_stay,      "aliased",          TOLD),
    # one more backward, only where the answer at B is wrong or nobody knows whether it is
    Probe("a cache by identity",            state.ALONE,        state.not_by_identity,      "stale",            FAILS),
    Probe("a cache filled for ever",        state.ALONE,        state.not_for_ever,         "stale",            FAILS),
    # small calls
    Probe("an empty batch refused",         batch.NO_SAMPLES,   batch.accepted,             "zero-size",        TOLD),
    Probe("shapes of an empty batch",       batch.NO_SAMPLES,   batch.shaped_and_finite,    "zero-size",        TOLD),
    Probe("gradients of an empty batch",    batch.NO_SAMPLES,   batch.zero,                 "zero-size",        FAILS),
)
# fmt: on
