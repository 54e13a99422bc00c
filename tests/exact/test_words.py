"""What an exact run says is true of it, name by name."""

from crosscheck.evidence.exact_run import ExactRun, Outcome
from crosscheck.exact.words import statement


def said(points: int = 2, bits: float = 40.25, choices: int = 2**17, **outcomes: Outcome) -> str:
    return statement(ExactRun(True, outcomes=outcomes, points=points, bits=bits, choices=choices))


def test_equal_gradients_are_named_with_the_odds_that_a_mistake_survives() -> None:
    text = said(x="equal", w="equal")
    assert "x, w are exactly the true gradient" in text
    assert "2 points" in text
    assert "40.2 of 53 bits" in text
    assert "1/131,072" in text
    assert "one point" in said(points=1, x="equal")


def test_rounding_and_mistakes_are_told_apart() -> None:
    text = said(x="equal", w="rounded", b="different")
    assert "x is exactly" in text
    assert "w differs from it by the rounding" in text
    assert "b is not the true gradient" in text


def test_nothing_is_promised_where_something_is_wrong_or_nothing_was_drawn() -> None:
    assert "probability" not in said(x="equal", b="different")
    assert "probability" not in said(choices=0, x="equal")
    assert "bits" not in said(bits=0.0, x="equal")
