"""The map of characters: where it is wrong, how badly, in a space that a terminal has."""

import numpy as np
import pytest

from crosscheck.report.heatmap import FINE, HEIGHT, LEGEND, WIDTH, heat_map, pages, shade, shrunk


def drawn(wrong: dict[tuple[int, ...], float], shape: tuple[int, ...], name: str = "x") -> list[str]:
    """The map of a gradient of ones that is off by these amounts at these entries."""
    difference = np.zeros(shape)
    for at, by in wrong.items():
        difference[at] = by
    return heat_map(name, difference > 0, difference, np.ones(shape))


def test_a_wrong_entry_is_shown_where_it_is() -> None:
    title, *rows, legend = drawn({(1, 2): 0.5}, (3, 4))
    assert title == "row × column:"
    assert [row.strip() for row in rows] == ["····", "··█·", "····"]
    assert legend == LEGEND


def test_the_shade_says_how_wrong() -> None:
    _, row, _ = drawn({(0,): 1e-8, (1,): 1e-4, (2,): 1e-2, (3,): 0.5, (4,): np.inf}, (6,))
    assert row.strip() == "░▒▓██·"
    assert shade(-1.0) == FINE
    assert shade(np.inf) == "█"


def test_the_shade_is_relative_to_the_gradients_size() -> None:
    difference = np.array([1e-2, 0.0])
    _, large, _ = heat_map("x", difference > 0, difference, np.full(2, 1e6))
    _, small, _ = heat_map("x", difference > 0, difference, np.full(2, 1e-6))
    assert (large.strip(), small.strip()) == ("░·", "█·")


def test_four_axes_are_two_maps_each_of_the_worst_behind_it() -> None:
    lines = drawn({(1, 0, 2, 3): 0.5}, (2, 3, 4, 5))
    assert lines[0] == "row × column, the worst over the other axes:"
    assert lines[3].strip() == "···█·"
    at = lines.index("sample × channel, the worst over the other axes:")
    assert [line.strip() for line in lines[at + 1 : at + 3]] == ["···", "█··"]


def test_filters_have_their_own_words() -> None:
    lines = drawn({(1, 0, 2, 0): 0.5}, (2, 3, 3, 3), "0.filters")
    assert lines[0].startswith("kernel row × kernel column")
    assert any(line.startswith("output channel × input channel") for line in lines)


@pytest.mark.parametrize("shape", [(200, 300), (7, 500, 3, 90), (5000,), (2, 2, 2, 2, 40)])
def test_it_fits(shape: tuple[int, ...]) -> None:
    lines = drawn({tuple(n - 1 for n in shape): 0.5}, shape)
    assert max(map(len, lines)) <= 72
    assert len(lines) <= 2 * (HEIGHT + 1) + 1
    assert sum(line.count("█") for line in lines[:-1]) >= 1


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


def test_the_pages() -> None:
    assert [pages(n) for n in (1, 2, 3, 4, 5)] == [[(0,)], [(0, 1)], [(1, 2), (0,)], [(2, 3), (0, 1)], [(3, 4), (1, 2)]]
