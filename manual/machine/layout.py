"""Where the samples of a batch lie in memory: first, as C order has them, or innermost.

With samples innermost, [b,k,m,n] lies at the place of [k,m,n,b] in C order: the same four axes, other strides. NumPy's
elementwise functions give their result the layout of their argument, so a network of small images keeps it.

Letters: b sample; k channel; m, n position.
"""

import numpy as np

Array = np.ndarray

LAST = [(*range(1, axes), 0) if axes else () for axes in range(65)]  # as many as NumPy has
FIRST = [(axes - 1, *range(axes - 1)) if axes else () for axes in range(65)]


def samples_last(a: Array) -> Array:
    """[b,k,…] as [k,…,b], a view."""
    return a.transpose(LAST[a.ndim])


def samples_first(a: Array) -> Array:
    """[k,…,b] as [b,k,…], a view."""
    return a.transpose(FIRST[a.ndim])


def samples_innermost(a: Array) -> bool:
    """Whether [k,…,b] is one run of memory, and C order is not: more than one sample, of more than one number."""
    return not a.flags.c_contiguous and samples_last(a).flags.c_contiguous
