"""A walk through wrong derivations of different kinds: each page fits, and leads its reader to the mistake.

`python -m tests.report.gallery` prints them all.
"""

from __future__ import annotations

from functools import cache

import pytest

from crosscheck.evidence.result import Result
from tests.report.gallery import PICTURES
from tests.report.gallery.row import Picture

# What needs no search, or a short one; the others take up to twenty seconds each.
QUICK = {
    "KL divergence",
    "leaky ReLU",
    "dense layer with a slope",
    "norm of a zero vector",
    "what cancels to nothing",
    "a budget of nothing",
    "GELU",
    "variance in float32",
    "ReLU at zero",
}
ROWS = [pytest.param(p, marks=() if p.name in QUICK else pytest.mark.proof, id=p.name) for p in PICTURES]


@cache
def result_of(picture: Picture) -> Result:
    return picture.check()


@pytest.mark.parametrize("picture", ROWS)
def test_the_page_leads_to_the_mistake(picture: Picture) -> None:
    result = result_of(picture)
    assert result.verdict == picture.verdict
    page = " ".join(result.page(80).split())
    assert [words for words in picture.words if words not in page] == [], result


@pytest.mark.parametrize("picture", ROWS)
def test_every_size_of_it_fits(picture: Picture) -> None:
    result = result_of(picture)
    for width in (60, 80):
        for text in (result.page(width), result.full(width)):
            assert max(map(len, text.splitlines())) <= width
            assert not any(line != line.rstrip() for line in text.splitlines())
    assert len(result.summary()) <= 80
    assert len(result.page(80).splitlines()) <= 45, "a page is a page"


def test_there_are_enough_and_of_every_kind() -> None:
    assert len(PICTURES) >= 20
    assert len({p.name for p in PICTURES}) == len(PICTURES)
    assert {p.verdict for p in PICTURES} == {"disagree", "undecided"}
    assert {p.name for p in PICTURES} >= QUICK
