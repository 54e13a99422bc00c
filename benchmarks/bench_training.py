"""Training throughput of the lecture's CNN: forward, backward and update, beside jitted JAX and PyTorch."""

from typing import Any

import numpy as np
import pytest

from benchmarks.alternation import median_ratio, time_in_turns
from benchmarks.report import TRAINED
from benchmarks.training import OURS, contenders, where_the_time_goes
from reference.precision import double_precision


@pytest.mark.parametrize("batch", [32, 256])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.benchmark(group="training step")
def test_training_step(benchmark: Any, batch: int, dtype: Any, pytestconfig: pytest.Config):
    with double_precision():
        made = contenders(batch, dtype)
        peers = dict(made.steps)
        ours = peers.pop(OURS)
        if benchmark.disabled:
            benchmark(ours)
            return
        rounds = pytestconfig.option.benchmark_min_rounds
        seconds, peer_seconds = time_in_turns(benchmark, ours, peers, rounds=rounds)
    benchmark.extra_info |= {
        "batch": batch,
        "dtype": np.dtype(dtype).name,
        "seconds": {OURS: seconds} | peer_seconds,
        "ratios": {name: median_ratio(seconds, turns) for name, turns in peer_seconds.items()},
        "images_per_second": batch / float(np.median(seconds)),
        "parts": where_the_time_goes(made),
    }
    pytestconfig.stash[TRAINED].append(benchmark.extra_info)
