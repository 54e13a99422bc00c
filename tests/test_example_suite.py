"""The suite in examples/: it passes as it is, and the wrong layer in it is caught."""

from __future__ import annotations

from pathlib import Path

import pytest

SUITE = Path(__file__).parents[1] / "examples" / "suite"


@pytest.mark.proof
def test_the_suite_of_the_examples_runs(pytester: pytest.Pytester) -> None:
    for path in SUITE.glob("*.py"):
        (pytester.path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    pytester.makeconftest("from crosscheck.traces.programs import keep_compilations\nkeep_compilations()")
    run = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-q")
    run.assert_outcomes(passed=7, xfailed=1)


@pytest.mark.proof
def test_its_wrong_layer_is_shown_with_the_smallest_test(pytester: pytest.Pytester) -> None:
    for path in SUITE.glob("*.py"):
        (pytester.path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    run = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--runxfail", "-k", "overlap", "-n", "2")
    run.assert_outcomes(failed=1)
    assert "keeps only the last of several contributions" in run.stdout.str()
    assert '{"x": np.ones((1, 4))}' in run.stdout.str()
