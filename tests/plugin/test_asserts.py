"""What pytest shows of a failing `assert`: the page, as `raise_for_failure` does; run in a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import unittest

import numpy as np
import pytest
import crosscheck

X = np.random.default_rng(0).normal(size=(3, 4))


def wrong():
    return crosscheck.check(np.sin, lambda grad_output, x: -grad_output * np.cos(x), {"x": X}, name="sine")


def right():
    return crosscheck.check(np.sin, lambda grad_output, x: grad_output * np.cos(x), {"x": X})


def test_bare():
    assert wrong()


def test_named():
    good, result = right(), wrong()
    assert result


def test_message():
    result = wrong()
    assert result, result


def test_words_of_its_own():
    result = wrong()
    assert result, f"layer 3: {result!r}"


class TestCase(unittest.TestCase):
    def test_true(self):
        self.assertTrue(wrong())

    def test_true_with_words(self):
        self.assertTrue(wrong(), "layer 4")


def test_raised():
    wrong().raise_for_failure()


def test_about_something_else():
    result = wrong()
    assert X is None


def surveyed():
    def make(rows):
        return np.sin, lambda grad_output, x: grad_output * np.cos(x) / rows, {"x": X[:rows]}

    return crosscheck.survey(make, {"rows": (1, 2)}, diagnose=False, name="mean")


def test_survey():
    found = surveyed()
    assert found, found


def test_survey_raised():
    surveyed().raise_for_failure()


def test_user_code_raises():
    crosscheck.check(lambda x: x @ x, lambda grad_output, x: x, {"x": X})


def test_passes():
    assert right()
    assert not wrong()
    with pytest.raises(AssertionError):
        assert wrong()
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a pytest with the plugin says of each test."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "test_suite.py").write_text(SUITE, encoding="utf-8")
    options = ("-p", "no:cacheprovider", "-p", "no:xdist", "--color=no")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", str(folder), str(folder)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "11 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    parts: dict[str, str] = {}
    for part in done.stdout.split("\n____")[1:]:
        name = part.split("\n")[0].strip("_ ")
        parts[name] = part.split("= short test summary")[0]
    return parts


PAGE = (
    "sine (float64): disagree; x is wrong",
    "why        the gradient of x has the wrong sign",
    "repeat     crosscheck",
)


ASSERTED = ["test_bare", "test_named", "test_message", "test_words_of_its_own", "test_raised"]
ASSERTED += ["TestCase.test_true", "TestCase.test_true_with_words"]


@pytest.mark.parametrize("name", ASSERTED)
def test_the_page_is_shown(shown: dict[str, str], name: str) -> None:
    for words in PAGE:
        assert shown[name].count(words) == 1, shown[name]
    assert "Result(" not in shown[name]
    assert "\\n" not in shown[name]
    page = shown[name].split("sine (float64)")[1].split("\n\n")[0]
    assert max(map(len, page.splitlines())) <= 80


def test_the_tests_own_words_stay(shown: dict[str, str]) -> None:
    assert "layer 3: sine: disagree: x has the wrong sign" in shown["test_words_of_its_own"]
    assert "layer 4" in shown["TestCase.test_true_with_words"]
    assert "is not true" not in shown["TestCase.test_true_with_words"]


def test_the_callers_line_is_shown_and_none_of_ours(shown: dict[str, str]) -> None:
    line = 1 + SUITE[: SUITE.index("wrong().raise_for_failure()")].count("\n")
    assert f"test_suite.py:{line}: GradientMismatch" in shown["test_raised"]
    assert "raise GradientMismatch" not in shown["test_raised"]
    line = 1 + SUITE[: SUITE.index("self.assertTrue(wrong())")].count("\n")
    assert f"test_suite.py:{line}: AssertionError" in shown["TestCase.test_true"]


def test_an_assertion_about_something_else_is_left_alone(shown: dict[str, str]) -> None:
    assert "disagree" not in shown["test_about_something_else"]


@pytest.mark.parametrize("name", ["test_survey", "test_survey_raised"])
def test_the_page_of_a_survey_is_shown(shown: dict[str, str], name: str) -> None:
    assert shown[name].count("x: wrong exactly when rows ≥ 2") == 1
    assert "smallest: rows=2" in shown[name]
    assert "assert " not in shown[name]


def test_where_the_users_code_raises_no_frame_is_ours(shown: dict[str, str]) -> None:
    section = shown["test_user_code_raises"]
    assert "ValueError: matmul" in section
    assert section.count("crosscheck.check(lambda x: x @ x") >= 1
    assert "judge.py" not in section
    assert "operation.py" not in section
