"""The plugin from outside: what pytest shows of a suite that uses it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crosscheck import GradientMismatch
from crosscheck.pytest.fixture import Gradcheck

SUITE = """
import functools

import numpy as np
import pytest

import crosscheck
from crosscheck.pytest import configurations
from crosscheck.spaces.space import Space


def product(x, w):
    return x @ w


def right(grad_output, x, w):
    return {"x": grad_output @ w.T, "w": x.T @ grad_output}


def wrong(grad_output, x, w):
    return {"x": grad_output @ w.T, "w": -(x.T @ grad_output)}


def padded(x, padding):
    return np.pad(x, padding) ** 2


def padded_backward(grad_output, x, padding):
    inside = grad_output[padding : grad_output.size - padding]
    return {"x": inside * x * (2 if padding < 2 else 3)}


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    return {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 5))}


def test_right(gradcheck, inputs):
    assert gradcheck(product, right, inputs).seed == 7


def test_wrong(gradcheck, inputs):
    gradcheck(product, wrong, inputs)


def test_assertion(inputs):
    result = crosscheck.check(product, wrong, inputs, diagnose=False)
    assert result


def test_assertion_of_a_call(inputs):
    assert crosscheck.check(product, wrong, inputs, diagnose=False)


def test_assertion_with_a_message(inputs):
    result = crosscheck.check(product, wrong, inputs, diagnose=False)
    assert result.passed, result


def test_raised(inputs):
    crosscheck.check(product, wrong, inputs, diagnose=False).raise_for_failure()


def test_another_assertion(inputs):
    result = crosscheck.check(product, wrong, inputs, diagnose=False)
    assert result.verdict == "agree"


def test_expected(gradcheck, inputs):
    with pytest.raises(crosscheck.GradientMismatch):
        gradcheck(product, wrong, inputs, diagnose=False)


@configurations({"padding": 5, "size": 4}, {"padding": 0, "size": 1})
def test_table(gradcheck, padding, size):
    x = np.linspace(1.1, 2.2, size)
    how = {"padding": padding}
    gradcheck(functools.partial(padded, **how), functools.partial(padded_backward, **how), {"x": x})


@configurations(Space("local", {"factor": (1, 2), "size": (1, 3)}, valid=lambda p: p["factor"] <= p["size"]))
def test_local(gradcheck, configuration):
    def backward(grad_output, x):
        return configuration["factor"] * grad_output

    gradcheck(lambda x: x, backward, {"x": np.linspace(1.1, 2.2, configuration["size"])})


def test_undecided(gradcheck, inputs):
    gradcheck(product, right, inputs, budget=0)


def test_nameless(gradcheck):
    gradcheck(lambda x: x, lambda grad_output, x: -grad_output, {"x": np.ones(3)}, diagnose=False)


class TestLayer:
    class Doubling:
        def forward(self, x):
            return 2 * x

        def backward(self, grad_output):
            return 3 * grad_output

    @pytest.mark.xfail(strict=True)
    def test_doors(self, gradcheck):
        gradcheck.check_gradient(lambda x: x @ x, lambda x: 2 * x, np.ones(3))
        gradcheck.ask(crosscheck.check_layer, self.Doubling(), np.ones((2, 3)), diagnose=False)
"""

FAILED = {
    *("wrong", "assertion", "assertion_of_a_call", "assertion_with_a_message", "raised", "another_assertion"),
    *("table[padding=5,size=4]", "local[factor=2,size=3]", "undecided", "nameless"),
}


def sections(output: str) -> dict[str, str]:
    """What is shown of each failing test."""
    parts = re.split(r"\n_{3,} test_(\S+) _{3,}\n", output.split("short test summary info")[0])
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def code_in(section: str) -> str:
    """The test that is to be pasted."""
    return section.split("to be pasted", 1)[1].split(":\n\n", 1)[1].rsplit("\n\n", 1)[0]


FEW = """
import numpy as np

import crosscheck
from crosscheck.pytest import configurations


def forward(x):
    return x * x


def wrong(grad_output, x):
    return (2 if x.size < 3 else 3) * grad_output * x


@configurations({"size": 7}, {"size": 1})
def test_sizes(gradcheck, size):
    gradcheck(forward, wrong, {"x": np.linspace(1.1, 2.2, size)}, diagnose=False)


def test_asserted():
    assert crosscheck.check(forward, wrong, {"x": np.linspace(1.1, 2.2, 4)}, diagnose=False)
"""


def test_a_failing_check_is_shown_as_its_page_and_what_is_pasted_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_few=FEW)
    run = pytester.runpytest_subprocess("-ra", "-p", "no:cacheprovider")
    run.assert_outcomes(passed=1, failed=2)
    shown = sections(run.stdout.str())
    assert shown.keys() == {"sizes[size=7]", "asserted"}
    for section in shown.values():
        assert re.match(r"forward \(float64\): disagree\b", section)
        assert ">   " not in section
    assert "test_few.py:21: AssertionError" in shown["asserted"]
    assert "test_few.py:17: FailedCheck" in shown["sizes[size=7]"]
    pasted = code_in(shown["sizes[size=7]"])
    assert 'gradcheck(forward, wrong, {"x": np.ones((3,))}' in pasted
    names: dict[str, Any] = {}
    exec(FEW + pasted, names)
    with pytest.raises(GradientMismatch):
        names["test_sizes_smallest"](Gradcheck())


@pytest.mark.proof
def test_a_suite_is_shown_as_its_pages_and_what_is_pasted_fails(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("from crosscheck.traces.programs import keep_compilations\nkeep_compilations()")
    path = pytester.makepyfile(test_suite=SUITE)
    run = pytester.runpytest_subprocess("--grad-seed=7", "-ra", "-p", "no:cacheprovider")
    run.assert_outcomes(passed=5, failed=len(FAILED), xfailed=1)
    shown = sections(run.stdout.str())
    assert shown.keys() == FAILED
    for name in FAILED - {"another_assertion"}:
        section = shown[name]
        assert re.search(r"^\S+ \(float64\): (disagree|undecided)\b", section, re.MULTILINE), section
        assert "Traceback" not in section
        assert ">   " not in section
        assert re.search(r"^test_suite\.py:\d+: (FailedCheck|GradientMismatch|AssertionError)$", section, re.MULTILINE)
    assert "assert 'disagree' == 'agree'" in shown["another_assertion"]
    assert "FAILED test_suite.py::test_wrong - " in run.stdout.str()
    assert "to be pasted" not in shown["undecided"]
    assert "no smaller test to be pasted: <lambda> goes by no name" in " ".join(shown["nameless"].split())
    smallest = {name: code_in(shown[name]) for name in ("wrong", "table[padding=5,size=4]", "local[factor=2,size=3]")}
    assert "np.ones((1, 1))" in smallest["wrong"]
    assert "seed=7" in smallest["wrong"]
    table = smallest["table[padding=5,size=4]"]
    assert "functools.partial(padded, padding=5)" in table
    assert "np.ones((1,))" in table
    assert "padding=5, size=1" in shown["table[padding=5,size=4]"]
    configured = 'test_local(gradcheck=gradcheck, configuration={"factor": 2, "size": 3})'
    assert configured in smallest["local[factor=2,size=3]"]
    path.write_text(SUITE + "\n\n" + "\n\n\n".join(smallest.values()), encoding="utf-8")
    again = pytester.runpytest_subprocess("-k", "smallest", "--grad-full", "-n", "2", "-p", "no:cacheprovider")
    again.assert_outcomes(failed=3)
    for name, section in sections(again.stdout.str()).items():
        assert name.endswith("_smallest")
        assert "disagree" in section


HYPOTHESIS = """
import functools

import numpy as np
from hypothesis import Phase, given, settings

from crosscheck.pytest import strategies
from crosscheck.spaces.space import Space

SPACE = Space("scaling", {"size": (1, 2, 3), "factor": (1, 2, 3)}, valid=lambda point: point["factor"] <= point["size"])


def forward(x):
    return x * x


def scaled(grad_output, x, factor):
    return {"x": 2 * factor * grad_output * x}


@settings(max_examples=8, deadline=None, derandomize=True, phases=(Phase.generate, Phase.shrink))
@given(configuration=strategies.points(SPACE))
def test_drawn(gradcheck, configuration):
    assert configuration["factor"] <= configuration["size"]
    backward = functools.partial(scaled, factor=configuration["factor"])
    gradcheck(forward, backward, {"x": np.linspace(1.1, 2.2, configuration["size"])}, diagnose=False)
"""


@pytest.mark.proof
def test_hypothesis_draws_from_a_space(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_drawn=HYPOTHESIS)
    run = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    run.assert_outcomes(failed=1)
    output = run.stdout.str()
    assert "configuration={'size': 2, 'factor': 2}" in output
    assert "(float64): disagree" in output
    assert "functools.partial(scaled, factor=2)" in output
    assert "np.ones((1,))" in output


def test_the_options_are_said_and_refused(pytester: pytest.Pytester) -> None:
    helped = pytester.runpytest("--help").stdout.str()
    for option in ("--grad-seed", "--grad-full", "--grad-budget"):
        assert option in helped
    for wrong in ("--grad-seed=-1", "--grad-seed=x", "--grad-budget=-2", "--grad-budget=nan"):
        assert pytester.runpytest(wrong).ret == pytest.ExitCode.USAGE_ERROR


def test_every_configuration_has_an_id(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_ids="""
        import pytest
        from crosscheck.pytest import configurations

        class Choices:
            dimensions = {"size": ((2, 3),), "kind": (None, float)}
            def cover(self):
                return [{"size": (2, 3), "kind": kind} for kind in (None, float)]

        @configurations({"a": 1}, {"a": 1}, {"a": (2, "x")}, {"a": object()}, {"a": len}, named={"a": 3})
        def test_rows(a): ...

        @configurations(Choices())
        def test_space(configuration): ...
        """
    )
    lines = pytester.runpytest("--collect-only", "-q").stdout.lines
    assert [line.split("::")[1] for line in lines if "::" in line] == [
        "test_rows[a=1]",
        "test_rows[a=1#2]",
        "test_rows[a=2xx]",
        "test_rows[a=object]",
        "test_rows[a=len]",
        "test_rows[named]",
        "test_space[size=2x3,kind=None]",
        "test_space[size=2x3,kind=float]",
    ]


def test_pytest_starts_without_jax_or_numpy(tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text("def test_plain(): assert True", encoding="utf-8")
    code = (
        "import sys, pytest; pytest.main(['-q', '-p', 'no:cacheprovider', '--strict-markers', sys.argv[1]]);"
        "print('crosscheck.pytest.plugin' in sys.modules, [n for n in ('jax', 'numpy') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "True []"
