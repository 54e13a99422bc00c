"""Planted mistakes: a healthy operation whose backward is replaced by one with a mistake that people make.

`forward` is never touched. `table` lists the mistakes; `healthy` has the operations they are planted in; `changes`,
`passes` and `state` the ways of being wrong: any layer's, one layer's, and those that show in the next call; `tangents`
those in forward mode.
"""

from crosscheck.lecture.planted.table import Mutant, all_mutants, tangent_mutants

__all__ = ["Mutant", "all_mutants", "tangent_mutants"]
