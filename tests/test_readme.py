"""The README's examples run, and print what the README shows."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def run(example: str) -> tuple[str, dict[str, Any]]:
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(example, names)
    return out.getvalue(), names


def test_the_examples_say_what_the_readme_says() -> None:
    layer, functions = re.findall(r"```python\n(.*?)```", README, re.S)
    shown = re.findall(r"```text\n(.*?)```", README, re.S)[0]
    printed, names = run(layer)
    assert names["result"].passed
    lines = [line.split("  ")[0:3] for line in printed.splitlines()]
    for line in shown.splitlines():
        wanted = line.strip()
        # Rounding differs by machine: the words must be there, the last digits need not.
        words = re.sub(r"[0-9.]+e-[0-9]+|[0-9]+%", "", wanted).split()
        assert any(set(words) <= set(got.split()) for got in printed.splitlines()), (wanted, lines)
    printed, names = run(functions)
    assert names["result"].verdict == "disagree"
    said = re.findall(r"It says: \*(.*?)\*", README, re.S)[0].replace("\n", " ")
    assert printed.strip() == said


def test_every_path_in_the_readme_exists() -> None:
    for path in re.findall(r"`([a-z_]+/[a-z_/.]*)`", README) + re.findall(r"\]\(([^)#:]+)\)", README):
        if not path.startswith("build/"):  # made by a command
            assert (ROOT / path).exists(), path
