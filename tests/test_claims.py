"""Every sentence of the README's "How it decides" is a claim, and every claim has tests that fail where it is false."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.split("## How it decides")[1].split("\n## ")[0]
DECIDES = re.sub(r"\s+", " ", SECTION)
ROWS = re.findall(r"^\| (.+?) \| (`tests/.+?`) \|$", (ROOT / "docs/judge.md").read_text(encoding="utf-8"), re.MULTILINE)
# Sentences that claim nothing of the judge: what is read where.
POINTERS = (
    "the code under check",
    "How good the judge is, is proved",
    "`make bench-judge` measures",
    "What happens between",
)


def claims() -> list[str]:
    """The sentences, and the rows of the table of witnesses, as the README has them."""
    witnesses = re.findall(r"^\| (?!witness)[\w -]+ \| (.+) \|$", SECTION, re.MULTILINE)
    prose = " ".join(line for line in SECTION.splitlines() if not line.startswith("|"))
    sentences = [s.strip() for s in re.split(r"(?<=[.:]) (?=[A-Z`])", re.sub(r"\s+", " ", prose)) if s.strip()]
    return [*witnesses, *sentences]


def test_every_claim_is_quoted_as_it_stands() -> None:
    assert len(ROWS) >= 15
    assert [claim for claim, _ in ROWS if claim not in DECIDES] == []


def test_no_sentence_is_without_a_test() -> None:
    quoted = [claim for claim, _ in ROWS]
    open_claims = [s for s in claims() if not any(q in s for q in quoted) and not s.startswith(POINTERS)]
    assert open_claims == []
    assert len(claims()) >= 15


def test_the_tests_exist() -> None:
    for _, tests in ROWS:
        for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", tests):
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            assert name in {f.name for f in tree.body if isinstance(f, ast.FunctionDef)}, f"{path}::{name}"
