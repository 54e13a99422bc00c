"""The search for a condition, with a visitor that knows the answers: what is planted is what is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from crosscheck import spaces
from crosscheck.deadline import Deadline
from crosscheck.spaces import Space
from crosscheck.spaces.layouts import free
from crosscheck.surveys.circumstances import with_circumstances
from crosscheck.surveys.search import Search
from crosscheck.surveys.visits import EMPTY, Sighting
from tests.survey.equivalence import Truths
from tests.survey.made_up import MadeUp, said, searched

C, D, A, R = spaces.convolution(), spaces.dense(), spaces.attention(), spaces.recurrent()
N, P = spaces.normalization("NCHW"), spaces.pooling(("NCHW", "NHWC"), pairs=True)
T = Space("softmax", {"rows": (1, 2, 4), "classes": (2, 3, 5), "temperature": (1.0, 0.5, 2.0)})

Wrong = Callable[[Mapping[str, Any], int], bool]
PLANTED: tuple[tuple[Space, str, Wrong], ...] = (
    (D, "batch ≥ 2", lambda c, d: c["batch"] > 1),
    (D, "batch > inputs", lambda c, d: c["batch"] > c["inputs"]),
    (
        D,
        "it is the second call and inputs = outputs",
        lambda c, d: c["inputs"] == c["outputs"] and c["call"] == "second",
    ),
    (P, "layout = NHWC and padding rows ≥ 1", lambda c, d: c["layout"] == "NHWC" and c["padding"][0] == 1),
    (P, "stride rows ≠ stride columns", lambda c, d: c["stride"][0] != c["stride"][1]),
    (T, "temperature ≠ 1", lambda c, d: c["temperature"] != 1),
)
MORE: tuple[tuple[Space, str, Wrong], ...] = (
    (C, "channels = filters", lambda c, d: c["channels"] == c["filters"]),
    (C, "batch = 1 and stride > kernel", lambda c, d: c["stride"] > c["kernel"] and c["batch"] == 1),
    (C, "dilation ≥ 2 and groups ≥ 2", lambda c, d: c["groups"] == 2 and c["dilation"] == 2),
    (C, "height = 1 or width = 1", lambda c, d: 1 in (c["height"], c["width"])),
    (
        C,
        "x is in Fortran order and stride does not divide height + 2 padding − kernel",
        lambda c, d: free(c, 0) % c["stride"] > 0 and c["order"] == "Fortran",
    ),
    (N, "training = False and groups ≥ 2", lambda c, d: c["groups"] == 2 and not c["training"]),
    (R, "reverse = True and steps ≥ 3", lambda c, d: c["steps"] > 2 and c["reverse"]),
    (A, "batch = heads", lambda c, d: c["heads"] == c["batch"]),
    (A, "masked = True and queries < keys", lambda c, d: c["keys"] > c["queries"] and c["masked"]),
)


@pytest.mark.parametrize(("space", "text", "wrong"), PLANTED, ids=[text for _, text, _ in PLANTED])
def test_what_is_planted_is_said(space: Space, text: str, wrong: Wrong) -> None:
    found = searched(space, wrong)
    assert said(found) == text
    assert len(found.visits) < 120


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("space", "text", "wrong"), MORE, ids=[text for _, text, _ in MORE])
def test_whatever_is_drawn(space: Space, text: str, wrong: Wrong, seed: int) -> None:
    assert said(searched(space, wrong, seed=seed)) == text


def test_where_nothing_is_wrong_nothing_is_said() -> None:
    found = searched(D, lambda c, d: False, most=60)
    assert said(found) == ""
    assert not found.wrong_names()


def test_where_everything_is_wrong_there_is_no_condition() -> None:
    found = searched(D, lambda c, d: True, most=60)
    assert said(found) == ""
    assert found.necessary("x") is None


def test_a_mistake_at_some_numbers_is_looked_for_in_several_draws() -> None:
    """Of three draws two show it, at configurations with several outputs."""

    def wrong(configuration: Mapping[str, Any], draw: int) -> bool:
        return configuration["outputs"] > 1 and (sum(map(len, map(str, configuration.values()))) + draw) % 3 > 0

    assert said(searched(D, wrong)) == "outputs ≥ 2"


def test_what_no_two_factors_say_is_only_partly_told() -> None:
    """Three factors must come together: the condition is one that never fails, and no more."""

    def wrong(configuration: Mapping[str, Any], draw: int) -> bool:
        return configuration["batch"] > 1 and not configuration["bias"] and configuration["order"] == "Fortran"

    found = searched(D, wrong)
    assert said(found) == ""
    condition = found.necessary("x")
    assert condition is not None
    assert " and " in condition.text


def test_the_smallest_has_the_simplest_choices_that_are_wrong() -> None:
    found = searched(C, lambda c, d: c["padding"] > 0 and c["channels"] == c["filters"] > 1)
    smallest, _ = found.smallest("x")
    assert (smallest["padding"], smallest["channels"], smallest["filters"]) == (1, 2, 2)
    assert (smallest["batch"], smallest["kernel"], smallest["order"], smallest["call"]) == (1, 1, "C", "first")


def test_configurations_that_show_nothing_are_not_asked_for() -> None:
    """Half of the space has a gradient that is zero; what is true of it alone is left open."""

    class Silent(MadeUp):
        def __call__(self, configuration, draw=0):
            found = super().__call__(configuration, draw)
            return found if configuration["steps"] > 1 else Sighting(configuration, {"x": EMPTY}, draw=draw)

    search = Search(
        with_circumstances(R, frozenset()),
        Silent(lambda c, d: c["steps"] > 2),  # type: ignore[arg-type]
        200,
        0,
        Deadline(),
    )
    search.run()
    assert said(search) == "steps ≥ 3"
    assert len(search.visits) < 120


def test_two_wordings_are_one_where_no_configuration_tells_them_apart() -> None:
    truths = Truths(Space("two", {"stride": (1, 2, 3), "padding": (0, 1)}))
    assert truths.same("stride ≥ 2 and padding ≥ 1", "stride does not divide padding")
    assert truths.same("padding ≥ 1", "padding = 1")
    assert not truths.same("stride ≥ 2", "padding ≥ 1")
    assert not truths.same("stride ≥ 2", "nobody says so")
