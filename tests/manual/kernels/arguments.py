"""Arguments of a convolution, for tests of what is around its engines."""

from typing import Any

import numpy as np


def arrays(x: tuple[int, ...] = (2, 4, 9, 8), filters: tuple[int, ...] = (6, 4, 3, 3), dtype: Any = np.float64) -> Any:
    """x, filters, biases."""
    rng = np.random.default_rng(0)
    return tuple(rng.standard_normal(shape).astype(dtype) for shape in (x, filters, filters[:1]))


LARGE = ((4, 16, 40, 40), (16, 16, 3, 3))
