"""Forward and backward of the convolution, beside jitted JAX and a bare matrix product."""

from typing import Any

import numpy as np
import pytest

from benchmarks.alternation import median_ratio, time_in_turns
from benchmarks.contenders import OURS, contenders
from benchmarks.report import TIMED
from benchmarks.workloads import WORKLOADS, Workload
from reference.precision import double_precision

SMOKE_BATCH = 2


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
@pytest.mark.parametrize(
    ("direction", "dtype"),
    [
        pytest.param(direction, dtype, marks=pytest.mark.benchmark(group=f"{direction} {name}"))
        for name, dtype in (("float32", np.float32), ("float64", np.float64))
        for direction in ("forward", "backward")
    ],
)
def test_convolution(benchmark: Any, workload: Workload, direction: str, dtype: Any, pytestconfig: pytest.Config):
    if benchmark.disabled:
        workload = workload._replace(batch=min(workload.batch, SMOKE_BATCH))
    with double_precision():
        peers = contenders(workload, direction, dtype, np.random.default_rng(0))
        ours = peers.pop(OURS)
        if benchmark.disabled:
            benchmark(ours)
            return
        rounds = pytestconfig.option.benchmark_min_rounds
        seconds, peer_seconds = time_in_turns(benchmark, ours, peers, rounds=rounds)

    benchmark.extra_info |= {
        "workload": workload._asdict(),
        "direction": direction,
        "dtype": np.dtype(dtype).name,
        "flops": 2 * workload.multiplications * (1 if direction == "forward" else 2),
        "seconds": {OURS: seconds} | peer_seconds,
        "ratios": {name: median_ratio(seconds, turns) for name, turns in peer_seconds.items()},
    }
    pytestconfig.stash[TIMED].append(benchmark.extra_info)
