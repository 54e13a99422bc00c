"""The laws of whole programs, on those that are soon compiled; `python -m tests.rounding.programs` has them all."""

from __future__ import annotations

import pytest

from tests.rounding import programs
from tests.rounding.programs import Program, held

QUICK = [
    programs.rnn(),
    programs.circular(real=True),
    programs.cube(),
    programs.decay(),
    programs.adding(),
    programs.scatter(),
]
# What may be wider, and why: `k Σ|terms|` where the terms happen to be of both signs.
WIDE = {"a gather of 100,000 equal indices": 1e8}


@pytest.mark.parametrize("program", QUICK, ids=lambda p: p.name)
def test_neither_jax_nor_numpy_is_outside(program: Program) -> None:
    found = held(program)
    assert found.jax <= 1, str(found)
    assert found.hand <= 1, str(found)
    assert found.width <= WIDE.get(program.name, 300), str(found)
