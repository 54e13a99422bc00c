"""Kinks that rounding hides from differences: where the reference's own gradient jumps beside the point.

A difference of |a| + 10⁹ at a = 0 is noise, and the slope that JAX takes there, 1, is one convention of several. So
where a gradient is said to be wrong and no difference shows a kink, the reference is asked at nearby points, x + εs and
x + εs/2 with random signs s and ε = √u of each entry's scale (`orders`). Where its gradient changes by d(ε) from that
at x,

    d(ε/2) > gap/4   and   |d(ε) - d(ε/2)| < d(ε/2)/4                                                               (1)

is a jump: it does not shrink with ε, as the change of a smooth gradient does, and it is as large as the gap that is to
be explained. The reference may have many such points beside x; of `SHAKES`, each with its mirror image, the largest
counts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crosscheck.floats import DOUBLE, UNIT
from crosscheck.operation import Array, Arrays
from crosscheck.witnesses.orders import orders_of, scale_at, size_of

SHAKES = 4


def jumps(truth: Callable[[Arrays], Arrays], inputs: Arrays, name: str, gap: Array) -> Array:
    """Where the gradient of one input jumps beside the point by a quarter of `gap` or more.

    Args:
        truth: the reference's gradients, by name, at other inputs of the same shapes.
        gap: how far apart two answers are that one of them may be a convention; the input's shape.
    """
    x = np.asarray(inputs[name], np.float64)
    size = size_of(x)
    reach = scale_at(orders_of(x, size), size) * float(np.sqrt(UNIT[DOUBLE]))
    here = truth(inputs)[name]
    rng = np.random.default_rng(7)
    found = np.zeros(x.shape, bool)
    signs = np.zeros(x.shape)
    for shake in range(SHAKES):
        signs = -signs if shake % 2 else rng.choice([-1.0, 1.0], x.shape) * rng.uniform(0.5, 1.0, x.shape)
        with np.errstate(all="ignore"):
            try:
                outer, inner = (truth({**inputs, name: x + t * reach * signs})[name] - here for t in (1.0, 0.5))
            except Exception:  # the reference may refuse a point that is not its own
                return np.zeros(x.shape, bool)
            found |= (np.abs(inner) > gap / 4) & (np.abs(outer - inner) < np.abs(inner) / 4)
    return found
