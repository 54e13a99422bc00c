"""Conventions at kinks: what lies between the one-sided slopes passes, along every direction; nothing else does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from crosscheck.operation import Operation
from crosscheck.witnesses.kinks import ILLEGITIMATE, is_convention
from crosscheck.witnesses.leading import leading

Array = np.ndarray


def judged(forward: Callable[[Array], Array], x: Array, gradient: Array) -> bool:
    operation = Operation("f", lambda d: forward(d["x"]), lambda g, d: {}, {"x": x}, ("x",), None)
    y = forward(x)
    v = np.linspace(1.0, 2.0, y.size).reshape(y.shape)
    value = gradient * v if gradient.shape == v.shape else gradient
    return bool(is_convention(operation, "x", v, value, 1e-16 * np.abs(y)))


RELU = np.array([-1.0, 0.0, 2.0, 0.0])


@pytest.mark.parametrize(
    ("slope", "legitimate"), [(0.0, True), (0.5, True), (1.0, True), (1.01, False), (-0.01, False)]
)
def test_any_slope_between_both_sides_is_a_convention(slope: float, legitimate: bool) -> None:
    gradient = np.where(RELU > 0, 1.0, np.where(RELU == 0, slope, 0.0))
    assert judged(lambda x: np.maximum(x, 0), RELU, gradient) == legitimate


def test_a_mistake_beside_the_kink_is_none() -> None:
    assert not judged(lambda x: np.maximum(x, 0), RELU, np.array([0.0, 0.0, 1.01, 0.0]))
    assert not judged(lambda x: np.maximum(x, 0), RELU, np.array([0.01, 0.0, 1.0, 0.0]))


TIED = np.array([3.0, 1.0, 3.0, 3.0])


@pytest.mark.parametrize(
    ("share", "legitimate"),
    [
        ([1.0, 0.0, 0.0, 0.0], True),
        ([0.0, 0.0, 0.0, 1.0], True),
        ([1 / 3, 0.0, 1 / 3, 1 / 3], True),
        ([1.0, 0.0, 1.0, 1.0], False),
        ([1.0, 0.0, 1.0, 0.0], False),
        ([0.0, 0.0, 0.0, 0.0], False),
        ([0.0, 1.0, 0.0, 0.0], False),
        ([2.0, 0.0, -1.0, 0.0], False),
    ],
)
def test_tied_maxima_share_one_gradient(share: list[float], legitimate: bool) -> None:
    assert judged(lambda x: np.max(x, keepdims=True), TIED, np.array(share)) == legitimate


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_scale_of_the_input_does_not_matter(scale: float) -> None:
    for share, legitimate in (([0.0, 0.0, 1.0, 0.0], True), ([1.0, 0.0, 1.0, 0.0], False)):
        assert judged(lambda x: np.max(x, keepdims=True), scale * TIED, np.array(share)) == legitimate
    # Half of a slope is a convention at a kink only, however near the kink is in absolute terms.
    for at_zero, beside, legitimate in ((0.5, 1.0, True), (0.0, 0.5, False)):
        gradient = np.where(RELU > 0, beside, np.where(RELU == 0, at_zero, 0.0))
        assert judged(lambda x: np.maximum(x, 0), scale * RELU, gradient) == legitimate


def test_directions_shift_everything_slabs_and_blocks() -> None:
    first, *others = leading(np.ones((3, 4), bool), None, np.random.default_rng(0))
    assert (first == 1).all()
    tried = {d.tobytes() for d in others}
    for i, j in ((0, 0), (2, 3)):
        rows, columns = np.zeros((3, 4)), np.zeros((3, 4))
        rows[i], columns[:, j] = 1.0, 1.0
        assert {rows.tobytes(), columns.tobytes()} <= tried
    assert all(d.shape == (3, 4) for d in others)
    assert any((d < 0).any() and (d > 0).any() for d in others)


def test_directions_ask_every_entry_in_question_alone_and_no_other() -> None:
    where = np.random.default_rng(0).random((5, 6)) < 0.5
    alone = [d for d in leading(where, None, np.random.default_rng(0)) if np.count_nonzero(d) == 1]
    assert {tuple(d) for d in map(np.ndarray.tolist, np.argwhere(sum(alone)))} == set(
        map(tuple, np.argwhere(where).tolist())
    )
    signed = [d for d in leading(where, None, np.random.default_rng(0)) if (d < 0).any()]
    assert signed
    assert not any(d[~where].any() for d in signed)


DECADES = np.array([-2.9e-55, 1.3e42, 3.0, -1e-145, -1.7])


@pytest.mark.parametrize(("largest", "legitimate"), [(0.5, True), (0.51, False), (0.0, False)])
def test_near_is_what_is_small_to_an_entry_not_to_the_array(largest: float, legitimate: bool) -> None:
    """A step that is small to 10^42 is none to 10^-55, where tanh has a slope that it has at no point out there."""

    def bent(x: Array) -> Array:
        return np.tanh(x) + 0.5 * x

    gradient = np.array([1.5, largest, 0.5 + np.cosh(3.0) ** -2, 1.5, 0.5 + np.cosh(1.7) ** -2])
    operation = Operation("f", lambda d: bent(d["x"]), lambda g, d: {}, {"x": DECADES}, ("x",), None)
    found = is_convention(operation, "x", np.ones(5), gradient, 1e-16 * np.abs(bent(DECADES)))
    assert (found.answer != ILLEGITIMATE) == legitimate
