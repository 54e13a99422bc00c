"""Gather and scatter by NumPy against XLA, as indexing and its transposes ask for them, and as `lax` does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend import core

from crosscheck.rounding.indexing import gather, scatter, scatter_add
from crosscheck.traces.walk import evaluate

RNG = np.random.default_rng(5)
X = RNG.normal(size=(5, 4, 3))
RULES = {"gather": gather, "scatter": scatter, "scatter-add": scatter_add}
I = np.array([[0, 3, -1], [4, 3, 9]])  # -1 is the last; 9 is outside
J = np.array([2, 0, 1])

READS: dict[str, Callable[[Any], Any]] = {
    "rows": lambda x: x[I],
    "columns": lambda x: x[:, J],
    "last axis": lambda x: x[..., J],
    "two axes": lambda x: x[J, J],
    "two axes apart": lambda x: x[J, :, J],
    "by one beside a slice": lambda x: x[1:4, J, None],
    "clipped": lambda x: x.at[I].get(mode="clip"),
    "filled": lambda x: x.at[I].get(mode="fill", fill_value=7.0),
    "filled with NaN": lambda x: x.at[I].get(mode="fill"),
    "along an axis": lambda x: jnp.take_along_axis(x, jnp.argsort(x, 1), 1),
    "for each sample": lambda x: jax.vmap(lambda a, j: a[j])(x[:3], J),
    "windows": lambda x: jax.vmap(lambda i: lax.dynamic_slice(x, (i, 1, 0), (2, 3, 3)))(jnp.array([0, 2, 4])),
    "windows of each sample": lambda x: jax.vmap(lambda a, i: lax.dynamic_slice(a, (i, 0), (2, 2)))(x[:3], J),
}
WRITES: dict[str, Callable[[Any], Any]] = {
    "set": lambda x: x.at[J].set(x[:3] * 2),
    "set twice": lambda x: x.at[np.array([1, 1, 3])].set(x[:3] * 2),
    "set a column": lambda x: x.at[:, J].set(1.5),
    "add": lambda x: x.at[I].add(x[None, :3]),
    "add at points": lambda x: x.at[J, J, J].add(jnp.array([1.0, 2.0, 3.0])),
    "add, clipped": lambda x: x.at[I].add(1.5, mode="clip"),
    "set, outside dropped": lambda x: x.at[np.array([1, 11])].set(x[:2] + 1),
    "for each sample": lambda x: jax.vmap(lambda a, j: a.at[j].add(a[0]))(x[:3], J),
    "windows": lambda x: jax.vmap(lambda a, i: lax.dynamic_update_slice(a, a[:2, :2] + 1, (i, 0)))(x[:3], J),
}
PULLED: dict[str, Callable[[Any], Any]] = {
    name: lambda x, f=f: jax.vjp(f, x)[1](jnp.cos(jnp.arange(1.0, f(x).size + 1)).reshape(f(x).shape))[0]
    for name, f in READS.items()
}
WHOLE_NUMBERS: dict[str, Callable[[Any], Any]] = {
    "signed": lambda x: (10 * x).astype(int).at[I].get(mode="fill"),
    "unsigned": lambda x: (10 * x).astype(np.uint8).at[I].get(mode="fill"),
    "boolean": lambda x: (x > 0).at[I].get(mode="fill"),
}


@pytest.mark.parametrize("table", [READS, WRITES, PULLED, WHOLE_NUMBERS], ids=["read", "write", "pull", "whole"])
def test_the_same_as_xla(table: dict[str, Callable[[Any], Any]]) -> None:
    with jax.enable_x64(True):
        for name, function in table.items():
            seen = compared(function)
            assert seen, name


def compared(function: Callable[[Any], Any]) -> int:
    """How many gathers and scatters of a program were compared, bit for bit."""
    seen = 0

    def walk(jaxpr: core.Jaxpr, consts: list[Any], args: list[Any]) -> list[Any]:
        nonlocal seen
        env: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))
        for eqn in jaxpr.eqns:
            values = [a.val if isinstance(a, core.Literal) else env[a] for a in eqn.invars]
            inner = eqn.params.get("jaxpr") or eqn.params.get("call_jaxpr")
            if inner is not None and hasattr(inner, "consts"):
                outs = walk(inner.jaxpr, list(inner.consts), values)
            else:
                outs = evaluate(eqn, values)
            rule = RULES.get(eqn.primitive.name)
            if rule is not None:
                np.testing.assert_array_equal(rule(eqn.params, [np.asarray(v) for v in values]), outs[0])
                seen += 1
            env.update(zip(eqn.outvars, outs, strict=True))
        return [a.val if isinstance(a, core.Literal) else env[a] for a in jaxpr.outvars]

    closed = jax.make_jaxpr(function)(X)
    walk(closed.jaxpr, list(closed.consts), [X])
    return seen
