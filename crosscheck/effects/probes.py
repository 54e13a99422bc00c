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

from crosscheck.effects.batch import NO_SAMPLES, empty_accepted, shapes_and_numbers, zero_gradients
from crosscheck.effects.calls import Calls, Change
from crosscheck.effects.layout import (
    ALL_AT_ONCE,
    DOUBLED,
    READ_ONLY,
    STRIDED,
    explained,
    linear,
    nothing_written,
    read_only_accepted,
    read_only_read,
    strided_accepted,
    strided_read,
)
from crosscheck.effects.memory import (
    arguments_unchanged,
    dtypes_kept,
    gradients_outlive_calls,
    memory_apart,
    output_outlives_backward,
    output_outlives_forward,
)
from crosscheck.effects.state import (
    ALONE,
    REPEATED,
    another_answer,
    never_accumulates,
    never_random,
    never_stale,
    not_by_identity,
    not_first_for_ever,
)
from crosscheck.effects.visits import BACKWARD, BACKWARD_AT_B, FORWARD, FORWARD_AT_B

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
    Probe("forward writes to its arguments",    FORWARD,       arguments_unchanged,      "mutated-argument", FAILS),
    Probe("another dtype out of forward",       FORWARD,       dtypes_kept,              "dtype",            TOLD),
    Probe("backward writes to its arguments",   BACKWARD,      arguments_unchanged,      "mutated-argument", FAILS),
    Probe("shared memory",                      BACKWARD,      memory_apart,             "aliased",          TOLD),
    Probe("another dtype out of backward",      BACKWARD,      dtypes_kept,              "dtype",            TOLD),
    Probe("backward overwrites the output",     BACKWARD,      output_outlives_backward, "aliased",          TOLD),
    Probe("forward writes to B's arguments",    FORWARD_AT_B,  arguments_unchanged,      "mutated-argument", FAILS),
    Probe("backward writes to B's arguments",   BACKWARD_AT_B, arguments_unchanged,      "mutated-argument", FAILS),
    Probe("forward overwrites the last output", BACKWARD_AT_B, output_outlives_forward,  "aliased",          TOLD),
    Probe("the same answer everywhere",         BACKWARD_AT_B, another_answer,           "stale",            FAILS),
    # the third backward, all variants in one call; where its answer differs, what changed it: one at a time
    Probe("an answer moved by other calls",     REPEATED,      never_stale,              "stale",            FAILS),
    Probe("an answer added to",                 REPEATED,      never_accumulates,        "accumulates",      FAILS),
    Probe("an answer of chance",                REPEATED,      never_random,             "nondeterministic", FAILS),
    Probe("equal values written",               READ_ONLY,     nothing_written,          "mutated-argument", FAILS),
    Probe("read-only arrays refused",           READ_ONLY,     read_only_accepted,       "readonly",         TOLD),
    Probe("read-only arrays misread",           READ_ONLY,     read_only_read,           "readonly",         FAILS),
    Probe("strided arrays refused",             STRIDED,       strided_accepted,         "noncontiguous",    TOLD),
    Probe("strided arrays misread",             STRIDED,       strided_read,             "noncontiguous",    FAILS),
    Probe("nonlinear in the cotangent",         DOUBLED,       linear,                   "nonlinear",        FAILS),
    Probe("a difference without a cause",       ALL_AT_ONCE,   explained,                "nondeterministic", FAILS),
    Probe("gradients overwritten later",        ALL_AT_ONCE,   gradients_outlive_calls,  "aliased",          TOLD),
    # only where the answer at B is wrong, or nobody knows whether it is
    Probe("a cache by identity",                ALONE,         not_by_identity,          "stale",            FAILS),
    Probe("a cache filled once and for all",    ALONE,         not_first_for_ever,       "stale",            FAILS),
    # small calls
    Probe("an empty batch refused",             NO_SAMPLES,    empty_accepted,           "zero-size",        TOLD),
    Probe("shapes of an empty batch",           NO_SAMPLES,    shapes_and_numbers,       "zero-size",        TOLD),
    Probe("gradients of an empty batch",        NO_SAMPLES,    zero_gradients,           "zero-size",        FAILS),
)
# fmt: on
