"""Which engine does a configuration.

The rules, in order; behind the thresholds stand the measurements in `docs/performance.md`:

1. arrays that are not all float32 or all float64: `definition`;
2. a 1×1 window without stride and padding: `pointwise`;
3. at most `SMALL` multiplications: `small`;
4. 3×3 windows on enough channels: `winograd4x2`, or `winograd4x4` if the fastest is asked for;
5. windows so large that the spectra take `FEWER` times fewer multiplications, on enough channels: `transform`;
6. anything else: `gemm`.

A rule whose engine refuses the configuration is passed over. `engine="auto"` keeps to engines whose error is at most
four times the definition's on the same data, root mean square and largest (measured: `docs/performance.md`), which
leaves out `winograd4x4`. "fast" may take any. "exact" passes over 4 and 5: the rest are exact on integers and dyadic
rationals. `engine=name` is that engine, or a ValueError that says why it cannot.
"""

from collections.abc import Iterator
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
WINOGRAD_CHANNELS = 16
TRANSFORM_CHANNELS = 8
FEWER = 2

requested: ContextVar[str | None] = ContextVar("requested", default=None)


@contextmanager
def use(engine: str) -> Iterator[None]:
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
    if engine != "exact":
        channels = min(geometry.inputs, geometry.outputs)
        fastest = winograd.WINOGRAD4X4 if engine == "fast" else winograd.WINOGRAD4X2
        if channels >= WINOGRAD_CHANNELS and fastest.refusal(geometry) is None:
            return fastest  # 4
        if channels >= TRANSFORM_CHANNELS and transform.refusal(geometry) is None and pays(geometry):
            return transform.ENGINE  # 5
    return gemm.ENGINE  # 6


def pays(geometry: Geometry) -> bool:
    """Whether the transforms take `FEWER` times fewer multiplications."""
    return FEWER * multiplications(geometry, tiling(geometry)) <= geometry.multiplications


def fast(dtype: np.dtype | None) -> bool:
    """Whether the fast engines compute in this dtype (None == np.dtype(float) in NumPy, hence the first test)."""
    return dtype is not None and dtype in PRECISIONS
