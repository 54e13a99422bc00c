"""The arrays that go in and out: arguments written to, memory shared or written to later, dtypes changed.

No further call is made for it: these are looks at the ordinary visits.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crosscheck.effects.arrays import overlap, touches
from crosscheck.effects.calls import Calls, commas
from crosscheck.effects.comparison import same_bytes
from crosscheck.effects.visits import BACKWARD, COTANGENT, FORWARD, OUTPUT, Visit, visited


def arguments_unchanged(calls: Calls, visit: Visit) -> Iterator[str]:
    """Byte for byte."""
    for k, array in visit.given.items():
        if not same_bytes(array, visit.held[k]):
            yield f"{visit.who} writes to " + ("grad_output, which arrives" if k == COTANGENT else f"its argument {k}")


def apart(calls: Calls, visit: Visit) -> Iterator[str]:
    """No gradient shares memory with what was given, nor with another gradient."""
    gradients = {k: np.asarray(g) for k, g in visit.returned.items()}
    names = list(gradients)
    for i, k in enumerate(names):
        for name, argument in visit.given.items():
            if overlap(gradients[k], argument):
                what = "grad_output" if name == COTANGENT else f"the argument {name}"
                yield f"the gradient of {k} shares memory with {what}"
        for other in names[i + 1 :]:
            if overlap(gradients[k], gradients[other]):
                yield f"the gradients of {k} and {other} share memory"


def dtypes_kept(calls: Calls, visit: Visit) -> Iterator[str]:
    """The output has the operation's dtype, a gradient its input's."""
    for k, value in visit.values.items():
        what, wanted = ("the output", calls.operation.dtype)
        if k != OUTPUT:
            what, wanted = f"the gradient of {k}", calls.a.inputs[k].dtype
        if value.dtype != wanted:
            lost = value.dtype.kind == "f" and value.dtype.itemsize < wanted.itemsize
            yield f"{what} {'loses precision' if lost else 'changes its dtype'}: {value.dtype} instead of {wanted}"


def output_stays(calls: Calls, visit: Visit) -> Iterator[str]:
    first = visited(calls, FORWARD)
    if overwritten(first):
        yield "backward overwrites the array that forward returned"


def own_output_stays(calls: Calls, visit: Visit) -> Iterator[str]:
    """The array returned at A still holds what it held, unless it is a view of the arguments, which hold B by now."""
    first = visited(calls, FORWARD)
    if overwritten(first) and not touches(np.asarray(first.returned[OUTPUT]), first.given.values()):
        yield "a call of forward overwrites the array that the last one returned"


def gradients_stay(calls: Calls, answer: object) -> Iterator[str]:
    """The arrays returned at A still hold what they held, unless they are views of the arguments, which hold B by now.

    What accumulates is known by then, and is not told again.
    """
    first = visited(calls, BACKWARD)
    changed = [k for k in overwritten(first) if not touches(np.asarray(first.returned[k]), first.given.values())]
    if changed and not calls.found("accumulates"):
        yield f"the array returned as the gradient of {commas(changed)} is overwritten by the next call: copy it"


def overwritten(visit: Visit) -> list[str]:
    """The names of what was returned and no longer is what it was."""
    return [k for k, value in visit.values.items() if not same_bytes(np.asarray(visit.returned[k]), value)]
