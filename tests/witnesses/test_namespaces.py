"""What code can reach: what is near comes first, and what was bound meanwhile is undone."""

from __future__ import annotations

from typing import Any

import numpy as np

import crosscheck
from crosscheck.witnesses.namespaces import LONGEST, MOST_OBJECTS, kept, reached


class Thing:
    def __init__(self, held: Any = None) -> None:
        self.held = held


class Layer:
    """Its weights are near; a cache that many layers of a long process have filled is reached, too, and is too much."""

    cache = Thing([Thing([Thing([Thing() for _ in range(90)]) for _ in range(20)]) for _ in range(20)])

    def __init__(self) -> None:
        self.parts = {"dense": {"w": np.ones(3)}}

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.cache.held.append(Thing())
        self.parts["dense"]["w"] = self.parts["dense"]["w"] * x
        return self.parts["dense"]["w"]


def test_the_near_is_reached_before_there_is_too_much() -> None:
    layer = Layer()
    found = reached(layer.forward)
    assert MOST_OBJECTS < 20 * 20 * 90
    w, length = layer.parts["dense"]["w"], len(layer.cache.held)
    with kept(found):
        layer.forward(np.zeros(3))
    assert layer.parts["dense"]["w"] is w
    assert len(layer.cache.held) == length


def test_what_is_bound_in_a_long_dictionary_is_undone() -> None:
    memo: dict[Any, Any] = {i: i for i in range(LONGEST + 1)}

    def forward(x: int) -> int:
        memo[x] = -x
        return memo[x]

    with kept(reached(forward)):
        assert forward(7) == forward(7) == -7
    assert memo[7] == 7


class FrozenList(list[Any]):
    """As the names of a table's columns are kept: never to be changed."""

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError("never to be changed")


class FrozenDict(dict[str, Any]):
    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError("never to be changed")


class Model:
    """NumPy itself is held in both: what is put in its place for a recording, they refuse."""

    def __init__(self) -> None:
        self.names, self.held = FrozenList(["a", np, "b"]), FrozenDict(xp=np)

    def loss(self, x: Any) -> Any:
        return np.sin(x).sum() * len(self.names)


def test_containers_that_may_not_be_changed_are_left_alone() -> None:
    model = Model()
    x = np.array([0.3, -0.5])
    assert crosscheck.check_gradient(model.loss, lambda x: 3 * np.cos(x), x)
    assert not crosscheck.check_gradient(model.loss, lambda x: 2 * np.cos(x), x, diagnose=False)
    assert model.names == ["a", np, "b"]
    assert model.held == {"xp": np}
