"""A JAX function with a rule of its own, called as NumPy functions: its output, its gradients, its tangents.

Whoever calls has 64 bits (`traces.precision`) for as long as the call lasts. The output is the one that is computed
*under differentiation*, so that of a fwd which computes something else than the function itself is seen.

A rule may be made for float32 only: it returns float32 to a float64 argument, which JAX refuses. Then every float64
argument is cast to float32, and the judge, which finds float32 answers, judges them as such.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.dtypes import float0

from crosscheck.traces.precision import double_precision

TRACING = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)


class RuleCall:
    """f(*args), some of whose arguments are given once and for all.

    Args:
        f: the function with its rule.
        names: of the arguments that vary, in order.
        fixed: the others, by position.
    """

    def __init__(self, f: Callable[..., Any], names: tuple[str, ...], fixed: Mapping[int, Any]) -> None:
        self.f, self.names, self.fixed = f, names, dict(fixed)
        self.single = False
        self.jits = True
        self.compiled: dict[Any, Callable[..., Any]] = {}

    def listed(self, named: Mapping[str, Any]) -> list[Any]:
        """The arguments that vary, in order: JAX would sort a dictionary."""
        return [named[k] for k in self.names]

    def arguments(self, values: list[Any]) -> list[Any]:
        """All arguments, of those that vary."""
        varying = iter(values)
        return [self.fixed[i] if i in self.fixed else next(varying) for i in range(len(self.names) + len(self.fixed))]

    # ------------------------------------------------------------------ as NumPy functions

    def forward(self, /, **named: Any) -> Any:
        """y, as it is computed on the way to a derivative."""
        return self.run(lambda leaves, rebuild: self.pulled(leaves, rebuild)[0], "forward", named)

    def backward(self, v: Any, /, **named: Any) -> dict[str, Any]:
        """The gradients by name, of the structure of the arguments."""

        def gradients(leaves: list[Any], rebuild: Any, v: Any) -> Any:
            y, pull = self.pulled(leaves, rebuild)
            return pull(cotangent_like(y, v))

        return self.by_name(self.run(gradients, "backward", named, v), named)

    def by_name(self, gradients: list[Any], named: Mapping[str, Any]) -> dict[str, Any]:
        """Gradients of the inexact leaves, laid into the arguments; zeros for integers, None for what is no array."""
        given = self.listed(named)
        found = iter(gradients)
        leaves = [
            next(found) if is_inexact(leaf) else np.zeros(np.shape(leaf)) if is_array(leaf) else None
            for leaf in jax.tree.leaves(given)
        ]
        return dict(zip(self.names, jax.tree.unflatten(jax.tree.structure(given), leaves), strict=True))

    # ------------------------------------------------------------------ in JAX

    def pulled(self, leaves: list[Any], rebuild: Any) -> tuple[Any, Callable[[Any], list[Any]]]:
        """y and its VJP at the inexact leaves."""
        moving = [i for i, leaf in enumerate(leaves) if is_inexact(leaf)]

        def of_moving(moved: list[Any]) -> Any:
            every = list(leaves)
            for i, leaf in zip(moving, moved, strict=True):
                every[i] = leaf
            return self.f(*self.arguments(rebuild(every)))

        y, pull = jax.vjp(of_moving, [self.cast(leaves[i]) for i in moving])
        return y, lambda v: pull(v)[0]

    def pushed(self, leaves: list[Any], rebuild: Any, tangents: list[Any]) -> tuple[Any, Any]:
        """y and ẏ for tangents of the inexact leaves; None among them is one that does not move."""
        moving = [i for i, t in zip(inexact_places(leaves), tangents, strict=True) if t is not None]

        def of_moving(*moved: Any) -> Any:
            every = [self.cast(leaf) if is_inexact(leaf) else leaf for leaf in leaves]
            for i, leaf in zip(moving, moved, strict=True):
                every[i] = leaf
            return self.f(*self.arguments(rebuild(every)))

        primals = [jnp.asarray(self.cast(leaves[i])) for i in moving]
        given = [jnp.asarray(t, p.dtype) for t, p in zip([t for t in tangents if t is not None], primals, strict=True)]
        return jax.jvp(of_moving, tuple(primals), tuple(given))

    def cast(self, leaf: Any) -> Any:
        """A leaf as the rule takes it."""
        if not self.single:
            return leaf
        a = jnp.asarray(leaf)
        return a.astype({"float64": "float32", "complex128": "complex64"}.get(str(a.dtype), a.dtype))

    def run(self, work: Callable[..., Any], name: str, named: Mapping[str, Any], *more: Any) -> Any:
        """`work(leaves, rebuild, *more)` at NumPy arrays, compiled where JAX can trace it; NumPy arrays come back."""
        leaves, tree = jax.tree.flatten(self.listed(named))
        places = [i for i, leaf in enumerate(leaves) if is_array(leaf)]
        static = tuple((i, leaf) for i, leaf in enumerate(leaves) if not is_array(leaf))

        def at(arrays: list[Any], more: tuple[Any, ...]) -> Any:
            every: list[Any] = [None] * len(leaves)
            for i, leaf in (*static, *zip(places, arrays, strict=True)):
                every[i] = leaf
            return work(every, lambda changed: jax.tree.unflatten(tree, changed), *more)

        given = [leaves[i] for i in places]
        with double_precision():
            out = self.jitted(at, (name, tree, repr(static)), given, more) if self.jits else at(given, more)
            return jax.tree.map(as_numpy, out)

    def jitted(self, at: Callable[..., Any], key: Any, given: list[Any], more: tuple[Any, ...]) -> Any:
        """Compiled, by key; once JAX cannot trace it, never again."""
        compiled = self.compiled.setdefault(key, jax.jit(at))
        try:
            return compiled(given, more)
        except TRACING:
            self.jits = False
            return at(given, more)


def is_array(leaf: Any) -> bool:
    """Whether a leaf of the arguments is an array or a number with digits; keys of random numbers are none."""
    if isinstance(leaf, (float, complex)):
        return True
    dtype = getattr(leaf, "dtype", None)
    return dtype is not None and not jnp.issubdtype(dtype, jax.dtypes.extended)


def is_inexact(leaf: Any) -> bool:
    return isinstance(leaf, (float, complex)) or (is_array(leaf) and jnp.issubdtype(leaf.dtype, jnp.inexact))


def inexact_places(leaves: list[Any]) -> list[int]:
    return [i for i, leaf in enumerate(leaves) if is_inexact(leaf)]


def cotangent_like(y: Any, v: Any) -> Any:
    """v, which has None where y has no floats, as `jax.vjp` wants it."""

    def arriving_at(leaf: Any, g: Any) -> Any:
        leaf = jnp.asarray(leaf)
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            return np.zeros(leaf.shape, float0)
        return jnp.zeros_like(leaf) if g is None else jnp.asarray(g).astype(leaf.dtype).reshape(leaf.shape)

    return jax.tree.map(arriving_at, y, v)


def as_numpy(leaf: Any) -> Any:
    """A private NumPy array of one of JAX; anything else as it is."""
    return np.array(leaf) if isinstance(leaf, jax.Array) and is_array(leaf) else leaf
