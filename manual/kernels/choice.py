"""Which engine does a configuration.

The rules, in order:

1. arrays that are not all float32 or all float64: `definition`;
2. of the engines that may, the one whose forward and backward together are estimated to take the least time: `work.py`
   counts what each has to do, `rates.py` knows how long that takes on this machine or on one like it, and `explain`
   shows both for a configuration. `lanes` is one of them where x has its samples innermost in memory already, which the
   others would have to turn. A window as large as the image is left to `dense`.

`engine="auto"` may take the exact engines, and those that transform (`winograd2x2`, `winograd4x2`, `transform`) where
their error, as a root mean square, is at most four times the definition's on the same data: from `FEWEST_CHANNELS` on
both sides (Winograd pays from `WINOGRAD_CHANNELS` on), `winograd4x2` up to `MOST_CHANNELS`. They round what the exact
ones do not, so they are to be faster by a tenth. "fast" may take any, "exact" the exact ones, whose results on integers
and dyadic rationals are exact. `engine=name` is that engine, or a ValueError that says why it cannot.

Errors over the definition's, root mean square and largest, at worst over 16, 64 and 256 channels on both sides (`python
-m benchmarks.convolution_errors`). The definition adds up its input gradient tap by tap, in shorter sums than any other
engine.

                    float32: y    ∂L/∂x     ∂L/∂W    float64: y    ∂L/∂x     ∂L/∂W
    gemm             1.0  1.0   2.3  3.8   1.0  1.0    1.4  1.8   2.6  5.9   1.0  1.0
    winograd2x2      1.4  1.4   1.8  1.8   1.3  1.3    1.0  0.9   2.0  2.3   1.3  1.0
    winograd4x2      2.5  3.0   3.3  4.4   1.8  1.8    1.8  2.1   3.7  4.6   2.2  1.6
    winograd4x4      4.5  6.2   6.1  7.1   2.7  2.6    3.3  4.6   7.4   12   4.3  4.2
    transform        0.6  0.5   1.2  1.0   0.6  0.5    1.3  1.5   2.1  1.6   2.9  1.5

`pointwise`, `small`, `lanes`, `dense` and `channels` sum as `gemm` does. At 1024 channels `winograd4x2` reaches 5,
`winograd2x2` 3.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from manual.kernels import (
    banded,
    channels,
    definition,
    dense,
    depthwise,
    gemm,
    lanes,
    pointwise,
    small,
    transform,
    winograd,
)
from manual.kernels.engine import Engine
from manual.kernels.geometry import Geometry, PaddingArgument, Pair, describe
from manual.kernels.rates import rates_of, seconds
from manual.kernels.work import WORK, turned
from manual.machine import threads

ENGINES: dict[str, Engine] = {
    engine.name: engine
    for engine in (
        definition.ENGINE,
        gemm.ENGINE,
        pointwise.ENGINE,
        small.ENGINE,
        lanes.ENGINE,
        dense.ENGINE,
        depthwise.ENGINE,
        banded.ENGINE,
        channels.ENGINE,
        winograd.WINOGRAD2X2,
        winograd.WINOGRAD4X2,
        winograd.WINOGRAD4X4,
        transform.ENGINE,
    )
}
POLICIES = ("auto", "fast", "exact")

PRECISIONS = (np.dtype(np.float32), np.dtype(np.float64))
FEWEST_CHANNELS, MOST_CHANNELS = 16, 256  # where the error of winograd4x2 is below four times the definition's
WINOGRAD_CHANNELS = 48  # below, gathering tiles takes half as long again as is estimated: short runs of channels
TRANSFORMS = ("winograd2x2", "winograd4x2", "winograd4x4", "transform")
ONLY_FAST = ("winograd4x4",)
COPYING = ("gemm", "small")
COVERING = ("gemm", "small", "pointwise", "channels")
FEW = 12_000_000  # multiplications, up to which one product of several images may be worth the copy
LEAST_GAIN = 0.9  # of an exact engine's time, that one which rounds more may take
LEAST_TRANSFORMED = 4_000_000  # multiplications, below which no transform pays and none is estimated

requested: ContextVar[str | None] = ContextVar("requested", default=None)


@contextmanager
def use(engine: str) -> Generator[None]:
    """Inside the `with` block every convolution uses this engine or policy, whatever its own
    `engine` argument says.

    For the current thread (or asynchronous task); the innermost block decides. A backward pass uses
    the engine of its forward.

    Raises:
        ValueError: no engine or policy has this name.
    """
    token = requested.set(known(engine))
    try:
        yield
    finally:
        requested.reset(token)


def known(engine: str) -> str:
    if engine not in ENGINES and engine not in POLICIES:
        raise ValueError(f"engine is {engine!r}; it must be one of {', '.join((*POLICIES, *ENGINES))}")
    return engine


def choose(geometry: Geometry, dtype: np.dtype | None, engine: str = "auto", *, innermost: bool = False) -> Engine:
    """The engine for a configuration.

    Args:
        dtype: what all arrays have; None if they differ.
        engine: "auto", "fast", "exact" or an engine's name.
        innermost: whether x has its samples innermost in memory, as `lanes` leaves them, which does no other.

    Raises:
        ValueError: no such engine, or the named one cannot do this.
    """
    if known(engine) in ENGINES:
        named = ENGINES[engine]
        refusal = named.refusal(geometry)
        if not fast(dtype) and engine != "definition":
            what = "different dtypes" if dtype is None else f"dtype {dtype}"
            refusal = f"the arrays have {what}, not float32 or float64"
        if refusal is not None:
            raise ValueError(f"engine {engine!r} cannot do this convolution: {refusal}")
        return named
    if not fast(dtype):
        return definition.ENGINE  # 1
    found = estimates(geometry, dtype, engine, innermost)
    return ENGINES[min(found, key=lambda name: found[name] * (1 if ENGINES[name].exact else 1 / LEAST_GAIN))]  # 2


def estimates(geometry: Geometry, dtype: np.dtype | None, policy: str, innermost: bool = False) -> dict[str, float]:
    """Seconds of forward and backward together, by each engine that may do this configuration."""
    rates, itemsize = rates_of(str(dtype), threads.num_threads()), np.dtype(dtype).itemsize
    turning = seconds(turned(geometry, itemsize), rates) if innermost else 0.0
    return {
        name: seconds(WORK[name](geometry, itemsize), rates) + (0.0 if name == "lanes" else turning)
        for name, engine in ENGINES.items()
        if name in WORK
        and (innermost or name != "lanes")
        and may(name, geometry, policy)
        and engine.refusal(geometry) is None
    }


def may(name: str, geometry: Geometry, policy: str) -> bool:
    """Whether the policy allows this engine, and it is not out of the question."""
    if name in COVERING and dense.refusal(geometry) is None:  # one product, and nothing else to do
        return False
    if name in COPYING:  # the products of `pointwise`, after a copy
        return pointwise.refusal(geometry) is not None or geometry.multiplications < FEW
    if name not in TRANSFORMS:
        return True
    fewest, most = sorted((geometry.inputs, geometry.outputs))
    if policy == "exact" or fewest < FEWEST_CHANNELS or geometry.multiplications < LEAST_TRANSFORMED:
        return False
    if name == "transform":
        return max(geometry.kernel) > 3
    if fewest < WINOGRAD_CHANNELS:
        return False
    return policy == "fast" or (name not in ONLY_FAST and (most <= MOST_CHANNELS or name == "winograd2x2"))


def explain(
    x_shape: tuple[int, ...],
    filters_shape: tuple[int, ...],
    *,
    stride: Pair = (1, 1),
    padding: PaddingArgument = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    dtype: Any = np.float32,
    engine: str = "auto",
) -> str:
    """How an engine is chosen for a configuration: each one's estimate and what it is made of, or why it is none.

    Args:
        x_shape, filters_shape: (B, C_in, H, W) and (C_out, C_in/groups, K_h, K_w); the rest as in `forward`.

    Returns:
        A line for each engine, the fastest first, with its milliseconds by kind of work, forward and backward together.
    """
    geometry = describe(x_shape, filters_shape, filters_shape[:1], stride, padding, dilation, groups)
    dtype = np.dtype(dtype)
    chosen = choose(geometry, dtype, engine).name
    found = estimates(geometry, dtype, engine if engine in POLICIES else "fast") if fast(dtype) else {}
    rates = rates_of(str(dtype), threads.num_threads()) if found else None
    lines = [f"{chosen}, of {len(found)} that may; milliseconds of forward and backward:"]
    for name in sorted(found, key=lambda name: found[name]):
        kinds = WORK[name](geometry, dtype.itemsize)
        parts = [
            f"{kind} {amount * rate * 1e3:.2g}"
            for kind, amount, rate in zip(kinds._fields, kinds, rates or (), strict=True)
            if amount * rate >= found[name] / 100
        ]
        lines.append(f"{name:12} {found[name] * 1e3:9.3g}  = {' + '.join(parts)}")
    for name, other in ENGINES.items():
        if name in WORK and name not in found:
            refusal = other.refusal(geometry) or f"not by the policy {engine!r}, or out of the question at this size"
            lines.append(f"{name:12} {'-':>9}    {refusal}")
    return "\n".join(lines)


def fast(dtype: np.dtype | None) -> bool:
    """Whether the fast engines compute in this dtype (None == np.dtype(float) in NumPy, hence the first test)."""
    return dtype is not None and dtype in PRECISIONS
