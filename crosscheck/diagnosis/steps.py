"""Mistakes at one step of the backward pass, or at every step of a kind: how such candidates are made.

A candidate switches one step of the tape (`crosscheck.traces.tape`) and leaves the others right, so a mistake deep in a
network is found like one in a single layer. The same mistake in code that several steps share is that candidate at all
of them: `everywhere`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator

from crosscheck.diagnosis.candidates import Candidate, Part
from crosscheck.diagnosis.expressions import Expression
from crosscheck.diagnosis.labels import for_all, in_every_turn, value_name
from crosscheck.diagnosis.points import arrives, value
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.sites import sites_of
from crosscheck.traces.tape import Step, Tape

# ---------------------------------------------------------------------- candidates


def at_step(
    tape: Tape,
    kind: str,
    text: str,
    k: int,
    *,
    gives: tuple[tuple[int, Expression], ...] = (),
    reads: tuple[tuple[int, Expression], ...] = (),
    slope: Expression | None = None,
) -> Candidate:
    """Step k gives these gradients by operand in place of its own, its backward reads these arrays, or it has another
    slope."""
    return Candidate(kind, text, parts=(Part(k, for_all(tape, k, text), gives, reads, slope),))


Family = Callable[[Problem, str], Iterator[Candidate]]


def in_turns(family: Family) -> Family:
    """A family of one-step mistakes, each of them made in every turn of a loop."""

    def candidates(problem: Problem, name: str) -> Iterator[Candidate]:
        turns: dict[tuple[Hashable, str, str], list[Part]] = {}
        sites = sites_of(problem.tape) if problem.tape is not None else []
        if not any(site.turns > 1 for site in sites):
            return
        for candidate in family(problem, name):
            for part in candidate.parts:
                site = sites[part.step]
                if site.turns > 1:
                    turns.setdefault((site.key, candidate.kind, in_every_turn(candidate.text)), []).append(part)
        for (_, kind, text), parts in turns.items():
            if len({part.step for part in parts}) == len(parts) > 1:
                yield Candidate(kind, text, parts=tuple(parts))

    candidates.__name__ = f"{family.__name__}_in_every_turn"
    return candidates


def everywhere(family: Family) -> Family:
    """A family of one-step mistakes, followed by each of them made at all steps of a kind together.

    Of a loop only the first and the last turn are tried alone.
    """

    def candidates(problem: Problem, name: str) -> Iterator[Candidate]:
        alike: dict[tuple[str, str], list[Part]] = {}
        sites = sites_of(problem.tape) if problem.tape is not None else []
        for candidate in family(problem, name):
            spots = [sites[part.step] for part in candidate.parts]
            if all(spot.turn in (0, spot.turns - 1) for spot in spots):
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
