"""Points beside a point: what was equal stays equal."""

import numpy as np
import pytest

from crosscheck.witnesses.nudges import nudged, signs

SIZE = 4 * float(np.finfo(np.float64).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_zeros_stay_and_equal_magnitudes_move_alike(dtype: type) -> None:
    a = np.array([[0.0, 1.5, -1.5], [-0.0, 1.5, 0.1]], dtype)
    size = 4 * float(np.finfo(dtype).eps)
    for draw in range(20):
        b = nudged(a, size, draw)
        assert b.dtype == dtype
        assert not b[:, 0].any()
        assert b[0, 1] == -b[0, 2] == b[1, 1]
        assert (b[:, 1] != a[:, 1]).all()
        assert (np.abs(b - a) <= np.abs(a) * dtype(size)).all()


def test_draws_and_values_differ() -> None:
    a = np.random.default_rng(0).normal(size=1000)
    all_of_them = np.stack([signs(a, draw) for draw in range(6)])
    assert set(np.unique(all_of_them)) == {-1, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1}
    # Six draws of 8 values, 1000 times: the mean is within five of its standard deviations of 0, and the draws of
    # one value are not each other's.
    deviation = all_of_them.std()
    assert abs(all_of_them.mean()) < 5 * deviation / np.sqrt(6000)
    correlation = np.corrcoef(all_of_them)[np.triu_indices(6, 1)]
    assert np.abs(correlation).max() < 5 / np.sqrt(1000)
    assert np.abs(np.corrcoef(all_of_them[0, :-1], all_of_them[0, 1:])[0, 1]) < 5 / np.sqrt(1000)


def test_what_is_not_floating_stays_itself() -> None:
    for a in (np.arange(3), np.array([True]), np.zeros(0)):
        assert nudged(a, SIZE, 0) is a


def test_layout_and_dimensions_stay() -> None:
    a = np.asfortranarray(np.random.default_rng(0).normal(size=(3, 4)))
    assert nudged(a, SIZE, 0).flags.f_contiguous
    assert np.array_equal(nudged(a, SIZE, 0), nudged(np.ascontiguousarray(a), SIZE, 0))
    assert nudged(np.array(0.3), SIZE, 0).shape == ()
