"""State: what the code remembers from one call to the next.

A cache filled once and for all or kept by the identity of an array gives stale answers; a gradient that is added to and
never cleared accumulates; one that differs otherwise between identical calls is nondeterministic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from crosscheck.effects.arrays import Array, Arrays
from crosscheck.effects.calls import STATE, Calls, Change, Site, commas
from crosscheck.effects.comparison import far, finite, same_bytes
from crosscheck.effects.uninitialised import unwritten
from crosscheck.effects.visits import BACKWARD, BACKWARD_B, Visit, visited
from crosscheck.evidence.finding import UNSETTLED


def right_at_a(calls: Calls, names: list[str]) -> list[str]:
    """Those that are right at A, as far as is known: what is wrong everywhere is the formula's fault."""
    if not names or calls.truth is None:
        return names
    first, truth = visited(calls, BACKWARD).values, calls.truth(calls.a.inputs, calls.a.cotangent)
    return [k for k in names if not far(first[k], truth[k])]


def suspects(calls: Calls) -> list[str]:
    """The finite gradients that are wrong at B; all of them where the truth is not known."""
    other = calls.answer(BACKWARD_B)
    if other is None:
        return []
    names = [k for k in finite(visited(calls, BACKWARD).values) if np.isfinite(other.values[k]).all()]
    true = calls.b.gradients
    return names if true is None else [k for k in names if far(other.values[k], true[k])]


def alone(calls: Calls) -> Arrays | None:
    try:
        return calls.plain(calls.b)
    except Exception:  # B again: the code may refuse what it took before, and then nothing can be said
        return None


ALONE = Change(
    "backward at B, in arrays made for it",
    alone,
    when=lambda calls: not calls.found(*UNSETTLED) and bool(suspects(calls)),
)


# ---------------------------------------------------------------------- expectations


def another_answer(calls: Calls, visit: Visit) -> Iterator[str]:
    """The answer at B is not that at A, byte for byte."""
    first, other = visited(calls, BACKWARD).values, visit.values
    same = [k for k in finite(first) if first[k].any() and same_bytes(first[k], other[k])]
    same = right_at_a(calls, same)
    if same:
        yield f"the gradient of {commas(same)} at a second point is that of the first"


def never(kind: str) -> Callable[[Calls, list[Arrays]], Iterator[str]]:
    """Identical calls at A go on giving the first answer; at least, they do not differ in this way."""

    def expectation(calls: Calls, answers: list[Arrays]) -> Iterator[str]:
        return (sentence for found, sentence in changes(calls, answers) if found == kind)

    return expectation


never_stale, never_accumulates, never_random = (never(kind) for kind in STATE)


def changes(calls: Calls, answers: list[Arrays]) -> Iterator[tuple[str, str]]:
    """How each gradient differs between identical calls, where it does: the kind, and a sentence."""
    unset = unwritten(calls)
    for k, first in visited(calls, BACKWARD).values.items():
        if k in unset:  # the memory of the last call, mostly: it may seem to be added to
            continue
        one, two, three = (answer[k] for answer in answers)
        if any(a.shape != first.shape for a in (one, two, three)):
            yield "nondeterministic", f"the gradient of {k} changes its shape"
            return
        steady = calls.equal(k, two, one) and calls.equal(k, three, one)
        if steady and calls.equal(k, one, first):
            continue
        if steady:
            yield "stale", f"the gradient of {k} at one point changes after a call at another point"
        elif far(first + (two - one), first) and not far(three - two, two - one):
            yield "accumulates", f"the gradient of {k} grows by the same amount with every call"
        else:
            yield "nondeterministic", f"the gradient of {k} differs between identical calls"


def not_by_identity(calls: Calls, alone: Arrays) -> Iterator[str]:
    """The answer at B was made from B's values, and not from earlier ones of the same array objects."""
    held = by_identity(calls, alone)
    if held:
        yield f"the gradient of {commas(held)} is that of earlier values of the same array objects"


def by_identity(calls: Calls, alone: Arrays) -> list[str]:
    other = calls.answer(BACKWARD_B)
    return [] if other is None else [k for k in suspects(calls) if far(other.values[k], alone[k])]


def not_for_ever(calls: Calls, alone: Arrays) -> Iterator[str]:
    """What is right at A and wrong at B is not what would be true at B if one input still were that of A."""
    other = calls.answer(BACKWARD_B)
    if other is None or calls.truth is None or calls.b.gradients is None or by_identity(calls, alone):
        return
    try:
        names = right_at_a(calls, suspects(calls))
        for name, values in calls.a.inputs.items():
            if not names or same_bytes(values, calls.b.inputs[name]):
                continue
            mixed = calls.truth({**calls.b.inputs, name: values}, calls.b.cotangent)
            held = [k for k in names if not far(other.values[k], mixed[k])]
            held = beside(calls, name, held) if held else []
            if held:
                yield (
                    f"the gradient of {commas(held)} is right at the first point only, as if the first {name} were "
                    "used for ever"
                )
                return
    except Exception:  # the truth, too, may refuse a mixture of the points
        return


ASIDE = 2.0**-6  # of an array's size: off the kinks at which integers lie, and near for a derivative


def beside(calls: Calls, name: str, held: list[str]) -> list[str]:
    """Those of which the same holds near B, at numbers in general position.

    B may lie where comparisons are ties. There a right gradient may be by its convention what the reference's is by
    another's, or where another side of the tie was taken.
    """
    rng = np.random.default_rng(11)

    def moved(a: Array) -> Array:
        scale = ASIDE * float(np.max(np.abs(a), initial=0.0))
        return np.asarray(a + scale * rng.uniform(-1, 1, a.shape), a.dtype) if a.dtype.kind == "f" else a

    b, truth = calls.b, calls.truth
    assert truth is not None
    there = Site({k: moved(x) for k, x in b.inputs.items()}, b.cotangent)
    answer, true = calls.plain(there), truth(there.inputs, there.cotangent)
    mixed = truth({**there.inputs, name: calls.a.inputs[name]}, there.cotangent)
    return [k for k in held if far(answer[k], true[k]) and not far(answer[k], mixed[k])]
