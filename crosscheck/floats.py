"""The precisions that are judged, the unit roundoff of each, and the longer format that some look from."""

import ml_dtypes
import numpy as np

SINGLE = np.dtype(np.float32)
DOUBLE = np.dtype(np.float64)
PRECISIONS = (SINGLE, DOUBLE)
HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))  # judged as arithmetic beside a formula at DOUBLE
LONG = np.dtype(np.longdouble)  # more digits than DOUBLE on some machines only
# u: a rounded result is within u of the exact one, relative to it (half the distance from 1 to the next number).
UNIT = {dtype: float(ml_dtypes.finfo(dtype).eps) / 2 for dtype in (*HALVES, *PRECISIONS)}
# The smallest normal number of a format, by its u.
SMALLEST = {UNIT[dtype]: float(ml_dtypes.finfo(dtype).smallest_normal) for dtype in UNIT}


def root_mean_square(a: np.ndarray) -> float:
    """The typical size of an array's finite entries, 0 where there are none; no square overflows, and none vanishes."""
    size = np.abs(a[np.isfinite(a)]).astype(np.float64)
    largest = float(np.max(size, initial=0.0))
    return largest * float(np.sqrt(np.mean((size / largest) ** 2))) if largest > 0 else 0.0
