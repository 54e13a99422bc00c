"""Fewer differences, as the caller asked: what escapes them is said, and what does not is found."""

from typing import Any

import numpy as np
import pytest

from crosscheck import check

pytestmark = pytest.mark.proof

BIG = np.random.default_rng(0).normal(size=200)
DENSE = np.random.default_rng(1).normal(size=(5, 200))  # no two entries can be differenced together


def unrecordable(x: np.ndarray) -> np.ndarray:
    return DENSE @ np.array([float(a) ** 2 for a in x]) * 0.5


def gradient(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    return (g @ DENSE) * x


@pytest.mark.parametrize("asked", [{"directions": 12}, {"entries": 40}])
def test_less_is_looked_at_as_asked_and_the_miss_is_said(asked: Any) -> None:
    calls = []

    def forward(x: np.ndarray) -> np.ndarray:
        calls.append(0)
        return unrecordable(x)

    right = check(forward, lambda g, x: {"x": gradient(g, x)}, {"x": BIG}, **asked)
    assert right.passed, str(right)
    text = " ".join(str(right).split())
    assert "as asked" in text
    assert "with probability" in text
    fewer = len(calls)
    calls.clear()
    assert check(forward, lambda g, x: {"x": gradient(g, x)}, {"x": BIG}).passed
    assert fewer < len(calls)


@pytest.mark.parametrize("asked", [{"directions": 12}, {"entries": 40}])
@pytest.mark.parametrize("factor", [1.01, -1.0])
def test_a_gradient_that_is_wrong_as_a_whole_does_not_escape(asked: Any, factor: float) -> None:
    result = check(unrecordable, lambda g, x: {"x": factor * gradient(g, x)}, {"x": BIG}, diagnose=False, **asked)
    assert result.verdict == "disagree"


@pytest.mark.parametrize("asked", [{"directions": 12}, {"entries": 40}])
def test_one_wrong_entry_of_many_does_not_escape_the_directions(asked: Any) -> None:
    def backward(g: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
        wrong = gradient(g, x)
        wrong[7] += 2.0
        return {"x": wrong}

    assert check(unrecordable, backward, {"x": BIG}, diagnose=False, **asked).verdict == "disagree"


def test_a_reference_judges_every_entry_all_the_same() -> None:
    def backward(g: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
        wrong = gradient(g, x)
        wrong[7] *= 1 + 1e-9
        return {"x": wrong}

    result = check(unrecordable, backward, {"x": BIG}, lambda x: DENSE @ x**2 * 0.5, directions=2, diagnose=False)
    assert result.gradients["x"].mismatched.nonzero()[0].tolist() == [7]
