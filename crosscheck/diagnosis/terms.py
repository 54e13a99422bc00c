"""Terms: contributions to an entry lost.

Every entry's gradient is a sum over the output's entries,

    ∂L/∂x_i = Σ_o v_o · ∂y_o/∂x_i,                                                   (1)

whose terms show what a derivation kept when it dropped the others: the last, the first, its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product
from typing import Any

import jax
import numpy as np

from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.expressions import HERE, Call
from crosscheck.diagnosis.points import Array, Point
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.tolerances import LEAST, TERMS
from crosscheck.diagnosis.words import listed
from crosscheck.traces.precision import double_precision

# How many wrong entries have their terms (1) written out.
ENTRIES = 6
# A Jacobian's diagonal is written out up to this many entries: each costs a pass.
MOST_DIAGONAL = 512


# ---------------------------------------------------------------------- the contributions to an entry


def columns(point: Point, name: str, entries: Array) -> list[Array]:
    """(1) term by term, for some entries of one input: each an array of the output's shape."""
    tape = point.tape
    if tape is None:
        rows = point.jacobians[name].rows
        places = np.ravel_multi_index(tuple(np.transpose(entries)), point.inputs[name].shape)
        return [rows[place] * point.v for place in np.atleast_1d(places)]

    def derivative(inputs: dict[str, Any], constants: list[Any], direction: Any) -> Any:
        def forward(x: Any) -> Any:
            full = [inputs[n] if n != name else x for n in tape.names]
            return tape.trace_run(full, constants)[tape.output]

        return jax.jvp(forward, (inputs[name],), (direction,))[1]

    with double_precision():
        run = tape.programs.setdefault(("columns", name), jax.jit(derivative))
        found = []
        for entry in entries:
            direction = np.zeros(point.inputs[name].shape)
            direction[tuple(entry)] = 1.0
            found.append(np.asarray(run(point.inputs, list(tape.constants.values()), direction)) * point.v)
    return found


def kept_terms(column: Array) -> Iterator[tuple[tuple[Any, ...], float]]:
    """Names of the ways to keep some of the terms of (1), and what they leave."""
    nonzero = np.argwhere(column != 0)
    terms = column[column != 0]
    if len(terms) < 2:
        return
    yield ("mean",), terms.mean()
    yield ("absolute",), np.abs(terms).sum()
    yield ("largest",), terms[np.abs(terms).argmax()]
    for r in range(1, column.ndim + 1):
        for keep in combinations(range(column.ndim), r):
            groups, where = np.unique(nonzero[:, keep], axis=0, return_inverse=True)
            if len(groups) < 2:
                continue
            sums: Array = np.bincount(np.ravel(where), terms)
            for signs in product((1, -1), repeat=r):
                # np.unique sorts by the first axis first: so does a nest of loops.
                order = np.lexsort((groups * np.array(signs))[:, ::-1].T)
                yield ("last", keep, signs), float(sums[order[-1]])


def differentiable(problem: Problem, name: str) -> bool:
    """Can the terms (1) be had?"""
    known = problem.tape is not None or name in problem.given.jacobians
    if not known or problem.given.v.ndim == 0:
        return False
    try:
        columns(problem.given, name, np.zeros((1, problem.given.truth[name].ndim), int))
    except TypeError:  # a custom_vjp in the reference has no forward mode
        return False
    return True


def contributions(problem: Problem, name: str) -> Iterator[Candidate]:
    """What is kept of (1): the Jacobian's diagonal alone."""
    shape = problem.given.truth[name].shape
    if shape == problem.given.v.shape and np.prod(shape) <= MOST_DIAGONAL and differentiable(problem, name):
        text = "keeps only the diagonal of the Jacobian"
        yield Candidate("missing-terms", text, result=Call(diagonal, (HERE, name)), effort=int(np.prod(shape)))


def diagonal(point: Point, name: str) -> Array:
    """∂y_i/∂x_i · v_i; of no shape where the largest entries of the user's gradient are no multiple of it already."""
    wrong = point.wrong[name]
    if wrong.shape != point.inputs[name].shape:
        return np.empty(0)
    entries = np.argwhere(np.ones(wrong.shape, bool))
    entries = entries[np.argsort(-np.abs(wrong).ravel(), kind="stable")]  # the first of them tell it from all others

    def at(entries: Array) -> Array:
        return np.array([c[tuple(e)] for c, e in zip(columns(point, name, entries), entries, strict=True)])

    first = at(entries[:ENTRIES])
    told = wrong[tuple(entries[:ENTRIES].T)]
    square = float(first @ first)
    apart = told - (float(first @ told) / square if square > 0 else 0.0) * first
    if np.abs(apart).max(initial=0.0) > 2 * point.allowed(name, wrong):  # its factor is fitted to fewer entries
        return np.empty(0)
    found = np.empty(wrong.shape)
    found[tuple(entries.T)] = np.concatenate([first, at(entries[ENTRIES:])])
    return found


def lost_contributions(problem: Problem, name: str) -> tuple[str, str, dict[str, Any]] | None:
    """Which single group of contributions every wrong entry kept, at every point: (kind, text, evidence)."""
    if not differentiable(problem, name):
        return None
    survivors: list[tuple[Any, ...]] | None = None  # in the order of `kept_terms`: a set has none
    for point in problem.points(name):
        wrong = point.wrong[name]
        entries = np.argwhere(point.off(name))
        if not len(entries) or point.is_zero(name):  # of some terms, too, the sum may be zero
            return None
        entries = problem.rng.permutation(entries)[:ENTRIES]
        for entry, column in zip(entries, columns(point, name, entries), strict=True):
            slack = TERMS * max(point.relative_bound(name), LEAST) * np.abs(column).sum()
            fits = [way for way, value in kept_terms(column) if abs(value - wrong[tuple(entry)]) <= slack]
            survivors = fits if survivors is None else [way for way in survivors if way in fits]
            if not survivors:
                return None
    if not survivors:
        return None
    way = min(survivors, key=lambda w: (w[0] != "last", len(w) > 1 and len(w[1])))
    if way[0] == "mean":
        return "scaled", "averages the contributions to each entry instead of adding them up", {}
    if way[0] == "absolute":
        return "sign", "adds up the absolute values of the contributions", {}
    if way[0] == "largest":
        return "overwritten", "keeps only the largest of several contributions to an entry", {}
    names = [problem.output_axes[a] for a in way[1]]
    which = "last" if way[2][0] > 0 else "first"
    return (
        "overwritten",
        f"keeps only the {which} of several contributions (along the {listed(names)}) instead of adding up",
        {"axes": names, "kept": which},
    )
