"""Sizes: pairwise different, equal where the point says so, fitting, and every choice in the cover."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from crosscheck import spaces
from crosscheck.spaces import Space
from crosscheck.spaces.layouts import free, remainder
from crosscheck.spaces.sizes import EQUAL, SEVERAL

LAYOUTS = ("NCHW", "NHWC")
SPACES: dict[str, Callable[[], Space]] = {
    "convolution": spaces.convolution,
    "convolution of pairs": lambda: spaces.convolution(LAYOUTS, pairs=True),
    "pooling": spaces.pooling,
    "pooling of pairs": lambda: spaces.pooling("NHWC", pairs=True),
    "dense": spaces.dense,
    "normalization": spaces.normalization,
    "normalization of images": lambda: spaces.normalization(LAYOUTS),
    "attention": spaces.attention,
    "recurrent": lambda: spaces.recurrent(("NTC", "TNC")),
    "elementwise": spaces.elementwise,
}
COUNTS = ("batch", "channels", "filters", "inputs", "outputs", "features", "steps", "hidden", "queries", "keys", "size")


@pytest.mark.parametrize("name", SPACES)
def test_every_point_of_the_cover_has_sizes(name: str) -> None:
    space, rng = SPACES[name](), np.random.default_rng(0)
    for point in space.cover():
        configuration = space.settle(point, rng)
        assert configuration is not None, point
        assert space.settle(point, None) is not None, point
        assert all(n > 0 for n in configuration["shape"])


@pytest.mark.parametrize("name", SPACES)
def test_several_are_different_unless_they_are_said_to_be_equal(name: str) -> None:
    space, rng = SPACES[name](), np.random.default_rng(1)
    for _ in range(100):
        point = space.draw(rng)
        configuration = space.settle(point, rng)
        if configuration is None:
            continue
        groups = configuration.get("groups", 1)
        several = [k for k in COUNTS if point.get(k) == SEVERAL]
        for a, b in combinations(several, 2):
            said = point.get(EQUAL) is not None and set(point[EQUAL]) == {a, b}
            if groups == 1:
                assert (configuration[a] == configuration[b]) is said, point


@pytest.mark.parametrize("name", [name for name in SPACES if name.startswith(("convolution", "pooling"))])
def test_windows_fit_and_leave_what_the_point_says(name: str) -> None:
    space, rng = SPACES[name](), np.random.default_rng(2)
    seen = set()
    for _ in range(100):
        point = space.draw(rng)
        configuration = space.settle(point, rng)
        if configuration is None:
            continue
        assert min(free(configuration, 0), free(configuration, 1)) >= 0
        assert any(remainder(configuration, side) for side in (0, 1)) is point["remainder"]
        assert (configuration["height"] == configuration["width"]) is (
            point["square"] or configuration["height"] == configuration["width"] == 1
        )
        seen.add((point["remainder"], point["square"]))
    assert len(seen) == 4


def test_layouts_are_known_or_refused() -> None:
    assert spaces.convolution("NHWC").settle(spaces.convolution("NHWC").simplest(), None)["shape"][-1] == 1  # type: ignore[index]
    with pytest.raises(ValueError, match="layout is 'NWHC'"):
        spaces.convolution("NWHC")
    with pytest.raises(ValueError, match="layout is 'CNT'"):
        spaces.recurrent("CNT")
