"""Expressions are data: equal, hashable, printable; and `read` is what they mean."""

from __future__ import annotations

import numpy as np

from crosscheck.diagnosis.expressions import HERE, Arriving, Call, read


class Place:
    a = np.arange(6.0).reshape(2, 3)

    def array(self, times: int) -> np.ndarray:
        return times * self.a


def test_a_call_reads_its_arguments_first() -> None:
    inner = Call(Place.array, (HERE, 2))
    turned = read(Call(np.flip, (inner, (1,))), Place())
    np.testing.assert_array_equal(turned, 2 * Place.a[:, ::-1])
    arriving = [None, [1.0, 2.0]]
    np.testing.assert_array_equal(read(Call(np.negative, (Arriving(1),)), Place(), arriving), [-1, -2])
    assert read((1, 2), Place()) == (1, 2)


def test_equal_expressions_are_one_key() -> None:
    first, second = (Call(np.roll, (Call(Place.array, (HERE, 2)), (1,), (0,))) for _ in range(2))
    assert first == second
    assert len({first, second, Call(np.roll, (Call(Place.array, (HERE, 3)), (1,), (0,)))}) == 2
    assert repr(first) == "roll(array(HERE, 2), (1,), (0,))"
