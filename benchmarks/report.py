"""Figures from what was measured: ratios, shares, the targets, and the facts about the machine that they depend on."""

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from math import exp, log
from statistics import median
from typing import Any

import jax
import numpy as np
import threadpoolctl

Row = dict[str, Any]
Rows = list[Row]

PEERS = {"jax": "JAX", "torch": "PyTorch"}
POLICIES = ("auto", "fast")

# (peer, dtype or None for both) -> the largest ratio wanted of each cell and of their geometric mean, by policy.
CELLS = {
    ("jax", None): ((1.0, 0.9), (0.35, 0.30)),
    ("torch", "float64"): ((0.8, 0.75), (0.35, 0.30)),
    ("torch", "float32"): ((1.25, 1.1), (0.80, 0.72)),
}
EXCEPT = {("torch", "float32", "lenet", "forward"): (1.25, 1.25)}
# The least share of the product's rate, by dtype and policy.
SHARES = {"float32": (0.65, 0.80), "float64": (0.65, 0.90)}
SHARED = ("resnet56", "resnet14", "large")
POOLING = {"jax": 1.0, "torch": 1.5}


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
        if name.startswith(("OPENBLAS_", "OMP_", "MKL_", "MANUAL_", "XLA_FLAGS", "JAX_"))
    ]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "machine": f"{processor()}, {cores} cores to run on",
        "python": platform.python_version(),
        "numpy": f"{np.__version__} with {'; '.join(blas) or 'an unknown BLAS'}",
        "jax": f"{jax.__version__}, jaxlib {version('jaxlib')}, on {jax.default_backend()}",
        "torch": installed("torch"),
        "set by hand": ", ".join(chosen) or "nothing",
    }


def processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as facts:
            named = dict(line.split(":", 1) for line in facts.read().split("\n\n")[0].splitlines() if ":" in line)
        facts_of_it = {name.strip(): value.strip() for name, value in named.items()}
        wide = "AVX-512" if "avx512f" in facts_of_it.get("flags", "") else "AVX2 at most"
        return f"{facts_of_it['model name']} (family {facts_of_it['cpu family']}, model {facts_of_it['model']}), {wide}"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed (the extra peers): its columns are empty"


# ---------------------------------------------------------------------- one cell


def title(row: Row) -> str:
    return f"{row['workload']} {row['direction']}"


def runs(row: Row, policy: str) -> str:
    """The name under which this policy's engine was timed."""
    first = next(name for name, engine in row["engines"].items() if engine == row["engines"][policy])
    return first


def ratio(row: Row, policy: str, peer: str) -> float | None:
    """The median over the rounds of our time over theirs; None if the peer was not there."""
    if peer not in row["seconds"]:
        return None
    pairs = zip(row["seconds"][runs(row, policy)], row["seconds"][peer], strict=True)
    return median(ours / theirs for ours, theirs in pairs)


def share(row: Row, name: str) -> float:
    """The rate by a direct convolution's flops, over the 2048 product's in the same rounds."""
    name = runs(row, name) if name in POLICIES else name
    return median(
        row["flops"] / seconds / rate for seconds, rate in zip(row["seconds"][name], row["product"], strict=True)
    )


def wanted(row: Row, policy: str, peer: str) -> float:
    number = POLICIES.index(policy)
    special = EXCEPT.get((peer, row["dtype"], row["workload"], row["direction"]))
    if special is not None:
        return special[number]
    return next(
        cells[number] for (name, dtype), (cells, _) in CELLS.items() if name == peer and dtype in (None, row["dtype"])
    )


def misses(row: Row) -> list[str]:
    """What this cell was to reach and did not, in words."""
    found = []
    for policy in POLICIES:
        for peer in PEERS:
            value = ratio(row, policy, peer)
            if value is not None and round(value, 2) > wanted(row, policy, peer):
                found.append(
                    f'"{policy}" takes {value:.2f} of {PEERS[peer]}\'s time, target {wanted(row, policy, peer)}'
                )
        if row["workload"] in SHARED:
            least = SHARES[row["dtype"]][POLICIES.index(policy)]
            if share(row, policy) < least:
                found.append(f'"{policy}" reaches {share(row, policy):.0%} of the product\'s rate, target {least:.0%}')
    return found


def geometric_mean(values: Iterable[float]) -> float:
    logs = [log(value) for value in values]
    return exp(sum(logs) / len(logs))


def milliseconds(row: Row, name: str) -> float:
    return median(row["seconds"][name]) * 1e3


def regret(row: Row) -> float:
    """The chosen engine's time over the best one's, the median of the rounds' ratios."""
    best = min(row["seconds"], key=lambda name: milliseconds(row, name))
    return median(a / b for a, b in zip(row["seconds"][row["chosen"]], row["seconds"][best], strict=True))


# ---------------------------------------------------------------------- lines while it runs


def line(row: Row) -> str:
    parts = [f"{row['workload']:<9}{row['dtype']:<8} {row['direction']:<9}"]
    for policy in POLICIES:
        parts.append(f"{policy} {row['engines'][policy]} {milliseconds(row, runs(row, policy)):.3g} ms")
        parts += [f"/{peer} {value:.2f}" for peer in PEERS if (value := ratio(row, policy, peer)) is not None]
    parts.append(f"of peak {share(row, 'auto'):.0%}, {row['dropped']} rounds dropped")
    return " ".join(parts)


def choice_line(row: Row) -> str:
    times = " ".join(f"{name} {milliseconds(row, name):.3g}" for name in row["seconds"])
    return f"{row['threshold']:<15}{row['workload']:<26}{row['dtype']} {row['chosen']} {regret(row):.2f}: {times}"


def layer_line(row: Row) -> str:
    names = " ".join(f"{name} {milliseconds(row, name):.2f}" for name in row["seconds"])
    return f"{row['layer']:<36}{row['dtype']} ms: {names}"


def training_line(row: Row) -> str:
    names = " ".join(f"{name} {row['batch'] * 1e3 / milliseconds(row, name):,.0f}" for name in row["seconds"])
    return f"batch {row['batch']:>3} {row['dtype']} images/s: {names}"
