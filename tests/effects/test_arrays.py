"""Copies of every layout, and shared memory."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from crosscheck.effects.arrays import OVERLAP_WORK, copied, fresh, locked, overlap, refill, rows, strided, touches
from tests.effects.healthy import Rng

DTYPES = [np.float64, np.float32, np.int64, np.uint8, np.bool_]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0), (2, 3, 4)])
def test_layouts_keep_the_values(dtype: type, shape: tuple[int, ...], rng: Rng) -> None:
    a = rng.integers(0, 2, shape).astype(dtype)
    for layout in (fresh, strided, lambda x: locked(fresh(x))):
        found = layout(a)
        assert found.dtype == a.dtype
        assert np.array_equal(found, a)
        assert not np.shares_memory(found, a)


@pytest.mark.parametrize("dtype", DTYPES)
def test_between_strided_values_stand_others(dtype: type) -> None:
    a = np.ones((2, 3), dtype)
    found = strided(a)
    assert not found.flags.c_contiguous
    between = found.base[..., 1::2]  # pyright: ignore[reportOptionalSubscript]
    assert not (between == a).any()
    if a.dtype.kind == "f":
        assert np.isfinite(between * between).all()


def test_fresh_copies_are_contiguous(rng: Rng) -> None:
    assert fresh(rng.normal(size=(3, 4)).T).flags.c_contiguous


def test_locked_arrays_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        locked(np.ones(3))[0] = 2


def test_refilled_buffers_stay_the_same_objects() -> None:
    buffer = np.zeros(3)
    buffers = {"x": buffer}
    refill(buffers, {"x": np.arange(3.0), "y": np.ones(2)})
    assert buffers["x"] is buffer
    assert np.array_equal(buffer, np.arange(3.0))


def test_copies_of_answers_are_apart(rng: Rng) -> None:
    a = rng.normal(size=3)
    found = copied({"x": a, "y": 2.0})
    assert not np.shares_memory(found["x"], a)
    assert found["y"].shape == ()


@pytest.mark.parametrize(("n", "wanted"), [(0, []), (1, [0]), (2, [0, 1])])
def test_rows_are_the_first_samples(n: int, wanted: list[int]) -> None:
    assert rows(np.arange(2), n).tolist() == wanted


def test_one_sample_is_repeated() -> None:
    assert rows(np.array([[7, 8]]), 2).tolist() == [[7, 8], [7, 8]]


def test_interleaved_views_do_not_overlap() -> None:
    a = np.zeros(10)
    assert overlap(a[::2], a[4:])
    assert not overlap(a[::2], a[1::2])
    assert touches(a[:3], [np.zeros(3), a[2:]])
    assert not touches(a[:3], [np.zeros(3), a[3:]])


def test_what_is_too_hard_to_decide_counts_as_apart() -> None:
    """A problem that takes NumPy's exact search far more candidates than it is given here."""
    memory = np.zeros(1048 * (36674 + 61119 + 85569) + 1, np.int8)  # asked for, and never touched
    one = as_strided(memory, strides=(36674, 61119, 85569), shape=(1049, 1049, 1049), writeable=False)
    other = as_strided(memory[64023025:], strides=(12223, 12224, 1), shape=(1049, 1049, 1), writeable=False)
    with pytest.raises(np.exceptions.TooHardError):
        np.shares_memory(one, other, max_work=OVERLAP_WORK)  # pyright: ignore[reportArgumentType]
    assert not overlap(one, other)
