"""A reference that is traced once for each kind of arguments, whoever asks.

A check asks a reference for its shape, its VJP, its forward mode, a tape, at several points; each asks by tracing it.
In a reference with a Python loop of a thousand operations every trace takes a second. What is kept is the jaxpr of the
forward alone, from which all else is derived: evaluating a jaxpr is tracing without the Python code.

It lives as long as one check. The next traces afresh, so that a closure that changed is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.extend import core

T = TypeVar("T")


class TracedOnce:
    """`reference(**inputs)` through its jaxpr, which is made when arguments of that kind first come."""

    def __init__(self, reference: Callable[..., Any]) -> None:
        self.reference = reference
        self.known: dict[Any, Any] = {}

    def __call__(self, **inputs: Any) -> Any:
        closed, structure = self.forward(inputs)
        given = [
            a if jnp.result_type(a) == aval.dtype else jnp.asarray(a, aval.dtype)
            for a, aval in zip(jax.tree.leaves(inputs), closed.in_avals, strict=True)
        ]
        return jax.tree.unflatten(structure, core.jaxpr_as_fun(closed)(*given))

    def forward(self, inputs: dict[str, Any]) -> tuple[core.ClosedJaxpr, Any]:
        """The program of the inputs in the order of their names, and the structure of what it returns."""

        def trace() -> tuple[core.ClosedJaxpr, Any]:
            closed, out = traced(self.reference, inputs)
            return closed, jax.tree.structure(out)

        return self.get("forward", inputs, trace)

    def get(self, name: str, arguments: Any, make: Callable[[], T]) -> T:
        """What `make` gives at arguments of this kind: their shapes and dtypes, and whether JAX has 64 bits."""
        kind = kind_of(name, arguments)
        if kind not in self.known:
            self.known[kind] = make()
        return self.known[kind]


def traced(reference: Callable[..., Any], inputs: dict[str, Any]) -> tuple[core.ClosedJaxpr, Any]:
    """The program and the shape of what it returns.

    A reference that makes arrays of its own (`jnp.zeros(())` as the state of a scan) makes them in float32 for its
    author and in float64 where 64 bits are on: beside float32 inputs the two may not meet. Then it is traced as its
    author runs it.
    """
    program = jax.make_jaxpr(lambda d: reference(**d), return_shape=True)
    try:
        return program(inputs)
    except TypeError:
        floats = [a for a in jax.tree.leaves(inputs) if jnp.issubdtype(jnp.result_type(a), jnp.inexact)]
        if any(jnp.finfo(jnp.result_type(a)).bits > 32 for a in floats):
            raise
    with jax.enable_x64(False):
        return program(inputs)


def forward_program(reference: Callable[..., Any], inputs: dict[str, Any]) -> core.ClosedJaxpr:
    """The forward alone, of the inputs in the order of their names."""
    once = keeping(reference)
    if once is not None:
        return once.forward(inputs)[0]
    return jax.make_jaxpr(lambda d: reference(**d))(inputs)


def length_of(reference: Any) -> int:
    """How many equations a reference that was traced runs through, the turns of its scans included; 0 if unknown."""
    known = reference.known.items() if isinstance(reference, TracedOnce) else ()
    return max([equations(made[0].jaxpr) for kind, made in known if kind[0] == "forward"], default=0)


def calls_of(reference: Any) -> int:
    """About how many calls of NumPy one run of the forward makes: of a recorded one the steps that it was seen to make
    (what is compiled of it is short), else as many as the reference has equations; 0 if unknown."""
    return getattr(reference, "steps", 0) or length_of(reference)


def equations(jaxpr: core.Jaxpr) -> int:
    total = 0
    for eqn in jaxpr.eqns:
        bodies: list[Any] = [
            item for value in eqn.params.values() for item in (value if isinstance(value, tuple) else (value,))
        ]
        inner = sum(equations(unclosed(b)) for b in bodies if isinstance(b, (core.Jaxpr, core.ClosedJaxpr)))
        total += 1 if not inner else inner * eqn.params.get("length", 1)
    return total


def unclosed(body: Any) -> core.Jaxpr:
    return body.jaxpr if isinstance(body, core.ClosedJaxpr) else body


def kind_of(name: str, arguments: Any) -> Any:
    flat, tree = jax.tree.flatten(arguments)
    return name, tree, bool(jax.config.read("jax_enable_x64")), tuple(str(jax.typeof(a)) for a in flat)


def derived(reference: Callable[..., Any], name: str, arguments: Any, make: Callable[[], T]) -> T:
    """A trace that follows from the reference and the kind of arguments: kept with a reference that is traced once."""
    once = keeping(reference)
    return make() if once is None else once.get(name, arguments, make)


def keeping(reference: Any) -> TracedOnce | None:
    """Where the traces of a reference are kept: in itself, or in what it has `traced` (a recorded forward)."""
    return reference if isinstance(reference, TracedOnce) else getattr(reference, "traced", None)
