"""How far each convolution engine is from the exact result, over the definition's distance on the same data.

    python -m benchmarks.convolution_errors

"Exact" is the definition in the next wider format. Printed are the ratios of the root mean squares and of the largest
errors, for y and the two gradients that sum products, per number of channels and at worst over those that
`engine="auto"` relies on.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from manual import kernels

Array = np.ndarray

WIDER = {np.float32: np.float64, np.float64: np.longdouble}
SQUARE = (16, 64, 256)  # channels on both sides
WIDE = ((1, 16), (4, 16), (1024, 16), (16, 1024))
ENGINES = (("gemm", 3), ("winograd2x2", 3), ("winograd4x2", 3), ("winograd4x4", 3), ("transform", 7), ("transform", 11))
SEEDS = range(2)
RESULTS = ("y", "∂L/∂x", "∂L/∂W")
MOST_PRODUCTS = 2_000_000_000  # of the exact definition, which has no BLAS in the wider format of float64


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
        for engine, kernel in ENGINES:
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
