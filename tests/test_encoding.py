"""What is printed where the output's code lacks our letters."""

from __future__ import annotations

import io
import sys

import pytest

from crosscheck.encoding import TYPED, never_unwritable

PAGE = "± 1e-14, x ≥ 1, ··▒▓█ and a letter of no table: ж"


@pytest.mark.parametrize("code", ["latin-1", "cp1252", "ascii"])
def test_what_cannot_be_written_is_typed(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, code))
    never_unwritable()
    print(PAGE, flush=True)
    said = written.getvalue().decode(code)
    assert said.strip().endswith("-+# and a letter of no table: ?")
    assert "x >= 1" in said
    assert ("±" in said) == (code != "ascii")


def test_every_letter_has_one_of_its_own_in_a_map() -> None:
    shades = [TYPED[shade] for shade in "·░▒▓█"]
    assert len(set(shades)) == len(shades)
    assert all(len(shade) == 1 for shade in shades)
    assert all(text.isascii() for text in TYPED.values())


def test_where_all_can_be_written_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "utf-8"))
    never_unwritable()
    print(PAGE, end="", flush=True)
    assert written.getvalue().decode("utf-8") == PAGE
