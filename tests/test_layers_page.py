"""The page about layers: its examples run and agree, and what a usual layer needs is two lines at most."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import crosscheck

PAGE = (Path(__file__).parents[1] / "docs" / "layers.md").read_text(encoding="utf-8")
COMMON, *EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.S)
FIRST = EXAMPLES[0]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_agrees_in_two_lines(number: int) -> None:
    example = EXAMPLES[number]
    names: dict[str, Any] = {}
    exec(COMMON + (FIRST if "(Dense)" in example else "") + example, names)
    result = names["result"]
    assert result, result
    assert len(result.gradients) > 1 or "class Dense" not in example
    adapter = example.rsplit("\n\n\n", 1)[-1].strip().splitlines()
    own = [line for line in adapter if not line.startswith("inputs =")]
    assert len(own) <= 2, own


def test_the_table_names_arguments_that_there_are() -> None:
    rows = re.findall(r"^\|[^|]*\| (.*) \|$", PAGE, re.MULTILINE)
    said = {name for row in rows for name in re.findall(r"`(\w+)=", row)}
    assert said
    assert said <= set(inspect.signature(crosscheck.check_layer).parameters)
