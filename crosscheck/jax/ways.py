"""The other ways to call a custom rule of JAX at the judged point; each gives the gradient of every input that it can.

call by call            without `jit`, as a rule that keeps something between two calls shows
jit twice               the same compiled program, asked again
vmap                    the judged point twice in a batch, another one between; all inputs mapped, and the first alone
one input at a time     the others are constants: fewer cotangents are asked for (`symbolic_zeros`)
one output at a time    the others get no cotangent at all; the sum over the outputs is the gradient
forward mode            v · J e for every entry, where the rule has a forward mode
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from crosscheck.doors.structure import Structure
from crosscheck.doors.trees import leaves as leaves_of
from crosscheck.frameworks.otherwise import OtherCall, farther
from crosscheck.jax.calls import RuleCall, cotangent_like, inexact_places, is_array, is_inexact
from crosscheck.operation import Array, Arrays
from crosscheck.traces.precision import double_precision

MOST_ENTRIES = 2048  # of the inputs, each a tangent of forward mode
MOST_PARTS = 8  # inputs or outputs, each a call


def ways_of(called: RuleCall, structure: Structure, *, forward_mode: bool) -> tuple[OtherCall, ...]:
    """Of a rule, those that say something of it."""
    asked = RuleWays(called, structure)
    found = [OtherCall("vmap", "under vmap", asked.batched)]
    if called.jits:
        found.append(OtherCall("jit", "called without jit", asked.eagerly))
    floats = [k for k, a in structure.arrays.items() if a.dtype.kind == "f"]
    if 1 < len(floats) <= MOST_PARTS:
        found.append(OtherCall("one-input", "asked for one input at a time", asked.one_input))
        found.append(OtherCall("vmap", "under vmap over one input alone", asked.partly_batched))
    layout = next(iter(structure.layouts.values()), None)
    if layout is not None and 1 < len(layout.parts) <= MOST_PARTS:
        found.append(OtherCall("one-output", "asked through one output at a time, and added up", asked.one_output))
    if forward_mode and sum(structure.arrays[k].size for k in floats) <= MOST_ENTRIES:
        found.append(OtherCall("forward-mode", "in forward mode", asked.forward_mode))
        if len(floats) > 1:
            found.append(
                OtherCall("forward-mode", "in forward mode along one input at a time", asked.forward_mode_alone)
            )
    return tuple(found)


class RuleWays:
    """The ways of one rule, between the judge's arrays and its arguments."""

    def __init__(self, called: RuleCall, structure: Structure) -> None:
        self.called, self.structure = called, structure

    def gradients(self, found: dict[str, Any], values: Arrays) -> Mapping[str, Array]:
        """By the judge's names, of gradients in the structure of the arguments."""
        return {k: np.asarray(g) for k, g in self.structure.gradients(found, values).items()}

    def opened(self, values: Arrays, v: Array) -> tuple[list[Any], Any, Any, dict[str, Any]]:
        """The leaves of the arguments, how they are put together, the cotangent, and the arguments by name."""
        named = self.structure.nested(values)
        leaves, tree = jax.tree.flatten(self.called.listed(named))
        leaves = [jnp.asarray(a) if is_array(a) else a for a in leaves]
        return leaves, lambda every: jax.tree.unflatten(tree, every), self.structure.cotangent(v, values), named

    def pulled(self, leaves: list[Any], rebuild: Any, w: Any) -> list[Any]:
        y, pull = self.called.pulled(leaves, rebuild)
        return pull(cotangent_like(y, w))

    # ------------------------------------------------------------------ the ways

    def eagerly(self, values: Arrays, v: Array) -> Mapping[str, Array]:
        with double_precision():
            leaves, rebuild, w, named = self.opened(values, v)
            return self.gradients(self.called.by_name(as_arrays(self.pulled(leaves, rebuild, w)), named), values)

    def batched(self, values: Arrays, v: Array) -> Mapping[str, Array]:
        return self.in_batches(values, v, lambda place: True)

    def partly_batched(self, values: Arrays, v: Array) -> Mapping[str, Array]:
        return self.in_batches(values, v, lambda place: place == 0)

    def in_batches(self, values: Arrays, v: Array, mapped: Callable[[int], bool]) -> Mapping[str, Array]:
        """The point, another one, the point again; `mapped` are the inexact leaves that differ between the three."""
        with double_precision():
            leaves, rebuild, w, named = self.opened(values, v)
            axes: list[int | None] = [None] * len(leaves)
            batch = list(leaves)
            for number, place in enumerate(inexact_places(leaves)):
                if mapped(number):
                    a = leaves[place]
                    batch[place], axes[place] = jnp.stack([a, jnp.flip(a) * 0.875, a]), 0
            arrays = [i for i, leaf in enumerate(leaves) if is_array(leaf)]

            def alone(given: list[Any], w: Any) -> list[Any]:
                every = list(leaves)
                for i, a in zip(arrays, given, strict=True):
                    every[i] = a
                return self.pulled(every, rebuild, w)

            twice = jax.tree.map(lambda g: jnp.stack([jnp.asarray(g), -2.0 * jnp.asarray(g), jnp.asarray(g)]), w)
            given = [batch[i] for i in arrays]
            found = jax.jit(jax.vmap(alone, ([axes[i] for i in arrays], 0)))(given, twice)
            first, last = ([np.asarray(g)[row] for g in found] for row in (0, 2))
            plain = as_arrays(self.pulled(leaves, rebuild, w))
            worse = [farther(a, b, g) for a, b, g in zip(first, last, plain, strict=True)]
            return self.gradients(self.called.by_name(worse, named), values)

    def one_input(self, values: Arrays, v: Array) -> Mapping[str, Array]:
        with double_precision():
            leaves, rebuild, w, named = self.opened(values, v)
            places = inexact_places(leaves)
            found: list[Any] = []
            for place in places:

                def of_one(a: Any, place: int = place) -> Any:
                    every = [self.called.cast(b) if is_inexact(b) else b for b in leaves]
                    every[place] = a
                    return self.called.f(*self.called.arguments(rebuild(every)))

                y, pull = jax.vjp(of_one, self.called.cast(leaves[place]))
                found.append(np.asarray(pull(cotangent_like(y, w))[0]))
            return self.gradients(self.called.by_name(found, named), values)

    def one_output(self, values: Arrays, v: Array) -> Mapping[str, Array]:
        with double_precision():
            leaves, rebuild, w, named = self.opened(values, v)
            places = inexact_places(leaves)
            names = [name for name, leaf in leaves_of(w) if leaf is not None]
            total: list[Any] | None = None
            for wanted in names:

                def of_one(moved: list[Any], wanted: str = wanted) -> Any:
                    every = list(leaves)
                    for i, a in zip(places, moved, strict=True):
                        every[i] = a
                    return dict(leaves_of(self.called.f(*self.called.arguments(rebuild(every)))))[wanted]

                y, pull = jax.vjp(of_one, [self.called.cast(leaves[i]) for i in places])
                (found,) = pull(jnp.asarray(dict(leaves_of(w))[wanted]).astype(y.dtype).reshape(y.shape))
                found = as_arrays(found)
                total = found if total is None else [a + b for a, b in zip(total, found, strict=True)]
            return self.gradients(self.called.by_name(total or [], named), values)

    def forward_mode(self, values: Arrays, v: Array) -> Mapping[str, Array]:
        return self.along(values, v, lambda entry, leaves: [jnp.zeros_like(a) for a in leaves])

    def forward_mode_alone(self, values: Arrays, v: Array) -> Mapping[str, Array]:
        return self.along(values, v, lambda entry, leaves: [None for _ in leaves])

    def along(self, values: Arrays, v: Array, still: Callable[[int, list[Any]], list[Any]]) -> Mapping[str, Array]:
        """v · J e for every entry e of the judge's arrays; `still` are the tangents of what does not move."""
        with double_precision():
            leaves, rebuild, w, named = self.opened(values, v)
            floats = [leaves[i] for i in inexact_places(leaves)]
            found: list[Array] = []
            for number, a in enumerate(floats):
                units = [1.0] if not jnp.iscomplexobj(a) else [1.0, 1.0j]

                def slope(e: Any, number: int = number) -> Any:
                    tangents = still(number, floats)
                    tangents[number] = e
                    y, moved = self.called.pushed(leaves, rebuild, tangents)
                    return real_product(cotangent_like(y, w), moved)

                basis = jnp.eye(a.size, dtype=a.dtype).reshape((a.size, *a.shape))
                parts = [np.asarray(jax.vmap(slope)(unit * basis)).reshape(a.shape) for unit in units]
                found.append(parts[0] if len(parts) == 1 else parts[0] - 1j * parts[1])
            return self.gradients(self.called.by_name(found, named), values)


def real_product(w: Any, moved: Any) -> Any:
    """What JAX pairs a cotangent with a tangent by: the real part of Σ w ẏ."""
    pairs = zip(jax.tree.leaves(w), jax.tree.leaves(moved), strict=True)
    return sum(
        jnp.real(jnp.sum(a * b)) for a, b in pairs if jnp.issubdtype(jnp.result_type(a), jnp.inexact) and np.size(a)
    )


def as_arrays(found: list[Any]) -> list[Any]:
    return [np.array(g) for g in found]
