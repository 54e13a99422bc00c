"""The pages about pytest and about files: their examples run, and say what the pages say that they say."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from crosscheck.cli import AGREED, DISAGREED, main
from crosscheck.files.commands import check
from crosscheck.files.drawing import inputs_of
from crosscheck.pytest import plugin
from crosscheck.pytest.fixture import Gradcheck
from crosscheck.pytest.tables import TABLE

DOCS = Path(__file__).parents[1] / "docs"
PYTEST, FILE = ((DOCS / name).read_text(encoding="utf-8") for name in ("pytest.md", "file.md"))
FIRST, OPTIONS, INPUTS, MARKED = re.findall(r"```python\n(.*?)```", FILE, re.S)


def shown(text: str, *options: str) -> Any:
    Path("my_layer.py").write_text(text, encoding="utf-8")
    return CliRunner().invoke(main, ["check", "my_layer.py", *options])


def test_the_first_file_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = shown(FIRST + OPTIONS, "--json", "out.json")
    assert found.exit_code == AGREED, found.output
    assert list(json.loads(Path("out.json").read_text(encoding="utf-8"))["gradients"]) == ["x", "w"]


def test_the_inputs_are_drawn_as_the_page_says() -> None:
    names: dict[str, Any] = {}
    exec(INPUTS, names)
    found = inputs_of(names["inputs"], 0)
    assert {k: (a.shape, a.dtype.name) for k, a in found.items() if hasattr(a, "dtype")} == {
        "x": ((4, 3), "float64"),
        "w": ((3, 2), "float32"),
        "bias": ((2,), "float32"),
        "rate": ((), "float64"),
        "labels": ((4,), "int64"),
        "p": ((4, 3), "float64"),
    }
    assert found["params"]["gain"].shape == (3,)
    assert (found["params"]["mode"], found["stride"]) == ("mean", 2)


def test_the_first_wrong_line_is_the_one_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = shown(MARKED)
    assert found.exit_code == DISAGREED
    said = " ".join(re.findall(r"```text\n(.*?)```", FILE, re.S)[0].split())
    assert said in " ".join(found.output.split())


def test_every_option_is_in_its_table() -> None:
    def of(page: str) -> set[str]:
        return set(re.findall(r"^\| `(--[\w-]+)", page, re.MULTILINE))

    assert of(FILE) == {option.opts[0] for option in check.params if option.opts[0].startswith("--")}
    assert of(PYTEST) == set(re.findall(r"addoption\(\s*\"(--[\w-]+)", inspect.getsource(plugin)))


def test_the_tests_of_the_page_pass() -> None:
    names: dict[str, Any] = {}
    for example in re.findall(r"```python\n(.*?)```", PYTEST, re.S):
        exec(example, names)
    ran = []
    for name, test in list(names.items()):
        if not name.startswith("test_"):
            continue
        table = getattr(test, TABLE, None)
        if table is None:
            test(gradcheck=Gradcheck())
            ran.append(name)
            continue
        for row in table.rows:
            test(Gradcheck(), **table.arguments(row.configuration))
            ran.append(f"{name}[{row.id}]")
    assert {"test_layer", "test_power[exponent=3]", "test_power[square]", "test_layer_of_drawn_size"} <= set(ran)
    assert sum(name.startswith("test_layer_of_any_size[") for name in ran) >= 4
