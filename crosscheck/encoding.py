"""What is printed where the terminal, or the file that is piped to, knows fewer characters than we use.

A page has `±`, the shades of a map and some letters of mathematics. Where standard output is written in a code that
lacks them, as Windows' code pages and Latin-1 do, each is replaced by what one types for it; never a traceback after a
check that is finished.
"""

from __future__ import annotations

import codecs
import io
import sys

TYPED = {
    "±": "+-",
    "≥": ">=",
    "≤": "<=",
    "≠": "!=",
    "×": "x",
    "−": "-",
    "–": "-",
    "→": "->",
    "…": "...",
    "√": "sqrt",
    "Σ": "sum ",
    "∂": "d",
    "∞": "inf",
    "ᵀ": ".T",
    "ε": "eps",
    "·": ".",
    "░": ":",
    "▒": "-",
    "▓": "+",
    "█": "#",
    "✗": "x",
}


def typed(error: UnicodeError) -> tuple[str, int]:
    """An error handler of codecs: what one types in the place of what cannot be written."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(TYPED.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


codecs.register_error("crosscheck.typed", typed)


def never_unwritable() -> None:
    """From now on, nothing that is printed raises for what the code of the output lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="crosscheck.typed")
