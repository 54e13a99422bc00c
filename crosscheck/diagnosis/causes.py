"""One cause, several wrong gradients: what they have in common."""

from __future__ import annotations

from collections.abc import Mapping

from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.matching import Match, fit
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.tolerances import DIGITS
from crosscheck.evidence.reason import Diagnosis


def common_causes(problem: Problem, matches: Mapping[str, list[Match]]) -> dict[str, tuple[Match, list[str]]]:
    """For each gradient the candidate that explains it and the most others, where that is more than one."""
    found: dict[Candidate, dict[str, Match]] = {}
    for name, of_name in matches.items():
        for match in of_name:
            if match.candidate.whole:
                found.setdefault(match.candidate, {})[name] = match
    for candidate, by_name in found.items():
        for name in matches:
            if name not in by_name and not problem.budget.ended:
                match = fit(problem, name, problem.points(name), candidate, problem.budget)
                if match is not None:
                    by_name[name] = match
    best: dict[str, tuple[Match, list[str]]] = {}
    for by_name in found.values():
        if len(by_name) < 2:
            continue
        for name, match in by_name.items():
            if name not in best or len(by_name) > len(best[name][1]):
                best[name] = match, list(by_name)
    return best


def same_factor(diagnoses: Mapping[str, list[Diagnosis]]) -> None:
    """Gradients that are wrong by one factor and nothing else are wrong by one cause: each says which they are."""
    by_factor: dict[tuple[str, float], list[str]] = {}
    for name, found in diagnoses.items():
        if found and found[0].kind in ("sign", "scaled") and "factor" in found[0].evidence:
            by_factor.setdefault((found[0].kind, round(found[0].evidence["factor"], DIGITS)), []).append(name)
    for names in by_factor.values():
        for name in names if len(names) > 1 else ():
            diagnoses[name][0].evidence["gradients"] = names
