"""Ctrl-C on the command line: what is finished is printed, and the process leaves within a second, with code 130.

Neither a compilation nor a call into C hears of a signal before it returns. So the work runs beside the main thread,
which does nothing but listen; and it leaves without waiting for what cannot be stopped.

    with when_interrupted(print_what_is_there):         the work says what there is to print
        ...
    listening(work)                                     in the main thread
"""

from __future__ import annotations

import contextvars
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it
PRINTING = 0.5  # seconds that the printing may take
LISTENING = 0.2  # seconds: where a lock cannot be interrupted, how often a signal is looked for

FINISHED: list[Callable[[], None]] = []


@contextmanager
def when_interrupted(say: Callable[[], None]) -> Generator[None]:
    """If Ctrl-C comes while the block runs, `say` prints what is finished; it runs beside the block."""
    FINISHED.append(say)
    try:
        yield
    finally:
        FINISHED.remove(say)


def listening(work: Callable[[], T]) -> T:
    """What `work` returns or raises, done beside this thread, which leaves at Ctrl-C.

    Where signals do not come to this thread, or somebody else answers them, it is plainly done.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return work()
    found: dict[str, Any] = {}
    done = threading.Event()

    def beside() -> None:
        try:
            found["value"] = work()
        except BaseException as error:
            found["error"] = error
        done.set()

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(beside,), daemon=True, name="crosscheck").start()
    try:
        while not done.wait(LISTENING):
            pass
    except KeyboardInterrupt:
        leave()
    if "error" in found:
        raise found["error"]
    return found["value"]


def leave() -> NoReturn:
    """Print what is finished, and go; a second Ctrl-C goes at once."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    printing = threading.Thread(target=print_finished, daemon=True)
    printing.start()
    printing.join(PRINTING)
    os._exit(INTERRUPTED)


def print_finished() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K\x1b[?25h")  # away with the bar's line; the cursor that it hid is shown again
        sys.stderr.flush()
    for say in list(FINISHED):
        say()
        sys.stdout.flush()
    print("interrupted", file=sys.stderr, flush=True)
