"""The examples of docs/forward-mode.md run, and print what the page shows."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "forward-mode.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"## ([^\n]*)\n(?:(?!\n## ).)*?```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", PAGE, re.S)


@pytest.mark.parametrize(("example", "shown"), [e[1:] for e in EXAMPLES], ids=[e[0] for e in EXAMPLES])
def test_an_example_says_what_the_page_says(example: str, shown: str) -> None:
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(example, names)
    assert out.getvalue() == shown


def test_every_example_is_found() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") == 4


def test_the_adjoint_and_the_symmetry_are_as_shown() -> None:
    """To the digits of the page, both lines of each example are one number."""
    for _, example, shown in EXAMPLES:
        if ":.12f" in example:
            first, second = shown.splitlines()[:2]
            assert first == second
