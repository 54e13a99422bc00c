"""What a convolution costs as it grows: time over batch and area, scratch memory, and the first call at a new shape."""

import mmap
import time
import tracemalloc
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from benchmarks.alternation import burst
from benchmarks.workloads import WORKLOADS, Workload
from manual import kernels
from manual.kernels import small
from manual.kernels.transform_tiles import tiling

Array = np.ndarray
FACTORS = (1, 2, 4, 8, 16, 32, 64)

# By the engine that "auto" takes there; the smallest is large enough that the calls themselves do not count.
GROWING = (
    Workload("small", 64, 3, 8, 16, 16, kernel=3, stride=1, padding=1),
    Workload("winograd4x2", 2, 64, 64, 32, 32, kernel=3, stride=1, padding=1),
    Workload("gemm", 2, 16, 32, 64, 64, kernel=5, stride=2, padding=2),
    Workload("pointwise", 2, 128, 64, 32, 32, kernel=1, stride=1, padding=0),
    Workload("transform", 2, 16, 24, 64, 64, kernel=11, stride=1, padding=5),
)


class Growth(NamedTuple):
    """Seconds of forward and backward together at each factor."""

    engine: str
    along: str  # "batch" or "area"
    factors: tuple[int, ...]
    seconds: list[float]

    @property
    def exponent(self) -> float:
        """The slope of a line through log time over log factor; 1 is linear growth."""
        return float(np.polyfit(np.log(self.factors), np.log(self.seconds), 1)[0])


class Arrays(NamedTuple):
    x: Array
    filters: Array
    biases: Array
    g: Array
    hyperparameters: dict[str, Any]

    def forward(self, engine: str) -> tuple[Array, kernels.Saved]:
        return kernels.forward(self.x, self.filters, self.biases, **self.hyperparameters, engine=engine)


def arrays(workload: Workload, dtype: Any) -> Arrays:
    rng = np.random.default_rng(0)
    x, filters, biases, g = (
        rng.standard_normal(shape).astype(dtype)
        for shape in (
            (workload.batch, workload.input_channels, workload.height, workload.width),
            (workload.output_channels, workload.input_channels, workload.kernel, workload.kernel),
            (workload.output_channels,),
            (workload.batch, workload.output_channels, *workload.output_size),
        )
    )
    around = (workload.padding, workload.padding)
    return Arrays(x, filters, biases, g, {"stride": (workload.stride, workload.stride), "padding": (around, around)})


def grown(workload: Workload, along: str, factor: int) -> Workload:
    if along == "batch":
        return workload._replace(batch=workload.batch * factor)
    # An area of 2 times a square's is a rectangle of 2:1.
    rows = 2 ** (factor.bit_length() // 2)
    return workload._replace(height=workload.height * rows, width=workload.width * (factor // rows))


def growth(workload: Workload, along: str, factors: tuple[int, ...] = FACTORS) -> Growth:
    seconds = []
    for factor in factors:
        made = arrays(grown(workload, along, factor), np.float32)

        def both(made: Arrays = made) -> None:
            _, saved = made.forward(workload.name)
            kernels.backward(made.g, saved)

        seconds.append(min(burst(both) for _ in range(3)))
    return Growth(workload.name, along, factors, seconds)


class Cost(NamedTuple):
    """What one engine takes on one workload, in one direction; bytes and seconds."""

    workload: str
    dtype: str
    engine: str
    direction: str
    scratch: int  # peak beyond inputs, outputs and what is kept for the backward
    first: float
    later: float

    @property
    def first_is_cheap(self) -> bool:
        return self.first <= max(3 * self.later, self.later + 1e-3)


def costs(workload: Workload, dtype: Any, engine: str, repeats: int = 5) -> list[Cost]:
    """Forward and backward; empty if the engine refuses."""
    made = arrays(workload, dtype)
    try:
        made.forward(engine)
    except ValueError:
        return []
    seconds: list[tuple[float, float, float, float]] = []
    for _ in range(repeats):
        forget()
        # No result is kept: the next call's would need new memory, which costs more than small calls.
        first, saved = timed(lambda: made.forward(engine)[1])
        first_back, _ = timed(lambda saved=saved: len(kernels.backward(made.g, saved)))
        calls = [(timed(made.forward, engine)[0], timed(kernels.backward, made.g, saved)[0]) for _ in range(repeats)]
        later, later_back = (median(column) for column in zip(*calls, strict=True))
        seconds.append((first, later, first_back, later_back))
    first, later, first_back, later_back = (median(column) for column in zip(*seconds, strict=True))
    forget()
    peak, (y, saved) = peak_of(made.forward, engine)
    kept = 0 if saved.kept is None else saved.kept.nbytes
    forget()
    peak_back, gradients = peak_of(kernels.backward, made.g, saved)
    name = np.dtype(dtype).name
    return [
        Cost(workload.name, name, saved.engine, "forward", peak - y.nbytes - kept, first, later),
        Cost(
            workload.name,
            name,
            saved.engine,
            "backward",
            peak_back - sum(gradient.nbytes for gradient in gradients),
            first_back,
            later_back,
        ),
    ]


def forget() -> None:
    """As if no convolution of this shape had been computed."""
    kernels.cache.clear()
    kernels.resolve.cache_clear()
    small.layout_of.cache_clear()
    tiling.cache_clear()


def new_memory() -> float:
    """Seconds to touch a MiB that the process did not have before: the system hands out its pages one by one."""
    kept, seconds = [], []
    for _ in range(20):
        start = time.perf_counter()
        kept.append(np.frombuffer(mmap.mmap(-1, 2**20), np.uint8))
        kept[-1][::4096] = 1
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def timed(function: Any, *arguments: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def peak_of(function: Any, *arguments: Any) -> tuple[int, Any]:
    """The most bytes that were allocated at one time during the call, its results included."""
    tracemalloc.start()
    try:
        result = function(*arguments)
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


def all_costs() -> list[Cost]:
    """Every workload by the engines that "auto", "fast" and "exact" choose, and the batch times 4 for the first."""
    found: list[Cost] = []
    for dtype in (np.float32, np.float64):
        for workload in WORKLOADS:
            seen: set[tuple[str, str]] = set()
            for policy in kernels.POLICIES:
                for cost in costs(workload, dtype, policy):
                    if (cost.engine, cost.direction) not in seen:
                        seen.add((cost.engine, cost.direction))
                        found.append(cost)
    return found
