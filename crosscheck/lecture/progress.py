"""A bar for a training: how far it is, and the loss and accuracy so far."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence

from manual.training import History

WIDTH = 24
REDRAWN_EVERY = 0.2  # seconds


class TrainingBar:
    """`fit(..., progress=bar, after_epoch=bar.after_epoch)`.

    Args:
        show: takes the line to be shown in place of the one before; None: the terminal's current line, and where
            standard error is no terminal, nothing but the last line.
    """

    def __init__(self, show: Callable[[str], None] | None = None) -> None:
        self.show = self.on_terminal if show is None else show
        self.figures = ""
        self.done, self.total = 0, 1

    def __call__(self, numbers: Sequence[int]) -> Iterator[int]:
        self.total, last = len(numbers), 0.0
        for number in numbers:
            yield number
            self.done = number
            if time.perf_counter() - last > REDRAWN_EVERY:
                self.show(self.line())
                last = time.perf_counter()
        self.show(self.line())

    def after_epoch(self, history: History) -> None:
        self.figures = f"  epoch {history.epochs}  loss {history.loss[-1]:.4f}  accuracy {history.accuracy[-1]:.1%}"
        if history.validation:
            self.figures += f"  validation {history.validation[-1].accuracy:.1%}"

    def line(self) -> str:
        full = round(WIDTH * self.done / self.total)
        return f"{'█' * full}{'░' * (WIDTH - full)} {self.done}/{self.total} steps{self.figures}"

    def on_terminal(self, line: str) -> None:
        finished = self.done == self.total
        if sys.stderr.isatty():
            print(f"\r\x1b[K{line}", end="\n" if finished else "", file=sys.stderr, flush=True)
        elif finished:
            print(line, file=sys.stderr, flush=True)
