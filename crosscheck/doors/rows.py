"""Matrices of derivatives, judged entry by entry: every output gets a point of its own.

A gradient Σᵢ vᵢ ∂yᵢ/∂xⱼ is a sum over outputs, in which a wrong entry may be small beside the others. So the judge is
given another function, whose input has a row for every output,

    G(X)ᵢ = fᵢ(Xᵢ)                                                                                  (1)
    ∂/∂Xᵢⱼ Σₖ vₖ G(X)ₖ = vᵢ · ∂fᵢ/∂xⱼ (Xᵢ)                                                          (2)

At the point of the check all rows are x, and (2) is the Jacobian with its rows times v: one gradient, of which every
witness speaks entry by entry. Rows that are equal cost one evaluation of f.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
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


# What the axes of (2) are called, if x and y have one each.
AXES = {"samples": "outputs", "sample": "output", "batch": "outputs", "features": "inputs", "feature": "input"}
CODE = re.compile(r"(\([^()]*(?:\([^()]*\)[^()]*)*\))")
TURN = re.compile(r" in turn (\d+) of (\d+)")


def told_of_matrix(result: Result, names: Iterable[str], outputs: int, *, plain: bool) -> Result:
    """The result with reasons that speak of a matrix: of its outputs and inputs (where x and y have one axis each:
    `plain`), and of no turns of a loop, which the calls for its rows look like."""
    diagnoses = dict(result.reasons.diagnoses)
    for name in names:
        diagnoses[name] = tuple(of_matrix_told(d, outputs, plain) for d in diagnoses.get(name, ()))
    return replace(result, reasons=replace(result.reasons, diagnoses=diagnoses))


def of_matrix_told(diagnosis: Diagnosis, outputs: int, plain: bool) -> Diagnosis:
    def row(turn: re.Match[str]) -> str:
        number, count = int(turn[1]), int(turn[2])
        return f" for output {number - 1}" if count == outputs else turn[0]

    sentence = TURN.sub(row, diagnosis.explanation.replace(" in every turn", ""))
    if not plain:
        return Diagnosis(diagnosis.kind, sentence, diagnosis.evidence)
    reading = diagnosis.evidence.get("name")
    pieces = CODE.split(sentence)  # what stands in brackets is code, or the reading of a number
    words = (f"({reading})", "(only as many ")
    told = [p if p.startswith("(") and not p.startswith(words) else by_axes(p) for p in pieces]
    return Diagnosis(diagnosis.kind, "".join(told), diagnosis.evidence)


def by_axes(text: str) -> str:
    return re.sub(r"\w+", lambda word: AXES.get(word[0], word[0]), text)


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
