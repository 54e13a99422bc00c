"""The map of characters: where it is wrong, how badly, in a space that a terminal has."""

import numpy as np
import pytest

from crosscheck.report.heatmap import FINE, HEIGHT, WIDTH, heat_map, legend, pages, shade, shrunk


def drawn(wrong: dict[tuple[int, ...], float], shape: tuple[int, ...], name: str = "x") -> list[list[str]]:
    """The maps of a gradient of ones that is off by these amounts at these entries."""
    difference = np.zeros(shape)
    for at, by in wrong.items():
        difference[at] = by
    return heat_map(name, difference > 0, difference, np.ones(shape))


def test_a_wrong_entry_is_shown_where_it_is() -> None:
    maps = drawn({(1, 2): 0.5}, (3, 4))
    assert maps == [["axis 0 down, axis 1 across:", "····", "··█·", "····"]]
    assert legend(maps) == "· right   █ wrong"


def test_the_shade_says_how_wrong() -> None:
    maps = drawn({(0,): 1e-8, (1,): 1e-4, (2,): 1e-2, (3,): 0.5, (4,): np.inf}, (6,))
    assert maps[0][1] == "░▒▓██·"
    assert legend(maps) == "· right   ░ off by < 1e-6   ▒ < 1e-3   ▓ < 0.1 of its size   █ more"
    assert shade(-1.0) == FINE
    assert shade(np.inf) == "█"


def test_the_shade_is_relative_to_the_gradients_size() -> None:
    difference = np.array([1e-2, 0.0])
    ((_, large),) = heat_map("x", difference > 0, difference, np.full(2, 1e6))
    ((_, small),) = heat_map("x", difference > 0, difference, np.full(2, 1e-6))
    assert (large, small) == ("░·", "█·")


def test_four_axes_are_two_maps_each_of_the_worst_behind_it() -> None:
    inner, outer = drawn({(1, 0, 2, 3): 0.5}, (2, 3, 4, 5))
    assert inner[0] == "axis 2 down, axis 3 across; the worst over the others:"
    assert inner[3] == "···█·"
    assert outer == ["axis 0 down, axis 1 across; the worst over the others:", "···", "█··"]


def test_filters_have_their_own_words() -> None:
    inner, outer = drawn({(1, 0, 2, 0): 0.5}, (2, 3, 3, 3), "0.filters")
    assert inner[0].startswith("kernel row down, kernel column across")
    assert outer[0].startswith("output channel down, input channel across")


@pytest.mark.parametrize("shape", [(200, 300), (7, 500, 3, 90), (5000,), (2, 2, 2, 2, 40)])
@pytest.mark.parametrize("width", [60, 45])
def test_it_fits(shape: tuple[int, ...], width: int) -> None:
    off = np.zeros(shape, bool)
    off[tuple(n - 1 for n in shape)] = True
    maps = heat_map("x", off, 0.5 * off, np.ones(shape), width)
    rows = [row for _, *rows in maps for row in rows]
    assert rows
    assert max(map(len, rows)) <= width
    assert len(rows) <= 2 * HEIGHT
    assert sum(row.count("█") for row in rows) >= 1


def test_a_long_axis_is_cut_into_pieces_and_loses_no_wrong_entry() -> None:
    plane = np.full((100, 100), -1.0)
    plane[57, 91] = 1.0
    small = shrunk(plane)
    assert small.shape == (HEIGHT, WIDTH)
    assert (small == 1.0).sum() == 1


def test_there_is_no_map_of_nothing() -> None:
    assert drawn({}, (3, 4)) == []
    assert heat_map("x", np.array(True), np.array(1.0), np.array(1.0)) == []
    assert heat_map("x", np.ones(1, bool), np.ones(1), np.ones(1)) == []


def test_there_is_no_map_in_which_all_is_alike() -> None:
    everywhere = np.ones((3, 4), bool)
    assert heat_map("x", everywhere, np.ones((3, 4)), np.ones((3, 4))) == []
    column = np.zeros((3, 4, 2), bool)
    column[:, 1] = True  # every cell of axis 0, and of the map of the last two half of them
    assert [title for title, *_ in heat_map("x", column, 1.0 * column, np.ones((3, 4, 2)))] == [
        "axis 1 down, axis 2 across; the worst over the others:"
    ]


def test_shades_alone_are_a_map_only_where_they_are_asked_for() -> None:
    everywhere, off = np.ones((1, 2), bool), np.array([[1e-2, 1.0]])
    assert len(heat_map("x", everywhere, off, np.ones((1, 2)))) == 1
    assert heat_map("x", everywhere, off, np.ones((1, 2)), shades=False) == []


def test_the_pages() -> None:
    assert [pages(n) for n in (1, 2, 3, 4, 5)] == [[(0,)], [(0, 1)], [(1, 2), (0,)], [(2, 3), (0, 1)], [(3, 4), (1, 2)]]
