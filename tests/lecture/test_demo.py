"""The demonstrations: each planted mistake is caught, named, and drawn."""

import numpy as np
import pytest
from click.testing import CliRunner

from crosscheck.cli import main
from crosscheck.lecture.commands import DEMONSTRATIONS
from crosscheck.lecture.demo import MISTAKES, demonstrate
from crosscheck.report.heatmap import HEIGHT, WIDTH, heat_map

EXPECTED = {
    "sign": "sign",
    "mean": "scaled",
    "unflipped": "flipped",
    "missing-mask": "missing-mask",
    "border": "border",
    "first-sample": "batch",
    "ones": "ignores-upstream",
    "one-entry": "localized",
    "overwritten": "overwritten",
    "writes": "mutated-argument",
}


def test_the_command_knows_every_demonstration() -> None:
    assert list(DEMONSTRATIONS) == list(MISTAKES) == list(EXPECTED)


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_demonstration_is_caught_and_named(mistake: str) -> None:
    result = demonstrate(mistake, seed=0)
    assert result.verdict == "disagree"
    kinds = {d.kind for g in result.gradients.values() for d in g.diagnoses[:1]}
    assert EXPECTED[mistake] in kinds | {f.kind for f in result.findings if f.fails}


def test_the_command_fits_80_columns() -> None:
    shown = CliRunner().invoke(main, ["demo", "border"])
    assert shown.exit_code == 0
    assert "why the gradient of x is the true one without its border rows" in " ".join(shown.output.split())
    assert max(map(len, shown.output.splitlines())) <= 80


def test_a_map_shows_the_wrong_places_only() -> None:
    value = np.ones((2, 3, 4, 5))
    wrong = np.zeros(value.shape, bool)
    wrong[1, 2, 0, 4] = True
    inner, outer = heat_map("x", wrong, np.where(wrong, 1e-9, 0.0), value)
    assert inner[1:] == ["····░", "·····", "·····", "·····"]
    assert outer[1:] == ["···", "··░"]
    assert heat_map("x", np.zeros(3, bool), np.zeros(3), np.ones(3)) == []


def test_a_large_map_keeps_a_single_wrong_entry() -> None:
    wrong = np.zeros((100, 1000), bool)
    wrong[57, 613] = True
    ((_, *rows),) = heat_map("x", wrong, wrong * 2.0, np.ones(wrong.shape))
    assert "".join(rows).count("█") == 1
    assert len(rows) == HEIGHT
    assert max(map(len, rows)) == WIDTH
