"""Who gets a window's gradient, by every mistake of the table, against loops."""

from __future__ import annotations

import numpy as np
import pytest

from crosscheck.diagnosis.windows import Axis, Windows, gradient_of_pool
from crosscheck.diagnosis.winners import WINNERS, assigned, first_maximum, seen_by, shares

ORDER = (0, 1, 2, 3)
ROW = {winner.text: winner for winner in WINNERS}
# One window of 2 x 3 entries; the maximum, 9, stands twice.
WINDOW = np.array([[[[1.0, 9.0, 4.0], [9.0, -12.0, 2.0]]]])


def windows(high: int, low: int, rows: int, columns: int, stride: int) -> Windows:
    def axis(n: int, size: int) -> Axis:
        return Axis((size - n) // stride + 1, n, size, stride, 1, 0, 0)

    return Windows(axis(high, rows), axis(low, columns), ORDER, (), ORDER)


ONE = windows(2, 3, 2, 3, 1)


def share(text: str, x: np.ndarray = WINDOW, where: Windows = ONE) -> np.ndarray:
    winner = ROW[text]
    return shares(x, where, 1.0, winner.share, *winner.arguments)[0, 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("to every one of several equal maxima", {(0, 1): 1, (1, 0): 1}),
        ("in equal parts to equal maxima", {(0, 1): 0.5, (1, 0): 0.5}),
        ("to a winner found by dividing by rows instead of columns", {(0, 1): 1}),
        ("to the smallest entry instead of the largest", {(1, 1): 1}),
        ("to the entry of largest absolute value", {(1, 1): 1}),
        ("to the last of equal maxima instead of the first", {(1, 0): 1}),
        ("to the first entry of each window, whoever won", {(0, 0): 1}),
        ("to the last entry of each window, whoever won", {(1, 2): 1}),
        ("to the middle entry of each window, whoever won", {(1, 0): 1}),
        ("to the winner's place mirrored in the window", {(1, 1): 1}),
        ("to the winner's place mirrored along the rows in the window", {(1, 1): 1}),
        ("to the winner's place mirrored along the columns in the window", {(0, 1): 1}),
        ("to the second largest entry", {(1, 0): 1}),
    ],
)
def test_a_mistaken_winner(text: str, places: dict[tuple[int, int], float]) -> None:
    wanted = np.zeros((2, 3))
    for place, weight in places.items():
        wanted[place] = weight
    np.testing.assert_array_equal(share(text), wanted)


def test_everyone_and_the_square_window() -> None:
    np.testing.assert_array_equal(share("in full to every entry of the window"), np.ones((2, 3)))
    np.testing.assert_allclose(share("in equal parts to every entry of the window"), np.full((2, 3), 1 / 6))
    square = windows(2, 2, 2, 2, 1)
    swapped = share("to the winner's row and column swapped", WINDOW[..., :2], square)
    np.testing.assert_array_equal(swapped, [[0, 0], [1, 0]])


def test_a_row_is_made_only_where_it_can_be() -> None:
    seen, kernel = seen_by(WINDOW, ONE)
    assert {w.text for w in WINNERS if w.made is not None and w.made(seen, kernel)} == {
        "to every one of several equal maxima",
        "in equal parts to equal maxima",
        "to a winner found by dividing by rows instead of columns",
    }
    assert len(ROW) == len(WINNERS)


def test_the_right_winners_and_overwriting(rng: np.random.Generator) -> None:
    where = windows(3, 2, 6, 5, 1)
    x, g = rng.normal(size=(2, 3, 6, 5)), rng.normal(size=(2, 3, 4, 4))
    added, last, first = np.zeros(x.shape), np.zeros(x.shape), np.zeros(x.shape)
    for b, c, h, w in np.ndindex(*g.shape):
        i, j = np.unravel_index(x[b, c, h : h + 3, w : w + 2].argmax(), (3, 2))
        added[b, c, h + i, w + j] += g[b, c, h, w]
        last[b, c, h + i, w + j] = g[b, c, h, w]
        if first[b, c, h + i, w + j] == 0:
            first[b, c, h + i, w + j] = g[b, c, h, w]
    right = gradient_of_pool(g, shares(x, where, 1.0, first_maximum), where)
    np.testing.assert_allclose(right, added, atol=1e-14)
    np.testing.assert_array_equal(assigned(g, x, where, 1.0, True), last)
    np.testing.assert_array_equal(assigned(g, x, where, 1.0, False), first)
    np.testing.assert_allclose(gradient_of_pool(g, shares(-x, where, -1.0, first_maximum), where), added, atol=1e-14)
