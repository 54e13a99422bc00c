"""Layouts and scale: whether read-only arrays, strided arrays or a cotangent times -2 change the answer."""

from __future__ import annotations

from crosscheck.effects.arrays import Arrays, fresh, locked, strided
from crosscheck.effects.calls import Calls, describe, listed


def read_only(calls: Calls, first: Arrays) -> bool:
    answer = calls.variant(lambda x: locked(fresh(x)))
    if isinstance(answer, Exception):
        if writes(answer):
            calls.add(
                "mutated-argument",
                "backward writes to an argument or to the cotangent (if only equal values): on "
                f"read-only arrays it raises {describe(answer)}",
                fails=True,
            )
        else:
            calls.add("readonly", f"read-only arrays are refused: {describe(answer)}")
        return True
    wrong = calls.unequal(answer, first)
    if wrong:
        calls.add(
            "readonly",
            f"the gradient of {listed(wrong)} is wrong for read-only arrays",
            fails=True,
        )
    return bool(wrong)


def not_contiguous(calls: Calls, first: Arrays) -> bool:
    answer = calls.variant(strided)
    if isinstance(answer, Exception):
        calls.add("noncontiguous", f"non-contiguous arrays are refused: {describe(answer)}")
        return True
    wrong = calls.unequal(answer, first)
    if wrong:
        calls.add(
            "noncontiguous",
            f"the gradient of {listed(wrong)} is wrong for non-contiguous arrays",
            fails=True,
        )
    return bool(wrong)


def linear(calls: Calls, first: Arrays) -> bool:
    wrong = calls.unequal(calls.plain(-2 * calls.v), first, -2.0)
    if wrong:
        calls.add(
            "nonlinear",
            f"the gradient of {listed(wrong)} is not linear in the cotangent: -2v does not give -2 times it",
            fails=True,
        )
    return bool(wrong)


def writes(error: Exception) -> bool:
    """Whether NumPy raised because a read-only array was written to."""
    text = str(error)
    return isinstance(error, ValueError) and (
        "assignment destination is read-only" in text or "output array is read-only" in text
    )
