"""How much a search may do, counted in work, so that the same call gives the same answer on any machine.

The unit is one entry of one value that is computed. A backward pass of the tape touches every value of the forward
once; what a step costs beside its entries (a call into compiled code) is counted as `STEP` entries. The clock is read
only where the caller gave a number of seconds.
"""

from __future__ import annotations

import time

# Measured on two cores: a pass over a small tape takes 0.1 to 0.4 ms with 5 to 30 steps, and one more entry 2 to 5 ns.
STEP = 4_000
# One call of a user's Python code, in entries: nobody knows what it does; 0.1 ms is the least of a layer in NumPy.
CALL = 30_000
# What a search may spend unless the caller says otherwise: some four seconds of it on that machine.
WORK = 1_200_000_000


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
