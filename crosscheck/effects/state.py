"""State: what the code remembers from one call to the next.

A cache filled once and for all or kept by the identity of an array gives stale answers; a gradient that is added to and
never cleared accumulates; one that differs otherwise between identical calls is nondeterministic.
"""

from __future__ import annotations

import numpy as np

from crosscheck.effects.arrays import Arrays, far, finite, same_bytes
from crosscheck.effects.calls import STATE, Calls, listed


def repeated(calls: Calls, first: Arrays, other: Arrays | None) -> None:
    """Whether the answer at B is that at A."""
    same = [k for k in finite(first) if other and first[k].any() and same_bytes(first[k], other[k])]
    same = calls.right(same, first)
    if same:
        calls.add(
            "stale",
            f"the gradient of {listed(same)} at a second point is that of the first",
            fails=True,
        )


def unsteady(calls: Calls, first: Arrays) -> None:
    """Whether identical calls at A go on giving the first answer; three more are made."""
    answers = [calls.plain() for _ in range(3)]
    for k in first:
        states = [first[k], *(r[k] for r in answers)]
        if any(s.shape != first[k].shape for s in states):
            calls.add("nondeterministic", f"the gradient of {k} changes its shape", fails=True)
            return
        steady = all(calls.close(k, s, states[1]) for s in states[2:])
        if steady and calls.close(k, states[1], first[k]):
            continue
        grown = states[2] - states[1], states[3] - states[2]
        if steady:
            calls.add(
                "stale",
                f"the gradient of {k} at one point changes after a call at another point",
                fails=True,
            )
        elif far(first[k] + grown[0], first[k]) and not far(grown[1], grown[0]):
            calls.add(
                "accumulates",
                f"the gradient of {k} grows by the same amount with every call",
                fails=True,
            )
        else:
            calls.add(
                "nondeterministic",
                f"the gradient of {k} differs between identical calls",
                fails=True,
            )


def remembered(calls: Calls, first: Arrays, other: Arrays) -> None:
    """Whether the answer at B, in the arrays that held A, was made from something of A's."""
    if calls.found(*STATE):
        return
    suspects = [k for k in finite(first) if np.isfinite(other[k]).all()]
    if calls.truth_at_other is not None:
        suspects = [k for k in suspects if far(other[k], calls.truth_at_other[k])]
    if not suspects:
        return
    try:
        alone = calls.plain(calls.w, calls.b)
        by_identity = [k for k in suspects if far(other[k], alone[k])]
        if by_identity:
            calls.add(
                "stale",
                f"the gradient of {listed(by_identity)} is that of earlier values of the same array objects",
                fails=True,
            )
        elif calls.truth_at_other is not None:
            first_for_ever(calls, calls.right(suspects, first), other)
    except Exception:  # B again: the code may refuse what it took before, and then nothing can be said
        return


def first_for_ever(calls: Calls, suspects: list[str], other: Arrays) -> None:
    """Right at A, wrong at B, and at B what would be true if one input still were that of A."""
    if not suspects or calls.vjp is None:
        return
    for name, values in calls.a.items():
        if same_bytes(values, calls.b[name]):
            continue
        mixed = calls.vjp({**calls.b, name: values}, calls.w)
        held = [k for k in suspects if not far(other[k], mixed[k])]
        if held:
            calls.add(
                "stale",
                f"the gradient of {listed(held)} is right at the first point only, as if the "
                f"first {name} were used for ever",
                fails=True,
            )
            return
