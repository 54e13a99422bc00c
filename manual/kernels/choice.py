"""Which engine does a configuration.

`engine="auto"` takes the first of these that holds; behind the thresholds stand the measurements in
`docs/performance.md`:

1. arrays that are not all float32 or all float64: the definition;
2. a 1×1 window without stride and padding: `pointwise`;
3. at most `SMALL` multiplications: `small`;
4. anything else: `gemm`.

`engine="exact"` takes the first that is exact on integers and dyadic rationals. `engine="fast"` may
take any engine. `engine=name` is that engine, or a ValueError that says why it cannot.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from manual.kernels import definition, gemm, pointwise, small, transform, winograd
from manual.kernels.engine import Engine
from manual.kernels.geometry import Geometry

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
        return definition.ENGINE
    if pointwise.refusal(geometry) is None:
        return pointwise.ENGINE
    if geometry.multiplications <= SMALL and small.refusal(geometry) is None:
        return small.ENGINE
    return gemm.ENGINE


def fast(dtype: np.dtype | None) -> bool:
    """Whether the fast engines compute in this dtype (None == np.dtype(float) in NumPy, hence the first test)."""
    return dtype is not None and dtype in PRECISIONS
