"""A result as its users hold it: true or false, frozen, an exception, and a dictionary that JSON takes."""

import json
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest

from crosscheck.evidence.collected import Evidence, GradientEvidence
from crosscheck.evidence.decision import decide
from crosscheck.evidence.estimate import AUTODIFF, HAND, Estimate
from crosscheck.evidence.exact_run import ExactRun
from crosscheck.evidence.pair import compare
from crosscheck.evidence.reason import Diagnosis, Reasons
from crosscheck.evidence.result import FORMAT, GradientMismatch, Result, plain

SHAPE = (2, 3)


def estimate(witness: str, *, off: float = 0.0, bound: float = 1e-9) -> Estimate:
    value = np.arange(1.0, 7.0).reshape(SHAPE)
    value[1, 0] += off
    return Estimate(witness, value, np.full(SHAPE, bound))


def sized(result: Result, size: str, width: int | None) -> str:
    return f"{size} of {result.name}" + ("" if width is None else f" in {width} columns")


def result(*, off: float = 0.0, bound: float = 1e-9, **more: Any) -> Result:
    """A check of one gradient whose entry (1, 0) is this far off."""
    hand, auto = estimate(HAND, off=off, bound=bound), estimate(AUTODIFF, bound=bound)
    gradient = GradientEvidence(SHAPE, SHAPE, {HAND: hand, AUTODIFF: auto})
    evidence = Evidence(np.ones(2), np.ones(2), {"x": gradient}, **more)
    sign = Diagnosis("sign", "a path has the wrong sign", {"entries": 1})
    reasons = Reasons({"x": (sign,)} if off else {})
    return Result("mine", np.dtype(np.float64), 7, evidence, decide(evidence), reasons, sized)


def test_its_truth_is_its_verdict() -> None:
    good, bad, open_ = result(), result(off=1.0), result(bound=np.inf)
    assert (good.verdict, bad.verdict, open_.verdict) == ("agree", "disagree", "undecided")
    assert [bool(r) for r in (good, bad, open_)] == [r.passed for r in (good, bad, open_)] == [True, False, False]
    assert [bool(r.gradients["x"]) for r in (good, bad, open_)] == [True, False, False]


@pytest.mark.parametrize("failing", [result(off=1.0), result(bound=np.inf)], ids=["disagree", "undecided"])
def test_a_failure_raises_with_the_whole_report(failing: Result) -> None:
    with pytest.raises(GradientMismatch, match="page of mine") as raised:
        failing.raise_for_failure()
    assert raised.value.result is failing
    assert isinstance(raised.value, AssertionError)


def test_a_pass_raises_nothing() -> None:
    result().raise_for_failure()


def test_it_is_frozen_and_so_are_its_gradients() -> None:
    bad = result(off=1.0)
    with pytest.raises(FrozenInstanceError):
        bad.decision = result().decision  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(FrozenInstanceError):
        bad.gradients["x"].decided = result().gradients["x"].decided  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError):
        bad.gradients["x"].verdict = "agree"  # pyright: ignore[reportAttributeAccessIssue]


def test_a_gradient_says_where_it_is_wrong_and_by_how_much() -> None:
    wrong = result(off=0.5).gradients["x"]
    assert wrong.worst_index == (1, 0)
    assert wrong.max_error == pytest.approx(0.5)
    assert wrong.bound == 2e-9
    assert wrong.mismatched.sum() == 1
    assert [d.kind for d in wrong.diagnoses] == ["sign"]


def test_a_gradient_that_nobody_judged_is_infinitely_wrong() -> None:
    gradient = GradientEvidence(SHAPE, (3, 2), {})
    evidence = Evidence(np.ones(2), np.ones(2), {"x": gradient})
    page = Result("mine", np.dtype(np.float64), 0, evidence, decide(evidence), Reasons(), sized).gradients["x"]
    assert page.max_error == np.inf
    assert np.isnan(page.bound)
    assert page.worst_index is None
    assert page.judged_by is None


def test_the_repr_is_the_summary_and_that_of_a_gradient_has_no_arrays() -> None:
    assert repr(result()) == "summary of mine"
    shown = repr(result(off=1.0).gradients["x"])
    assert len(shown) < 200
    assert "array" not in shown
    assert "\n" not in shown


def test_there_are_three_sizes_and_one_for_notebooks() -> None:
    shown = result()
    assert (shown.summary(), str(shown)) == ("summary of mine", "page of mine")
    assert (shown.page(60), shown.full(), shown.full(72)) == (
        "page of mine in 60 columns",
        "full of mine",
        "full of mine in 72 columns",
    )
    assert shown._repr_html_() == "html of mine"  # pyright: ignore[reportPrivateUsage]


def test_a_door_has_its_own_words() -> None:
    shown = replace(result(), words={"the gradient of ": "the tangent along "})
    assert shown.reworded("the gradient of x is zero") == "the tangent along x is zero"


def test_the_dictionary_is_json_and_names_its_format() -> None:
    pair = compare(estimate(HAND), estimate(AUTODIFF))
    for checked in (result(), result(off=1.0), result(off=np.nan), result(bound=np.inf), result(forward=pair)):
        said = json.loads(json.dumps(checked.to_dict(), allow_nan=False))
        assert said["format"] == FORMAT
        assert (said["verdict"], said["passed"]) == (checked.verdict, checked.passed)
        assert (said["name"], said["dtype"], said["seed"]) == ("mine", "float64", 7)
        assert (said["call"], said["versions"]) == ("", {})
        assert said["gradients"]["x"]["verdict"] == checked.gradients["x"].verdict
    said = result(off=0.5).to_dict()["gradients"]["x"]
    assert (said["mismatched"], said["worst_index"], said["entries"]) == (1, [1, 0], 6)
    assert said["diagnoses"] == [Diagnosis("sign", "a path has the wrong sign", {"entries": 1}).to_dict()]
    assert result(off=np.nan).to_dict()["gradients"]["x"]["max_error"] == "inf"


def test_numbers_that_json_does_not_know_are_strings() -> None:
    assert plain({"a": [np.inf, -np.inf, np.nan, 1.5], "b": None}) == {"a": ["inf", "-inf", "nan", 1.5], "b": None}


def test_the_exact_points_are_quoted_or_their_absence_is_explained() -> None:
    there = result(exact=ExactRun(True, statement="x is exactly the true gradient", outcomes={"x": "equal"}))
    assert (there.statement, there.not_exact) == ("x is exactly the true gradient", "")
    absent = result(exact=ExactRun(False, "exp is no polynomial"))
    assert (absent.statement, absent.not_exact) == ("", "exp is no polynomial")
    assert absent.to_dict()["exact"] == {"statement": "", "reason": "exp is no polynomial"}


def test_power_is_given_for_what_was_judged() -> None:
    assert result().power["x"].median < 1e-8
