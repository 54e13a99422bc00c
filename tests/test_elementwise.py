"""Selection by a mask, functions in blocks, and pooling on sheets: the same numbers, however many threads."""

import numpy as np
import pytest

from manual import kernels, max_pooling, sigmoid, soft_relu
from manual.machine import pooling
from manual.machine.elementwise import BLOCK, PARALLEL, in_blocks, where
from manual.machine.threads import threads


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128, np.int64])
def test_a_mask_selects_whatever_the_number_is(dtype, rng):
    a = rng.normal(size=(5, 7, 3)).astype(dtype)
    if np.dtype(dtype).kind in "fc":
        a[0, :, 0] = np.inf
        a[1, :, 1] = np.nan
        a[2, :, 2] = -np.inf
    for array in (a, np.asfortranarray(a), a[:, ::-2]):
        mask = rng.random(array.shape) < 0.5
        selected = where(mask, array)
        assert selected.dtype == array.dtype
        np.testing.assert_array_equal(selected, np.where(mask, array, array.dtype.type(0)))
        out = np.full(array.shape, 7, dtype)
        assert where(mask, array, out=out) is out
        np.testing.assert_array_equal(out, selected)


@pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK + 1, PARALLEL + 3])
def test_blocks_are_the_whole(size, rng):
    x = rng.normal(size=size) * 30
    for function in (sigmoid.logistic, soft_relu.softplus):
        np.testing.assert_array_equal(in_blocks(function, x), function(x))
    if size > 1:
        np.testing.assert_array_equal(in_blocks(np.negative, x[::-1]), -x[::-1])


def by_definition(x, pool_size, stride, g):
    """Equations (1) and (3), window by window."""
    (p, q), (s, t) = pool_size, stride
    rows, columns = (x.shape[2] - p) // s + 1, (x.shape[3] - q) // t + 1
    y, grad_x = np.empty((*x.shape[:2], rows, columns), x.dtype), np.zeros_like(x)
    for b, c, h, w in np.ndindex(y.shape):
        window = x[b, c, s * h : s * h + p, t * w : t * w + q]
        i, j = np.unravel_index(np.argmax(window), window.shape)
        y[b, c, h, w] = window[i, j]
        grad_x[b, c, s * h + i, t * w + j] += g[b, c, h, w]
    return y, grad_x


@pytest.mark.parametrize("seed", range(60))
def test_pooling_is_its_definition(seed, monkeypatch):
    """Integers: ties are common, sums exact. A few images at a time, so that the last part is smaller."""
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(pooling, "AT_ONCE", int(rng.integers(1, 4000)))
    monkeypatch.setattr(pooling, "PARALLEL", int(rng.integers(2)) * 10**9)
    p, q, s, t = map(int, rng.integers(1, 5, 4))
    pool_size, stride = (p, q), (s, t)
    size = rng.integers(0, 9, 2) + pool_size
    x = rng.integers(-3, 4, (*rng.integers(1, 5, 2), *size)).astype((np.float32, np.float64)[seed % 2])
    if seed % 3 == 0:
        x = np.asfortranarray(x)
    if seed % 5 == 0:
        x.flat[:: int(rng.integers(2, 9))] = rng.choice([np.inf, -np.inf])
    with threads(int(rng.integers(1, 4))):
        y, saved = max_pooling.forward(x, pool_size=pool_size, stride=stride)
        g = rng.integers(-9, 10, y.shape).astype(x.dtype)
        (grad_x,) = max_pooling.backward(g, saved)
    wanted, wanted_grad = by_definition(x, pool_size, stride, g)
    np.testing.assert_array_equal(y, wanted)
    np.testing.assert_array_equal(grad_x, wanted_grad)


def test_pooling_keeps_nothing_between_calls(rng):
    """The same scratch serves both calls: NaN and infinities of the first must not reach the second."""
    hyper = {"pool_size": (3, 2), "stride": (2, 2)}
    x = rng.normal(size=(2, 3, 7, 9))
    _, saved = max_pooling.forward(np.full_like(x, np.nan), **hyper)
    max_pooling.backward(np.full(saved.y.shape, np.inf), saved)
    y, saved = max_pooling.forward(x, **hyper)
    g = rng.normal(size=y.shape)
    np.testing.assert_array_equal(max_pooling.backward(g, saved)[0], by_definition(x, (3, 2), (2, 2), g)[1])


def test_pooling_of_nothing():
    y, saved = max_pooling.forward(np.zeros((0, 3, 4, 4)), pool_size=(2, 2))
    assert y.shape == (0, 3, 2, 2)
    assert max_pooling.backward(y, saved)[0].shape == (0, 3, 4, 4)
    kernels.cache.clear()
