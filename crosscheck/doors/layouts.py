"""Where the outputs of a forward lie in the one vector that the judge has for them (`structure`)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

REAL, IMAG = ".real", ".imag"  # the halves of a complex leaf


class Piece(NamedTuple):
    """A leaf of the output: its name and shape, whether it is complex or a plain number, and where it lies in (1)."""

    name: str
    shape: tuple[int, ...]
    is_complex: bool
    is_number: bool
    start: int
    stop: int


class Layout(NamedTuple):
    """What a forward returned at some shapes of its inputs: an example of the structure, and the parts of (1).

    `is_plain`: one real array, which is not laid out at all.
    """

    example: Any
    parts: tuple[Piece, ...]
    is_plain: bool

    def where(self, index: int) -> str:
        """The entry of the output at a place of (1), as `[1][3, 4]`."""
        part = next(p for p in self.parts if p.start <= index < p.stop)
        size = (part.stop - part.start) // (2 if part.is_complex else 1)
        at = np.unravel_index((index - part.start) % size, part.shape) if part.shape else ()
        entry = f"[{', '.join(str(int(i)) for i in at)}]" if at else ""
        half = "" if not part.is_complex else REAL if index - part.start < size else IMAG
        return f"{part.name}{entry}{half}" or "the output"
