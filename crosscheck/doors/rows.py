"""Matrices of derivatives, judged entry by entry: every output gets a point of its own.

A gradient Σᵢ vᵢ ∂yᵢ/∂xⱼ is a sum over outputs, in which a wrong entry may be small beside the others. So the judge is
given another function, whose input has a row for every output,

    G(X)ᵢ = fᵢ(Xᵢ)                                                                                  (1)
    ∂/∂Xᵢⱼ Σₖ vₖ G(X)ₖ = vᵢ · ∂fᵢ/∂xⱼ (Xᵢ)                                                          (2)

At the point of the check all rows are x, and (2) is the Jacobian with its rows times v: one gradient, of which every
witness speaks entry by entry. Rows that are equal cost one evaluation of f.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from crosscheck.evidence.reason import Diagnosis
from crosscheck.evidence.result import Result
from crosscheck.operation import Array

At = Callable[[Any], Any]  # a point -> all outputs there, or all rows of a matrix there


def picked(function: At, rows: Any, outputs: int) -> Any:
    """(1): of the function at every row, the entry of the same number along its first axis.

    Rows beyond the number of outputs are refused.
    """
    count = int(np.shape(rows)[0])
    if count > outputs:
        raise ValueError(f"there are {outputs} outputs, and not {count}")
    known: dict[bytes, Any] = {}
    found: list[Any] = []
    for i in range(count):
        point = rows[i, ...]
        if type(rows) is not np.ndarray:  # while it is recorded
            found.append(function(point)[i])
            continue
        key = point.tobytes()
        if key not in known:
            known[key] = np.array(function(point))  # a copy: the code may fill the same array again
        found.append(known[key][i])
    return np.stack(found) if found else None


def picked_in_jax(function: At, rows: Any) -> Any:
    """The same of a function in jax.numpy."""
    jax = import_module("jax")
    each = np.arange(int(rows.shape[0]))
    return jax.vmap(function)(rows)[each, each]


def reworded(result: Result, words: dict[str, str]) -> Result:
    """The result with other words for what the judge calls a gradient, on its page and in its reasons."""
    result = replace(result, words={**result.words, **words})
    diagnoses = {
        name: tuple(Diagnosis(d.kind, result.reworded(d.explanation), d.evidence) for d in found)
        for name, found in result.reasons.diagnoses.items()
    }
    return replace(result, reasons=replace(result.reasons, diagnoses=diagnoses))


def explained(result: Result, name: str, diagnosis: Diagnosis | None) -> Result:
    """The result with one more reason, if there is one, before the others."""
    if diagnosis is None:
        return result
    diagnoses = {**result.reasons.diagnoses, name: (diagnosis, *result.reasons.diagnoses.get(name, ()))}
    return replace(result, reasons=replace(result.reasons, diagnoses=diagnoses))


def entries(where: Array, most: int = 4) -> str:
    """The places of a boolean array, the first few of them."""
    places = [f"({', '.join(str(int(i)) for i in at)})" for at in np.argwhere(where)]
    more = f" and {len(places) - most} more" if len(places) > most else ""
    return ", ".join(places[:most]) + more
