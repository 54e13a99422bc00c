"""Selection by a mask and functions in blocks: the same numbers, however many threads."""

import numpy as np
import pytest

from manual import sigmoid, soft_relu
from manual.machine.elementwise import BLOCK, PARALLEL, in_blocks, where


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
