"""The judge on random programs: what it answers truly today, and what it must go on answering truly.

The lists hold programs of the sequence of seed 0 that are answered in about a second each. `python -m tests.programs`
(`make programs`) runs the sequence whole and prints what is not kept yet; a program that begins to be answered truly
belongs in here.
"""

import ast
from pathlib import Path

import pytest

from tests.programs.run import one

pytestmark = pytest.mark.proof

RIGHT = [0, 2, 4, 6, 20, 22, 24, 30, 34, 36, 38, 42, 46, 48, 52, 54, 56, 58, 60, 62, 64, 70, 74, 76, 4506]
CAUGHT = [33, 37, 39, 45, 47, 53, 55, 57, 63, 65, 67, 69, 77, 83, 85]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("index", RIGHT)
def test_a_right_program_agrees(index: int) -> None:
    found = one(0, index)
    assert not found.kind
    assert found.outcome in ("right", "zero everywhere"), found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("index", CAUGHT)
def test_a_planted_mistake_is_caught(index: int) -> None:
    found = one(0, index)
    assert found.kind
    assert found.outcome == "caught", found


def test_only_the_public_door_is_used() -> None:
    """A second pair of eyes shares nothing with the first: no code of the judge, the layers or their references.

    `test_reversing` is no judgement of programs: it asks one function of the judge's about them.
    """
    for path in set(Path(__file__).parent.rglob("*.py")) - {Path(__file__).with_name("test_reversing.py")}:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [n for n in names if n.split(".")[0] in {"manual", "reference", "benchmarks"}], path
            assert not [n for n in names if n.startswith("crosscheck.")], path
