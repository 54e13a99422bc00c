"""Spaces: covers that cover, a shrinker that shrinks, points that give operations."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from crosscheck.lecture.spaces import ENTROPY, LECTURE, LINEAR, NETWORK, POOLING, SPACES
from crosscheck.spaces.space import Space

SMALL = [space for space in LECTURE if space.size <= 20_000]
# Of the spaces beyond the lecture's with the proofs: some draw a layer whose state is compared when it is made.
DRAWN = [
    pytest.param(space, id=space.name, marks=[] if space in LECTURE else [pytest.mark.proof])
    for space in SPACES.values()
]


@pytest.mark.parametrize("space", SMALL, ids=lambda s: s.name)
def test_every_pair_of_choices_meets_in_the_cover(space: Space) -> None:
    def pairs(point: dict) -> set:
        return {tuple((k, repr(point[k])) for k in pair) for pair in combinations(space.dimensions, 2)}

    cover = space.cover()
    assert all(space.valid(point) for point in cover)
    assert set().union(*map(pairs, cover)) == set().union(*map(pairs, space.points()))
    assert len(cover) <= space.size / 2
    assert cover == space.cover()


@pytest.mark.parametrize("space", DRAWN)
def test_drawn_points_give_operations(space: Space) -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        point = space.draw(rng)
        operation = space.operation(point, seed=3)
        y = operation.output()
        assert np.isfinite(y).all()
        assert operation.dtype == point["dtype"]
        again = space.operation(point, seed=3)
        assert all(
            a.tobytes() == b.tobytes() for a, b in zip(operation.inputs.values(), again.inputs.values(), strict=True)
        )


def test_the_shrinker_leads_to_the_simplest_failing_point() -> None:
    def fails(point: dict) -> bool:
        return point["window"][0] > 1 and point["channels"] == 3

    hard = POOLING.point(batch=2, channels=3, size=(7, 9), window=(3, 3), stride=(3, 4), values="decades")
    simplest = POOLING.shrink(hard, fails)
    assert fails(simplest)
    assert simplest["batch"] == 1
    assert simplest["window"] == (2, 2)
    assert simplest["values"] == "normal"
    with pytest.raises(ValueError, match="does not fail"):
        POOLING.shrink(POOLING.simplest(), fails)


def test_points_are_named_by_their_choices() -> None:
    assert LINEAR.point(batch=3)["inputs"] == 1
    with pytest.raises(ValueError, match="no dimension colour"):
        LINEAR.point(colour=1)
    with pytest.raises(ValueError, match="no point"):
        POOLING.point(window=(3, 3))


@given(point=ENTROPY.strategy())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_strategy_draws_valid_points(point: dict) -> None:
    assert ENTROPY.valid(point)
    assert ENTROPY.operation(point, seed=0).output().shape == ()


def test_network_points_exist() -> None:
    assert NETWORK.simplest()["batch"] == 1
