"""A trace as a key: two traces with one key are one program."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend import core


def fingerprint(jaxpr: core.Jaxpr) -> Hashable:
    """The trace as a key: its text, and with every bit what the text shortens or leaves out."""
    return str(jaxpr), hidden(jaxpr)


def key_of(closed: core.ClosedJaxpr) -> Hashable:
    """The key of a program that takes what `closed` closes over as arguments: of those, shapes and dtypes only.

    What a function inside closes over (a jitted one, a branch) is no argument, and counts with its values.
    """
    return fingerprint(closed.jaxpr), tuple((np.shape(c), str(jnp.result_type(c))) for c in closed.consts)


def key_with_constants(closed: core.ClosedJaxpr) -> Hashable:
    """The key of a program that has what `closed` closes over built in: the values, too."""
    return fingerprint(closed.jaxpr), tuple(bits(c) for c in closed.consts)


def key_of_equation(eqn: core.JaxprEqn) -> Hashable:
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


def hidden_in(eqn: core.JaxprEqn) -> tuple[Any, ...]:
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
