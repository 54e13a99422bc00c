"""What the tool makes of a judge, tried on judges whose faults are known."""

import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tests.programs.run as run
from tests.programs.__main__ import main
from tests.programs.generate import generate
from tests.programs.plants import Planted, planted
from tests.programs.program import Program, Step, functions
from tests.programs.report import met, table
from tests.programs.run import Outcome, one
from tests.programs.shrink import shrink
from tests.programs.sweep import sweep
from tests.programs.truth import errors, truth


def result(verdict: str, program: Program, bound: float = 0.0) -> Any:
    pair = SimpleNamespace(first="hand", second="autodiff", error=1.0, bound=bound)
    gradient = SimpleNamespace(verdict=verdict, judged_by=pair, remarks=())
    return SimpleNamespace(verdict=verdict, findings=[], gradients=dict.fromkeys(program.inputs, gradient))


def one_planted(index: int) -> Planted:
    program = generate(0, index).program
    found = planted(program, truth(program), (0, index, 1))
    assert found is not None
    return found


def judge(monkeypatch: pytest.MonkeyPatch, says: Any) -> None:
    """Puts `says(program, change, with_reference=...)` in the judge's place."""
    monkeypatch.setattr(run, "check", says)


def seen(count: int = 12) -> Counter[str]:
    return Counter(one(0, index, limit=0.5).outcome for index in range(count))


def test_a_judge_that_knows_the_truth_keeps_the_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    def says(program: Program, change: Any, *, with_reference: bool, **more: Any) -> Any:
        return result("agree" if change is None else "disagree", program)

    judge(monkeypatch, says)
    assert set(seen()) == {"right", "caught"}


def test_a_judge_that_always_agrees_passes_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    judge(monkeypatch, lambda program, change, *, with_reference, **more: result("agree", program))
    assert set(seen()) == {"right", "passed"}


def test_a_judge_that_allows_anything_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be caught with such a bound; where the truth is well-conditioned there is no reason for it."""
    judge(monkeypatch, lambda program, change, *, with_reference, **more: result("agree", program, bound=1e300))
    found = seen(40)
    assert found["vacuous"] > 0
    assert set(found) <= {"right", "vacuous", "below the allowance"}


def test_a_mistake_within_an_allowance_that_has_power(monkeypatch: pytest.MonkeyPatch) -> None:
    index = next(i for i in range(1, 99, 2) if 1e-3 < one_planted(i).size < 0.5)
    entry = one_planted(index).changed / one_planted(index).size
    judge(monkeypatch, lambda program, change, *, with_reference, **more: result("agree", program, bound=0.9 * entry))
    assert one(0, index).outcome == "below the allowance"


def test_an_infinite_allowance_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    judge(monkeypatch, lambda program, change, *, with_reference, **more: result("agree", program, bound=np.inf))
    assert set(seen()) == {"right", "passed"}


def test_a_judge_that_always_disagrees_accuses(monkeypatch: pytest.MonkeyPatch) -> None:
    judge(monkeypatch, lambda program, change, *, with_reference, **more: result("disagree", program))
    found = seen()
    assert found["accused"] > 0
    assert set(found) <= {"accused", "poor arithmetic", "caught"}


def test_a_judge_that_never_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    judge(monkeypatch, lambda program, change, *, with_reference, **more: result("undecided", program))
    found = seen(40)
    assert found["undecided"] > found["ill-conditioned"] > 0
    assert set(found) <= {"undecided", "ill-conditioned"}


def test_exceptions_are_crashes_and_say_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def says(program: Program, change: Any, *, with_reference: bool, **more: Any) -> Any:
        raise KeyError("nowhere")

    judge(monkeypatch, says)
    found = one(0, 0)
    assert found.outcome == "crashed"
    assert found.said.startswith("KeyError in test_run.py:says: 'nowhere'")


def test_a_check_that_hangs_is_given_up_even_by_a_judge_that_catches_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def says(program: Program, change: Any, *, with_reference: bool, **more: Any) -> Any:
        try:
            time.sleep(30)
        except Exception:
            time.sleep(30)

    judge(monkeypatch, says)
    assert one(0, 0, limit=0.2).outcome == "too long"


def test_accused_for_arithmetic_that_did_lose_its_digits() -> None:
    """(a + b) - a with a = 10^12: b's square keeps four digits of sixteen, less than a third."""
    steps = {
        "v1": Step("add", ("a", "b"), {}),
        "v2": Step("subtract", ("v1", "a"), {}),
        "v3": Step("square", ("v2",), {}),
    }
    p = Program({"a": np.array(1e12), "b": np.array(0.1)}, steps, np.ones(()))
    known = truth(p)
    assert errors(p, known)[1] > 6e-6
    assert run.of_right(p, known, "disagree", None, 0) == "poor arithmetic"
    mild = Program({"a": np.array(10.0), "b": np.array(0.1)}, steps, np.ones(()))
    assert run.of_right(mild, truth(mild), "disagree", None, 0) == "accused"


def test_accused_of_an_entry_that_did_lose_its_digits() -> None:
    """exp(a - logaddexp(a, a)) is 1 at -1e30, and a half in truth, beside an entry that is larger than both."""
    p = Program({"a": np.array([-1e30, 1e3])}, {"v1": Step("logaddexp", ("a", "a"), {})}, np.array([1.0, 1e12]))
    known = truth(p)
    assert errors(p, known)[1] < 1e-11
    for accused, said in (([True, False], "poor arithmetic"), ([True, True], "accused"), ([False, True], "accused")):
        judged = SimpleNamespace(gradients={"a": SimpleNamespace(mismatched=np.array(accused))})
        assert run.of_right(p, known, "disagree", judged, 0) == said


def outcome(name: str, kind: str = "") -> Outcome:
    return Outcome(0, 7, "normal", "float64", ("exp",), 1, kind, 0.5, name, "words", 1.0)


def test_the_promises() -> None:
    good = [outcome("right")] * 150 + [outcome("caught", "sign")] * 50 + [outcome("ill-conditioned")] * 30
    assert met(good)
    assert met([*good, outcome("undecided"), outcome("undecided")])
    assert not met([*good, outcome("undecided"), outcome("undecided"), outcome("undecided")])
    for never in ("accused", "crashed", "passed", "vacuous", "too long"):
        assert not met([*good, outcome(never)])
    assert "promises kept" in table(good, 10.0)
    text = table([*good, outcome("passed", "sign")], 10.0)
    assert "promises NOT kept" in text
    assert "--show 7" in text


def test_the_smallest_part_that_shows_the_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that accuses every program with a given operation: one step is left, this one."""
    index = next(i for i in range(0, 400, 2) if len(generate(0, i).program.steps) > 8)
    steps = generate(0, index).program.steps
    culprit = list(steps.values())[len(steps) // 2].op

    def says(program: Program, change: Any, *, with_reference: bool, **more: Any) -> Any:
        guilty = culprit in {s.op for s in program.steps.values()}
        return result("disagree" if guilty else "agree", program)

    judge(monkeypatch, says)
    text = shrink(0, index, True, None)
    assert text.count("Step(") == 1
    assert f"Step({culprit!r}" in text
    assert "outcome: accused" in text


def test_the_pasteable_code_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    judge(monkeypatch, lambda program, change, *, with_reference, **more: result("agree", program))
    assert main(["--show", "1"]) == 0
    code = capsys.readouterr().out.split("\n\n", 1)[1]
    names: dict[str, Any] = {}
    exec(code.replace("print(check(", "asked = ((", 1), names)
    program, change = names["asked"]
    forward, backward, _ = functions(program, change)
    assert set(backward(program.grad_output, **program.inputs)) == set(program.inputs)
    assert forward(**program.inputs).shape == program.grad_output.shape


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    judge(monkeypatch, lambda program, change, *, with_reference, **more: result("agree", program))
    assert main(["--count", "6", "--jobs", "1"]) == 1
    text = capsys.readouterr().out
    assert "passed" in text
    assert "promises NOT kept" in text
    judge(
        monkeypatch,
        lambda program, change, *, with_reference, **more: result("agree" if change is None else "disagree", program),
    )
    assert main(["--count", "6", "--jobs", "1"]) == 0


@pytest.mark.proof
def test_several_processes_come_to_the_same_outcomes() -> None:
    alone, together = (
        [o.outcome for o in sweep(0, range(40, 44), jobs, with_reference=False, limit=None)] for jobs in (1, 2)
    )
    assert alone == together
