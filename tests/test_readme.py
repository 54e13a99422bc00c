"""The README's examples run, print what the README shows, and name the engines that there are."""

import contextlib
import io
import linecache
import re
from pathlib import Path
from typing import Any

import pytest

from manual.kernels import ENGINES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def run(example: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """What it prints and defines, as a file: a page shows lines of it."""
    path = folder / "derivation.py"
    path.write_text(example, encoding="utf-8")
    linecache.checkcache()
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(example, str(path), "exec"), names)
    return out.getvalue(), names


def without_numbers(page: str) -> list[str]:
    """Its words: rounding and versions differ by machine."""
    return re.sub(r"[0-9]+(\.[0-9]+)*(e-[0-9]+)?,?", "", page).split()


def test_the_examples_say_what_the_readme_says(tmp_path: Path) -> None:
    functions, layer, engine = re.findall(r"```python\n(.*?)```", README, re.S)
    shown = re.findall(r"```text\n(.*?)```", README, re.S)[0]
    printed, names = run(functions, tmp_path)
    assert names["result"].verdict == "disagree"
    assert without_numbers(printed) == without_numbers(shown), printed
    _, names = run(layer, tmp_path)
    assert names["result"].passed
    _, names = run(layer + engine, tmp_path)
    assert names["y"].shape == (4, 3, 4, 6)


def test_the_engines_are_named() -> None:
    rows = "".join(line for line in README.splitlines() if line.endswith(("| yes |", "| no |")))
    assert set(re.findall(r"`(\w+)`", rows)) == ENGINES.keys()
    for row in re.findall(r"\| (`.*?) \|.*\| (yes|no) \|$", README, re.MULTILINE):
        assert {ENGINES[name].exact for name in re.findall(r"`(\w+)`", row[0])} == {row[1] == "yes"}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/judge.md", "docs/layers.md", "docs/page.md"])
def test_every_path_exists(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [(ROOT / page).parent / link for link in re.findall(r"\]\(([^)#:]+)\)", text)]
    for path in [*(ROOT / path for path in re.findall(r"`([a-z_]+/[a-z_/.]*)`", text)), *links]:
        if not path.is_relative_to(ROOT / "build"):  # made by a command
            assert path.exists(), path
