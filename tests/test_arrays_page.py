"""The examples of docs/arrays.md run, one after another."""

import re
from pathlib import Path
from typing import Any

PAGE = (Path(__file__).parents[1] / "docs" / "arrays.md").read_text(encoding="utf-8")


def test_the_examples_hold() -> None:
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == PAGE.count("\n## ")
    names: dict[str, Any] = {}
    for example in examples:
        exec(example, names)
