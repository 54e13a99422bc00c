"""What is read by index and assigned in the backward; branches of a maximum exchanged; half a spectrum turned back."""

from __future__ import annotations

from typing import Any

import numpy as np

import crosscheck
from crosscheck.diagnosis.extremes import where_less

RNG = np.random.default_rng(5)


def said(forward: Any, backward: Any, inputs: dict[str, Any]) -> str:
    result = crosscheck.check(forward, backward, inputs)
    assert result.verdict == "disagree"
    return " ".join(str(result).split())


IMAGE = {"image": RNG.normal(size=(5, 4)), "rows": np.array([0, 3, 0, 2, 3, 0]), "share": RNG.uniform(0, 1, 6)}


def between_rows(image: Any, rows: Any, share: Any) -> Any:
    return (1 - share)[:, None] * image[rows] + share[:, None] * image[rows + 1]


def assigned(grad_output: Any, image: Any, rows: Any, share: Any) -> Any:
    grad_image = np.zeros_like(image)
    grad_image[rows] += (1 - share)[:, None] * grad_output  # of equal rows the last one counts
    grad_image[rows + 1] += share[:, None] * grad_output
    return {"image": grad_image, "share": (grad_output * (image[rows + 1] - image[rows])).sum(1)}


def test_at_every_reading_the_last_of_equal_indices_stays() -> None:
    page = said(between_rows, assigned, IMAGE)
    assert "the gradient of image keeps only the last of several contributions to an entry" in page
    assert "that every indexing reads, instead of adding up" in page


def first(grad_output: Any, table: Any, at: Any) -> Any:
    grad_table = np.zeros_like(table)
    grad_table[at[::-1]] = grad_output[::-1]
    return {"table": grad_table}


def test_of_one_reading_from_the_end_the_first_stays() -> None:
    page = said(lambda table, at: table[at] ** 1, first, {"table": RNG.normal(size=4), "at": np.array([2, 0, 2, 2, 1])})
    assert "the first" in page


def pinball(guess: Any, truth: Any) -> Any:
    off = truth[:, None] - guess
    return np.maximum(0.2 * off, -0.8 * off)


def exchanged(grad_output: Any, guess: Any, truth: Any) -> Any:
    grad_off = grad_output * np.where(truth[:, None] > guess, -0.8, 0.2)
    return {"guess": -grad_off, "truth": grad_off.sum(1)}


def test_the_branches_of_a_maximum_are_exchanged() -> None:
    page = said(pinball, exchanged, {"guess": RNG.normal(size=(4, 3)), "truth": RNG.normal(size=4)})
    assert "gives what arrives at the maximum to the smaller of the two" in page
    np.testing.assert_array_equal(where_less(np.array([3.0, 4]), np.array([1.0, 2]), np.array([2.0, 1])), [3, 0])


def filtered(x: Any, mask: Any) -> Any:
    return np.fft.irfft(np.fft.rfft(x) * mask, len(x))


def once_each(grad_output: Any, x: Any, mask: Any) -> Any:
    spectrum = np.fft.rfft(grad_output)
    grad_mask = (np.conj(np.fft.rfft(x)) * spectrum).real / len(x)  # every inner frequency stands for two
    return {"x": np.fft.irfft(spectrum * mask, len(x)), "mask": grad_mask}


def test_half_of_a_spectrum_is_counted_where_it_is_turned_back() -> None:
    page = said(filtered, once_each, {"x": RNG.normal(size=10), "mask": RNG.uniform(0, 1, 6)})
    assert "mask counts only half of the spectrum between its first and last entry" in page
