"""The page about surveys: its examples run, and print what it shows."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

from crosscheck import spaces
from crosscheck.surveys.circumstances import CHOICES, WORDS

PAGE = (Path(__file__).parents[1] / "docs" / "survey.md").read_text(encoding="utf-8")
LAYER, FIRST, *OTHERS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
(SHOWN,) = re.findall(r"```text\n(.*?)```", PAGE, re.S)


def test_the_first_example_prints_the_page_that_is_shown() -> None:
    names: dict[str, Any] = {}
    exec(LAYER, names)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(FIRST, names)
    assert said.getvalue() == SHOWN


@pytest.mark.proof
def test_the_other_examples_run() -> None:
    names: dict[str, Any] = {}
    exec(LAYER, names)
    for example in OTHERS:
        exec(example, names)


def test_the_table_of_spaces_is_complete() -> None:
    rows = dict(re.findall(r"^\| `(\w+)\([^|]*\| (.*) \|$", PAGE, re.MULTILINE))
    assert set(rows) == set(spaces.__all__) - {"Space"}
    for name, said in rows.items():
        space = getattr(spaces, name)()
        configuration = space.settle(
            {k: c[-1] if c[-1] == "several" else c[0] for k, c in space.dimensions.items()}, None
        )
        assert set(configuration or {}) <= set(re.findall(r"\w+", said))


def test_the_table_of_circumstances_is_complete() -> None:
    for name, choices in CHOICES.items():
        (row,) = re.findall(rf"^\| `{name}` \| (.*) \|$", PAGE, re.MULTILINE)
        assert row == f"{', '.join(choices)} | {WORDS[name, choices[1]].format(x='x')}"
