"""Without a reference: longdouble shows that nothing rounds, and the forward's own exact difference is the truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from crosscheck.exact import alone
from crosscheck.exact.run import exact_run
from tests.operations import SQUARE, one

Array = np.ndarray

EXTENDED = np.finfo(np.longdouble).nmant > 52


@pytest.mark.skipif(not EXTENDED, reason="longdouble is double here")
def test_without_a_reference_longdouble_shows_that_nothing_rounds() -> None:
    forward, backward, _, shape = SQUARE
    run = exact_run(one(forward, backward, None, shape), seed=0)
    assert run.applies, run.reason
    assert run.outcomes == {"x": "equal"}
    assert run.difference["x"].checked.all()
    wrong = exact_run(one(forward, lambda g, x: (3 * g * x,), None, shape), seed=0)
    assert wrong.different == ["x"]
    assert np.array_equal(wrong.gradients["x"], 2 * wrong.cotangent * wrong.inputs["x"])


def reason(forward: Callable[[Array], Any], slope: Callable[[Array], Any] = np.ones_like) -> str:
    run = exact_run(one(forward, lambda g, x: (g * slope(x),), None, (3, 4)), seed=0)
    assert not run.applies
    assert run.reason.startswith("there is no reference")
    return run.reason


@pytest.mark.skipif(not EXTENDED, reason="longdouble is double here")
def test_without_a_reference_it_says_what_is_missing() -> None:
    def strict(x: Array) -> Array:
        if x.dtype != np.float64:
            raise ValueError("x must be float64")
        return x

    assert "float64 and longdouble differ" in reason(np.exp, np.exp)
    assert "another dtype" in reason(lambda x: x.astype(np.float64))
    assert "x must be float64" in reason(strict)
    assert "no exact difference" in reason(lambda x: x**3)


@pytest.mark.skipif(not EXTENDED, reason="longdouble is double here")
def test_a_large_operation_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone, "LONGDOUBLE_LIMIT", 11)
    assert "too large" in reason(lambda x: x * x)


def test_where_longdouble_is_double_nothing_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone, "LONG", np.dtype(np.float64))
    assert "no wider" in reason(lambda x: x * x)
