"""One cause across configurations: what reproduces a wrong gradient at several of them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from crosscheck.diagnosis.across import across
from crosscheck.diagnosis.budget import Budget
from crosscheck.diagnosis.glance import FINAL
from crosscheck.diagnosis.posing import posed
from crosscheck.diagnosis.search import Remark, diagnose_all, verdict_stands
from crosscheck.evidence.reason import Diagnosis
from crosscheck.judge import Accused, wrong_at
from crosscheck.spaces.space import Choices
from crosscheck.surveys.search import Search
from crosscheck.surveys.visits import ASIDE, RAISES, WRONG

# Configurations at which a cause must hold; each is compiled.
ASKED = 3


def cause_of(search: Search, name: str, smallest: tuple[Choices, int], seed: int) -> Diagnosis | None:
    """The mistake that fits at several configurations, or where none fits at all of them, at one; at how many, says
    `evidence["configurations"]`. None where there is nothing to say."""
    if name.startswith((ASIDE, RAISES)):
        return None
    found: list[Accused] = []
    for configuration, draw in chosen(search, name, smallest):
        wrong = wrong_at(search.visitor.operation(configuration, draw), name, seed, search.deadline)
        if wrong is not None:
            found.append(wrong)
    if not found:
        return None
    remarks: list[Remark] = []
    cause = None
    with verdict_stands(remarks, [name]), np.errstate(all="ignore"):
        cause = together(found, name, seed)
    return Diagnosis(remarks[0].kind, remarks[0].explanation, {}) if remarks else cause


def chosen(search: Search, name: str, smallest: tuple[Choices, int]) -> list[tuple[Choices, int]]:
    """The smallest configuration that is wrong, and others as different as can be.

    At few sizes two mistakes may be one; so the others are those of the largest.
    """
    places = sorted(search.outcomes(name)[0], key=lambda i: -search.weight(search.points[i]))
    others = [search.of(int(i)) for i in places if search.visits[i].outcomes[name] == WRONG]
    return [smallest, *(other for other in others if other[0] != smallest[0])][:ASKED]


def together(found: list[Accused], name: str, seed: int) -> Diagnosis | None:
    said = [wrong.at_once for wrong in found]
    if None not in said:
        return alike([one for one in said if one is not None])
    # The largest first: what fits there is the least likely to fit by coincidence.
    ordered = [wrong for wrong in (*found[1:], found[0]) if wrong.at_once is None]
    problems = [posed(w.operation, w.cotangent, w.hand, w.truth, w.bound, seed=seed, budget=Budget()) for w in ordered]
    if len(problems) > 1:
        cause = across(problems, name, Budget())
        if cause is not None:
            return holding_at(cause, len(problems))
    each = [diagnosed(wrong, name, seed) for wrong in ordered]
    known = [one for one in each if one is not None]
    if not known:
        return None
    if len(known) == len(each) and len({one.kind for one in known}) == 1:
        return alike(known)
    # That a gradient is zero at a small configuration says less than what is said of it at a larger one.
    telling = [one for one in known if one.kind not in FINAL]
    return holding_at((telling or known)[-1], 1)


def diagnosed(wrong: Accused, name: str, seed: int) -> Diagnosis | None:
    explained = diagnose_all(wrong.operation, wrong.cotangent, wrong.hand, wrong.truth, wrong.bound, seed=seed)
    return next(iter(explained.diagnoses[name]), None)


def alike(said: list[Diagnosis]) -> Diagnosis:
    """What is said at each configuration, if it is the same but for numbers; else what is said at the last."""
    same = {re.sub(r"\d+", "n", one.explanation) for one in said}
    return holding_at(said[-1], len(said) if len(same) == 1 else 1)


def holding_at(cause: Diagnosis, count: int) -> Diagnosis:
    return replace(cause, evidence={**cause.evidence, "configurations": count})
