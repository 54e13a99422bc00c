"""What a long check is doing: one line on the terminal, from the third second on.

Shown where standard error is a terminal, and nowhere else: a pipe, a file, a notebook see nothing of it. One check at a
time is shown; those beside it are silent. What is announced beforehand, how often a slow forward will be called, is
logged as well (`logging.getLogger("crosscheck")`, INFO).
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress

from crosscheck.deadline import Deadline

WAIT = 2.0  # seconds: a shorter check shows nothing
REDRAWN_EVERY = 0.25
ERASED = "\r\x1b[K"  # the line that is there

SHOWING = threading.Lock()


def on_terminal() -> bool:
    """Whether somebody watches standard error."""
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # None where there is no console; closed
        return False


@contextmanager
def shown(name: str, deadline: Deadline) -> Generator[None]:
    """While the block runs, what `deadline` says is being done; nothing in its first seconds."""
    if not on_terminal() or not SHOWING.acquire(blocking=False):
        yield
        return
    over = threading.Event()
    line = threading.Thread(target=draw, args=(name, deadline, over), daemon=True, name="crosscheck progress")
    line.start()
    try:
        yield
    finally:
        over.set()
        line.join()
        SHOWING.release()


def draw(name: str, deadline: Deadline, over: threading.Event) -> None:
    started = time.monotonic()
    if over.wait(WAIT):
        return
    while not over.is_set():
        for sentence in deadline.announced():
            write(f"{ERASED}{sentence}\n")
        write(ERASED + line_of(name, deadline, time.monotonic() - started)[: shutil.get_terminal_size().columns - 1])
        over.wait(REDRAWN_EVERY)
    write(ERASED)


def write(text: str) -> None:
    with suppress(OSError, ValueError):  # the terminal may be gone
        sys.stderr.write(text)
        sys.stderr.flush()


def line_of(name: str, deadline: Deadline, seconds: float) -> str:
    left = "" if deadline.seconds is None else f" of {deadline.seconds:.0f}"
    return f"checking {name}: {deadline.doing}; {deadline.calls:,} calls, {seconds:.0f}{left} s"
