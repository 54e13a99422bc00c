"""Nested values: dictionaries, tuples, lists, named tuples, dataclasses, and whatever JAX was told is a pytree.

A *branch* has children, each with a label that is written behind the branch's own name:

    {"w": a, 3: b}      params.w, params[3]             namedtuple, dataclass      state.h
    (a, [b, c])         state[0], state[1][1]           another pytree             node[0]

All else is a *leaf*. A branch is rebuilt with other children, of its own type: a dataclass by `dataclasses.replace`,
so that what it derives of its fields is derived anew.
"""

from __future__ import annotations

import copy
import dataclasses
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple


class Branch(NamedTuple):
    """The children of a nested value by their labels, and how it is made of others."""

    children: dict[str, Any]
    rebuild: Callable[[list[Any]], Any]


def branch(value: Any) -> Branch | None:
    """A nested value's children; None for a leaf."""
    if isinstance(value, Mapping):
        keys = list(value)
        return Branch({key_label(k): value[k] for k in keys}, lambda children: mapping_of(value, keys, children))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        fields: tuple[str, ...] = type(value)._fields  # pyright: ignore[reportAttributeAccessIssue]
        return Branch({f".{k}": getattr(value, k) for k in fields}, lambda children: type(value)(*children))
    if isinstance(value, (tuple, list)):
        kind = list if isinstance(value, list) else tuple
        return Branch({f"[{i}]": child for i, child in enumerate(value)}, kind)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value) if f.init]
        return Branch(
            {f".{k}": getattr(value, k) for k in names},
            lambda children: with_fields(value, dict(zip(names, children, strict=True))),
        )
    return pytree(value)


def with_fields(value: Any, children: dict[str, Any]) -> Any:
    """A dataclass with other fields; one that cannot be made anew, since it does not keep what it was made of
    (`InitVar`), is a copy that has them."""
    try:
        return dataclasses.replace(value, **children)
    except ValueError:
        made = copy.copy(value)
        for name, child in children.items():
            object.__setattr__(made, name, child)
        return made


def pytree(value: Any) -> Branch | None:
    """A node of a class that was registered with JAX; where JAX is not loaded there is none."""
    jax = sys.modules.get("jax")
    if jax is None or value is None or not hasattr(jax, "tree_util"):
        return None
    if jax.tree_util.all_leaves([value]):
        return None
    children, shape = jax.tree_util.tree_flatten(value, is_leaf=lambda node: node is not value)
    return Branch({f"[{i}]": child for i, child in enumerate(children)}, shape.unflatten)


def key_label(key: Any) -> str:
    """What is written behind a mapping's name for one of its values."""
    return f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]"


def mapping_of(like: Mapping[Any, Any], keys: list[Any], children: list[Any]) -> Any:
    pairs = dict(zip(keys, children, strict=True))
    if type(like) is dict:
        return pairs
    if isinstance(like, types.MappingProxyType):
        return types.MappingProxyType(pairs)
    made: Any = copy.copy(like)
    for key, child in pairs.items():
        made[key] = child
    return made


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf with its name, in order."""
    found = branch(value)
    if found is None:
        yield name, value
        return
    for label, child in found.children.items():
        yield from leaves(child, name + label)


def rebuilt(value: Any, leaf: Callable[[str, Any], Any], name: str = "") -> Any:
    """A nested value of the same structure, in which every leaf is `leaf(name, leaf)`."""
    found = branch(value)
    if found is None:
        return leaf(name, value)
    return found.rebuild([rebuilt(child, leaf, name + label) for label, child in found.children.items()])
