"""The mean of many answers, for code of whose rounding one answer is too much to tell a mistake by.

In float32 what cancels leaves few digits: 1 - tanh² at 3 keeps five of them, and no allowance that holds for one answer
excludes a mistake of a thousandth. Residuals about the truth at points around,

    r_k = g(p_k) - truth(p_k) = mistake + rounding_k,      r̄ = mistake + rounding / √m                            (1)

do: rounding scatters about zero, the mistake is in every one of them. The points are `AFAR` of every number away, far
beyond float32's steps, so that one rounding is not another's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from crosscheck.operation import Array, Operation, Truth
from crosscheck.witnesses.longdouble import quiet
from crosscheck.witnesses.measured import AFAR, MEMBERS, Spread, residuals_near, spread

MEAN_RUNS = 32  # the rounding of their mean is a sixth of one's


def mean_residual(
    operation: Operation, cotangent: Array, truth: Truth, sigma: Mapping[str, Array], *, seed: int = 0
) -> dict[str, tuple[Array, Spread]]:
    """r̄ and the standard deviation of its rounding, by name."""
    runs: dict[str, list[Array]] = {k: [] for k in sigma}
    with quiet():
        hand = operation.gradients(cotangent)
        for draw in range(MEAN_RUNS * seed, MEAN_RUNS * (seed + 1)):
            for k, residual in residuals_near(operation, cotangent, truth, AFAR, draw).items():
                if residual.shape == sigma[k].shape and np.isfinite(residual).all():
                    runs[k].append(residual)
        found: dict[str, tuple[Array, Spread]] = {}
        for k in (k for k, r in runs.items() if len(r) > MEMBERS):
            one, n = spread(np.stack(runs[k]), hand[k], sigma[k]), len(runs[k])
            found[k] = np.mean(runs[k], axis=0), Spread(one.sigma / math.sqrt(n), one.freedom)
        return found
