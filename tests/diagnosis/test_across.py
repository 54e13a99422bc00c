"""One cause across configurations: of two names that fit at one, the one that fits at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from crosscheck.deadline import Deadline
from crosscheck.diagnosis.across import across
from crosscheck.diagnosis.budget import Budget
from crosscheck.diagnosis.posing import posed
from crosscheck.diagnosis.problem import Problem
from crosscheck.doors.functions import from_functions
from crosscheck.judge import accused, judged_here


def forward(x: Any, w: Any) -> Any:
    return np.tanh(x @ w)


def with_weights(change: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A backward whose gradient of w is the true one, changed with a look at x."""

    def backward(grad_output: Any, x: Any, w: Any) -> Any:
        z = grad_output * (1 - np.tanh(x @ w) ** 2)
        return {"x": z @ w.T, "w": change(x.T @ z, x)}

    return backward


def problem(backward: Callable[..., Any], rows: int, inputs: int) -> Problem:
    rng = np.random.default_rng([rows, inputs])
    point = {"x": rng.normal(size=(rows, inputs)), "w": rng.normal(size=(inputs, 2))}
    wrong = accused(judged_here(from_functions(forward, backward, point), 0, Deadline()))
    return posed(wrong.operation, wrong.cotangent, wrong.hand, wrong.truth, wrong.bound, seed=0, budget=Budget())


def test_a_number_is_named_by_what_it_is_everywhere() -> None:
    """At three rows of three inputs it may be either."""
    backward = with_weights(lambda g, x: g / len(x))
    cause = across([problem(backward, 3, 3), problem(backward, 5, 3)], "w")
    assert cause is not None
    assert cause.problems == 2
    assert (cause.diagnosis.kind, cause.diagnosis.evidence["name"]) == ("scaled", "1 / batch")


def test_a_sign_is_one_everywhere() -> None:
    backward = with_weights(lambda g, x: -g)
    cause = across([problem(backward, 3, 4), problem(backward, 5, 3)], "w")
    assert cause is not None
    assert cause.diagnosis.kind == "sign"


def test_a_candidate_is_tried_at_the_others() -> None:
    backward = with_weights(lambda g, x: g[::-1])
    cause = across([problem(backward, 3, 4), problem(backward, 5, 3)], "w")
    assert cause is not None
    assert cause.diagnosis.kind == "flipped"


def test_two_mistakes_have_no_one_cause() -> None:
    first, second = with_weights(lambda g, x: g[::-1]), with_weights(lambda g, x: g * (x.mean() + 2))
    assert across([problem(first, 3, 4), problem(second, 5, 3)], "w") is None
