"""The records of the exact points."""

import numpy as np

from crosscheck.evidence.exact_run import ExactDifference, ExactRun


def difference(checked: list[bool], equal: list[bool], **more: object) -> ExactDifference:
    return ExactDifference(np.zeros(len(checked)), np.array(checked), np.array(equal), **more)  # pyright: ignore[reportArgumentType]


def test_a_difference_agrees_where_nothing_that_was_checked_differs() -> None:
    assert difference([True, True], [True, True]).agrees
    assert not difference([True, True], [True, False]).agrees
    assert difference([True, False], [True, False]).agrees
    assert not difference([False], [False], directions=3, directions_equal=False).agrees
    assert difference([False], [False], directions=3, directions_equal=True).agrees


def test_what_differs_is_named_and_rounding_is_not() -> None:
    run = ExactRun(True, outcomes={"x": "equal", "w": "different", "b": "rounded"})
    assert run.different == ["w"]


def test_a_run_that_does_not_apply_is_empty() -> None:
    run = ExactRun(False, "exp is no polynomial")
    assert not run.different
    assert not run.outcomes
    assert run.statement == ""
