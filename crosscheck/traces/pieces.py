"""What is compiled of programs that are taken apart, and once: a piece of one key is one piece (`fingerprint`).

The numbers that a program closes over are arguments, so the same program with other weights is not compiled again; what
cannot be an argument (a literal, a constant inside a branch) is part of the key with every bit.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any
from weakref import WeakKeyDictionary

from jax.extend import core

from crosscheck.traces.fingerprint import key_of_equation
from crosscheck.traces.programs import Programs

# Compiled pieces; a long program that is evaluated by equations needs some hundred.
COMPILED: Programs[Callable[..., Any]] = Programs(512)
compiled = COMPILED.get

KEYS: WeakKeyDictionary[core.Jaxpr, dict[int, Hashable]] = WeakKeyDictionary()


class Keys:
    """The keys of the equations of one program, those of what it calls included, each written out once."""

    def __init__(self, jaxpr: core.Jaxpr) -> None:
        self.known = KEYS.setdefault(jaxpr, {})  # by identity, which the program keeps alive

    def __call__(self, eqn: core.JaxprEqn) -> Hashable:
        if id(eqn) not in self.known:
            self.known[id(eqn)] = key_of_equation(eqn)
        return self.known[id(eqn)]
