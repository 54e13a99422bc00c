"""Planting a mistake and asking why the gradient is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from crosscheck.diagnosis import diagnose_all
from crosscheck.doors.functions import from_functions
from crosscheck.evidence.reason import Diagnosis
from crosscheck.floats import DOUBLE
from crosscheck.operation import Operation
from crosscheck.witnesses.autodiff import autodiff
from tests.diagnosis.derivations import Array, Arrays, Base

ENOUGH = 1e10  # work: nothing is left out


class Planted(NamedTuple):
    """A mistake: the gradient it spoils, how, the kind to name, and words to be found in the sentence."""

    name: str
    base: Base
    gradient: str
    mistake: Callable[..., Array]  # (right gradients, g, **inputs) -> the wrong gradient
    kind: str
    words: str = ""


def of(base: Base, gradient: str, **mistake: Any) -> Callable[..., Array]:
    """The derivation run with a mistaken argument."""
    return lambda right, g, **inputs: base.backward(g, **inputs, **mistake)[gradient]


def kept(a: Array, where: Any) -> Array:
    out = np.zeros_like(a)
    out[where] = a[where]
    return out


INNER = np.s_[:, :, 1:-1, 1:-1]


def drawn(base: Base, rng: np.random.Generator) -> Arrays:
    return {k: rng.normal(size=s) for k, s in base.shapes.items()} | base.constants


def judged(operation: Operation, v: Array) -> tuple[Arrays, Arrays, Arrays]:
    """Wrong gradients, the truth and the bounds, for the gradients that are wrong."""
    assert operation.reference is not None
    auto = autodiff(operation.reference, operation.inputs, operation.wrt, v, DOUBLE)
    got = operation.gradients(v)
    truth = {k: auto.gradients[k].value for k in got}
    bound = {k: auto.allowed(k) for k in got}
    wrong = {k: a for k, a in got.items() if a.shape != truth[k].shape or not (np.abs(a - truth[k]) <= bound[k]).all()}
    return wrong, {k: truth[k] for k in wrong}, {k: bound[k] for k in wrong}


def planted_operation(base: Base, gradient: str, mistake: Any, inputs: Arrays) -> Operation:
    def backward(g: Array, **values: Array) -> Arrays:
        right = base.backward(g, **values)
        return {**right, gradient: np.asarray(mistake(right, g, **values), float)}

    return from_functions(base.forward, backward, inputs, base.reference, wrt=tuple(base.shapes))


def reasons(operation: Operation, v: Array, *, work: float = ENOUGH) -> dict[str, list[Diagnosis]]:
    """Why the gradients that are wrong are wrong; nothing may have failed on the way."""
    found = diagnose_all(operation, v, *judged(operation, v), work=work)
    internal = [remark.explanation for remark in found.remarks if remark.kind == "internal"]
    assert not internal, internal
    return found.diagnoses


def diagnosed(row: Planted, rng: np.random.Generator) -> list[Diagnosis]:
    operation = planted_operation(row.base, row.gradient, row.mistake, drawn(row.base, rng))
    found = reasons(operation, rng.normal(size=operation.output().shape))
    assert list(found) == [row.gradient]
    return found[row.gradient]


def named(row: Planted, rng: np.random.Generator) -> None:
    """The mistake gets the name of its row, in types that JSON knows."""
    found = diagnosed(row, rng)
    assert found, "no name"
    assert found[0].kind == row.kind, found[0]
    assert row.words in found[0].explanation
    json.dumps([d.to_dict() for d in found], allow_nan=False)
