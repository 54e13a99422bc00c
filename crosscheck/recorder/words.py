"""What is said of code that cannot be recorded: one line why, and what to do."""

from __future__ import annotations

WHAT_TO_DO = "give reference=, the same forward in jax.numpy"


class Unrecordable(Exception):
    """The code does something to a recorded value that no tape can hold; the message says what, in a line."""


def named(function: object) -> str:
    """`numpy.linalg.inv`, `add.reduce`: a function as its caller would write it."""
    name = getattr(function, "__name__", None) or type(function).__name__
    module = str(getattr(function, "__module__", None) or "")
    return f"{module}.{name}" if module.split(".")[0] in ("numpy", "scipy") else str(name)


def where_raised(error: Exception) -> str:
    """The last line of the user's code that an exception passed, in brackets."""
    ours = ("crosscheck.recorder", "numpy", "jax", "scipy")
    found, trace = "", error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if not str(frame.f_globals.get("__name__", "")).startswith((*ours, "crosscheck")):
            found = f" (at {frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno})"
        trace = trace.tb_next
    return found
