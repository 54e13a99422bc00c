"""How far each convolution engine is from the exact result, by itself and over the definition's distance.

    python -m benchmarks.convolution_errors

prints the ratios to the definition on the same data, of the root mean squares and of the largest errors, for y and the
two gradients that sum products, per number of channels and at worst over those that `engine="auto"` relies on. `growth`
gives the error of y for 1 to 1024 input channels. "Exact" is the definition in the next wider format.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks.scaling import arrays
from benchmarks.workloads import Workload
from manual import kernels

Array = np.ndarray

WIDER = {np.float32: np.float64, np.float64: np.longdouble}
SQUARE = (16, 64, 256)  # channels on both sides
WIDE = ((1, 16), (4, 16), (1024, 16), (16, 1024))
KERNELS = (
    ("definition", 3),
    ("gemm", 3),
    ("pointwise", 1),
    ("small", 3),
    ("winograd2x2", 3),
    ("winograd4x2", 3),
    ("winograd4x4", 3),
    ("transform", 7),
    ("transform", 11),
)
SUMS = ("definition", "pointwise", "small")  # one sum per entry, in some order: nothing to compare
SEEDS = range(2)
RESULTS = ("y", "∂L/∂x", "∂L/∂W")
MOST_PRODUCTS = 2_000_000_000  # of the exact definition, which has no BLAS in the wider format of float64


# ---------------------------------------------------------------------- growth with the channels


class Error(NamedTuple):
    """The error of y, over its root mean square."""

    dtype: str
    engine: str
    kernel: int
    channels: int
    rms: float
    largest: float


def growth() -> Iterator[Error]:
    """Every engine at C_in = 1, 4, ..., 1024; filters scaled so that y is near 1."""
    for dtype in WIDER:
        for engine, kernel in KERNELS:
            for channels in 4 ** np.arange(6):
                found = of_channels(engine, kernel, int(channels), dtype)
                if found is not None:
                    yield found


def of_channels(engine: str, kernel: int, channels: int, dtype: Any) -> Error | None:
    """None if the engine refuses."""
    rng, side, around = np.random.default_rng(channels), 12, (kernel - 1) // 2
    filters = rng.standard_normal((8, channels, kernel, kernel)) / np.sqrt(channels * kernel**2)
    x, biases = rng.standard_normal((1, channels, side, side)), rng.standard_normal(8)
    data = [array.astype(dtype) for array in (x, filters, biases)]
    try:
        mine = output(engine, data, 1, around)
    except ValueError:
        return None
    exact = output("definition", [array.astype(WIDER[dtype]) for array in data], 1, around)
    return Error(np.dtype(dtype).name, engine, kernel, channels, *relative(mine, exact))


def output(engine: str, data: list[Array], stride: int, around: int) -> Array:
    sides = ((around, around), (around, around))
    y, _ = kernels.forward(*data, stride=(stride, stride), padding=sides, engine=engine)
    return y


def relative(mine: Array, exact: Array) -> tuple[float, float]:
    """(root mean square, largest) error over the root mean square of the exact result."""
    apart, size = np.abs(mine - exact).astype(np.float64), np.sqrt(np.mean(exact.astype(np.float64) ** 2))
    return float(np.sqrt(np.mean(apart**2)) / size), float(apart.max() / size)


# ---------------------------------------------------------------------- on a workload


def can(engine: str, workload: Workload) -> bool:
    """Whether an engine does this workload (the definition's windows would be too many to wait for)."""
    made = arrays(workload._replace(batch=1), np.float32)
    try:
        made.forward(engine)
    except ValueError:
        return False
    return engine != "definition"


def of_workload(engine: str, workload: Workload, dtype: Any) -> tuple[float, float]:
    """`relative` on one image, and for float64, whose wider format has no BLAS, two output channels."""
    made = arrays(workload._replace(batch=1), dtype)
    mine, _ = made.forward(engine)
    few = 2 if dtype == np.float64 else workload.output_channels  # longdouble has no fast product
    exact, _ = kernels.forward(
        made.x.astype(WIDER[dtype]),
        made.filters[:few].astype(WIDER[dtype]),
        made.biases[:few].astype(WIDER[dtype]),
        **made.hyperparameters,
        engine="gemm" if dtype == np.float32 else "definition",
    )
    return relative(mine[:, :few], exact)


# ---------------------------------------------------------------------- beside the definition


class Ratios(NamedTuple):
    dtype: str
    engine: str
    kernel: int
    channels: tuple[int, int]
    values: Array  # (results, 2): root mean square, largest


def measure(engine: str, kernel: int, channels: tuple[int, int], dtype: Any) -> Ratios | None:
    """The worst over the seeds; None if the engine refuses or the exact result would take too long."""
    inputs, outputs = channels
    size = 24 if max(channels) <= 64 else 16
    batch = 2 if dtype == np.float32 else 1
    size = size if dtype == np.float32 else 8
    exact_products = batch * size**2 * inputs * outputs * kernel**2
    if exact_products * (1 if dtype == np.float32 else 100) > MOST_PRODUCTS:
        return None
    side = (kernel - 1) // 2
    found = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        filters = rng.standard_normal((outputs, inputs, kernel, kernel)) / np.sqrt(inputs * kernel**2)
        x, g, biases = (
            rng.standard_normal(shape)
            for shape in ((batch, inputs, size, size), (batch, outputs, size, size), (outputs,))
        )
        data = [array.astype(dtype) for array in (x, filters, biases, g)]
        try:
            mine = run(engine, data, side)
        except ValueError:
            return None
        theirs = run("definition", data, side)
        exact = run("definition", [array.astype(WIDER[dtype]) for array in data], side)
        found.append([ratios(*three) for three in zip(mine, theirs, exact, strict=True)])
    return Ratios(np.dtype(dtype).name, engine, kernel, channels, np.max(found, axis=0))


def run(engine: str, data: list[Array], side: int) -> list[Array]:
    x, filters, biases, g = data
    y, saved = kernels.forward(x, filters, biases, padding=((side, side), (side, side)), engine=engine)
    return [y, *kernels.backward(g, saved)[:2]]


def ratios(mine: Array, theirs: Array, exact: Array) -> list[float]:
    ours, definition = (np.abs(result - exact).astype(np.float64) for result in (mine, theirs))
    return [float(np.sqrt((ours**2).mean() / (definition**2).mean())), float(ours.max() / definition.max())]


def measurements() -> Iterator[Ratios]:
    for dtype in WIDER:
        for engine, kernel in KERNELS:
            if engine in SUMS:
                continue
            for channels in (*((n, n) for n in SQUARE), *WIDE):
                found = measure(engine, kernel, channels, dtype)
                if found is not None:
                    yield found


def main() -> None:
    print(f"{'dtype':<9}{'engine':<13}{'kernel':<8}{'channels':<12}" + "".join(f"{name:>14}" for name in RESULTS))
    worst: dict[tuple[str, str], list[Array]] = {}
    for found in measurements():
        values = "".join(f"{rms:>8.2f}{largest:>6.2f}" for rms, largest in found.values)
        channels = "{} → {}".format(*found.channels)
        print(f"{found.dtype:<9}{found.engine:<13}{found.kernel:<8}{channels:<12}{values}", flush=True)
        if found.channels[0] == found.channels[1]:
            worst.setdefault((found.dtype, found.engine), []).append(found.values)
    print(f"\nat worst over {', '.join(map(str, SQUARE))} channels on both sides")
    for (dtype, engine), values in worst.items():
        row = "".join(f"{rms:>8.2f}{largest:>6.2f}" for rms, largest in np.max(values, axis=0))
        print(f"{dtype:<9}{engine:<13}{'':<20}{row}")


if __name__ == "__main__":
    main()
