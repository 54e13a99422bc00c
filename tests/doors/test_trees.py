"""Nested values: their leaves by name, and the same structure with other leaves."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import InitVar, dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from crosscheck.doors.trees import leaves, rebuilt


class Pair(NamedTuple):
    h: Any
    c: Any


@dataclass(frozen=True)
class Params:
    w: Any
    b: Any
    total: Any = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", self.w + self.b)


class Node:
    def __init__(self, first: Any, second: Any) -> None:
        self.first, self.second = first, second


jax.tree_util.register_pytree_node(Node, lambda n: ((n.first, n.second), None), lambda _, c: Node(*c))

NESTED: dict[str, tuple[Any, list[str]]] = {
    "a leaf": (1.0, ["x"]),
    "a dictionary": ({"w": 1.0, 3: 2.0, "not a name": 3.0}, ["x.w", "x[3]", "x['not a name']"]),
    "a tuple of lists": ((1.0, [2.0, (3.0,)]), ["x[0]", "x[1][0]", "x[1][1][0]"]),
    "a named tuple": (Pair(1.0, [2.0]), ["x.h", "x.c[0]"]),
    "a dataclass": (Params(1.0, 2.0), ["x.w", "x.b"]),
    "an ordered dictionary": (OrderedDict(b=1.0, a=2.0), ["x.b", "x.a"]),
    "a pytree": (Node(1.0, {"y": 2.0}), ["x[0]", "x[1].y"]),
    "nothing": (None, ["x"]),
    "an empty tuple": ((), []),
    "a class": (Params, ["x"]),
}


@pytest.mark.parametrize("name", NESTED)
def test_leaves_are_named_in_order(name: str) -> None:
    value, names = NESTED[name]
    assert [k for k, _ in leaves(value, "x")] == names


@pytest.mark.parametrize("name", NESTED)
def test_a_structure_is_rebuilt_with_other_leaves(name: str) -> None:
    value, names = NESTED[name]
    again = rebuilt(value, lambda k, leaf: (leaf, k) if False else leaf, "x")
    assert type(again) is type(value)
    assert list(leaves(again, "x")) == list(leaves(value, "x"))
    seen: list[str] = []
    rebuilt(value, lambda k, leaf: seen.append(k) or leaf, "x")
    assert seen == names


def test_what_a_dataclass_derives_is_derived_anew() -> None:
    doubled = rebuilt(Params(1.0, 2.0), lambda _, leaf: 2 * leaf)
    assert doubled.total == 6.0


@dataclass(frozen=True)
class Made:
    """Of a size that it does not keep."""

    weights: Any
    size: InitVar[int]
    scale: float = field(init=False, default=1.0)

    def __post_init__(self, size: int) -> None:
        object.__setattr__(self, "scale", 1.0 / size)


def test_a_dataclass_that_does_not_keep_what_it_was_made_of_is_copied() -> None:
    made = Made(np.arange(3.0), 4)
    other = rebuilt(made, lambda _, leaf: leaf + 1.0, "m")
    assert isinstance(other, Made)
    assert (other.weights.tolist(), other.scale) == ([1.0, 2.0, 3.0], 0.25)
    assert made.weights.tolist() == [0.0, 1.0, 2.0]
