"""The page: what a reader of a passing, a failing, an undecided check must find on it, in 60 to 80 columns."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any
from xml.etree import ElementTree

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
from crosscheck.report.sizes import rendered
from crosscheck.report.text import apart, mark, number, pair_line

SHAPE = (3, 4)
QUIET: dict[str, Any] = {"kinks": 0, "crossed": 0, "undecided": 0, "kink": np.zeros(SHAPE, bool)}


def estimate(
    witness: str, off: float = 0.0, bound: float = 1e-9, also: tuple[int, int] | None = None, **notes: Any
) -> Estimate:
    value = np.arange(1.0, 13.0).reshape(SHAPE)
    for at in ((2, 1), *([also] if also else [])):
        value[at] += off
    return Estimate(witness, value, np.full(SHAPE, bound), notes=notes)


def result(
    off: float = 0.0,
    bound: float = 1e-9,
    name: str = "weights",
    reasons: tuple[Diagnosis, ...] = (),
    also: tuple[int, int] | None = None,
    **more: Any,
) -> Result:
    said = (
        estimate(HAND, off, bound, also),
        estimate(AUTODIFF, 0.0, bound),
        estimate(DIFFERENCE, 0.0, max(bound, 1e-6), **QUIET),
    )
    gradients = {name: GradientEvidence(SHAPE, SHAPE, {e.witness: e for e in said})}
    evidence = Evidence(np.ones(2), np.ones(2), gradients, compare(said[1], said[1]), **more)
    found = Reasons({name: reasons} if reasons else {})
    return Result("Dense", np.dtype(np.float64), 0, evidence, decide(evidence), found, rendered)


LINE = "layer.py:12: y = x @ w"
SENTENCE = "the gradient of weights has a path with the wrong sign, and this sentence is so long that it is folded"
SIGN = Diagnosis("sign", f"{SENTENCE} ({LINE})", {"lines": [LINE]})
EXACT = ExactRun(True, outcomes={"weights": "equal"}, statement="at 2 points weights is exactly the true gradient " * 3)

PASSING = result(exact=EXACT)
FAILING = result(0.5, reasons=(SIGN,))
UNDECIDED = result(bound=np.inf)
NOISY = result(0.5, effects=(Finding("mutation", "x was written to " * 8, True),))
PAGES = {"passing": PASSING, "failing": FAILING, "undecided": UNDECIDED, "noisy": NOISY}


@pytest.mark.parametrize("width", [60, 72, 80])
@pytest.mark.parametrize("name", PAGES)
def test_every_size_fits_and_says_the_verdict_first(name: str, width: int) -> None:
    shown = PAGES[name]
    for text in (shown.page(width), shown.full(width)):
        lines = text.splitlines()
        assert max(map(len, lines)) <= width
        assert lines[0].startswith(f"Dense (float64): {shown.verdict}; ")
        assert not any(line != line.rstrip() for line in lines)
        assert "\x1b" not in text
    assert shown.summary().startswith(f"Dense: {shown.verdict}: ")
    assert len(shown.summary()) <= 80
    assert "\n" not in shown.summary()


def test_the_page_is_as_wide_as_the_terminal_and_never_wider_than_80(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal, width in ((200, 80), (66, 66), (20, 60)):
        monkeypatch.setenv("COLUMNS", str(terminal))
        assert str(NOISY) == NOISY.page(width)
    assert NOISY.page(300) == NOISY.page(80)
    assert NOISY.page(10) == NOISY.page(60)
    with pytest.raises(TypeError, match="width is 'wide'; it must be a number of columns"):
        NOISY.page("wide")  # pyright: ignore[reportArgumentType]


def words(page: Result) -> str:
    return " ".join(str(page).split())


def test_a_passing_page_says_what_would_have_been_caught_and_what_is_proved() -> None:
    said = words(PASSING)
    assert said.startswith("Dense (float64): agree; 1 gradient, 12 entries weights (3, 4) right: off by 0 of ")
    assert "power" in said
    assert "exactly the true gradient" in said
    assert "wrong at" not in said
    assert PASSING.summary() == "Dense: agree: 1 gradient, 12 entries"


def test_a_failing_page_says_why_on_which_line_the_worst_entry_and_who_says_so() -> None:
    rows = [line.strip() for line in FAILING.page(80).splitlines()]
    assert rows[:2] == ["Dense (float64): disagree; weights is wrong", "weights (3, 4): wrong at 1 of 12 entries"]
    assert rows[2].startswith("why        the gradient of weights has a path with the wrong sign")
    assert f"line       {LINE}" in rows
    assert "worst      weights[2, 1]: hand-derived 10.5, autodiff 10 ± 2.0e-09" in rows
    said = words(FAILING)
    assert SENTENCE in said
    assert "autodiff and finite difference contradict it, and agree with each other" in said
    assert "power" not in said
    assert FAILING.summary().startswith("Dense: disagree: weights has a path with the wrong sign")


def test_of_one_wrong_entry_there_is_no_map_and_of_several_there_is_one() -> None:
    assert "·" not in str(FAILING)
    some = result(0.5, also=(0, 1), reasons=(SIGN,))
    rows = [line.strip() for line in str(some).splitlines()]
    at = next(i for i, row in enumerate(rows) if row.startswith("map"))
    assert rows[at : at + 5] == ["map        axis 0 down, axis 1 across:", "·▓··", "····", "·▓··", "· right   ▓ wrong"]


def test_an_undecided_page_says_how_many_and_never_right() -> None:
    said = words(UNDECIDED)
    assert "weights (3, 4): 12 of 12 entries could not be decided" in said
    assert "cannot tell" in said
    assert "agrees:" not in said
    assert "right" not in said
    assert "power" not in said


def test_a_finding_that_fails_comes_before_the_numbers_and_another_after_them() -> None:
    lines = str(NOISY).splitlines()
    assert lines[1].strip().startswith("mutation: x was written to")
    told = result(0.5, effects=(Finding("dtype", "it changes", False),))
    assert "noticed it changes" in words(told)
    assert "dtype: it changes" in told.full()
    assert "mutation (fails): x was" in NOISY.full()
    assert words(told).index("worst") < words(told).index("noticed")
    only = result(effects=(Finding("mutation", "x was written to", True),))
    assert words(only).startswith("Dense (float64): disagree; weights is right, what fails is no gradient: mutation")
    assert only.summary() == "Dense: disagree: x was written to"


def test_one_reason_on_the_page_and_all_of_them_below_it() -> None:
    many = result(0.5, reasons=tuple(Diagnosis(f"kind{i}", f"it is {i}", {}) for i in range(5)))
    assert [f"it is {i}" in words(many) for i in range(5)] == [True, False, False, False, False]
    assert all(f"kind{i}: it is {i}" in many.full() for i in range(5))


def test_where_no_reason_is_known_or_none_was_looked_for_it_says_so() -> None:
    assert "no mistake that is known to the judge gives these numbers" in words(result(0.5))
    asked = replace(result(0.5), reasons=Reasons(sought=False))
    assert "not looked for: diagnose=False" in words(asked)
    place = result(0.5, reasons=(Diagnosis("localized", "the gradient of weights is wrong only in row 2", {}),))
    assert "no mistake that is known" in words(place)
    assert "where the gradient of weights is wrong only in row 2" in words(place)
    assert words(place).index("only in row 2") < words(place).index("no mistake that is known")
    assert place.summary() == "Dense: disagree: weights is wrong only in row 2"


def test_one_cause_of_two_gradients_is_told_once() -> None:
    cause = Diagnosis("sign", "the gradient has the wrong sign", {"gradients": ["a", "b"]})
    base = result(0.5)
    two = replace(
        base,
        evidence=replace(base.evidence, gradients={k: base.evidence.gradients["weights"] for k in "ab"}),
        reasons=Reasons({"a": (cause,), "b": (cause,)}),
    )
    two = replace(two, decision=decide(two.evidence))
    assert words(two).count("why the gradient has") == 1
    assert words(two).count("why the same mistake as of a") == 1
    assert words(two).count("witnesses") == 1


def test_full_has_every_pair_and_mark() -> None:
    said = " ".join(FAILING.full().split())
    assert "hand-derived / autodiff 5.0e-01 2.0e-09 >10x WRONG" in said
    assert "hand-derived / finite difference" in said
    assert "the odd one out: hand-derived" in said
    assert f"sign: {SENTENCE}" in said
    assert FAILING.full().startswith(FAILING.page())
    assert "silent" in UNDECIDED.full()


def test_what_may_follow_from_wrong_numbers_stands_below_them() -> None:
    effects = (
        Finding("nonlinear", "twice is not twice", True),
        Finding("stale", "the gradient of weights is old", True),
    )
    said = words(result(0.5, effects=effects))
    assert said.index("stale: the") < said.index("weights (3, 4)") < said.index("nonlinear: twice")
    assert "why as said above: stale" in said
    assert words(result(effects=effects)).index("nonlinear") < words(result(effects=effects)).index("weights (3, 4)")


def test_a_block_of_wrong_entries_is_said_as_an_index() -> None:
    place = Diagnosis("localized", "the gradient of weights is wrong only in row 2", {})
    both = result(0.5, also=(2, 2), reasons=(place,))
    assert "wrong only in row 2 (weights[2, 1:3])" in words(both)
    assert "wrong only in row 2 why" in words(result(0.5, reasons=(place,)))
    assert "wrong only in row 2 why" in words(result(0.5, also=(0, 2), reasons=(place,)))


def test_a_witness_that_is_silent_where_it_is_wrong_does_not_agree_with_it() -> None:
    silent = np.ones(SHAPE, bool)
    silent[2, 1] = False
    base = result(0.5)
    heard = dict(base.evidence.gradients["weights"].estimates)
    heard[DIFFERENCE] = replace(heard[DIFFERENCE], decided=silent)
    gradients = {"weights": replace(base.evidence.gradients["weights"], estimates=heard)}
    evidence = replace(base.evidence, gradients=gradients)
    assert "autodiff contradicts it; finite difference cannot tell" in words(
        replace(base, evidence=evidence, decision=decide(evidence))
    )


def test_it_says_how_to_repeat_it() -> None:
    once = replace(FAILING, call="crosscheck.check(forward, backward, inputs, seed=3)", versions={"numpy": "2.0"})
    assert "versions NumPy 2.0" in words(once)
    assert "repeat crosscheck.check(forward, backward, inputs, seed=3)" in words(once)
    assert "repeat seed 0" in words(FAILING)


def test_a_doors_words_are_everywhere_but_in_the_code() -> None:
    other = replace(FAILING, words={"the gradient of ": "the tangent along ", "x @ w": "never"})
    assert "the tangent along weights" in words(other)
    assert LINE in words(other)


# ---------------------------------------------------------------------- for notebooks


def test_html_is_escaped_alone_and_the_same_words() -> None:
    shown = replace(FAILING, name="<b>&Dense</b>")
    html = rendered(shown, "html")
    assert "&lt;b&gt;&amp;Dense&lt;/b&gt;" in html
    assert "<b>" not in html
    assert not re.search(r"https?:|src=|<script|<link|<style|url\(", html)
    plain = " ".join(unescape(re.sub(r"<[^>]+>", "\n", html)).split())
    assert " ".join(" ".join(FAILING.page(80).splitlines()[1:]).split()) in plain
    ElementTree.fromstring(html)  # every element is closed


def test_html_takes_its_colours_from_the_notebook() -> None:
    for shown in PAGES.values():
        colours = re.findall(r"(?<![-\w])(?:color|background)\s*:\s*([^;\"]+)", rendered(shown, "html"))
        assert set(colours) <= {"inherit", "none"}


# ---------------------------------------------------------------------- the parts


@pytest.mark.parametrize(
    ("value", "short"), [(0.0, "0"), (float("nan"), "-"), (1.26e-16, "1.3e-16"), (np.inf, "inf"), (0.5, "5.0e-01")]
)
def test_a_number_is_short(value: float, short: str) -> None:
    assert number(value) == short


def test_two_numbers_are_told_apart() -> None:
    assert apart(1.0, 2.0) == ("1", "2")
    assert apart(0.1, 0.1 + 1e-11) == ("0.1", "0.10000000001")
    assert apart(1.5, 1.5) == ("1.5", "1.5")


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
    for width in (60, 79, 80):
        rows = pair_line("x" * 90, compare(says([9.0, 0.0], [True, True]), truth), width).splitlines()
        assert max(map(len, rows)) <= width


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
    assert words in " ".join(result.full().split())
    assert result.to_dict()["reference"]["compiled"] == ("equations, compiled" in words)


def test_what_is_off_by_a_small_constant_is_said_to_be_with_the_accuracy_that_it_has() -> None:
    x = np.array([0.5, 0.25, 1.5, 1.0])
    told = words(crosscheck.check(lambda x: np.log(x), lambda g, x: g / (x + 1e-10), {"x": x}))
    assert "as by a small constant that is added" in told
    share = told.split("accuracy=")[1].split()[0]
    assert crosscheck.check(lambda x: np.log(x), lambda g, x: g / (x + 1e-10), {"x": x}, accuracy=float(share))
    assert "small constant" not in words(result(0.5))


def test_a_gradient_of_zeros_that_is_known_exactly_and_shows_nothing_has_its_page() -> None:
    """An allowance of 0 over an entry of 0 is no number, and the entry of which least is known is none of them."""
    inputs = {"a": np.array([[-3.0, -2.0]]), "b": np.array([[2.0, 5.0]])}
    result = crosscheck.check(
        lambda a, b: 0.0 * a + b, lambda g, a, b: {"a": 0.0 * g, "b": g}, inputs, lambda a, b: 0.0 * a + b
    )
    assert result.verdict == "undecided"
    assert "the gradient is zero everywhere" in " ".join(str(result).split())
