"""The printed page: what a reader of a passing, a failing, an undecided check must find on it, in 80 columns."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck.evidence.collected import Evidence, GradientEvidence
from crosscheck.evidence.decision import decide
from crosscheck.evidence.estimate import AUTODIFF, DIFFERENCE, HAND, Estimate
from crosscheck.evidence.exact_run import ExactRun
from crosscheck.evidence.finding import Finding
from crosscheck.evidence.pair import compare
from crosscheck.evidence.reason import Diagnosis, Reasons
from crosscheck.evidence.result import Result
from crosscheck.report.text import mark, number, pair_line, text

SHAPE = (3, 4)
QUIET: dict[str, Any] = {"kinks": 0, "crossed": 0, "undecided": 0, "kink": np.zeros(SHAPE, bool)}


def estimate(witness: str, off: float = 0.0, bound: float = 1e-9, **notes: Any) -> Estimate:
    value = np.arange(1.0, 13.0).reshape(SHAPE)
    value[2, 1] += off
    return Estimate(witness, value, np.full(SHAPE, bound), notes=notes)


def result(
    off: float = 0.0, bound: float = 1e-9, name: str = "weights", reasons: tuple[Diagnosis, ...] = (), **more: Any
) -> Result:
    said = (
        estimate(HAND, off, bound),
        estimate(AUTODIFF, 0.0, bound),
        estimate(DIFFERENCE, 0.0, max(bound, 1e-6), **QUIET),
    )
    gradients = {name: GradientEvidence(SHAPE, SHAPE, {e.witness: e for e in said})}
    evidence = Evidence(np.ones(2), np.ones(2), gradients, compare(said[1], said[1]), **more)
    found = Reasons({name: reasons} if reasons else {})
    return Result("Dense", np.dtype(np.float64), 0, evidence, decide(evidence), found, text)


SIGN = Diagnosis("sign", "a path has the wrong sign, and this sentence is long enough that it has to be broken", {})
EXACT = ExactRun(True, outcomes={"weights": "equal"}, statement="at 2 points weights is exactly the true gradient " * 3)

PASSING = result(exact=EXACT)
FAILING = result(0.5, reasons=(SIGN,))
UNDECIDED = result(bound=np.inf)
NOISY = result(0.5, effects=(Finding("mutation", "x was written to " * 8, True),))


@pytest.mark.parametrize("page", [PASSING, FAILING, UNDECIDED, NOISY], ids=["passing", "failing", "undecided", "noisy"])
def test_it_fits_80_columns_and_says_the_verdict_first(page: Result) -> None:
    lines = str(page).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == f"Dense (float64): {page.verdict}"
    assert not any(line != line.rstrip() for line in lines)
    assert "\x1b" not in str(page)


def words(page: Result) -> str:
    return " ".join(str(page).split())


def test_a_passing_page_says_what_would_have_been_caught_and_what_is_proved() -> None:
    said = words(PASSING)
    assert "12 entries: agree" in said
    assert "power:" in said
    assert "exactly the true gradient" in said
    assert "WRONG" not in said
    assert "hand-derived / autodiff" in said
    assert "hand-derived / finite difference" in said


def test_a_failing_page_says_the_worst_entry_the_cause_and_the_odd_one_out() -> None:
    said = words(FAILING)
    assert "WRONG" in said
    assert "1 of 12 entries are wrong; the worst at (2, 1)" in said
    assert "odd one out: hand-derived" in said
    assert f"{SIGN.kind}: {SIGN.explanation}" in said
    assert "power:" not in said
    rows = [line.strip() for line in str(FAILING).splitlines()]
    at = rows.index("row × column:")
    assert rows[at + 1 : at + 4] == ["····", "····", "·▓··"]


def test_an_undecided_page_says_how_many_and_never_ok() -> None:
    said = words(UNDECIDED)
    assert "12 of 12 entries could not be decided" in said
    assert "silent" in said
    assert "entries: undecided" in said
    assert "power:" not in said


def test_findings_come_before_the_numbers() -> None:
    lines = str(NOISY).splitlines()
    assert lines[1].strip().startswith("mutation: x was written to")
    assert any("error" in line for line in lines[2:5])


def test_at_most_three_reasons() -> None:
    many = result(0.5, reasons=tuple(Diagnosis(f"kind{i}", "it is", {}) for i in range(5)))
    assert [f"kind{i}:" in words(many) for i in range(5)] == [True, True, True, False, False]


# ---------------------------------------------------------------------- the parts


@pytest.mark.parametrize(
    ("value", "short"), [(0.0, "0"), (float("nan"), "-"), (1.26e-16, "1.3e-16"), (np.inf, "inf"), (0.5, "5.0e-01")]
)
def test_a_number_is_short(value: float, short: str) -> None:
    assert number(value) == short


def says(value: list[float], decided: list[bool]) -> Estimate:
    return Estimate(HAND, np.array(value), np.full(len(value), 0.5), decided=np.array(decided))


def test_an_outcome_in_a_word() -> None:
    truth = Estimate(AUTODIFF, np.zeros(3), np.zeros(3))
    all_, some, none = [True] * 3, [True, False, True], [False] * 3
    assert mark(None) == "-"
    assert mark(compare(says([0.0, 0.0, 0.0], all_), truth)) == "ok"
    assert mark(compare(says([0.0, 9.0, 0.0], some), truth)) == "ok -1"
    assert mark(compare(says([0.0, 0.0, 0.0], none), truth)) == "silent"
    assert mark(compare(says([0.0, 9.0, 9.0], some), truth)) == "WRONG"


def test_a_line_says_how_much_of_the_bound_is_used() -> None:
    truth = Estimate(AUTODIFF, np.zeros(2), np.zeros(2))
    assert "50%" in pair_line("a / b", compare(says([0.25, 0.0], [True, True]), truth))
    assert ">10x" in pair_line("a / b", compare(says([9.0, 0.0], [True, True]), truth))
    assert pair_line("a / b", compare(says([9.0, 0.0], [False, False]), truth)).split()[-4:] == [
        "-",
        "-",
        "-",
        "silent",
    ]
    assert len(pair_line("x" * 90, compare(says([9.0, 0.0], [True, True]), truth))) <= 80


@pytest.mark.parametrize(
    ("steps", "size", "words"),
    [
        (2, 2, "too small to be worth compiling: interpreted"),
        (2, 4000, "equations, compiled as one"),
        (60, 4000, "too long to be compiled as one: evaluated one by one"),
    ],
)
def test_the_page_says_how_the_reference_was_run(steps: int, size: int, words: str) -> None:
    def loop(xp: Any, x: Any) -> Any:
        for _ in range(steps):
            x = xp.tanh(x)
        return x

    def backward(grad_output: Any, x: Any) -> dict[str, Any]:
        slope = grad_output
        for _ in range(steps):
            x = np.tanh(x)
            slope = slope * (1 - x**2)
        return {"x": slope}

    result = crosscheck.check(
        lambda x: loop(np, x), backward, {"x": np.linspace(0.5, 1.0, size)}, lambda x: loop(jnp, x)
    )
    assert result, result
    assert words in " ".join(str(result).split())
    assert result.to_dict()["reference"]["compiled"] == ("equations, compiled" in words)
