"""One table of known mistakes, simplest first, and one loop over it."""

from __future__ import annotations

import traceback
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from crosscheck.diagnosis.activations import derivative_mistakes, mask_mistakes
from crosscheck.diagnosis.arguments import other_inputs
from crosscheck.diagnosis.budget import WORK, Budget
from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.causes import common_causes, same_factor
from crosscheck.diagnosis.clips import clipped
from crosscheck.diagnosis.configurations import other_configuration
from crosscheck.diagnosis.constants import other_constants
from crosscheck.diagnosis.cotangents import other_cotangents, shifted_and_cut
from crosscheck.diagnosis.extremes import exchanged_branches
from crosscheck.diagnosis.gathers import gather_mistakes
from crosscheck.diagnosis.glance import FINAL, at_a_glance
from crosscheck.diagnosis.known import known_functions
from crosscheck.diagnosis.matching import Match, fit
from crosscheck.diagnosis.matrices import matrix_mistakes
from crosscheck.diagnosis.operands import (
    arriving_transposed,
    operand_mistakes,
    operands_in_turns,
    order_mistakes,
    passed_on,
    wrong_operands,
)
from crosscheck.diagnosis.paths import (
    counts_left_out,
    cut_paths,
    cut_together,
    paths_in_every_turn,
    some_turns,
    weighted_paths,
)
from crosscheck.diagnosis.places import places
from crosscheck.diagnosis.points import Array
from crosscheck.diagnosis.posing import pieces_of, posed
from crosscheck.diagnosis.precision import lost_precision
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.products import other_arrays, paths_times_arrays, times_arrays
from crosscheck.diagnosis.results import as_it_arrives, rearranged, summed_cotangents
from crosscheck.diagnosis.scaling import proportional
from crosscheck.diagnosis.spectra import spectral_mistakes
from crosscheck.diagnosis.steps import Family, everywhere, in_turns
from crosscheck.diagnosis.terms import contributions, lost_contributions
from crosscheck.diagnosis.windowed import window_mistakes
from crosscheck.diagnosis.words import listed
from crosscheck.evidence.reason import Diagnosis
from crosscheck.operation import Operation

JUDGE = Path(__file__).parents[1]

# Families of mistakes, in the order in which they are believed: what happens to the result, to what arrives, to one
# step, to the inputs; then what only a search over paths finds. A family yields candidates; the first family with a
# match names the mistake.
TABLE: tuple[Family, ...] = (
    rearranged,
    summed_cotangents,
    in_turns(mask_mistakes),
    in_turns(derivative_mistakes),
    paths_in_every_turn,
    in_turns(operand_mistakes),
    operands_in_turns,
    other_cotangents,
    everywhere(window_mistakes),
    in_turns(gather_mistakes),
    everywhere(gather_mistakes),
    shifted_and_cut,
    everywhere(spectral_mistakes),
    everywhere(mask_mistakes),
    everywhere(exchanged_branches),
    weighted_paths,
    cut_paths,
    everywhere(derivative_mistakes),
    everywhere(operand_mistakes),
    everywhere(arriving_transposed),
    everywhere(order_mistakes),
    everywhere(matrix_mistakes),
    everywhere(passed_on),
    known_functions,
    times_arrays,
    contributions,
    counts_left_out,
    some_turns,
    as_it_arrives,
    other_constants,
    paths_times_arrays,
    other_inputs,
    cut_together,
    wrong_operands,
    other_arrays,
)


# Different steps of a reference that is run step by step, beyond which it is not searched: each is compiled twice,
# forward and back, for some 0.07 s each time; so many take a minute.
MOST_PIECES = 400


class Remark(NamedTuple):
    """On the search itself: `kind` is "internal" (a part of it failed) or "left-out" (it did not do everything)."""

    kind: str
    explanation: str


class Explained(NamedTuple):
    """Why each gradient is wrong, the best explanation first ([] where no known mistake reproduces it), and remarks."""

    diagnoses: dict[str, list[Diagnosis]]
    remarks: list[Remark]


def diagnose_all(
    operation: Operation,
    cotangent: Any,
    wrong: Mapping[str, Array],
    truth: Mapping[str, Array],
    bound: Mapping[str, Array],
    *,
    seed: int = 0,
    work: float = WORK,
    budget: float | None = None,
) -> Explained:
    """Why gradients of one operation are wrong.

    A mistake that explains several of them is named first for each, with the same kind and `evidence["gradients"]`
    listing them all. Whatever goes wrong in here, the verdict stands: an exception becomes a remark.

    Args:
        operation: what was judged, at the point where it was judged; its backward is run again at other points.
        cotangent: the gradient that arrived, of the output's shape.
        wrong: the hand-derived gradients, by input.
        truth: autodiff's, or without a reference the finite difference's.
        bound: at each entry, how far a right gradient may be from `truth`.
        seed: of the points that are drawn.
        work: what the search may do, in entries computed (`budget`); the same on every machine.
        budget: seconds after which it ends in any case; None: the clock is not read.
    """
    reasons = Explained({name: [] for name in wrong}, [])
    with verdict_stands(reasons.remarks, wrong), np.errstate(all="ignore"):  # a candidate may divide by zero
        search(reasons, operation, np.asarray(cotangent, np.float64), wrong, truth, bound, seed, Budget(work, budget))
    return reasons


@contextmanager
def verdict_stands(remarks: list[Remark], names: Mapping[str, Any] | list[str]) -> Generator[None]:
    """The one place where a failure of the search is caught: it becomes a remark that says what to report."""
    try:
        yield
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        here = [frame for frame in frames if Path(frame.filename).is_relative_to(JUDGE)][-1]
        where = f"{here.name}, {Path(here.filename).relative_to(JUDGE)}:{here.lineno}"
        inside = "" if frames[-1] is here else f", inside {frames[-1].name}"
        remarks.append(
            Remark(
                "internal",
                f"the search for the reason why the gradient of {listed(names)} is wrong failed: "
                f"{type(error).__name__}: {error} (in {where}{inside}). The verdict does not depend on it. "
                "This is a fault of crosscheck: please report this line with the functions that were checked",
            )
        )


def search(
    reasons: Explained,
    operation: Operation,
    v: Array,
    wrong: Mapping[str, Array],
    truth: Mapping[str, Array],
    bound: Mapping[str, Array],
    seed: int,
    budget: Budget,
) -> None:
    """Fills in the reasons: at a glance, one by one, and what several have in common."""
    found = reasons.diagnoses
    for name in wrong:
        found[name] += at_a_glance(operation, name, wrong[name], truth[name], bound[name])
    names = [name for name in wrong if not any(d.kind in FINAL for d in found[name])]
    for name, diagnosis in clipped(operation, v, wrong, truth, bound, names).items():
        found[name].append(diagnosis)
        names.remove(name)
    if not names:
        return
    pieces = pieces_of(operation)
    if pieces > MOST_PIECES:
        reasons.remarks.append(
            Remark(
                "left-out",
                f"the search for the reason left out all but a glance: the reference is {pieces} different steps, each "
                "to be compiled by itself (an unrolled loop whose shapes grow?)",
            )
        )
        return
    arrays = ({k: np.asarray(a[k], np.float64) for k in names} for a in (wrong, truth, bound))
    problem = posed(operation, v, *arrays, seed=seed, budget=budget)
    matches: dict[str, list[Match]] = {}
    alone: dict[str, list[Diagnosis]] = {}  # what no candidate explains
    for place, name in enumerate(names):
        share = budget.share(len(names) - place)
        with verdict_stands(reasons.remarks, [name]):
            explained, matches[name] = explain(problem, name, matches, share)
            found[name] += explained
            if not matches[name]:
                alone[name] = explained
        budget.give_back(share)
    for name, (match, together) in common_causes(problem, matches).items():
        cause = match.diagnosis(problem, name, [])
        cause.evidence["gradients"] = together
        # What was found for this gradient alone says the same of less.
        found[name] = [*(d for d in found[name] if d.kind == "dtype"), cause]
    same_factor(alone)
    reasons.remarks.extend(Remark("left-out", f"the search for the reason left out {it}") for it in problem.left_out)


def explain(
    problem: Problem, name: str, known: Mapping[str, list[Match]], budget: Budget
) -> tuple[list[Diagnosis], list[Match]]:
    """The loop over the table, for one gradient."""
    points = problem.points(name)
    if not points:
        return [], []
    at_once = proportional(problem, name, points) or lost_precision(problem, name)
    at_once = at_once or other_configuration(problem, name, points)
    if at_once is not None:
        return [at_once], []
    # What explained another gradient is tried first: one cause, several wrong gradients.
    earlier = dict.fromkeys(m.candidate for found in known.values() for m in found[:1] if m.candidate.whole)
    families: list[Iterator[Candidate]] = [iter(earlier), *(family(problem, name) for family in TABLE)]
    for place, family in enumerate(families):
        matches = []
        for candidate in family:
            match = fit(problem, name, points, candidate, budget)
            if match is not None:
                matches.append(match)
            if budget.ended:
                break
        if matches:
            matches.sort(key=lambda m: m.cost)
            return [matches[0].diagnosis(problem, name, matches[1:])], matches
        if budget.ended:
            untried = len(families) - max(place, 1)
            sentence = f"{untried} of {len(TABLE)} families of mistakes for {name}, whose share of the work is done"
            problem.left_out.append(sentence)
            break
    lost = None if budget.ended else lost_contributions(problem, name)
    if lost is not None:
        kind, text, evidence = lost
        return [Diagnosis(kind, f"the gradient of {name} {text}", evidence)], []
    if all(point.is_zero(name) for point in points):
        return [Diagnosis("zero", f"the gradient of {name} is zero everywhere, to rounding", {})], []
    place = places(problem, name)
    return [place] if place else [], []
