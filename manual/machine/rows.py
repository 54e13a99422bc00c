"""Functions along an axis: what stands out in it, and the rows of many at a time."""

import numpy as np

Array = np.ndarray


def largest(x: Array, axis: int) -> Array:
    """The largest entry along an axis, which keeps length 1; of complex numbers the one with the largest real part.

    NaN is larger than any number.
    """
    if x.dtype.kind == "f":
        return x.max(axis, keepdims=True)
    return np.take_along_axis(x, np.argmax(np.real(x), axis=axis, keepdims=True), axis=axis)
