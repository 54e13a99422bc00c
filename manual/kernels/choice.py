"""Which engine does a configuration.

The rules, in order:

1. arrays that are not all float32 or all float64: `definition`;
2. a 1×1 window without stride and padding: `pointwise`;
3. at most `SMALL` multiplications: `small`;
4. 3×3 windows on at least `WINOGRAD_CHANNELS` channels and `WINOGRAD_LEAST` multiplications: `winograd4x2`, beyond
   `MOST_CHANNELS` `winograd2x2`, and `winograd4x4` if "fast" is asked for;
5. on at least `SPECTRAL_CHANNELS` channels, windows so large that the spectra take `FEWER` times fewer multiplications:
   `transform`;
6. anything else: `gemm`.

Every engine was timed around each of the thresholds: docs/performance.md, "The choice" (`make bench`).

A rule whose engine refuses the configuration is passed over. `engine="auto"` keeps to engines whose error, as a root
mean square, is at most four times the definition's on the same data. "fast" may take any. "exact" passes over 4 and 5:
the rest are exact on integers and dyadic rationals. `engine=name` is that engine, or a ValueError that says why it
cannot.

Errors over the definition's, root mean square and largest, at worst over 16, 64 and 256 channels on both sides (`python
-m benchmarks.convolution_errors`). The definition adds up its input gradient tap by tap, in shorter sums than any other
engine.

                    float32: y    ∂L/∂x     ∂L/∂W    float64: y    ∂L/∂x     ∂L/∂W
    gemm             1.0  1.1   2.3  3.9   1.0  1.0    1.0  1.0   2.4  3.6   1.0  1.0
    winograd2x2      1.4  1.4   1.8  1.8   1.3  1.3    1.0  0.9   2.0  2.3   1.3  1.0
    winograd4x2      2.5  3.0   3.3  4.4   1.8  1.8    1.8  2.1   3.7  4.6   2.2  1.6
    winograd4x4      4.5  6.2   6.1  7.1   2.7  2.6    3.3  4.6   7.4   12   4.3  4.2
    transform        0.6  0.5   1.2  1.0   0.6  0.5    1.3  1.5   2.1  1.6   2.9  1.5

`pointwise` and `small` sum as `gemm` does. At 1024 channels `winograd4x2` reaches 5, `winograd2x2` 3.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from manual.kernels import definition, gemm, pointwise, small, transform, winograd
from manual.kernels.engine import Engine
from manual.kernels.geometry import Geometry
from manual.kernels.transform_tiles import multiplications, tiling

ENGINES: dict[str, Engine] = {
    engine.name: engine
    for engine in (
        definition.ENGINE,
        gemm.ENGINE,
        pointwise.ENGINE,
        small.ENGINE,
        winograd.WINOGRAD2X2,
        winograd.WINOGRAD4X2,
        winograd.WINOGRAD4X4,
        transform.ENGINE,
    )
}
POLICIES = ("auto", "fast", "exact")

PRECISIONS = (np.dtype(np.float32), np.dtype(np.float64))
SMALL = 10_000_000  # multiplications
WINOGRAD_CHANNELS, SPECTRAL_CHANNELS = 48, 12  # the least, on both sides, for the transforms to pay
WINOGRAD_LEAST = 100_000_000  # multiplications
MOST_CHANNELS = 256  # up to which the error of winograd4x2 stays below four times the definition's
FEWER = 2

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


def choose(geometry: Geometry, dtype: np.dtype | None, engine: str = "auto") -> Engine:
    """The engine for a configuration.

    Args:
        dtype: what all arrays have; None if they differ.
        engine: "auto", "fast", "exact" or an engine's name.

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
    if pointwise.refusal(geometry) is None:
        return pointwise.ENGINE  # 2
    if geometry.multiplications <= SMALL and small.refusal(geometry) is None:
        return small.ENGINE  # 3
    many = min(geometry.inputs, geometry.outputs) >= WINOGRAD_CHANNELS and geometry.multiplications >= WINOGRAD_LEAST
    if engine != "exact" and many:
        few = max(geometry.inputs, geometry.outputs) <= MOST_CHANNELS
        precise = winograd.WINOGRAD4X2 if few else winograd.WINOGRAD2X2
        for chosen in (winograd.WINOGRAD4X4, precise) if engine == "fast" else (precise,):
            if chosen.refusal(geometry) is None:
                return chosen  # 4
    if engine != "exact" and transform.refusal(geometry) is None and pays(geometry):
        return transform.ENGINE  # 5
    return gemm.ENGINE  # 6


def pays(geometry: Geometry) -> bool:
    """Whether the transforms take `FEWER` times fewer multiplications, on channels enough."""
    enough = min(geometry.inputs, geometry.outputs) >= SPECTRAL_CHANNELS
    return enough and FEWER * multiplications(geometry, tiling(geometry)) <= geometry.multiplications


def fast(dtype: np.dtype | None) -> bool:
    """Whether the fast engines compute in this dtype (None == np.dtype(float) in NumPy, hence the first test)."""
    return dtype is not None and dtype in PRECISIONS
