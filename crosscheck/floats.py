"""The two precisions that are judged, the unit roundoff of each, and the longer format that some look from."""

import numpy as np

SINGLE = np.dtype(np.float32)
DOUBLE = np.dtype(np.float64)
PRECISIONS = (SINGLE, DOUBLE)
LONG = np.dtype(np.longdouble)  # more digits than DOUBLE on some machines only
# u: a rounded result is within u of the exact one, relative to it (half the distance from 1 to the next number).
UNIT = {dtype: float(np.finfo(dtype).eps) / 2 for dtype in PRECISIONS}
