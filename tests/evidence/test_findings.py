"""Every finding, each from made-up evidence; and that healthy evidence yields none."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from crosscheck.evidence.collected import Evidence, GradientEvidence, Reference
from crosscheck.evidence.estimate import AUTODIFF, DIFFERENCE, HAND, Estimate
from crosscheck.evidence.exact_run import ExactDifference, ExactRun
from crosscheck.evidence.finding import Finding
from crosscheck.evidence.findings import findings
from crosscheck.evidence.pair import Pair, Pairs, compare
from crosscheck.evidence.verdict import GradientVerdict

ONES = Estimate(HAND, np.ones(3), np.full(3, 1e-12))
AGREED = Pairs({(HAND, AUTODIFF): compare(ONES, replace(ONES, witness=AUTODIFF))})


def apart(distance: float) -> Pair:
    """Two outputs of shape (2, 3), the entry (1, 2) this far apart."""
    y = np.zeros((2, 3))
    z = y.copy()
    z[1, 2] = distance
    return compare(Estimate(HAND, y, np.zeros((2, 3))), Estimate(AUTODIFF, z, np.full((2, 3), 1e-3)))


def healthy(**changed: Any) -> Evidence:
    gradients = {"x": GradientEvidence((3,), (3,), {}), "w": GradientEvidence((2, 2), (2, 2), {})}
    sound = Evidence(np.zeros((2, 3)), np.ones((2, 3)), gradients, apart(0.0), reference=Reference(apart(1e-4)))
    return replace(sound, **changed)


def verdict(odd: str | None = None) -> GradientVerdict:
    nothing = np.zeros(3, bool)
    return GradientVerdict("agree", AGREED, nothing, nothing, odd, (), None, AUTODIFF, None)


def found(evidence: Evidence, **odd: str) -> list[Finding]:
    return list(findings(evidence, {k: verdict(odd.get(k)) for k in evidence.gradients}))


def exact(**said: Any) -> ExactRun:
    return ExactRun(True, **said)


def off(agrees: bool) -> ExactDifference:
    return ExactDifference(np.zeros(1), np.array([True]), np.array([agrees]))


def gradient(**changed: Any) -> dict[str, GradientEvidence]:
    given: dict[str, Any] = {"shape": (3,), "returned": (3,), "estimates": {}, **changed}
    return {"x": GradientEvidence(**given)}


CALM = {
    "all is well": healthy(),
    "no reference": healthy(reference=None, forward=None),
    "no forward mode": healthy(reference=Reference(None, frozenset())),
    "forward mode at its limit": healthy(reference=Reference(apart(1e-3))),
    "forwards within their bound": healthy(forward=apart(1e-3), forward_single=apart(-1e-3)),
    "exact and equal": healthy(exact=exact(difference={"x": off(True)})),
    "exact, rounded": healthy(exact=exact(forward="rounded", difference={"x": off(False)})),
    "exact, not the reference's fault": healthy(reference=None, exact=exact(difference={"x": off(False)})),
    "what its operations cost and no more": healthy(gradients=gradient(estimates={HAND: ONES}, lost=np.full(3, 1e-12))),
    "another forward in float32, right to a third of its digits": healthy(
        output=np.ones((2, 3)), forward_single=apart(0.9 * 2.0**-8)
    ),
    "no exact point": healthy(exact=ExactRun(False, "it was not asked for", forward="different")),
}


@pytest.mark.parametrize("name", CALM)
def test_healthy_evidence_yields_none(name: str) -> None:
    assert found(CALM[name]) == []


# evidence -> kind, whether it fails, what the sentence names
FOUND: dict[str, tuple[Evidence, str, bool, tuple[str, ...]]] = {
    "output that is not finite": (
        healthy(output=np.array([[0.0, np.inf, 1.0], [np.nan, 1.0, 1.0]])),
        "not-finite",
        False,
        ("2 of 6", "(0, 1)", "inf"),
    ),
    "a gradient of another shape": (healthy(gradients=gradient(returned=(3, 1))), "shape", True, ("x", "(3, 1)")),
    "another forward": (healthy(forward=apart(0.5)), "forward", True, ("1 of 6", "0.5", "(1, 2)")),
    "another forward in float32": (healthy(forward_single=apart(0.5)), "forward", True, ("1 of 6", "(1, 2)")),
    "a bound that was estimated": (
        healthy(reference=Reference(None, frozenset(["sort", "erf"]))),
        "weak-bound",
        False,
        ("erf, sort",),
    ),
    "no adjoint": (healthy(reference=Reference(apart(1.01e-3))), "reference", True, ("adjoint",)),
    "another forward at an exact point": (healthy(exact=exact(forward="different")), "forward", True, ("rounds",)),
    "a reference that its own difference contradicts": (
        healthy(exact=exact(difference={"x": off(True), "w": off(False)})),
        "reference",
        True,
        ("gradient of w",),
    ),
    "poor arithmetic of a right formula": (
        healthy(gradients=gradient(estimates={HAND: ONES}, lost=np.array([0.0, 1e-9, 1e-6]))),
        "arithmetic",
        False,
        ("gradient of x", "right", "6 of 16 digits", "1e-06"),
    ),
    "a convention": (
        healthy(gradients=gradient(conventions=np.array([True, False, True]))),
        "convention",
        False,
        ("2 entries", "x", "several"),
    ),
    "a convention without a reference": (
        healthy(gradients=gradient(conventions=np.array([True, False, True])), reference=None),
        "convention",
        False,
        ("2 entries", "x", "several"),
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_each_finding(name: str) -> None:
    evidence, kind, fails, words = FOUND[name]
    (only,) = found(evidence)
    assert (only.kind, only.fails) == (kind, fails)
    assert all(word in only.explanation for word in words), only.explanation


def test_a_reference_that_is_the_odd_one_out() -> None:
    (only,) = found(healthy(), x=HAND, w=AUTODIFF)
    assert (only.kind, only.fails) == ("reference", True)
    assert "gradient of w" in only.explanation


def of_pairs(own: float, other: float) -> GradientVerdict:
    """A gradient so far from the difference of its forward, and from autodiff."""
    pairs = Pairs()
    pairs[HAND, DIFFERENCE], pairs[HAND, AUTODIFF] = apart(own), apart(other)
    return replace(verdict(), pairs=pairs)


@pytest.mark.parametrize(
    ("own", "other", "words"),
    [
        (0.0, 0.5, "right for the hand-written forward"),
        (0.5, 0.0, "is the reference's"),
        (0.5, 0.5, ""),
        (0.0, 0.0, ""),
    ],
)
def test_of_two_functions_whose_gradient_it_is(own: float, other: float, words: str) -> None:
    evidence = healthy(forward=apart(0.5), gradients=gradient())
    told = [f.explanation for f in findings(evidence, {"x": of_pairs(own, other)}) if f.kind == "two-functions"]
    assert len(told) == bool(words)
    assert all(words in sentence for sentence in told)
    assert not [f for f in findings(healthy(gradients=gradient()), {"x": of_pairs(own, other)}) if "two" in f.kind]
    # Two functions have two gradients: neither is the odd one out.
    assert not [f for f in found(evidence, x=AUTODIFF) if f.kind == "reference"]


def test_side_effects_pass_through_and_the_forward_comes_before_what_rests_on_it() -> None:
    noticed = Finding("mutation", "x was written to", True)
    evidence = healthy(effects=(noticed,), forward=apart(0.5), reference=Reference(apart(2e-3)))
    assert [f.kind for f in found(evidence)] == ["mutation", "forward", "reference"]
    assert found(evidence)[0] is noticed


def test_a_finding_is_json() -> None:
    said = Finding("forward", "it differs", True).to_dict()
    assert said == {"kind": "forward", "explanation": "it differs", "fails": True}
