"""Mistakes at one step of the backward pass, or at every step of a kind: how such candidates are made.

A candidate switches one step of the tape (`crosscheck.traces.tape`) and leaves the others right, so a mistake deep in a
network is found like one in a single layer. The same mistake in code that several steps share is that candidate at all
of them: `everywhere`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from crosscheck.diagnosis.candidates import Candidate, Part
from crosscheck.diagnosis.expressions import Expression
from crosscheck.diagnosis.points import arrives, value
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.words import step_name
from crosscheck.traces.tape import CUSTOM, Step, Tape
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
    # A step that no gradient passes is counted only where it is the one that is asked about.
    alike = [j for j, s in enumerate(tape.steps) if (s.active or j == k) and plain_label(s) == base]
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


def for_all(tape: Tape, k: int, text: str) -> str:
    """The sentence about step k turned into one about all steps of its kind."""
    base = plain_label(tape.steps[k])
    return text.replace(label(tape, k), f"every {base.removeprefix('the ')}")


def at_step(
    tape: Tape,
    kind: str,
    text: str,
    k: int,
    *,
    gives: tuple[tuple[int, Expression], ...] = (),
    reads: tuple[tuple[int, Expression], ...] = (),
) -> Candidate:
    """Step k gives these gradients by operand in place of its own, or its backward reads these arrays."""
    return Candidate(kind, text, parts=(Part(k, for_all(tape, k, text), gives, reads),))


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
                yield Candidate(kind, text, parts=tuple(parts))

    candidates.__name__ = family.__name__
    return candidates


def live_steps(problem: Problem) -> Iterator[tuple[Tape, int, Step]]:
    tape = problem.tape
    if tape is not None:
        for k, step in enumerate(tape.steps):
            if step.active and problem.given.arrivals[k] is not None:
                yield tape, k, step


def arrays_of_shape(tape: Tape, shape: tuple[int, ...], k: int) -> Iterator[tuple[str, Expression]]:
    """Every array of the forward, and what arrives, of one shape: where a mask might have been taken from."""
    if not shape:
        return
    written = tape.steps[k].writes
    if len(written) == 1 and tape.avals[written[0]].shape == shape:
        yield "the incoming gradient", arrives(k)
    for place, aval in enumerate(tape.avals):
        if aval.shape == shape and tape.moves[place]:
            yield value_name(tape, place), value(place)
    for name, place in tape.inputs.items():
        aval = tape.avals[place]
        if aval.shape == shape and not tape.moves[place] and aval.dtype.kind == "f":
            yield name, value(place)
