"""The page of all layers is what the code says, and nothing is missing from it."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from crosscheck.exact.run import exact_run
from crosscheck.lecture.cases import all_cases
from reference import network

ROOT = Path(__file__).parents[1]


def loaded() -> ModuleType:
    """The tool that writes the page."""
    name = "layers_table"
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


TABLE = loaded()
FIRST = {case.layer: case for case in reversed(all_cases()) if case.kind == "layer"}


def test_the_page_is_what_the_tool_writes() -> None:
    assert TABLE.PAGE.read_text(encoding="utf-8") == TABLE.page()


def test_every_operation_has_its_row() -> None:
    assert set(TABLE.ELSEWHERE) == set(network.operations())


def test_every_row_has_its_equations() -> None:
    for operation in TABLE.ELSEWHERE:
        forward, tangent, gradients = TABLE.numbers(operation)
        assert forward == "(1)"
        assert tangent, operation
        assert gradients, operation


@pytest.mark.proof
@pytest.mark.parametrize("operation", TABLE.ELSEWHERE)
def test_what_is_called_exact_can_be_judged_exactly(operation: str) -> None:
    assert exact_run(FIRST[operation].operation(0), seed=0).applies == TABLE.ELSEWHERE[operation].exact
