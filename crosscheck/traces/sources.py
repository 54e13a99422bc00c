"""Where an equation was written: the file, line and column of the user's code that was being traced.

JAX keeps the call stack with every equation; the innermost frame that is not its own is the line that a reader knows.
Equations of JAX's own helpers (`jnp.var` is compiled on its own) have none, and take that of the call.
"""

from __future__ import annotations

import linecache
from pathlib import Path
from typing import Any, NamedTuple

from jax.extend import source_info_util


class Source(NamedTuple):
    """A place in a file; `column` tells apart what is computed in one line."""

    file: str
    line: int
    column: int

    @property
    def text(self) -> str:
        """The line as it is written; empty where the file cannot be read."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        place = f"{Path(self.file).name}:{self.line}"
        return f"{place}: {self.text}" if self.text else place


def source_of(eqn: Any) -> Source | None:
    """Where the user's code made this equation; None where only JAX's own did."""
    said = source_info_util.summarize(eqn.source_info)  # "/path/file.py:12:8 (function)"
    place, _, _ = said.rpartition(" (")
    file, _, column = place.rpartition(":")
    file, _, line = file.rpartition(":")
    if not (file and line.isdigit() and column.isdigit()):
        return None
    return Source(file, int(line), int(column))
