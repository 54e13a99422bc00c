"""Attention where a mask leaves nobody to ask: zeros forward and back, and nothing overflows on the way."""

import numpy as np
import pytest

from manual import attention

OPEN = np.array([[True, False, True, False], [False] * 4, [True] * 4])  # the second place may ask nobody


@pytest.mark.parametrize("mask", [OPEN, np.where(OPEN, -0.5, -np.inf)], ids=["booleans", "numbers"])
def test_a_place_that_may_ask_nobody_takes_and_gives_nothing(mask: np.ndarray, rng: np.random.Generator) -> None:
    q, k, v = rng.normal(size=(2, 3, 6)), rng.normal(size=(2, 4, 6)), rng.normal(size=(2, 4, 2))
    with np.errstate(all="raise"):
        y, saved = attention.forward(q, k, v, heads=2, mask=mask)
        g = rng.normal(size=y.shape)
        grad_queries, grad_keys, grad_values = attention.backward(g, saved)
        nudged = attention.tangent(q, k, v, saved)
    for one in (y, grad_queries, nudged):
        np.testing.assert_array_equal(one[:, 1], 0)
    # As if it were not there: what it asks and what arrives for it change nothing.
    rest = [0, 2]
    y_rest, saved = attention.forward(q[:, rest], k, v, heads=2, mask=mask[rest])
    np.testing.assert_allclose(y[:, rest], y_rest, rtol=1e-14)
    of_rest = attention.backward(g[:, rest], saved)
    for mine, other in zip((grad_queries[:, rest], grad_keys, grad_values), of_rest, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-14)
