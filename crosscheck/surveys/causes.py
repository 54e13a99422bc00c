"""One cause across configurations: what reproduces a wrong gradient at several of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from crosscheck.diagnosis.across import across, in_general
from crosscheck.diagnosis.budget import Budget
from crosscheck.diagnosis.glance import FINAL
from crosscheck.diagnosis.posing import posed
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.search import Remark, diagnose_all, verdict_stands
from crosscheck.diagnosis.steps import Family
from crosscheck.evidence.reason import Diagnosis
from crosscheck.judge import Accused, accused, judged_here
from crosscheck.report.failing import is_a_place
from crosscheck.spaces.space import Choices
from crosscheck.surveys.search import Search
from crosscheck.surveys.visits import ASIDE, RAISES, WRONG

# Configurations at which a cause must hold; each is compiled.
ASKED = 4


class Accusations:
    """What a search for a reason starts from, at every configuration that is asked: one for all gradients."""

    def __init__(self, search: Search, seed: int) -> None:
        self.search, self.seed = search, seed
        self.known: dict[tuple[str, int], tuple[Accused, Problem | None]] = {}
        self.families: list[Family] = []  # that had the cause of another gradient

    def at(self, configuration: Choices, draw: int) -> tuple[Accused, Problem | None]:
        """What is wrong at a configuration, and what the search works on; None where only shapes are wrong."""
        key = (repr(configuration), draw)
        if key not in self.known:
            operation = self.search.visitor.operation(configuration, draw)
            found = accused(judged_here(operation, self.seed, self.search.deadline))
            there = found.cotangent, found.hand, found.truth, found.bound
            problem = posed(found.operation, *there, seed=self.seed, budget=Budget()) if found.hand else None
            self.known[key] = found, problem
        return self.known[key]

    def cause(self, name: str, smallest: tuple[Choices, int]) -> Diagnosis | None:
        """The mistake that fits at several configurations, or where none fits at two of them, at one; at how many of
        how many, says `evidence["configurations"]` and `evidence["asked"]`. None where there is nothing to say."""
        if name.startswith((ASIDE, RAISES)):
            return None
        remarks: list[Remark] = []
        cause = None
        with verdict_stands(remarks, [name]), np.errstate(all="ignore"):
            cause = self.together(name, chosen(self.search, name, smallest))
        return Diagnosis(remarks[0].kind, remarks[0].explanation, {}) if remarks else cause

    def together(self, name: str, places: list[tuple[Choices, int]]) -> Diagnosis | None:
        found = [self.at(*place) for place in places]
        shapes = [wrong.at_once[name] for wrong, _ in found if name in wrong.at_once]
        if len(shapes) == len(found):
            return alike(shapes, len(found))
        # The largest first: what fits there is the least likely to fit by coincidence.
        ordered = [(wrong, problem) for wrong, problem in (*found[1:], found[0]) if name in wrong.hand]
        problems = [problem for _, problem in ordered if problem is not None]
        if len(problems) > 1:
            common = across(problems, name, self.families)
            if common is not None:
                self.families = [*common.families, *self.families]
                return holding_at(common.diagnosis, common.problems, len(found))
        each = [diagnosed(wrong, name, self.seed) for wrong, _ in ordered]
        known = [*shapes, *(one for one in each if one is not None)]
        # That a gradient is zero at a small configuration says less than what is said of it at a larger one.
        telling = [one for one in known if one.kind not in FINAL] or known
        return alike(telling, len(found)) if telling else None


def chosen(search: Search, name: str, smallest: tuple[Choices, int]) -> list[tuple[Choices, int]]:
    """The smallest configuration that is wrong, and others as different as can be.

    At few sizes two mistakes may be one; so the others are those of the largest.
    """
    places = sorted(search.outcomes(name)[0], key=lambda i: -search.weight(search.points[i]))
    others = [search.of(int(i)) for i in places if search.visits[i].outcomes[name] == WRONG]
    return [smallest, *(other for other in others if other[0] != smallest[0])][:ASKED]


def diagnosed(wrong: Accused, name: str, seed: int) -> Diagnosis | None:
    there = ({name: arrays[name]} for arrays in (wrong.hand, wrong.truth, wrong.bound))
    explained = diagnose_all(wrong.operation, wrong.cotangent, *there, seed=seed)
    return next(iter(explained.diagnoses[name]), None)


def alike(said: list[Diagnosis], asked: int) -> Diagnosis:
    """What is said at the most configurations, but for numbers; a reason before a place, the first of equals."""
    texts = [in_general(one.explanation) for one in said]
    best = max(range(len(said)), key=lambda i: (texts.count(texts[i]), not is_a_place(said[i]), -i))
    return holding_at(said[best], texts.count(texts[best]), asked)


def holding_at(cause: Diagnosis, count: int, asked: int) -> Diagnosis:
    return replace(cause, evidence={**cause.evidence, "configurations": count, "asked": asked})
