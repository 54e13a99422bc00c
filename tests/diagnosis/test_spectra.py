"""Running sums, signals read backwards, and the loops that run to the wrong length."""

from __future__ import annotations

import numpy as np

from crosscheck.diagnosis.spectra import running
from crosscheck.diagnosis.transforms import as_many, in_the_first, reversals, reversed_circularly


def test_a_running_sum_from_either_end() -> None:
    a = np.array([[1.0, 2, 3]])
    np.testing.assert_array_equal(running(a, 1, False, 0), [[1, 3, 6]])
    np.testing.assert_array_equal(running(a, 1, True, 1), [[5, 3, 0]])


def test_a_conjugate_reverses_a_signal_around_its_end() -> None:
    a = np.array([1.0, 2, 3, 4])
    np.testing.assert_array_equal(reversed_circularly(a, 0), np.fft.ifft(np.fft.fft(a).conj()).real)
    assert [t.arguments for t in reversals((2, 4), ("batch", "entries"))] == [(1,)]


def test_only_as_many_as_another_axis_has() -> None:
    found = list(as_many((3, 5), ("rows", "columns")))
    assert [t.text for t in found] == ["without its columns 3 and 4 (only as many columns as rows)"]
    changed = found[0].function(np.ones((2, 4)), *found[0].arguments)
    np.testing.assert_array_equal(changed, [[1, 1, 0, 0]] * 2)  # of other sizes another number


def test_all_in_the_first_place() -> None:
    np.testing.assert_array_equal(in_the_first(np.array([[1.0, 2], [3, 4]]), 0), [[4, 6], [0, 0]])
