"""Where an equation was written: the file, line and column of the user's code that was being traced.

JAX keeps the call stack with every equation; the innermost frame that is not its own is the line that a reader knows.
Equations of JAX's own helpers (`jnp.var` is compiled on its own) have none, and take that of the call. What is replayed
from a recording has our own frames on its stack: it says in the name of a scope (`scope_of`) where it was written, and
no line of the judge is ever taken for the user's.
"""

from __future__ import annotations

import linecache
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from jax.extend import core, source_info_util

JUDGE = str(Path(__file__).parents[1])
SCOPE = re.compile(r"line ([\w.~%-]+):(\d+):(\d+)")


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


def scope_of(source: Source) -> str:
    """The name of a scope whose equations were written there; a slash would end it."""
    return f"line {quote(source.file, safe='')}:{source.line}:{source.column}"


def source_of(eqn: Any) -> Source | None:
    """Where the user's code made this equation; None where only JAX's own and ours did."""
    named = SCOPE.findall(str(eqn.source_info.name_stack))
    if named:
        file, line, column = named[-1]
        return Source(unquote(file), int(line), int(column))
    said = source_info_util.summarize(eqn.source_info)  # "/path/file.py:12:8 (function)"
    place, _, _ = said.rpartition(" (")
    file, _, column = place.rpartition(":")
    file, _, line = file.rpartition(":")
    if not (file and line.isdigit() and column.isdigit()) or Path(file).is_relative_to(JUDGE):
        return None
    return Source(file, int(line), int(column))


def sources_in(jaxpr: core.Jaxpr) -> tuple[Source | None, ...]:
    """Where every equation was written, those of the jaxprs inside included."""
    found: list[Source | None] = []
    for eqn in jaxpr.eqns:
        found.append(source_of(eqn))
        for value in eqn.params.values():
            for item in value if isinstance(value, (tuple, list)) else (value,):
                inner = item.jaxpr if isinstance(item, core.ClosedJaxpr) else item
                if isinstance(inner, core.Jaxpr):
                    found.extend(sources_in(inner))
    return tuple(found)


def function_name(eqn: Any) -> str:
    """What a function with a rule of its own is called in the code, "logaddexp"; "" of others, and of a lambda."""
    called = eqn.params.get("call_jaxpr")
    said = getattr(getattr(called, "jaxpr", None), "debug_info", None)
    name, _, _ = str(getattr(said, "func_src_info", "")).partition(" ")  # "logaddexp at /path/file.py:12"
    return name if name.isidentifier() else ""
