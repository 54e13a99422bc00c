"""What is compiled, and once: a cache keyed by a program's structure.

The numbers that a program closes over are arguments, so the same program with other weights is not compiled again; what
cannot be an argument (a literal, a constant inside a branch) is part of the key with every bit.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any
from weakref import WeakKeyDictionary

import jax.numpy as jnp
import numpy as np
from jax.extend import core

LIMIT = 512  # compiled pieces; a long program that is evaluated by equations needs some hundred

MADE: OrderedDict[Hashable, Callable[..., Any]] = OrderedDict()
LOCK = threading.Lock()


def compiled(key: Hashable, make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """The program of that key, made where it is not there; the one used longest ago goes."""
    with LOCK:
        if key not in MADE:
            MADE[key] = make()
            while len(MADE) > LIMIT:
                MADE.popitem(last=False)
        MADE.move_to_end(key)
        return MADE[key]


def structure(closed: core.ClosedJaxpr) -> Hashable:
    """All of a program but the numbers it closes over."""
    shapes = tuple((np.shape(c), str(jnp.result_type(c))) for c in closed.consts)
    return str(closed.jaxpr), shapes, hidden(closed.jaxpr)


KEYS: WeakKeyDictionary[core.Jaxpr, dict[int, Hashable]] = WeakKeyDictionary()


class Keys:
    """The `parameters` of the equations of one program, those of what it calls included, each written out once."""

    def __init__(self, jaxpr: core.Jaxpr) -> None:
        self.known = KEYS.setdefault(jaxpr, {})  # by identity, which the program keeps alive

    def __call__(self, eqn: core.JaxprEqn) -> Hashable:
        if id(eqn) not in self.known:
            self.known[id(eqn)] = parameters(eqn)
        return self.known[id(eqn)]


def parameters(eqn: core.JaxprEqn) -> Hashable:
    """The parameters of one equation, jaxprs among them written out."""
    return eqn.primitive.name, str(sorted(eqn.params.items(), key=lambda item: item[0])), hidden_in(eqn)


def hidden(jaxpr: core.Jaxpr) -> Hashable:
    """What the text of a jaxpr may shorten: literals, and constants of the jaxprs inside."""
    found: list[Any] = []
    for eqn in jaxpr.eqns:
        found.extend(bits(v.val) for v in eqn.invars if isinstance(v, core.Literal))
        inner = hidden_in(eqn)
        if inner:
            found.append(inner)
    return tuple(found)


def hidden_in(eqn: core.JaxprEqn) -> Hashable:
    found: list[Any] = []
    for value in eqn.params.values():
        for item in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(item, core.ClosedJaxpr):
                found.append((tuple(bits(c) for c in item.consts), hidden(item.jaxpr)))
            elif isinstance(item, core.Jaxpr):
                found.append(hidden(item))
    return tuple(found)


def bits(value: Any) -> Hashable:
    a = np.asarray(value)
    return a.shape, str(a.dtype), a.tobytes()
