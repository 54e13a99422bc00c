"""Line by line: the gradients at points inside the function, beside those of its inputs.

A backward derives gradients one after another, each from the one before. It may return what it has on the way,

    return {"h": grad_h, "z": grad_z, "x": grad_x, "w": grad_w}

where the forward, the reference, or both mark the same points by `tap` (`marks`). Each point is one more input, zero at
every point that the judge visits: the user's backward, which knows nothing of it, is right there. Where the reference
alone has marks, the forward is moved as the reference moves,

    y(δ) = forward(x) + reference(x, δ) − reference(x, 0)                                               (1)

and the differences at that point are the reference's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from crosscheck import draws
from crosscheck.doors.functions import structure_of
from crosscheck.doors.lines import line_in
from crosscheck.doors.numbers import kind_of
from crosscheck.doors.points import (
    checked,
    copies,
    expanded,
    mentions_tap,
    points_of_forward,
    points_of_reference,
    stem,
    unjitted,
)
from crosscheck.doors.signatures import by_name
from crosscheck.doors.trees import leaves, rebuilt
from crosscheck.evidence.estimate import HAND
from crosscheck.evidence.finding import Finding
from crosscheck.evidence.reason import Diagnosis
from crosscheck.evidence.result import Result
from crosscheck.marks import Adding, MarkedPoint, marking


class Between(NamedTuple):
    """A user's functions with one more input for every point.

    Args:
        forward, backward, reference, inputs: as `check` takes them.
        points: the points of which backward returns a gradient.
        order: inputs and points, in the order in which backward returns them.
        unasked: points of which it returns none.
        source: the user's backward.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    reference: Callable[..., Any] | None
    inputs: dict[str, Any]
    points: tuple[str, ...]
    order: tuple[str, ...]
    unasked: tuple[str, ...]
    source: Callable[..., Any]

    def wrt(self, given: tuple[str, ...] | str | None) -> tuple[str, ...] | None:
        """What is differentiated: what the user asked for, and the points."""
        if not isinstance(given, (str, tuple, list, set, frozenset)):
            return given
        return (*((given,) if isinstance(given, str) else given), *self.points)

    def still(self, names: tuple[str, ...]) -> frozenset[str]:
        """Of the leaves that are differentiated, those that belong to points."""
        return frozenset(n for k in self.points for n in below(k, names))

    def told(self, result: Result) -> Result:
        """The result in the order of the derivation, with the first line that is wrong."""
        names = [n for k in self.order for n in below(k, tuple(result.gradients))]
        names += [n for n in result.gradients if n not in names]
        evidence = replace(result.evidence, gradients={n: result.evidence.gradients[n] for n in names})
        decision = replace(result.decision, gradients={n: result.decision.gradients[n] for n in names})
        result = replace(result, evidence=evidence, decision=decision)
        diagnoses, findings = dict(result.reasons.diagnoses), [*self.of_unasked()]
        wrong = [n for n in names if result.gradients[n].verdict == "disagree"]
        if wrong:
            sentence, line = first_wrong(names, wrong, result, self.source)
            findings.append(Finding("line-by-line", sentence, False))
            if line:
                diagnoses[wrong[0]] = (*diagnoses.get(wrong[0], ()), line)
        if not findings:
            return result
        reasons = replace(result.reasons, diagnoses=diagnoses, findings=(*findings, *result.reasons.findings))
        return replace(result, reasons=reasons)

    def of_unasked(self) -> Iterator[Finding]:
        if self.unasked:
            names = ", ".join(self.unasked)
            sentence = f"marked, and backward returns no gradient there, so it is not judged: {names}"
            yield Finding("not-judged", sentence, False)


def between(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Mapping[str, Any],
    reference: Callable[..., Any] | None,
    convention: str | None,
) -> Between | None:
    """The functions with their points; None where nothing is marked, or backward returns nothing but its inputs'.

    Raises:
        TypeError, ValueError: a point that cannot be one, or of which not all that is needed is marked.
    """
    if not mentions_tap(forward, reference):
        return None
    structure, bare = structure_of(forward, inputs, convention), unjitted(reference)
    given = tuple(structure.inputs)
    run, back = structure.forward, by_name("backward", backward, given, "grad_output")
    known = None if bare is None else by_name("the reference", bare, given)
    here, size = points_of_forward(structure)
    there = {} if known is None else points_of_reference(known, structure)
    if not here and not there:
        return None
    v = structure.cotangent(draws.cotangent(size, np.random.default_rng(0)), copies(structure))
    returned = back(v, **structure.nested(copies(structure)))
    places = checked(here, there, known is not None, given, returned)
    if not places:
        return None
    points = tuple(places)
    coarsest = min((a.dtype for a in structure.arrays.values() if a.dtype.kind == "f"), key=lambda d: d.itemsize)
    zeros = {k: np.zeros(p.shape, kind_like(p, coarsest)) for k, p in places.items()}
    marked = None if known is None else with_points(known, given, points)
    forward_marked = with_points(run, given, points)
    if marked is not None and not here.keys() >= places.keys():
        forward_marked = moved_by(marked, run, given, points)
    forward_marked.__name__ = getattr(forward, "__name__", "forward")

    def gradients(grad_output: Any, **values: Any) -> Any:
        found = back(grad_output, **{k: values[k] for k in given})
        return expanded(found, places.keys()) if isinstance(found, Mapping) else found

    order = tuple(expanded(returned, places.keys()))
    unasked = tuple(k for k in {**here, **there} if k not in places)
    return Between(forward_marked, gradients, marked, {**structure.inputs, **zeros}, points, order, unasked, backward)


# ---------------------------------------------------------------------- the functions


def kind_like(place: MarkedPoint, coarsest: Any) -> Any:
    """The dtype in which a point is moved: as coarse as the inputs are, complex where it is."""
    return np.result_type(coarsest, np.complex64) if np.dtype(place.dtype).kind == "c" else coarsest


def with_points(function: Callable[..., Any], given: tuple[str, ...], points: tuple[str, ...]) -> Callable[..., Any]:
    """The function with what is added at its points for further arguments."""

    def marked(**values: Any) -> Any:
        with marking(Adding({k: values[k] for k in points})):
            return function(**{k: values[k] for k in given})

    return marked


def moved_by(
    reference: Callable[..., Any], forward: Callable[..., Any], given: tuple[str, ...], points: tuple[str, ...]
) -> Callable[..., Any]:
    """By (1); the forward as it is, where nothing is added."""

    def moved(**values: Any) -> Any:
        inputs, added = {k: values[k] for k in given}, {k: values[k] for k in points}
        y = forward(**inputs)
        if not any(np.any(a) for a in added.values()):
            return y
        from crosscheck.traces.precision import double_precision

        with double_precision():
            there = dict(leaves(reference(**inputs, **added)))
            here = dict(leaves(reference(**inputs, **{k: np.zeros_like(a) for k, a in added.items()})))
            more = {k: np.asarray(there[k] - here[k]) for k, a in here.items() if kind_of(a) in ("f", "c")}
        return rebuilt(y, lambda name, leaf: leaf + more[name] if name in more else leaf)

    return moved


# ---------------------------------------------------------------------- what is said


def below(name: str, names: tuple[str, ...]) -> list[str]:
    """The leaves of an input or a point."""
    return [n for n in names if n == name or n.startswith((f"{name}.", f"{name}["))]


def first_wrong(
    names: list[str], wrong: list[str], result: Result, backward: Callable[..., Any]
) -> tuple[str, Diagnosis | None]:
    """In the order of the derivation: what is right before the first wrong gradient, and what comes after it."""
    first = wrong[0]
    at = names.index(first)
    right = [n for n in names[:at] if result.gradients[n].passed]
    line = line_in(backward, stem(first).split(".", 1)[0])
    where = f" ({line.file}:{line.number}: {line.text})" if line else ""
    before = f"{', '.join(right)} {'is' if len(right) == 1 else 'are'} right, and " if right else ""
    sentence = f"{before}{first} is the first that is wrong{where}"
    gradient = result.gradients[first]
    truth = gradient.estimates.get(gradient.decided.truth)
    if gradient.decided.truth != HAND and truth is not None and not truth.value.any():
        sentence += f"; no output depends on {first} as it is marked: is what tap returns used?"
    if len(wrong) > 1:
        sentence += f"; {', '.join(wrong[1:])}, derived after it, may be wrong because of it: mend it first"
    if line is None:
        return sentence, None
    found = f"the first wrong line is {line.file}:{line.number}: {line.text}"
    return sentence, Diagnosis("line", found, {"file": line.file, "line": line.number, "text": line.text})
