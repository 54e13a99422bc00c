"""The ordinary calls: forward and backward at A, then both at B, written into the same array objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crosscheck.effects.arrays import Arrays, copied, fresh, refill
from crosscheck.effects.calls import Calls, Change, Site

OUTPUT = COTANGENT = ""  # their place beside the names of the inputs


@dataclass(frozen=True)
class Visit:
    """One ordinary call.

    Args:
        who: forward or backward.
        given: the arrays in the code's hands, by name, and the cotangent.
        held: what they held when they were handed over.
        returned: what came back, by name, just as it came: the code may still write to it.
        values: the same, copied at once.
    """

    who: str
    given: Arrays
    held: Arrays
    returned: dict[str, Any]
    values: Arrays


def forward(calls: Calls, at: Site) -> Visit:
    refill(calls.buffers, at.inputs)
    returned = {OUTPUT: calls.forward(calls.buffers)}
    return Visit("forward", calls.buffers, at.inputs, returned, copied(returned))


def backward(calls: Calls, at: Site) -> Visit:
    refill(calls.buffers, at.inputs)
    given = {**calls.buffers, COTANGENT: fresh(at.cotangent)}
    returned = calls.backward(given[COTANGENT], calls.buffers)
    return Visit("backward", given, {**at.inputs, COTANGENT: at.cotangent}, returned, copied(returned))


def unless_refused(calls: Calls, visit: Callable[[Calls, Site], Visit]) -> Visit | None:
    """A visit to B, which is the judge's choice: the code may refuse it. What it refuses at A, too, passes through."""
    try:
        return visit(calls, calls.b)
    except Exception:
        calls.plain(calls.a)
        return None


FORWARD = Change("forward at A", lambda calls: forward(calls, calls.a))
BACKWARD = Change("backward at A, in the same arrays", lambda calls: backward(calls, calls.a))
FORWARD_B = Change("forward at B, in the same arrays", lambda calls: unless_refused(calls, forward))
BACKWARD_B = Change(
    "backward at B, in the same arrays",
    lambda calls: unless_refused(calls, backward),
    when=lambda calls: calls.answer(FORWARD_B) is not None,
)


def visited(calls: Calls, change: Change[Visit]) -> Visit:
    """The visit to A: it was made, or its exception passed through."""
    visit = calls.answer(change)
    assert visit is not None
    return visit
