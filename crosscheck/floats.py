"""The two precisions that are judged, and the unit roundoff of each."""

import numpy as np

SINGLE = np.dtype(np.float32)
DOUBLE = np.dtype(np.float64)
PRECISIONS = (SINGLE, DOUBLE)
# u: a rounded result is within u of the exact one, relative to it (half the distance from 1 to the next number).
UNIT = {dtype: float(np.finfo(dtype).eps) / 2 for dtype in PRECISIONS}
