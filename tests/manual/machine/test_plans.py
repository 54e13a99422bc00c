"""The cache of plans holds no more than it may."""

import numpy as np

from manual import (
    kernels,
)


def test_the_cache_is_bounded() -> None:
    rng = np.random.default_rng(0)
    for height in range(20, 60):
        x = rng.standard_normal((1, 16, height, 40))
        y, saved = kernels.forward(x, rng.standard_normal((16, 16, 3, 3)), np.zeros(16), engine="gemm")
        kernels.backward(y, saved)
    assert kernels.cache.nbytes <= kernels.cache.limit
    assert kernels.cache.nbytes == sum(size for plans in kernels.cache.free.values() for _, size in plans)
