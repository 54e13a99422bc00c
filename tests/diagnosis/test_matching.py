"""A match needs every point, one factor, and a name for it."""

from __future__ import annotations

import numpy as np
import pytest

from crosscheck.diagnosis.budget import Budget
from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.expressions import Call
from crosscheck.diagnosis.matching import Match, fit
from crosscheck.diagnosis.points import true
from crosscheck.diagnosis.problem import Problem
from tests.diagnosis.derivations import DENSE, SQUARE_DENSE, Base
from tests.diagnosis.harness import drawn, judged, planted_operation

FLIPPED = Candidate("flipped", "is the true one flipped", result=Call(np.flip, (true("weights"), (0,))))


def posed(mistake, rng: np.random.Generator, base: Base = DENSE) -> Problem:
    operation = planted_operation(base, "weights", mistake, drawn(base, rng))
    v = rng.normal(size=operation.output().shape)
    return Problem(operation, v, *judged(operation, v), seed=0, budget=Budget())


def tried(problem: Problem, candidate: Candidate = FLIPPED) -> Match | None:
    return fit(problem, "weights", problem.points("weights"), candidate, problem.budget)


def test_a_match_without_a_factor(rng: np.random.Generator) -> None:
    match = tried(posed(lambda r, g, **_: r["weights"][::-1], rng))
    assert match is not None
    assert (match.factor, match.names, match.cost) == (1.0, [], 0.0)


def test_a_factor_beside_a_mistake_needs_a_name(rng: np.random.Generator) -> None:
    problem = posed(lambda r, g, **_: r["weights"][::-1] / len(g), rng)
    match = tried(problem)
    assert match is not None
    assert match.factor == pytest.approx(1 / 5)
    assert match.names[0].text == "1 / batch"
    told = match.diagnosis(problem, "weights", [])
    assert "5 times too small (1 / batch)" in told.explanation
    assert tried(posed(lambda r, g, **_: 0.77 * r["weights"][::-1], rng)) is None


def test_the_truth_times_a_number_is_said_by_the_number_alone(rng: np.random.Generator) -> None:
    """Negated and of the wrong sign: a tiny scaling is no such mistake."""
    negated = Candidate("sign", "is the true one negated", result=Call(np.negative, (true("weights"),)))
    problem = posed(lambda r, g, **_: r["weights"] * (1 + 3e-12), rng)
    assert problem.points("weights")
    assert tried(problem, negated) is None


def test_one_point_that_it_does_not_reproduce_is_enough(rng: np.random.Generator) -> None:
    calls = 0

    def by_turns(right, g, **_):
        nonlocal calls
        calls += 1
        return right["weights"][::-1] if calls % 2 else right["weights"][:, ::-1]

    assert tried(posed(by_turns, rng)) is None
    varying = posed(lambda r, g, **_: r["weights"][::-1] * (2 if g[0, 0] > 0 else 5), rng)
    factors = {2 if point.v[0, 0] > 0 else 5 for point in (*varying.points("weights"), *varying.further)}
    assert (tried(varying) is None) == (len(factors) > 1)


def test_a_branch_that_the_first_points_did_not_take_is_asked_about(rng: np.random.Generator) -> None:
    """Flipped as long as the cotangent is of one sign somewhere, as where one side of a clip was not met."""
    seen: list[bool] = []

    def on_one_side(right, g, **_):
        seen.append(g[0, 0] > 0)
        return right["weights"][::-1] if seen[-1] == seen[0] else right["weights"] * 1.5

    problem = posed(on_one_side, rng)
    sides = [point.v[0, 0] > 0 for point in problem.further]
    assert len(set(sides)) == 2, "both sides are met"
    assert tried(problem) is None


def test_what_makes_no_difference_explains_nothing(rng: np.random.Generator) -> None:
    problem = posed(lambda r, g, **_: np.cos(r["weights"]), rng)
    assert tried(problem, Candidate("", "", result=true("weights"))) is None
    transposed = Candidate("", "", result=Call(np.transpose, (true("weights"),)))
    assert tried(problem, transposed) is None  # of another shape
    square = posed(lambda r, g, **_: r["weights"].T, rng, SQUARE_DENSE)
    assert tried(square, transposed) is not None


def test_trying_costs_work(rng: np.random.Generator) -> None:
    problem = posed(lambda r, g, **_: r["weights"][::-1], rng)
    before = problem.budget.left
    tried(problem)
    assert problem.budget.left < before
