"""Rounding that is spread over an array, told from a mistake; and new estimates, never edited ones."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck.evidence.estimate import AUTODIFF, HAND, Estimate
from crosscheck.evidence.pair import compare
from crosscheck.floats import DOUBLE, SINGLE, UNIT
from crosscheck.operation import OUTPUT, Operation
from crosscheck.witnesses.mixing import NORMWISE, normwise, nudged, persists

Array = np.ndarray
U = UNIT[DOUBLE]

# ---------------------------------------------------------------------- wider bounds


def two(difference: list[float], **more: Any) -> tuple[Estimate, Estimate]:
    """Values 1, of which the first witness is off; an error bound E of 1 at the first entry and almost 0 elsewhere."""
    truth = np.ones(len(difference))
    bound = np.full(truth.shape, 1e-6 * 4 * U)
    bound[0] = 4 * U
    hand = Estimate(HAND, truth + np.array(difference), bound.copy(), notes={"mine": 1})
    return hand, Estimate(AUTODIFF, truth, bound.copy(), **more)


def words(first: Estimate, second: Estimate) -> list[str]:
    pair = compare(first, second)
    return ["agree" if a else "disagree" if d else "silent" for a, d in zip(pair.agree, pair.disagree, strict=True)]


NOT = np.zeros(3, bool)


def test_a_difference_below_the_largest_error_agrees_normwise() -> None:
    hand, auto = two([0.0, 4 * U, 0.0])
    assert words(hand, auto) == ["agree", "disagree", "agree"]
    first, second = normwise(hand, auto, NOT)
    assert words(first, second) == ["agree"] * 3
    assert first.notes == {"mine": 1, "normwise": 1}
    assert second.notes == {"normwise": 1}


def test_what_persists_is_excused_and_not_allowed() -> None:
    hand, auto = two([0.0, 4 * U, 0.0])
    first, second = normwise(hand, auto, np.array([False, True, False]))
    assert words(first, second) == ["agree", "silent", "agree"]
    assert first.notes["normwise"] == 0


def test_one_entry_beyond_the_allowance_leaves_all_as_it_was() -> None:
    allowed = NORMWISE * U  # of the largest error, 1
    for factor, widened in ((0.9, True), (1.1, False)):
        hand, auto = two([0.0, factor * allowed, 4 * U])
        first, second = normwise(hand, auto, NOT)
        assert (words(first, second) == ["agree"] * 3) == widened
        if not widened:
            assert first is hand
            assert second is auto


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_no_rounding(value: float) -> None:
    hand, auto = two([0.0, value, 0.0])
    assert normwise(hand, auto, NOT) == (hand, auto)


def test_a_bound_that_is_unknown_widens_nothing() -> None:
    hand, auto = two([0.0, 4 * U, 0.0])
    auto.bound[2] = np.inf
    assert normwise(hand, auto, NOT)[0] is hand


def test_it_returns_new_estimates_and_edits_nothing() -> None:
    hand, auto = two([0.0, 4 * U, 5 * U], excuse=np.zeros(3))
    arrays = [hand.value, hand.bound, auto.value, auto.bound, auto.excuse]
    before = [np.array(a) for a in arrays]
    for array in arrays:
        assert array is not None
        array.setflags(write=False)
    first, second = normwise(hand, auto, np.array([False, True, False]))
    assert first is not hand
    assert second is not auto
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))  # pyright: ignore[reportArgumentType]
    assert hand.notes == {"mine": 1}
    assert not auto.notes
    assert second.value is auto.value


# ---------------------------------------------------------------------- moved by one ulp


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_nudge_is_one_ulp_and_keeps_ties_and_zeros(dtype: type) -> None:
    a = np.array([1.0, -3.5, 0.0, 1.0, -0.0, 7e10, 1.0], dtype)
    seen = set()
    for draw in range(8):
        moved = nudged(a, draw)
        assert moved.dtype == dtype
        assert moved[0] == moved[3] == moved[6]
        assert moved[2] == moved[4] == 0
        at = a != 0
        assert (np.abs(moved[at] - a[at]) <= 2 * np.spacing(np.abs(a[at]))).all()
        assert (moved[at] != a[at]).all()
        seen.add(tuple(moved > a))
    assert len(seen) > 1
    whole = np.arange(3)
    assert nudged(whole, 0) is whole


# ---------------------------------------------------------------------- does it persist


def circular(slip: float = 0.0, one: float = 0.0) -> Operation:
    """A circular convolution by FFT, whose rounding is spread over the whole array; with planted mistakes."""
    rng = np.random.default_rng(0)
    inputs = {"x": rng.normal(size=8), "w": rng.normal(size=8)}

    def product(a: Array, b: Array) -> Array:
        return np.fft.irfft(np.fft.rfft(a) * np.fft.rfft(b), 8)

    def flipped(a: Array) -> Array:
        return np.roll(a[::-1], 1)

    def backward(g: Array, values: dict[str, Array]) -> dict[str, Array]:
        grad_x = product(g, flipped(values["w"])) * (1 + slip)
        grad_x[3] += one
        return {"x": grad_x, "w": product(g, flipped(values["x"]))}

    def reference(x: Any, w: Any) -> Any:
        return sum(jnp.roll(x, i) * w[i] for i in range(8))

    return Operation("fft", lambda d: product(d["x"], d["w"]), backward, inputs, ("x", "w"), reference)


V = np.random.default_rng(1).normal(size=8)


def test_the_rounding_of_an_fft_does_not_persist() -> None:
    stays = persists(circular(), V, DOUBLE)
    assert set(stays) == {"x", "w", OUTPUT}
    assert not any(s.any() for s in stays.values())


def test_a_mistake_persists_where_it_is() -> None:
    stays = persists(circular(slip=1e-9), V, DOUBLE)
    assert stays["x"].mean() > 0.9
    assert not stays["w"].any()
    stays = persists(circular(one=1e-10), V, DOUBLE)
    assert np.flatnonzero(stays["x"]).tolist() == [3]


def test_a_gradient_of_another_shape_is_left_out() -> None:
    operation = circular()
    inputs, v = {k: a.astype(np.float32) for k, a in operation.inputs.items()}, V.astype(np.float32)

    def backward(g: Array, values: dict[str, Array]) -> dict[str, Array]:
        return {**operation.backward(g, values), "x": np.zeros(3)}

    wrong = Operation("fft", operation.forward, backward, inputs, ("x", "w"), operation.reference)
    assert set(persists(wrong, v, SINGLE)) == {"w", OUTPUT}
