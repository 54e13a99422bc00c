"""Autograd of a plain forward as a reference of the judge."""

from __future__ import annotations

from typing import Any

import numpy as np

from crosscheck.doors.structure import Structure
from crosscheck.evidence.estimate import AUTODIFF, Estimate
from crosscheck.floats import UNIT
from crosscheck.operation import Array, Arrays
from crosscheck.rounding import Roundings
from crosscheck.torch.calls import TensorCall, as_array_or_none, pull
from crosscheck.torch.programs import Followed, program_of
from crosscheck.torch.roundings import COPIES, scattered
from crosscheck.torch.tensors import array, arrays
from crosscheck.witnesses.foreign import Foreign


class Autograd(Foreign):
    """PyTorch's derivatives of a plain function.

    Args:
        structure: between the judge's arrays and the function's tensors.
        plain: the function.
        source: where it comes from, in words; "" where it was given.
    """

    def __init__(self, structure: Structure, plain: TensorCall, source: str = "") -> None:
        self.source = source
        # Of its own: where another convention is tried on the hand-written gradients, these stay what they are.
        self.structure = Structure(structure.forward, structure.inputs, structure.convention)
        self.called = plain
        self.shapes: dict[Any, tuple[tuple[int, ...], np.dtype]] = {}

    def run(
        self, inputs: Arrays, wrt: tuple[str, ...], v: Array, sums: dict[str, Array] | None = None, mode: Any = None
    ) -> tuple[Array, dict[str, Array | None]]:
        """Output and gradients in one pass; None of what no cotangent reaches. `sums` gets what the mode knows of S."""
        named = self.structure.nested({k: a.copy() for k, a in inputs.items()})
        found, returned = self.called.run(named)
        y = np.asarray(self.structure.of_foreign(arrays(returned, marked=False), inputs), np.float64)
        if not wrt:
            return y, {}
        outputs, cotangents = self.called.arriving(returned, self.structure.cotangent(v, inputs))
        pulled = pull(outputs, [found[k] for k in self.called.moving], cotangents)
        if sums is not None:
            found_sums = {k: mode.sums.get(g) for k, g in zip(self.called.moving, pulled, strict=True) if g is not None}
            sums.update({k: array(s) for k, s in found_sums.items() if s is not None})
        gradients = {k: as_array_or_none(g) for k, g in zip(self.called.moving, pulled, strict=True)}
        reached = {k: g if g is not None else zeros_like(named[k]) for k, g in gradients.items()}
        flat = self.structure.gradients(reached, inputs)
        lost = {k for k in flat for name, g in gradients.items() if g is None and belongs(k, name)}
        return y, {k: None if k in lost else np.asarray(flat[k], np.float64) for k in wrt}

    # ------------------------------------------------------------------ what the judge asks

    def plain(self, inputs: Arrays, wrt: tuple[str, ...], v: Array) -> tuple[Array, Arrays]:
        y, gradients = self.run(inputs, wrt, v)
        return y, {k: np.zeros(inputs[k].shape) if g is None else g for k, g in gradients.items()}

    def estimated(
        self, inputs: Arrays, wrt: tuple[str, ...], v: Array, dtype: np.dtype, seed: int
    ) -> tuple[Estimate, dict[str, Estimate], Roundings, frozenset[str]]:
        v = np.asarray(v, np.float64)
        y, found = self.run(inputs, wrt, v)
        pathless = frozenset(k for k, g in found.items() if g is None)

        def program(mode: Any) -> tuple[list[Array], list[Array | None]]:
            sums: dict[str, Array] = {}
            y, gradients = self.run(inputs, wrt, v, sums, mode)
            return [y, *filled(gradients, inputs, wrt)], [None, *(sums.get(k) for k in wrt)]

        seen = scattered(program, UNIT[dtype], seed)
        values = [y, *filled(found, inputs, wrt)]
        estimates = [
            Estimate(AUTODIFF, value, np.zeros(np.shape(value)), sigma, terms, seen.entrywise, excuse=excuse)
            for value, sigma, terms, excuse in zip(values, seen.sigma, seen.sums, seen.excuse, strict=True)
        ]
        said = Roundings(
            (),
            seen.t,
            COPIES,
            seen.equations,
            False,
            any(e is not None for e in seen.excuse),
            seen.estimated,
            seen.decides,
        )
        return estimates[0], dict(zip(wrt, estimates[1:], strict=True)), said, pathless

    def program(self, inputs: Arrays) -> Followed | None:
        """Of a forward of real tensors whose arrays are the judge's own."""
        plain = set(inputs) == set(self.structure.inputs) and not self.structure.complex
        return program_of(self.called, inputs) if plain else None

    def shape(self, inputs: Arrays) -> tuple[tuple[int, ...], np.dtype]:
        key = tuple((k, a.shape) for k, a in inputs.items())
        if key not in self.shapes:
            y = self.run(inputs, (), np.zeros(0))[0]
            self.shapes[key] = y.shape, y.dtype
        return self.shapes[key]


def filled(gradients: dict[str, Array | None], inputs: Arrays, wrt: tuple[str, ...]) -> list[Array]:
    """In order, with zeros where no cotangent arrives."""
    return [np.zeros(inputs[k].shape) if (g := gradients[k]) is None else g for k in wrt]


def zeros_like(a: Any) -> Array:
    return np.zeros(np.shape(a), np.result_type(a))


def belongs(leaf: str, name: str) -> bool:
    """Whether an array of the judge is (a half of) an input."""
    return leaf == name or leaf in (f"{name}.real", f"{name}.imag")
