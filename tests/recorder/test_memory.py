"""Views and writes: random sequences of them, on which the tape must be what NumPy does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crosscheck.recorder.memory import Memory, add, put, take
from crosscheck.recorder.record import replay_of

Array = np.ndarray

VIEWS = {
    "a row": lambda a: a[1],
    "every other column": lambda a: a[:, ::2],
    "backwards": lambda a: a[::-1],
    "transposed": lambda a: a.T,
    "reshaped": lambda a: a.reshape(-1),
    "reshaped in two": lambda a: a.reshape(2, -1),
    "raveled": lambda a: np.ravel(a),
    "with an axis": lambda a: a[None, ...],
    "without": lambda a: np.squeeze(a[:1]),
    "diagonal": lambda a: np.diagonal(a),
    "swapped": lambda a: np.swapaxes(a, 0, -1),
    "copied": lambda a: a.copy(),
    "as an array": lambda a: np.asarray(a),
    "contiguous": lambda a: np.ascontiguousarray(a),
    "in Fortran's order": lambda a: np.asfortranarray(a),
    "the last half": lambda a: np.split(a, 2)[1],
}


def writable(a: Any) -> Any:
    """NumPy's `add.at` does not ask whether it may write to a diagonal, and does."""
    assert a.flags.writeable
    return a


WRITES = {
    "a number": lambda a, b: a.__setitem__(0, 3.5),
    "all of it": lambda a, b: a.fill(0.25),
    "a sum of its own": lambda a, b: a.__setitem__(..., b.sum()),
    "from another view": lambda a, b: a.__setitem__(slice(1), b.ravel()[0] * 2),
    "where it is negative": lambda a, b: a.__setitem__(a < 0, 0.5),
    "twice to one place": lambda a, b: a.__setitem__([0, 0], b.ravel()[-1]),
    "added": lambda a, b: a.__iadd__(b.ravel()[0]),
    "added to a part": lambda a, b: a[:1].__iadd__(b.max()),
    "multiplied": lambda a, b: a.__imul__(1.5),
    "its own reverse": lambda a, b: a.__setitem__(..., a[::-1] * 1),
    "overlapping": lambda a, b: a[1:].__setitem__(..., a[:-1]),
    "sorted": lambda a, b: a.sort(),
    "at indices": lambda a, b: np.add.at(writable(a), [0, 0], b.ravel()[0]),
    "by a function": lambda a, b: np.exp(-np.abs(a), out=a),
    "by copyto": lambda a, b: np.copyto(a, b.ravel()[0], where=a > 0),
    "by put": lambda a, b: np.put(a, [0, 1], b.ravel()[0] * 3),
}


def scribbled(x: Array, seed: int) -> Array:
    """Views of views, and writes through them; what does not fit a shape is left out, as NumPy says."""
    rng = np.random.default_rng(seed)
    base = x * 1.0
    there: list[Any] = [base, np.zeros((4, 4))]
    for _ in range(14):
        a, b = (there[int(rng.integers(len(there)))] for _ in range(2))
        if rng.random() < 0.5:
            apply(lambda a=a: there.append(array_of(pick(VIEWS, rng)(a))))
        else:
            apply(lambda a=a, b=b: pick(WRITES, rng)(a, b))
    return np.concatenate([np.ravel(a) for a in there])


def array_of(a: Any) -> Any:
    assert np.ndim(a)
    return a


def pick(table: dict[str, Any], rng: np.random.Generator) -> Any:
    return table[list(table)[int(rng.integers(len(table)))]]


def apply(step: Any) -> None:
    try:
        step()
    except (ValueError, IndexError, AssertionError):  # it does not fit
        return


def same(y: Array, true: Array) -> None:
    """But for sums in another order, where NumPy adds up what lies otherwise in memory."""
    np.testing.assert_allclose(y, true, rtol=0, atol=1e-14 * np.abs(true).max())


@pytest.mark.parametrize("seed", range(25))
def test_scribbling_through_views_is_what_numpy_does(seed: int) -> None:
    x = np.random.default_rng([1, seed]).normal(size=(4, 4))
    replay = replay_of(lambda values: scribbled(values["x"], seed), {"x": x})
    y, holds = replay.numpy({"x": x})
    assert holds
    same(y, scribbled(x, seed))
    moved = x * 1.001
    y, holds = replay.numpy({"x": moved})
    if holds:
        same(y, scribbled(moved, seed))


@pytest.mark.parametrize("order", ["C", "F"])
def test_positions_are_where_the_entries_lie(order: Any) -> None:
    owner = np.array(np.arange(24.0).reshape(2, 3, 4), order=order)
    memory = Memory(owner, None)
    for view in (owner, owner[1], owner.T, owner[:, ::-1, ::2], owner[0, 1:, None], owner[..., 0], owner[:0]):
        np.testing.assert_array_equal(take(owner, memory.positions(view)), view)
    assert memory.all_of_it(owner)
    assert not memory.all_of_it(owner[::-1])
    assert memory.holds(owner[1])
    assert not memory.holds(np.zeros(3))


def test_the_last_of_several_writes_is_seen_and_all_additions_are() -> None:
    a = np.zeros(3)
    np.testing.assert_array_equal(put(a, np.array([0, 0, 2]), np.array([1.0, 2.0, 3.0])), [2, 0, 3])
    np.testing.assert_array_equal(add(a, np.array([0, 0, 2]), np.array([1.0, 2.0, 3.0])), [3, 0, 3])
    assert not a.any()


def test_a_value_is_spread_over_positions_of_several_axes() -> None:
    """Of which `numpy.add.at` of NumPy 2.4 adds what lies beyond the value in memory."""
    positions, beyond = np.arange(40).reshape(4, 5, 2), np.full(80, 1e200)
    for expected, values in (([1.0, 2.0], beyond[:2]), ([3.0], beyond[:1])):
        values[:] = expected
        np.testing.assert_array_equal(add(np.zeros(40), positions, values), np.tile(expected, 40 // len(expected)))
