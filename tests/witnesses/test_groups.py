"""Groups: every entry once, and no two of a group share an output, against the true pattern of dependence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from crosscheck.witnesses.groups import HEAD, TAIL, find_plan, probes

Array = np.ndarray


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


FILTERS = rng().normal(size=(3, 2, 3, 3))


def convolution(x: Array, stride: int = 1) -> Array:
    windows = sliding_window_view(x, (3, 3), axis=(2, 3))[:, :, ::stride, ::stride]
    return np.einsum("bkhwij,ckij->bchw", windows, FILTERS)


def pooling(x: Array) -> Array:
    return sliding_window_view(x, (3, 3), axis=(2, 3))[:, :, ::2, ::2].max((4, 5))


# In which of seven rows an entry of fifty is put: no rule that goes on.
ROWS = np.random.default_rng(4).integers(0, 7, 50)

# A forward, a shape, and how many evaluations are enough.
FORWARDS: dict[str, tuple[Callable[[Array], Any], tuple[int, ...], int]] = {
    "elementwise": (np.tanh, (4, 5), 1),
    "flatten": (lambda x: x.reshape(4, -1), (4, 3, 5), 15),
    "convolution": (convolution, (2, 2, 7, 6), 2 * 3 * 3),
    "convolution with stride": (lambda x: convolution(x, 2), (2, 2, 9, 7), 2 * 3 * 3),
    "overlapping pooling": (pooling, (2, 3, 9, 7), 9),
    "a product with a matrix": (lambda x: x @ np.ones((5, 2)), (6, 5), 5),
    "a sum": (np.sum, (3, 4), 12),
    "reversed": (lambda x: x[::-1].copy(), (40,), 1),
    "a ReLU that is off": (lambda x: np.maximum(x, 0), (20,), 1),
    "an irregular axis before a regular one": (lambda x: np.where(np.arange(7)[:, None] == ROWS, x, 0.0), (50,), 1),
    "a long window": (lambda x: sliding_window_view(x, 3, axis=0).sum(-1), (60,), 3),
}


def dependence(forward: Callable[[Array], Any], x: Array) -> Array:
    """(entries of x, entries of y): whether one moves the other, tried one by one, up and down."""
    y = np.ravel(forward(x))
    rows = []
    for i in range(x.size):
        moved = np.zeros(y.shape, bool)
        for far in (100.0, -100.0):
            z = x.copy()
            z.flat[i] += far
            moved |= np.ravel(forward(z)) != y
        rows.append(moved)
    return np.array(rows)


@pytest.mark.parametrize("name", FORWARDS)
def test_entries_that_share_no_output_share_an_evaluation(name: str) -> None:
    forward, shape, evaluations = FORWARDS[name]
    x = rng().normal(size=shape)
    plan = find_plan(lambda z: np.asarray(forward(z)), x, rng())
    assert plan.evaluations <= evaluations
    groups = list(plan.groups())
    assert len(groups) == plan.evaluations
    assert sorted(np.concatenate([g.entries for g in groups])) == list(range(x.size))
    depends = dependence(forward, x)
    for group in groups:
        assert group.owner is not None
        for member, entry in enumerate(group.entries):
            assert (group.owner[depends[entry]] == member).all()


@pytest.mark.parametrize("n", [HEAD + TAIL + 1, 100, 1000])
def test_the_number_of_groups_and_of_probes_does_not_grow_with_the_length(n: int) -> None:
    calls = 0

    def forward(x: Array) -> Array:
        nonlocal calls
        calls += 1
        return sliding_window_view(x, 3, axis=0)[::2].sum(-1)

    x = rng().normal(size=n)
    assert find_plan(forward, x, rng()).evaluations == 3
    assert calls == 1 + 2 * (HEAD + TAIL) <= probes(x.shape)
    assert probes((1000,)) == probes((10**6,)) == 1 + 2 * (HEAD + TAIL)


def test_a_pattern_that_does_not_continue_is_probed_to_the_end() -> None:
    def forward(x: Array) -> Array:
        return np.concatenate([x[:30], [x[30:].sum()]])

    plan = find_plan(forward, rng().normal(size=50), rng())
    depends = dependence(forward, np.ones(50))
    for group in plan.groups():
        assert (depends[group.entries].sum(0) <= 1).all()


def test_an_axis_of_one_needs_no_separation() -> None:
    plan = find_plan(np.tanh, np.ones((1, 1)), rng())
    assert plan.evaluations == 1
    assert probes((1, 1)) == 1


def test_an_output_that_belongs_to_nobody_says_so() -> None:
    def forward(x: Array) -> Array:
        return np.concatenate([x, np.zeros(2)])

    (group,) = find_plan(forward, np.ones(3), rng()).groups()
    assert group.owner is not None
    assert group.owner.tolist() == [0, 1, 2, -1, -1]


def test_of_nothing_there_are_no_groups() -> None:
    assert list(find_plan(np.tanh, np.ones((0, 3)), rng()).groups()) == []
