"""How much a search may do, counted in work, so that the same call gives the same answer on any machine.

The unit is one entry of one value that is computed. A pass over the tape touches every value of the forward; what a
step costs beside its entries (a call into compiled code) is counted as `STEP` entries, and a contraction's
multiplications as a quarter of one each. The clock is read only where the caller gave a number of seconds.
"""

from __future__ import annotations

import math
import time
from typing import Any

from crosscheck.traces.tape import Step, Tape

# Measured on two cores: a pass over a small tape takes 0.1 to 0.4 ms with 3 to 40 steps, one more entry 2 to 5 ns,
# one more multiplication in a contraction 0.5 to 1 ns.
STEP = 4_000
MULTIPLICATION = 0.25
# A step of a tape so long that each is called by itself: 20 µs where there are a hundred of them, and as much again for
# every thousand: what a pass touches leaves the caches.
ALONE = 20_000
THOUSAND = 1_000
# One equation of a loop's body, once more: it is compiled with the others.
WORK_OF_A_TURN = 100
# One call of a user's Python code, in entries: nobody knows what it does; 0.1 ms is the least of a layer in NumPy.
CALL = 30_000
# What a search may spend unless the caller says otherwise: five to ten seconds on that machine. A network of 37 steps
# takes 1.6e8 for one gradient that nothing explains, a single layer 1e7.
WORK = 4e9


class Budget:
    """What is left of the work, and of the caller's seconds where there are any."""

    def __init__(self, work: float = WORK, seconds: float | None = None) -> None:
        self.left = float(work)
        self.deadline = None if seconds is None else time.perf_counter() + seconds

    def spend(self, work: float) -> None:
        self.left -= work

    def share(self, among: int) -> Budget:
        """A part of what is left, for one of several; what it does not use is put back with `give_back`."""
        part = Budget(self.left / among)
        self.left -= part.left
        if self.deadline is not None:
            now = time.perf_counter()
            part.deadline = now + max(self.deadline - now, 0.0) / among
        return part

    def give_back(self, part: Budget) -> None:
        self.left += part.left

    @property
    def ended(self) -> bool:
        return self.left <= 0 or (self.deadline is not None and time.perf_counter() > self.deadline)


def pass_work(tape: Tape) -> float:
    """The work of one backward pass. How often a `while` turns is not known before: it counts as once."""
    step_work = ALONE * (1 + len(tape.steps) / THOUSAND) if tape.stepwise else STEP
    return sum(step_work + written(step.eqn) + MULTIPLICATION * multiplications(tape, step) for step in tape.steps)


def written(eqn: Any) -> float:
    """The entries that an equation writes, those inside a loop included."""
    entries = sum(math.prod(v.aval.shape) for v in eqn.outvars)
    body = getattr(eqn.params.get("jaxpr"), "jaxpr", None) if eqn.primitive.name == "scan" else None
    if body is None:
        return entries
    return entries + eqn.params["length"] * sum(WORK_OF_A_TURN + written(inner) for inner in body.eqns)


def multiplications(tape: Tape, step: Step) -> float:
    """Of a matrix product or a convolution: the entries it writes times the terms of each."""
    if step.name not in ("dot_general", "conv_general_dilated"):
        return 0
    left, right = (tape.avals[place].shape for place in step.reads)
    numbers = step.eqn.params["dimension_numbers"]
    if step.name == "dot_general":
        terms = math.prod(left[axis] for axis in numbers[0][0])
    else:
        terms = math.prod(right) // max(right[numbers.rhs_spec[0]], 1)
    return math.prod(tape.avals[step.writes[0]].shape) * terms
