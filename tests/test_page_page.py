"""The examples of docs/page.md run, and print what the page shows; they are run as files, whose lines can be read."""

import contextlib
import io
import re
import runpy
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "page.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.S)


def without_numbers(text: str) -> list[str]:
    """The words of a page: rounding differs by machine, versions by the day."""
    text = re.sub(r"versions .*", "versions", text)
    words = re.sub(r"\d[\d.]*e[-+]\d+", "#", text).split()
    return [word for word in words if word not in ("0", "#")]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_prints_what_the_page_shows(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    example, shown = EXAMPLES[number]
    file = tmp_path / "dense.py"
    file.write_text(example, encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        runpy.run_path(str(file))
    assert without_numbers(out.getvalue()) == without_numbers(shown), out.getvalue()
    assert max(map(len, shown.splitlines())) <= 80


def test_every_example_is_found() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") == 3
