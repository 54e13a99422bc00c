"""Mistakes at one step of the backward pass, or at every step of a kind: how such candidates are made.

A candidate switches one step of the tape (`crosscheck.traces.tape`) and leaves the others right, so a mistake deep in a
network is found like one in a single layer. The same mistake in code that several steps share is that candidate at all
of them: `everywhere`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from crosscheck.diagnosis.problem import Array, Candidate, Point, Problem
from crosscheck.diagnosis.words import step_name
from crosscheck.traces.tape import CUSTOM, Edge, Step, Tape
from crosscheck.traces.walk import inner_jaxpr

# Steps that only write the same numbers in another shape.
REWRITTEN = frozenset(["reshape", "broadcast_in_dim", "squeeze", "expand_dims", "convert_element_type", "copy"])


# ---------------------------------------------------------------------- words


def own_name(step: Step) -> str:
    """The name of the function that a call with its own derivative rule stands for ("relu")."""
    inner = inner_jaxpr(step.eqn)
    if inner is not None:
        for eqn in inner[0].eqns:
            if "name" in eqn.params:
                return str(eqn.params["name"])
    return step.within


def plain_label(step: Step) -> str:
    """A step in words, the same for all of its kind."""
    return step_name(step.name, own_name(step) if step.name in CUSTOM else step.within)


def label(tape: Tape, k: int) -> str:
    """Step k in words, told from others of its kind."""
    step = tape.steps[k]
    base = plain_label(step)
    alike = [j for j, s in enumerate(tape.steps) if s.active and plain_label(s) == base]
    if len(alike) < 2:
        return base
    places = {place: name for name, place in tape.inputs.items()}
    names = [places[r] for r in step.reads if r in places]
    if len(step.active) > 1 and names:
        return f"{base} with {names[-1]}"
    return f"{base} (number {alike.index(k) + 1} of {len(alike)})"


def value_name(tape: Tape, place: int) -> str:
    """What a value of the forward is called: an input's name, or the step that made it."""
    made = {w: step for step in tape.steps for w in step.writes}
    source = place
    while source in made and made[source].name in REWRITTEN:
        source = made[source].reads[0]
    for name, at in tape.inputs.items():
        if at == source:
            return name
    if place == tape.output:
        return "the output"
    for k, step in enumerate(tape.steps):
        if place in step.writes:
            return f"the result of {label(tape, k)}"
    return "a constant"


# ---------------------------------------------------------------------- candidates


class Part(NamedTuple):
    """What a candidate switches: step `step` gives `rule(point, what arrives)`, or its `reads` is changed.

    `rule` gets what arrives at the output of every step and returns a gradient by operand; `reads` maps an operand to
    the array that the backward reads in its place. `text` is the candidate's sentence for all steps of the kind.
    """

    step: int
    text: str
    rule: Callable[[Point, list[Any]], Mapping[int, Array] | None] | None = None
    reads: Mapping[int, Callable[[Point], Array | None]] | None = None


def switched(point: Point, parts: list[Part]) -> dict[str, Array]:
    """The gradients with all the parts switched; {} where one does not apply."""
    scales: dict[Edge, float] = {}
    injected: dict[Edge, Array] = {}
    residuals: dict[Edge, Array] = {}
    # From the output backwards: what arrives at a step depends on the steps behind it that are switched already.
    for part in sorted(parts, key=lambda part: -part.step):
        if part.rule is not None:
            arriving = point.arriving
            if scales or residuals:
                arriving = point.switched(scales=scales, injected=injected, residuals=residuals).arriving
            given = part.rule(point, arriving) if arriving[part.step] is not None else None
            if given is None:
                return {}
            for i, value in given.items():
                scales[part.step, i] = 0.0
                injected[part.step, i] = value
        for i, change in (part.reads or {}).items():
            value = change(point)
            if value is None:
                return {}
            residuals[part.step, i] = value
    return point.switched(scales=scales, injected=injected, residuals=residuals).gradients


def of_parts(kind: str, text: str, parts: list[Part]) -> Candidate:
    key = ("step", *(part.step for part in parts), text)
    return Candidate(
        kind,
        text,
        lambda point, name: point.once(key, lambda: switched(point, parts)).get(name),
        key,
        parts=tuple(parts),
    )


def for_all(problem: Problem, k: int, text: str) -> str:
    """The sentence about step k turned into one about all steps of its kind."""
    assert problem.tape is not None
    base = plain_label(problem.tape.steps[k])
    return text.replace(label(problem.tape, k), f"every {base.removeprefix('the ')}")


def instead(
    problem: Problem,
    kind: str,
    text: str,
    k: int,
    rule: Callable[[Point, Array], Mapping[int, Array] | None],
) -> Candidate:
    """Step k gives `rule(point, what arrives at it)`, by operand, in place of its own gradients."""
    part = Part(k, for_all(problem, k, text), lambda point, arriving: rule(point, np.asarray(arriving[k])))
    return of_parts(kind, text, [part])


def reading(problem: Problem, kind: str, text: str, edge: Edge, change: Callable[[Point], Array | None]) -> Candidate:
    """The backward reads `change(point)` where it should read an operand of the forward."""
    part = Part(edge[0], for_all(problem, edge[0], text), reads={edge[1]: change})
    return of_parts(kind, text, [part])


Family = Callable[[Problem, str], Iterator[Candidate]]


def everywhere(family: Family) -> Family:
    """A family of one-step mistakes, followed by each of them made at all steps of a kind together."""

    def candidates(problem: Problem, name: str) -> Iterator[Candidate]:
        alike: dict[tuple[str, str], list[Part]] = {}
        for candidate in family(problem, name):
            yield candidate
            for part in candidate.parts:
                alike.setdefault((candidate.kind, part.text), []).append(part)
        for (kind, text), parts in alike.items():
            if len({part.step for part in parts}) == len(parts) > 1:
                yield of_parts(kind, text, parts)

    return candidates


def operand(point: Point, edge: Edge) -> Array:
    assert point.tape is not None
    return np.asarray(point.values[point.tape.steps[edge[0]].reads[edge[1]]])


def live_steps(problem: Problem) -> Iterator[tuple[Tape, int, Step]]:
    tape = problem.tape
    if tape is not None:
        for k, step in enumerate(tape.steps):
            if step.active and problem.given.arriving[k] is not None:
                yield tape, k, step


def arrays_of_shape(tape: Tape, shape: tuple[int, ...], k: int) -> Iterator[tuple[str, Callable[[Point], Array]]]:
    """Every array of the forward, and what arrives, of one shape: where a mask might have been taken from."""
    if not shape:
        return
    if tape.avals[tape.steps[k].writes[0]].shape == shape:
        yield "the incoming gradient", lambda p: np.asarray(p.arriving[k])
    for place, aval in enumerate(tape.avals):
        if aval.shape == shape and tape.moves[place]:
            yield value_name(tape, place), lambda p, at=place: np.asarray(p.values[at])
    for name, place in tape.inputs.items():
        aval = tape.avals[place]
        if aval.shape == shape and not tape.moves[place] and aval.dtype.kind == "f":
            yield name, lambda p, at=place: np.asarray(p.values[at])
