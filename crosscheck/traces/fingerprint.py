"""A trace as a key: two traces with one key are one program."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend import core

from crosscheck.traces.walk import inner_jaxpr


def fingerprint(jaxpr: core.Jaxpr) -> tuple[Any, ...]:
    """The trace as a key: its text, and the exact literals, which the text may shorten."""
    literals: list[Any] = []

    def collect(j: core.Jaxpr) -> None:
        for eqn in j.eqns:
            for atom in eqn.invars:
                if isinstance(atom, core.Literal):
                    literals.append((str(atom.aval), np.asarray(atom.val).tobytes()))
            inner = inner_jaxpr(eqn)
            if inner is not None:
                collect(inner[0])

    collect(jaxpr)
    return str(jaxpr), tuple(literals)


def key_of(closed: core.ClosedJaxpr) -> tuple[Any, ...]:
    """The key of a program that takes what `closed` closes over as arguments: of those, shapes and dtypes only."""
    return fingerprint(closed.jaxpr), tuple((np.shape(c), str(jnp.result_type(c))) for c in closed.consts)


def key_with_constants(closed: core.ClosedJaxpr) -> tuple[Any, ...]:
    """The key of a program that has what `closed` closes over built in: the values, too."""
    values = tuple((str(jnp.result_type(c)), np.shape(c), np.asarray(c).tobytes()) for c in closed.consts)
    return fingerprint(closed.jaxpr), values
