"""The table of what was timed, and the facts about the machine that it depends on."""

import os
import platform
from importlib.metadata import version
from statistics import median
from typing import Any

import jax
import numpy as np
import pytest
import threadpoolctl

TIMED = pytest.StashKey[list[dict[str, Any]]]()
TRAINED = pytest.StashKey[list[dict[str, Any]]]()


def environment() -> dict[str, str]:
    blas = [
        f"{pool['internal_api']} {pool['version']}, {pool.get('architecture', 'unknown')} kernels, "
        f"{pool['num_threads']} threads"
        for pool in threadpoolctl.threadpool_info()
        if pool["user_api"] == "blas"
    ]
    chosen = [
        f"{name}={value}"
        for name, value in sorted(os.environ.items())
        if name.startswith(("OPENBLAS_", "OMP_", "MKL_", "XLA_FLAGS", "JAX_"))
    ]
    return {
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores to run on",
        "python": platform.python_version(),
        "numpy": f"{np.__version__} with {'; '.join(blas) or 'an unknown BLAS'}",
        "jax": f"{jax.__version__}, jaxlib {version('jaxlib')}, on {jax.default_backend()}",
        "set by hand": ", ".join(chosen) or "nothing",
    }


def table(timed: list[dict[str, Any]]) -> list[str]:
    """One line per timed pass: medians over the rounds, and the medians of the rounds' ratios."""
    names = list(timed[0]["seconds"])
    heading = f"{'workload':<10}{'dtype':<9}{'direction':<10}"
    heading += "".join(f"{name + ' ms':>12}" for name in names) + f"{'GF/s':>8}"
    heading += "".join(f"{'/ ' + name:>10}" for name in names[1:])
    lines = [heading]
    for row in timed:
        seconds = {name: median(turns) for name, turns in row["seconds"].items()}
        line = f"{row['workload']['name']:<10}{row['dtype']:<9}{row['direction']:<10}"
        line += "".join(f"{seconds[name] * 1e3:>12.3f}" for name in names)
        line += f"{row['flops'] / seconds[names[0]] / 1e9:>8.1f}"
        line += "".join(f"{ratio:>10.2f}" for ratio in row["ratios"].values())
        lines.append(line)
    return lines
