"""Functions of nested values, several outputs and complex numbers, as functions of real arrays by name.

The judge knows one real array for each input and one for the output. Between it and the user's functions stands a
*structure*: the leaves of the inputs get names (`params.w`, `state[0]`); what the forward returns is laid out in one
vector,

    (y, {"loss": l})     →     [y₀ y₁ … yₙ l]                                                       (1)

and the vector of the cotangent comes back to the backward in the structure of (1). A complex leaf z = a + ib is two
real ones, `z.real` and `z.imag`. For a real loss L, its gradient is written as one complex number in two ways,

    "pytorch"   ∂L/∂a + i ∂L/∂b        "jax"   ∂L/∂a − i ∂L/∂b                                      (2)

and so is the cotangent of a complex output; the convention says which.

Leaves of floats are differentiated unless `wrt` says otherwise. Arrays of integers are moved in and out as arrays; all
else (integers, strings, booleans, None, objects) reaches the functions as it was given. A Python float stays one.
Outputs that are no floats are no part of (1): the cotangent has None in their places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from crosscheck.doors.layouts import IMAG, REAL, Layout, Piece
from crosscheck.doors.numbers import is_complex, is_scalar, joined, kind_of, number_like, shapes_of
from crosscheck.doors.trees import branch, leaves, rebuilt
from crosscheck.operation import Array, Arrays, as_array

CONVENTIONS = {"pytorch": 1.0, "jax": -1.0}  # the sign of i ∂L/∂b in (2)
GIVEN = object()  # the leaves as they were given


class Structure:
    """Between the judge's real arrays by name and nested values.

    Args:
        forward: the user's.
        inputs: as the user gave them.
        convention: of (2); None where nothing is complex.
        signs: with which the imaginary parts of the cotangent and of the gradients are multiplied beyond (2).
    """

    # Without a __dict__ nothing of it is replaced or put back while the user's code is recorded or lifted.
    __slots__ = ("arrays", "complex", "convention", "forward", "inputs", "layouts", "signs", "without")

    def __init__(
        self,
        forward: Callable[..., Any],
        inputs: Mapping[str, Any],
        convention: str | None = None,
        signs: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        self.forward, self.inputs, self.convention, self.signs = forward, dict(inputs), convention, signs
        self.layouts: dict[Any, Layout] = {}
        self.without: set[str] = set()  # the leaves for which the backward returned None
        self.complex = frozenset(name for name, leaf in self.given() if kind_of(leaf) == "c")
        self.arrays = self.flat_inputs()

    def with_signs(self, signs: tuple[float, float]) -> Structure:
        """The same with other signs of imaginary parts."""
        return Structure(self.forward, self.inputs, self.convention, signs)

    def given(self) -> list[tuple[str, Any]]:
        """The leaves of the inputs."""
        return [pair for k, value in self.inputs.items() for pair in leaves(value, str(k))]

    def flat_inputs(self) -> Arrays:
        """The real arrays of the inputs, by the names of their leaves."""
        found: Arrays = {}
        for name, leaf in self.given():
            kind = kind_of(leaf)
            parts: Arrays = {}
            if kind == "c":
                self.sign_for(f"input {name}")
                z = np.asarray(leaf)
                parts = {name + REAL: np.array(np.real(z)), name + IMAG: np.array(np.imag(z))}
            elif kind:
                parts = {name: np.asarray(leaf)}
            for k, a in parts.items():
                if k in found:
                    raise ValueError(f"two leaves of the inputs are called {k}: rename one")
                found[k] = a
        return found

    def sign_for(self, who: str) -> float:
        """The sign in (2)."""
        if self.convention is None:
            raise ValueError(
                f'{who} is complex: say which gradient is meant, convention="pytorch" (∂L/∂a + i ∂L/∂b) or '
                'convention="jax" (its conjugate)'
            )
        return CONVENTIONS[self.convention]

    def names(self, wrt: tuple[str, ...] | str | None) -> tuple[str, ...] | None:
        """The arrays that `wrt` means: a leaf, or every leaf of floats below a name; None where nothing was asked.

        A nested leaf without entries is left out then: there is nothing to be shown of it.
        """
        if wrt is None:
            full = {k for k, a in self.arrays.items() if a.dtype.kind == "f" and (a.size or k in self.inputs)}
            left = {k for k, a in self.arrays.items() if a.dtype.kind == "f"} - full
            return tuple(k for k in self.arrays if k in full) if full and left else None
        if not isinstance(wrt, (str, tuple, list, set, frozenset)):
            raise TypeError(f"wrt is {wrt!r}, of type {type(wrt).__name__}; it must be names of inputs")
        found: list[str] = []
        for name in (wrt,) if isinstance(wrt, str) else tuple(wrt):
            below = [
                k for k in self.arrays if k.startswith((name + ".", name + "[")) and self.arrays[k].dtype.kind == "f"
            ]
            found += [name] if name in self.arrays or not below else below
        return tuple(dict.fromkeys(found))

    # ------------------------------------------------------------------ inputs and outputs

    def nested(self, values: Mapping[str, Any], others: Any = GIVEN) -> dict[str, Any]:
        """The arguments of the user's functions, with the judge's arrays for their leaves, and `others` for the leaves
        that are none."""

        def leaf(name: str, given: Any) -> Any:
            if name in self.complex:
                a, b = values[name + REAL], values[name + IMAG]
                if is_complex(a) or is_complex(b):
                    raise TypeError(f"the parts of {name} are real")  # what the complex step hears: not here
                return number_like(given, joined(a, b))
            if name in self.arrays:
                return number_like(given, values[name])
            return given if others is GIVEN else others

        return {str(k): rebuilt(value, leaf, str(k)) for k, value in self.inputs.items()}

    def run(self, forward: Callable[..., Any], values: Mapping[str, Any]) -> Any:
        """The forward, laid out as (1)."""
        key = shapes_of(values)
        returned = forward(**self.nested(values))
        if key not in self.layouts and not any(is_complex(a) for a in values.values()):
            self.layouts[key] = self.layout(returned)
        layout = self.layouts.get(key) or self.layout_at({k: np.real(np.asarray(a)) for k, a in values.items()})
        return self.packed(returned, layout, np, "forward")

    def layout_at(self, values: Mapping[str, Any]) -> Layout:
        """Of what the forward returns at inputs of these shapes."""
        key = shapes_of(values)
        if key not in self.layouts:
            self.run(self.forward, {k: np.array(a) for k, a in values.items()})
        return self.layouts[key]

    def of_reference(self, returned: Any, values: Mapping[str, Any]) -> Any:
        """(1) of what the reference returned: by the names that the forward's outputs have, and of their shapes where
        these are known."""
        jnp = import_module("jax.numpy")
        known = self.layouts.get(shapes_of(values))
        layout = known or self.layout_at(self.arrays)
        return self.packed(returned, layout, jnp, "the reference", any_shape=known is None)

    def of_foreign(self, returned: Any, values: Mapping[str, Any]) -> Any:
        """The same of a reference that returns NumPy arrays."""
        known = self.layouts.get(shapes_of(values))
        return self.packed(returned, known or self.layout_at(values), np, "the reference", any_shape=known is None)

    def layout(self, returned: Any) -> Layout:
        parts: list[Piece] = []
        at = 0
        for name, leaf in leaves(returned):
            kind = kind_of(leaf)
            if kind not in ("f", "c"):
                continue
            if kind == "c":
                self.sign_for(f"output {name}" if name else "the output")
            shape = tuple(np.shape(leaf))
            size = int(np.prod(shape)) * (2 if kind == "c" else 1)
            parts.append(Piece(name, shape, kind == "c", not hasattr(leaf, "shape") or is_scalar(leaf), at, at + size))
            at += size
        nested = branch(returned) is not None
        if nested and not parts:
            raise TypeError(f"forward returned a {type(returned).__name__} without an array of floats in it")
        return Layout(returned, tuple(parts), not nested and not any(p.is_complex for p in parts))

    def packed(self, returned: Any, layout: Layout, xp: Any, who: str, *, any_shape: bool = False) -> Any:
        """(1) of what a forward returned, whatever it is made of."""
        if layout.is_plain:
            return returned
        found = dict(leaves(returned))
        missing = [p.name for p in layout.parts if p.name not in found]
        if missing:
            has = ", ".join(k or "one array" for k in found) or "nothing"
            raise ValueError(f"{who} returned no {missing[0] or 'single array'}; it returned {has}")
        pieces: list[Any] = []
        for part in layout.parts:
            leaf = found[part.name]
            if not any_shape and tuple(np.shape(leaf)) != part.shape:
                raise ValueError(
                    f"{who} returns shape {tuple(np.shape(leaf))} for {part.name or 'its output'}, where the forward "
                    f"returned {part.shape} at inputs of the same shapes"
                )
            halves = (xp.real(leaf), xp.imag(leaf)) if part.is_complex else (leaf,)
            pieces += [xp.reshape(half, (-1,)) for half in halves]
        return xp.concatenate(pieces)

    def packed_like(self, returned: Any, values: Mapping[str, Any]) -> Any:
        """(1) of what the forward returned on other numbers than these, of the same shapes."""
        return self.packed(returned, self.layout_at(values), np, "forward")

    def packed_tangent(self, returned: Any, values: Mapping[str, Any]) -> Array:
        """(1) of what a tangent function returned; None in it is zero."""
        layout = self.layout_at(values)
        zeros = {p.name: np.zeros(p.shape) for p in layout.parts}
        if branch(returned) is None and returned is None:
            raise TypeError("tangent returned None; it must return what forward returns, of the same shapes")
        filled = rebuilt(returned, lambda name, leaf: zeros.get(name) if leaf is None else leaf)
        if layout.is_plain:
            moved = as_array(filled, "tangent", "one array")
            if moved.shape != layout.parts[0].shape:
                raise ValueError(f"tangent returned shape {moved.shape}; forward returns {layout.parts[0].shape}")
            return moved
        return np.asarray(self.packed(filled, layout, np, "tangent"))

    def cotangent(self, v: Array, values: Mapping[str, Any]) -> Any:
        """The vector that arrives, in the structure of the outputs."""
        layout = self.layout_at(values)
        if not layout.is_plain and layout.parts[-1].stop != v.size:  # the shapes of the outputs hang on values
            layout = self.layout(self.forward(**self.nested(values)))
        return self.unpacked(v, layout)

    def unpacked(self, v: Array, layout: Layout) -> Any:
        """The vector that arrives, in the structure of one layout."""
        if layout.is_plain:
            return v
        by_name = {p.name: p for p in layout.parts}

        def leaf(name: str, _: Any) -> Any:
            if name not in by_name:
                return None
            part = by_name[name]
            piece = v[part.start : part.stop]
            if part.is_complex:
                a, b = piece[: piece.size // 2], piece[piece.size // 2 :]
                piece = joined(a, self.signs[0] * self.sign_for(name) * b)
            piece = piece.reshape(part.shape)
            return piece[()] if part.is_number else piece

        return rebuilt(layout.example, leaf)

    def flat_cotangent(self, given: Any) -> Any:
        """A cotangent that the user gave, in the structure of the outputs, as (1)."""
        return None if given is None else self.flat_by(given, self.layout_at(self.arrays))

    def flat_by(self, given: Any, layout: Layout) -> Any:
        """The same in one layout."""
        if layout.is_plain:
            return given
        found = dict(leaves(given))
        pieces: list[Array] = []
        for part in layout.parts:
            if part.name not in found or np.shape(found[part.name]) != part.shape:
                has = f"shape {np.shape(found[part.name])}" if part.name in found else "nothing"
                raise ValueError(f"grad_output has {has} at {part.name or 'the output'}, whose shape is {part.shape}")
            piece = np.ravel(np.asarray(found[part.name]))
            sign = self.sign_for(part.name) if part.is_complex else 1.0
            pieces += [np.real(piece), sign * np.imag(piece)] if part.is_complex else [piece]
        return np.concatenate(pieces)

    # ------------------------------------------------------------------ gradients

    def gradients(self, returned: Any, values: Arrays) -> Any:
        """The gradients by the names of the leaves, of what a backward returned."""
        if not isinstance(returned, Mapping):
            return returned
        found: dict[str, Any] = {}
        for k, value in self.inputs.items():
            if k in returned:
                self.gather(str(k), value, returned[k], values, found)
        # What is none of the inputs is refused by its name, as everywhere.
        return {**found, **{str(k): g for k, g in returned.items() if k not in self.inputs}}

    def gather(self, name: str, given: Any, gradient: Any, values: Arrays, found: dict[str, Any]) -> None:
        """Of one input, or of what is nested in it."""
        nodes = branch(given)
        if nodes is None:
            if name in self.complex:
                self.of_complex(name, gradient, values, found)
            elif name in self.arrays and gradient is not None:
                found[name] = gradient
            elif name in self.arrays:
                if self.arrays[name].dtype.kind == "f":  # of an integer it is what there is to return
                    self.without.add(name)
                found[name] = np.zeros_like(values[name])
            return
        if gradient is None:
            for label, child in nodes.children.items():
                self.gather(name + label, child, None, values, found)
            return
        own = branch(gradient)
        if own is None:
            kind = type(gradient).__name__
            raise TypeError(
                f"backward returned one {kind} as the gradient of {name}, which is a {type(given).__name__}"
            )
        surplus = [label for label in own.children if label not in nodes.children]
        if surplus:
            has = ", ".join(name + label for label in nodes.children)
            raise ValueError(f"backward returned a gradient for {name}{surplus[0]}; there are {has}")
        for label, child in nodes.children.items():
            if label in own.children:
                self.gather(name + label, child, own.children[label], values, found)

    def of_complex(self, name: str, gradient: Any, values: Arrays, found: dict[str, Any]) -> None:
        """The two halves of a complex gradient, by (2)."""
        if gradient is None:
            self.without.add(name)
            gradient = np.zeros_like(values[name + REAL])
        g = np.asarray(gradient)
        if g.dtype.kind not in "fciu":
            raise TypeError(f"the gradient of {name} has dtype {g.dtype}; it must be complex")
        found[name + REAL] = np.array(np.real(g))
        found[name + IMAG] = np.array(self.signs[1] * self.sign_for(name) * np.imag(g))
