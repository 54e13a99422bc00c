"""The README's examples run, print what the README shows, and name the engines that there are."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

from manual.kernels import ENGINES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def run(example: str) -> tuple[str, dict[str, Any]]:
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(example, names)
    return out.getvalue(), names


def without_numbers(page: str) -> list[str]:
    """Its words: rounding and versions differ by machine."""
    return re.sub(r"[0-9]+(\.[0-9]+)*(e-[0-9]+)?,?", "", page).split()


def test_the_examples_say_what_the_readme_says() -> None:
    layer, functions, engine = re.findall(r"```python\n(.*?)```", README, re.S)
    shown = re.findall(r"```text\n(.*?)```", README, re.S)[0]
    printed, names = run(layer)
    assert names["result"].passed
    assert without_numbers(printed) == without_numbers(shown), printed
    printed, names = run(functions)
    assert names["result"].verdict == "disagree"
    said = re.findall(r"It says: \*(.*?)\*", README, re.S)[0].replace("\n", " ")
    assert printed.strip() == said
    _, names = run(layer + engine)
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
