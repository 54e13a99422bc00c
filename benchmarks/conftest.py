"""What the suite adds to pytest-benchmark: a test is one contender, and a group's contenders are timed in turns.

`pytest benchmarks` is the convolution core; the rest is collected where benchmarks/around is named.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import threadpoolctl
from pytest_benchmark.logger import PytestBenchmarkWarning

from benchmarks.contenders import Field, torch
from benchmarks.turns import CLOCK, Product, time_in_turns
from manual import kernels
from reference.precision import double_precision

AROUND = Path(__file__).parent / "around"

Make = Callable[[list[str]], Field]
PREFIXES = ("OPENBLAS_", "OMP_", "MKL_", "MANUAL_", "XLA_FLAGS", "JAX_")
CONTENDER = "contender"  # the parameter that is not part of the group's name


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("benchmark").addoption(
        "--engine",
        action="append",
        default=[],
        choices=list(kernels.ENGINES),
        help='Time this engine too, beside "auto" and "fast", on every workload that it can do. Can be used often.',
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out benchmarks/around unless it, or something in it, is named."""
    named = [(config.invocation_params.dir / arg.split("::")[0]).resolve() for arg in config.args]
    return True if collection_path == AROUND and not any(path.is_relative_to(AROUND) for path in named) else None


def pytest_configure(config: pytest.Config) -> None:
    """As many cores for everyone as we have threads: XLA takes as many threads as it finds cores."""
    # A comparison of two machines, or nothing to save: warnings of the plugin; any other is an error as everywhere.
    warnings.simplefilter("default", PytestBenchmarkWarning)
    if hasattr(os, "sched_setaffinity") and not config.getoption("benchmark_disable"):
        cores = sorted(os.sched_getaffinity(0))[: kernels.num_threads()]
        for task in os.listdir("/proc/self/task"):
            os.sched_setaffinity(int(task), cores)


def pytest_report_header() -> list[str]:
    held = [name for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE") if name in os.environ]
    warning = f"; {' and '.join(held)} may hold it to older kernels, `make bench` removes them" if held else ""
    return [f"BLAS: {blas()}{warning}"]


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """What times depend on besides the machine, so that a comparison warns where it differs."""
    for momentary in ("hz_actual", "hz_actual_friendly"):
        machine_info["cpu"].pop(momentary, None)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    variables = {name: value for name, value in sorted(os.environ.items()) if name.startswith(PREFIXES)}
    machine_info |= {"cores": cores, "blas": blas(), "versions": versions(), "variables": variables}


@cache
def versions() -> dict[str, str]:
    named = {name: version(name) for name in ("numpy", "jax", "jaxlib")}
    return named | ({} if torch is None else {"torch": torch.__version__})


@cache
def blas() -> str:
    """NumPy's, with its kernels and threads."""
    _ = np.ones((2, 2)) @ np.ones((2, 2))  # which loads it
    found = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    return "; ".join(
        f"{one['internal_api']} {one['version']}, {one.get('architecture', 'unknown')} kernels, "
        f"{one['num_threads']} threads"
        for one in found
    )


# ---------------------------------------------------------------------- groups


def group(item: Any) -> str:
    """The test's name and its parameters, all but the contender."""
    parameters = [value for name, value in item.callspec.params.items() if name != CONTENDER]
    return " ".join([item.originalname.removeprefix("test_"), *parameters])


@pytest.hookimpl(trylast=True)  # after -k and -m
def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    """Name the groups; untimed, one group of each test in benchmarks/around is enough, JAX compiles everyone's."""
    first: dict[str, str] = {}
    left_out = []
    for item in items:
        if "in_turns" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.benchmark(group=group(item), timer=CLOCK))
            around = item.path.is_relative_to(AROUND) and config.getoption("benchmark_disable")
            if around and first.setdefault(item.originalname, group(item)) != group(item):
                left_out.append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


class Holder:
    """The field of the group whose turn it is, and the matrix products."""

    def __init__(self) -> None:
        self.group = ""
        self.field = Field("")
        self.product = cache(Product)


@pytest.fixture(scope="session")
def holder() -> Iterator[Holder]:
    with double_precision():
        yield Holder()


@pytest.fixture
def validated(request: pytest.FixtureRequest, holder: Holder) -> Callable[[Make], Field]:
    """Makes the group's field from its contenders' names, once for all its tests; skips where this one is absent.

    A field whose contenders do not agree raises; then there is no field, and nothing is timed.
    """

    def build(make: Make) -> Field:
        mine: Any = request.node
        if holder.group != group(mine):
            holder.group, holder.field = "", Field("")
            of_test: list[Any] = [item for item in request.session.items if item.parent is mine.parent]
            rivals = [item for item in of_test if hasattr(item, "callspec") and group(item) == group(mine)]
            names = [item.callspec.params[CONTENDER] for item in rivals if not skipped(item)]
            holder.field, holder.group = make(names), group(mine)
        absent = holder.field.absent.get(mine.callspec.params[CONTENDER])
        if absent:
            pytest.skip(absent)
        return holder.field

    return build


def skipped(item: pytest.Item) -> bool:
    return any(mark.args[:1] == (True,) or mark.kwargs.get("condition") for mark in item.iter_markers("skipif"))


@pytest.fixture
def in_turns(
    request: pytest.FixtureRequest, field: Field, benchmark: Any, holder: Holder, contender: str
) -> Callable[[], None]:
    """Times the group in turns, when the first of its tests asks, and hands the plugin the rounds of this one.

    --benchmark-min-rounds is the number of undisturbed rounds, --benchmark-max-time the seconds of a contender's calls
    in all of them.
    """
    options: Any = request.config.option

    def run() -> None:
        call = field.contenders[contender].call
        if not benchmark.enabled:
            benchmark(call)
            return
        if field.timed is None:
            rounds = options.benchmark_min_rounds
            seconds = float(options.benchmark_max_time) / rounds
            field.timed = time_in_turns(field.contenders, holder.product(field.dtype), rounds=rounds, seconds=seconds)
        benchmark.extra_info.update(about(field, contender))
        CLOCK.show(field.timed.seconds[contender])
        with one_thread(options.benchmark_cprofile is not None):
            benchmark.pedantic(call, rounds=len(field.timed.product))

    return run


@contextmanager
def one_thread(alone: bool) -> Iterator[None]:
    """For a profile, which sees the others' work as waiting; no time is taken any more."""
    if not alone:
        yield
        return
    before = kernels.num_threads()
    kernels.set_num_threads(1)
    try:
        yield
    finally:
        kernels.set_num_threads(before)


def about(field: Field, name: str) -> dict[str, Any]:
    """The extra_info of one contender."""
    timed = field.timed
    assert timed is not None
    facts = {
        **field.facts,
        **field.about[name],
        "over": {other: timed.over(name, other) for other in field.contenders if other != name},
        "product": timed.product,
        "dropped": timed.dropped,
        "threads": kernels.num_threads(),
        "blas": blas(),
        "versions": versions(),
    }
    if flops := field.flops[name]:
        facts |= {"flops": flops, "share": timed.share(name, flops)}
    return facts
