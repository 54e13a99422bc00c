"""Configurations for Hypothesis, from the same spaces (`tables` says what a space is).

    @given(configuration=strategies.points(spaces.dense()))
    def test_dense(gradcheck, configuration): ...

Hypothesis shrinks towards the first choice of every dimension, the simplest.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from crosscheck.pytest.tables import settled


def points(space: Any) -> Any:
    """The points of a space that exist, settled; or any choices of a dictionary."""
    strategies = import_module("hypothesis.strategies")
    if isinstance(space, Mapping):
        return strategies.fixed_dictionaries({k: strategies.sampled_from(list(c)) for k, c in space.items()})
    if hasattr(space, "strategy"):
        found = space.strategy()
    else:
        found = points(space.dimensions).filter(getattr(space, "valid", lambda point: True))
    found = found.map(lambda point: settled(space, point, 0))
    return found.filter(lambda configuration: configuration is not None)
