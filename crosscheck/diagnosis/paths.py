"""Paths: what travels back on some edges of the tape is left out, or taken with another weight.

The derivative of one entry is a sum over all paths to the output. Let P be what the paths through one edge bring. A
derivation that takes them w times gives

    wrong = truth + (w - 1) · P,   P = truth - (the pass with the edge cut)                          (1)

so one cut pass says whether a weight explains the gradient, and which. A weight is named like a factor: -1, 2, ½, a
size, a count less one (the unbiased variance), a constant of the program. Edges that belong together, those of one line
in every turn of a loop, or those that leave a step's result (a statistic taken as a constant), are cut together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np

from crosscheck.diagnosis.candidates import Candidate, ToThePower, evaluate
from crosscheck.diagnosis.factors import Reading, in_words, readings
from crosscheck.diagnosis.labels import REWRITTEN, in_every_turn, label, value_name
from crosscheck.diagnosis.matching import accuracy
from crosscheck.diagnosis.points import Array, Point
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.resizing import asked_elsewhere
from crosscheck.diagnosis.sites import sites_of
from crosscheck.diagnosis.words import operand_name
from crosscheck.traces.tape import Edge, Tape

# Pairs of edges are tried up to this many edges.
MOST_EDGES = 40
# A weight may be a size, a product or quotient of two, or one of these with a constant.
WEIGHT = 2.7


class Edges(NamedTuple):
    """Edges that are cut or weighted together; `text` continues "... the path through"."""

    text: str
    edges: tuple[Edge, ...]


def edge_name(tape: Tape, edge: Edge) -> str:
    """ "the denominator of the quotient", "x in the product"."""
    step = tape.steps[edge[0]]
    what = label(tape, edge[0])
    if len(step.active) == 1:
        return what
    who = value_name(tape, step.reads[edge[1]])
    if who in tape.inputs and who not in what:
        return f"{who} in {what}"
    return f"{operand_name(step.name, edge[1])} of {what}"


def path_name(tape: Tape, edges: tuple[Edge, ...]) -> str:
    """ "the denominator of the quotient", or of both operands at once "the product"."""
    first, *others = edges
    return label(tape, first[0]) if others else edge_name(tape, first)


def same_array(tape: Tape, edge: Edge) -> tuple[Edge, ...]:
    """The edges through operands that are one array.

    The two operands of x · x are one path: with only one of them the derivative is half of it.
    """
    step = tape.steps[edge[0]]
    return tuple((edge[0], i) for i in step.active if step.reads[i] == step.reads[edge[1]])


def single(tape: Tape) -> Iterator[Edges]:
    """Every path where paths part or meet; of a loop those of the first and the last turn."""
    for edges in dict.fromkeys(same_array(tape, edge) for edge in tape.junctions()):
        site = sites_of(tape)[edges[0][0]]
        if site.turn in (0, site.turns - 1):
            yield Edges(path_name(tape, edges), edges)


def every_turn(tape: Tape) -> Iterator[Edges]:
    """The edges of one line in every turn of a loop: a recurrent path."""
    by_site: dict[tuple[Hashable, int], list[Edge]] = defaultdict(list)
    for edge in tape.junctions():
        by_site[sites_of(tape)[edge[0]].key, edge[1]].append(edge)
    for (key, operand), edges in by_site.items():
        # In the first turn what is carried may be an input, and x · x by chance: operands are one if they always are.
        always = [{i for _, i in same_array(tape, edge)} for edge in edges]
        alike = sorted(set.intersection(*always))
        if len(edges) > 1 and operand == alike[0]:
            cut = tuple(edge for i in alike for edge in by_site[key, i])
            last = tuple((edges[-1][0], i) for i in alike)
            yield Edges(in_every_turn(path_name(tape, last)), cut)


def results(tape: Tape) -> Iterator[Edges]:
    """Everything that goes back into the result of a step that is read more than once, or of a line."""
    readers: dict[int, list[Edge]] = defaultdict(list)
    for edge in tape.edges:
        readers[tape.steps[edge[0]].reads[edge[1]]].append(edge)
    for k, step in enumerate(tape.steps):
        if len(step.active) > 1 and step.name not in REWRITTEN and step.writes[0] != tape.output:
            yield Edges(f"the result of {label(tape, k)}", tuple((k, i) for i in step.active))


def cut_paths(problem: Problem, name: str) -> Iterator[Candidate]:
    """Paths left out: through one edge, in every turn, or through both operands of a step."""
    tape = problem.tape
    if tape is None:
        return
    for group in single(tape):
        text = f"leaves out the path through {group.text}"
        yield Candidate("missing-terms", text, scales=tuple((e, 0.0) for e in group.edges))
    for group in results(tape):
        text = f"takes {group.text} as a constant"
        yield Candidate("missing-terms", text, scales=tuple((e, 0.0) for e in group.edges))


def paths_in_every_turn(problem: Problem, name: str) -> Iterator[Candidate]:
    """A path through a line of a loop, a recurrent one among them, left out or weighted in every turn."""
    if problem.tape is None:
        return
    for group in every_turn(problem.tape):
        text = f"leaves out the path through {group.text}"
        yield Candidate("missing-terms", text, scales=tuple((e, 0.0) for e in group.edges))
        for number in (-1.0, 2.0, 0.5):
            kind, text = said(number, None, group.text)
            yield Candidate(kind, text, scales=tuple((e, number) for e in group.edges))


def cut_together(problem: Problem, name: str) -> Iterator[Candidate]:
    """Paths left out together: through all sums, through two edges."""
    tape = problem.tape
    if tape is None:
        return
    sums = [e for e in tape.edges if tape.steps[e[0]].name in ("reduce_sum", "reduce_max")]
    if len(sums) > 1:
        text = "treats every sum and mean as a constant"
        yield Candidate("missing-terms", text, scales=tuple((e, 0.0) for e in sums))
    edges = tape.junctions()
    if len(edges) <= MOST_EDGES:
        for a, b in combinations(edges, 2):
            text = f"leaves out the paths through {edge_name(tape, a)} and {edge_name(tape, b)}"
            yield Candidate("missing-terms", text, scales=((a, 0.0), (b, 0.0)))


def some_turns(problem: Problem, name: str) -> Iterator[Candidate]:
    """Of what the turns of a loop add up to an array that all of them read, only one turn's is kept, or one is lost."""
    tape = problem.tape
    if tape is None:
        return
    by_site: dict[tuple[Hashable, int, int], list[Edge]] = defaultdict(list)
    for k, i in tape.edges:
        by_site[sites_of(tape)[k].key, i, tape.steps[k].reads[i]].append((k, i))
    for (_, _, place), edges in by_site.items():
        if len(edges) < 2:
            continue
        who = value_name(tape, place)
        for kept, which in ((edges[-1], "last"), (edges[0], "first")):
            lost = tuple((e, 0.0) for e in edges if e != kept)
            text = f"keeps of what the turns of the loop add up for {who} only the {which} turn's"
            yield Candidate("overwritten", text, scales=lost)
            if len(edges) > 2:
                text = f"leaves out the {which} turn of what the turns of the loop add up for {who}"
                yield Candidate("missing-terms", text, scales=((kept, 0.0),))


# ---------------------------------------------------------------------- weights


def weighted_paths(problem: Problem, name: str) -> Iterator[Candidate]:
    """(1): one path with the wrong sign, twice, half, or times a number that has a name."""
    tape, points = problem.tape, problem.points(name)
    if tape is None or not points:
        return
    for group in (*single(tape), *same_constant(problem)):
        found = weight(problem, points[0], name, group)
        if found is not None:
            yield found
    for group in same_kind(tape):
        for number in (-1.0, 2.0, 0.5):
            kind, text = said(number, None, group.text)
            yield Candidate(kind, text, scales=tuple((e, number) for e in group.edges))


def counts(problem: Problem) -> Iterator[tuple[str, float, list[tuple[Edge, int]]]]:
    """The operands that are multiplied or divided by one scalar, a count or a scale: (primitive, scalar, edges with
    the scalar's place)."""
    tape = problem.tape
    assert tape is not None
    by_scalar: dict[tuple[str, float], list[tuple[Edge, int]]] = defaultdict(list)
    for k, i in tape.edges:
        step = tape.steps[k]
        if step.name not in ("mul", "div") or len(step.active) > 1 or tape.avals[step.reads[1 - i]].shape:
            continue
        scalar = float(np.real(problem.given.value(step.reads[1 - i])))
        if np.isfinite(scalar) and scalar not in (0.0, 1.0):
            by_scalar[step.name, scalar].append(((k, i), step.reads[1 - i]))
    for (primitive, scalar), edges in by_scalar.items():
        yield primitive, scalar, edges


def same_constant(problem: Problem) -> Iterator[Edges]:
    """The same as groups."""
    for primitive, scalar, edges in counts(problem):
        what = "quotient by" if primitive == "div" else "product with"
        each = "every" if len(edges) > 1 else "the"
        yield Edges(f"{each} {what} {scalar:.6g}", tuple(edge for edge, _ in edges))


def counts_left_out(problem: Problem, name: str) -> Iterator[Candidate]:
    """A count or a scale left out, or taken twice, at one step or wherever it stands."""
    if problem.tape is None:
        return
    for primitive, scalar, edges in counts(problem):
        power = 1 if primitive == "div" else -1
        verb = "division by" if primitive == "div" else "factor"
        several = [edges] if len(edges) > 1 else []
        for group in [*([e] for e in edges), *several]:
            where = f"of {label(problem.tape, group[0][0][0])}" if len(group) == 1 else "everywhere"
            for sign, text in ((1, "leaves out"), (-1, "takes twice")):
                scales = tuple((edge, ToThePower(place, sign * power)) for edge, place in group)
                yield Candidate("scaled", f"{text} the {verb} {scalar:.6g} {where}", scales=scales)


def same_kind(tape: Tape) -> Iterator[Edges]:
    """All sums that a statistic is made of: what they give back is one term each."""
    sums = tuple(e for e in tape.edges if tape.steps[e[0]].name == "reduce_sum")
    if len(sums) > 1:
        yield Edges("every sum", sums)


def weight(problem: Problem, point: Point, name: str, group: Edges) -> Candidate | None:
    """The candidate whose weight (1) fits at one point; None if none does, or it has no name."""
    cut = Candidate("", "", scales=tuple((e, 0.0) for e in group.edges))
    problem.budget.spend(problem.work(cut, point, name))
    without = evaluate(cut, point, name)
    if without is None or not np.isfinite(without).all():
        return None
    wrong, truth = point.wrong[name], point.truth[name]
    brought = truth - without
    square = float(np.sum(brought * brought))
    if wrong.shape != truth.shape or square == 0 or point.is_truth(without, name):
        return None
    number = 1 + float(np.sum((wrong - truth) * brought)) / square
    if not point.same(truth + (number - 1) * brought, name):
        return None
    return named(problem, point, name, group, number, brought)


def named(problem: Problem, point: Point, name: str, group: Edges, number: float, brought: Array) -> Candidate | None:
    top = float(np.abs(brought).max(initial=0.0)) / max(float(np.abs(point.truth[name]).max(initial=0.0)), 1e-300)
    same = min(accuracy(point, name) / max(top, 1e-6), 1e-6)
    for plain in (-1.0, 2.0, 0.5, -2.0, -0.5, 3.0, 1 / 3):
        if abs(number - plain) <= same * abs(plain):
            kind, text = said(plain, None, group.text)
            return Candidate(kind, text, scales=tuple((e, plain) for e in group.edges))
    found = readings(number, problem.sizes(), WEIGHT, same, problem.special_sizes())
    found = [reading for reading in found if asked_elsewhere(problem, reading)]
    if not found:
        return None
    kind, text = said(number, found[0], group.text)
    return Candidate(kind, text, scales=tuple((e, found[0]) for e in group.edges))


def said(number: float, reading: Reading | None, path: str) -> tuple[str, str]:
    if number == -1:
        return "sign", f"has the wrong sign on the path through {path}"
    if number == 2:
        return "scaled", f"counts the path through {path} twice"
    if number == 0.5:
        return "scaled", f"counts only half of the path through {path}"
    return "scaled", f"on the path through {path} is {in_words(number, reading.text if reading else None, 1e-9)}"
