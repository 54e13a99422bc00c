"""The page about frameworks: its examples run, and its tables hold as many functions as are promised."""

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "frameworks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("framework", ["jax", "torch"])
def test_the_examples_run(framework: str) -> None:
    pytest.importorskip(framework)
    examples = re.findall(rf"```python {framework}\n(.*?)```", PAGE, re.S)
    assert len(examples) > 1
    names: dict[str, Any] = {}
    for example in examples:
        exec(example, names)


@pytest.mark.parametrize(("kind", "least"), [("torch", 40), ("jax", 20)])
def test_every_disagreement_is_explained(kind: str, least: int) -> None:
    table = PAGE.split(f"<!-- survey of {kind} -->")[1].split(f"<!-- end of {kind} -->")[0]
    rows = [[cell.strip() for cell in line.split(" | ")] for line in table.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if row[0] != "| package"]
    assert len(rows) >= least
    assert not [row for row in rows if row[2] != "agree" and not row[3].strip("| ")]
    assert all(re.match(r"\| \S+ \d", row[0]) for row in rows)
