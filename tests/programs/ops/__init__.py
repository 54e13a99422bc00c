"""The table of operations that random programs are made of, by meaning."""

from tests.programs.ops import (
    contractions,
    decisions,
    elementwise,
    layers,
    linear,
    loops,
    pairs,
    rearrangements,
    reductions,
)
from tests.programs.ops.row import Op

MODULES = (elementwise, pairs, decisions, reductions, contractions, rearrangements, linear, layers, loops)
ROWS = [row for module in MODULES for row in module.OPS]
OPS: dict[str, Op] = {row.name: row for row in ROWS}
if len(OPS) != len(ROWS):
    raise ValueError("two operations of one name")

__all__ = ["OPS", "Op"]
