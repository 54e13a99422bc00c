"""What a number stands for, and how it is said."""

from __future__ import annotations

import pytest

from crosscheck.diagnosis.factors import Size, in_words, number, readings

SIZES = [Size("batch", 5, 0.8), Size("kernel rows", 3, 1.0), Size("outputs", 7, 1.0), Size("2", 2, 0.85)]


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        (5, "batch"),
        (1 / 5, "1 / batch"),
        (-35, "-batch · outputs"),
        (5 / 7, "batch / outputs"),
        (1 / 9, "1 / (kernel rows · kernel rows)"),
    ],
)
def test_the_cheapest_reading_comes_first(factor: float, text: str) -> None:
    first = readings(factor, SIZES)[0]
    assert first.text == text
    assert first.value({size.name: size.value for size in SIZES}) == pytest.approx(factor)


@pytest.mark.parametrize("factor", [0.77, 11, 1 + 1e-9, 5 * (1 + 1e-8)])
def test_what_is_no_product_of_sizes_has_no_reading(factor: float) -> None:
    assert readings(factor, SIZES) == []


def test_a_reading_is_asked_at_other_sizes() -> None:
    (reading, *_) = readings(5 / 7, SIZES)
    assert reading.value({"batch": 4, "outputs": 8}) == 0.5
    assert reading.names() == {"batch", "outputs"}


@pytest.mark.parametrize(
    ("factor", "name", "text"),
    [
        (9.0, "kernel rows · kernel columns", "9 times too large (kernel rows · kernel columns)"),
        (0.25, "1 / 4", "4 times too small"),
        (-1.0, None, "of the wrong sign"),
        (-3.0, None, "of the wrong sign and 3 times too large"),
        (0.77, None, "0.77 times the true one"),
        (-0.77, None, "minus 0.77 times the true one"),
    ],
)
def test_a_factor_in_words(factor: float, name: str | None, text: str) -> None:
    assert in_words(factor, name) == text


def test_a_number_shows_what_tells_it_from_one() -> None:
    assert number(1 + 1e-9) == "1.000000001"
    assert number(9.0) == "9"


def test_a_correction_of_a_variance_upside_down_is_one_quotient() -> None:
    special = [Size("n / (n - 1) of n, the count", 4 / 3, 2.0)]
    assert readings(0.75, [], special=special)[0].text == "(n - 1) / n of n, the count"
    assert readings(4 / 3, [], special=special)[0].text == "n / (n - 1) of n, the count"
    assert readings(0.75, [], special=special)[0].value({"n / (n - 1) of n, the count": 2.0}) == 0.5
