"""The planes beside a value: None is zero everywhere."""

import jax.numpy as jnp
import numpy as np

from crosscheck.rounding.planes import EXACT, Note, any_present, dense, fill, is_float, total


def test_none_is_zero_in_a_sum() -> None:
    assert total(None, None) is None
    assert total() is None
    np.testing.assert_array_equal(total(None, jnp.ones(2), None, 2 * jnp.ones(2)), [3.0, 3.0])


def test_filled_and_dense_planes_have_the_values_shape() -> None:
    x = [jnp.zeros((2, 3)), jnp.zeros(2)]
    filled = fill(x, [jnp.asarray(1.0), None])
    assert [f.shape for f in filled] == [(2, 3), (2,)]
    assert [f.sum() for f in filled] == [6.0, 0.0]
    error, flip = dense(x[0], Note(error=jnp.asarray(2.0)))
    assert (error.shape, float(error.sum())) == ((2, 3), 12.0)
    assert (flip.shape, float(flip.sum())) == ((2, 3), 0.0)


def test_integers_have_no_planes() -> None:
    assert dense(jnp.arange(3), EXACT) == (None, None)
    assert not is_float(jnp.arange(3))
    assert is_float(0.5)


def test_any_present() -> None:
    assert not any_present([None, None])
    assert any_present([None, jnp.zeros(1)])
