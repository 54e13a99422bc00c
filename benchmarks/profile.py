"""Where the time of a convolution goes, by function, on one thread."""

import cProfile
import pstats
from pathlib import Path

import numpy as np

from benchmarks.scaling import arrays
from benchmarks.workloads import Workload
from manual import kernels

CALLS = 20
LARGEST = 6  # parts that are named


def of_convolution(workload: Workload, direction: str, dtype: str, engine: str) -> dict[str, float]:
    """The share of the time that each of the functions takes itself, the largest first.

    A NumPy ufunc counts as its caller's time; on one thread, since a profile of several shows the waiting only.
    """
    made = arrays(workload, np.dtype(dtype))
    with kernels.threads.threads(1):
        _, saved = made.forward(engine)
        kernels.backward(made.g, saved)
        profile = cProfile.Profile()
        profile.enable()
        for _ in range(CALLS):
            if direction == "forward":
                made.forward(engine)
            else:
                kernels.backward(made.g, saved)
        profile.disable()
    spent: dict[str, float] = {}
    for (path, _, function), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        name = f"{Path(path).stem}.{function}" if path.endswith(".py") else function
        spent[name] = spent.get(name, 0.0) + own
    total = sum(spent.values())
    parts = sorted(spent.items(), key=lambda part: -part[1])[:LARGEST]
    return {name: seconds / total for name, seconds in parts}
