"""Variants of the backward call at A: read-only, strided, Fortran-ordered arrays, the cotangent times -2.

The answer must be the first one within rounding (-2 times it in the last). One call has all variants at once; only
where it differs are they made one at a time, to name the cause; first nothing is changed, to see whether code with a
memory is the cause.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from crosscheck.effects.arrays import Array, Arrays, fresh, locked, strided
from crosscheck.effects.calls import Calls, Change, commas
from crosscheck.effects.visits import BACKWARD, visited
from crosscheck.evidence.finding import UNSETTLED
from crosscheck.operation import describe

Expectation = Callable[[Calls, "Arrays | Exception"], Iterator[str]]


def unchanged(a: Array) -> Array:
    return a


def in_fortran_order(a: Array) -> Array:
    """`np.asfortranarray`, but that a number without axes stays one."""
    return np.asarray(a, order="F")


@dataclass(frozen=True)
class Variant:
    """A backward call at A in other arrays of the same values.

    Args:
        layout: gives an array of the same values for one made for it; for every input and the cotangent.
        factor: the cotangent is multiplied by it and the answer divided; a power of two, so that nothing rounds.
        refusable: whether an exception is an answer. One on plain arrays is the user's own and passes through.
    """

    layout: Callable[[Array], Array] = unchanged
    factor: float = 1.0
    refusable: bool = True

    def __call__(self, calls: Calls) -> Arrays | Exception:
        try:
            inputs = {k: self.layout(fresh(x)) for k, x in calls.a.inputs.items()}
            answer = calls.backward(self.layout(fresh(self.factor * calls.a.cotangent)), inputs)
        except Exception as error:
            if self.refusable:
                return error
            raise
        gradients = {k: np.asarray(g) for k, g in answer.items()}
        return {k: g / g.dtype.type(self.factor) for k, g in gradients.items()}


VARIANTS = {
    "read-only arrays": Variant(locked),
    "strided arrays": Variant(strided),
    "arrays in Fortran order": Variant(in_fortran_order),
    "cotangent times -2": Variant(factor=-2.0, refusable=False),
}


def all_layouts(a: Array) -> Array:
    """The last first: what is made from a read-only array could be written to."""
    for variant in reversed(VARIANTS.values()):
        a = variant.layout(a)
    return a


ALL_AT_ONCE = Change(", ".join(VARIANTS), Variant(all_layouts, math.prod(v.factor for v in VARIANTS.values())))
# Three equal calls show whether an answer moved once, moves by the same amount, or moves otherwise (`state`).
EQUAL_CALLS = Change(
    "nothing, three times over",
    lambda calls: [calls.plain(calls.a) for _ in range(3)],
    when=lambda calls: differs(calls, ALL_AT_ONCE),
)
ISOLATED = tuple(
    Change(name, variant, when=lambda calls: calls.answer(EQUAL_CALLS) is not None and not calls.found(*UNSETTLED))
    for name, variant in VARIANTS.items()
)
READ_ONLY, STRIDED, FORTRAN, DOUBLED = ISOLATED


def differs(calls: Calls, change: Change[Arrays | Exception]) -> bool:
    """Whether the answer to a variant is not the first one."""
    answer = calls.answer(change)
    return answer is not None and (isinstance(answer, Exception) or bool(wrong(calls, answer)))


def wrong(calls: Calls, answer: Arrays | Exception) -> list[str]:
    """The names whose gradient is not the first one; none where the call was refused."""
    return [] if isinstance(answer, Exception) else calls.unequal(answer, visited(calls, BACKWARD).values)


# ---------------------------------------------------------------------- expectations


def nothing_written(calls: Calls, answer: Arrays | Exception) -> Iterator[str]:
    if isinstance(answer, Exception) and writes(answer) and not calls.found("mutated-argument"):
        yield (
            "backward writes to an argument or to grad_output (if only equal values): on read-only arrays it raises "
            f"{describe(answer)}"
        )


def read_only_accepted(calls: Calls, answer: Arrays | Exception) -> Iterator[str]:
    if isinstance(answer, Exception) and not writes(answer):
        yield f"read-only arrays are refused: {describe(answer)}"


def strided_accepted(calls: Calls, answer: Arrays | Exception) -> Iterator[str]:
    if isinstance(answer, Exception):
        yield f"non-contiguous arrays are refused: {describe(answer)}"


def fortran_accepted(calls: Calls, answer: Arrays | Exception) -> Iterator[str]:
    if isinstance(answer, Exception):
        yield f"arrays in Fortran order are refused: {describe(answer)}"


def same_as_first(otherwise: str) -> Expectation:
    """The gradient is the first one; `otherwise` continues "the gradient of x ..." where it is not."""

    def expectation(calls: Calls, answer: Arrays | Exception) -> Iterator[str]:
        names = wrong(calls, answer)
        if names and not isinstance(answer, Exception):
            first = visited(calls, BACKWARD).values
            names = [k for k in names if not calls.scattered(k, answer[k], first[k])]
        if names:
            yield f"the gradient of {commas(names)} {otherwise}"

    return expectation


same_read_only = same_as_first("is wrong for read-only arrays")
same_strided = same_as_first("is wrong for non-contiguous arrays")
same_fortran = same_as_first("is wrong for arrays in Fortran order, which a transpose gives")
linear = same_as_first("is not linear in grad_output: -2 times that does not give -2 times it")


def explained(calls: Calls, answer: Arrays | Exception) -> Iterator[str]:
    """Where the variants had to be isolated, one of them differs."""
    isolated = all(calls.answer(change) is not None for change in ISOLATED)
    if isolated and not any(differs(calls, change) for change in ISOLATED):
        yield "one of several equal calls gave another answer"


def writes(error: Exception) -> bool:
    """Whether NumPy raised because a read-only array was written to."""
    text = str(error)
    return isinstance(error, ValueError) and (
        "assignment destination is read-only" in text or "output array is read-only" in text
    )
