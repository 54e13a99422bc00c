"""How far each convolution engine is from the exact result, by itself and over the definition's distance.

    python -m benchmarks.convolution_errors [PICTURE.png]

prints the ratios to the definition on the same data, of the root mean squares and of the largest errors, for y and the
two gradients that sum products, per number of channels and at worst over those that `engine="auto"` relies on. With a
PICTURE it draws there how the error of y grows over 1 to 1024 input channels instead, for docs/performance.md. "Exact"
is the definition in the next wider format. No clock is read here, so this is no benchmark of the suite.
"""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks import pictures
from benchmarks.workloads import Workload
from manual import kernels

Array = np.ndarray

WIDER = {"float32": np.float64, "float64": np.longdouble}
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
MOST_PRODUCTS = 2_000_000_000  # of the exact definition, which has no BLAS in the wider format of float64


def draw(workload: Workload, seed: int) -> list[Array]:
    """x, filters, biases and G; the filters scaled so that y is near 1."""
    rng, inputs = np.random.default_rng(seed), workload.input_channels
    filters = rng.standard_normal((workload.output_channels, inputs, workload.kernel, workload.kernel))
    x = rng.standard_normal((workload.batch, inputs, workload.height, workload.width))
    biases = rng.standard_normal(workload.output_channels)
    g = rng.standard_normal((workload.batch, workload.output_channels, *workload.output_size))
    return [x, filters / np.sqrt(inputs * workload.kernel**2), biases, g]


def forward(engine: str, workload: Workload, data: list[Array]) -> tuple[Array, kernels.Saved]:
    strides, side = (workload.stride, workload.stride), (workload.padding, workload.padding)
    return kernels.forward(*data[:3], stride=strides, padding=(side, side), engine=engine)


def relative(mine: Array, exact: Array) -> dict[str, float]:
    """The root mean square and the largest error, over the root mean square of the exact result."""
    apart, size = np.abs(mine - exact).astype(np.float64), np.sqrt(np.mean(exact.astype(np.float64) ** 2))
    return {"rms": float(np.sqrt(np.mean(apart**2)) / size), "largest": float(apart.max() / size)}


def of_workload(engine: str, workload: Workload, dtype: str) -> dict[str, float]:
    """The error of y on one image, and for float64, whose wider format has no BLAS, of two output channels."""
    data = [array.astype(dtype) for array in draw(workload._replace(batch=1), 0)]
    mine, _ = forward(engine, workload, data)
    few = 2 if dtype == "float64" else workload.output_channels
    wide = [array.astype(WIDER[dtype]) for array in (data[0], data[1][:few], data[2][:few])]
    exact, _ = forward("gemm" if dtype == "float32" else "definition", workload, wide)
    return relative(mine[:, :few], exact)


def growth() -> Iterator[dict[str, Any]]:
    """The error of y by every engine at C_in = 1, 4, ..., 1024, where it can."""
    for dtype in WIDER:
        for engine, kernel in KERNELS:
            for channels in (4 ** np.arange(6)).tolist():
                workload = Workload(1, channels, 8, 12, 12, kernel, padding=(kernel - 1) // 2)
                data = [array.astype(dtype) for array in draw(workload, channels)]
                try:
                    mine, _ = forward(engine, workload, data)
                except ValueError:
                    continue
                exact, _ = forward("definition", workload, [array.astype(WIDER[dtype]) for array in data])
                found = {"dtype": dtype, "engine": engine, "kernel": kernel, "channels": channels}
                yield found | relative(mine, exact)


def over_the_definition(engine: str, kernel: int, channels: tuple[int, int], dtype: str) -> Array | None:
    """(y and two gradients, (root mean square, largest)) over the definition's, the worst over the seeds.

    None if the engine refuses or the exact result would take too long.
    """
    single = dtype == "float32"
    size = (24 if max(channels) <= 64 else 16) if single else 8
    workload = Workload(2 if single else 1, *channels, size, size, kernel, padding=(kernel - 1) // 2)
    if workload.batch * size**2 * np.prod(channels) * kernel**2 * (1 if single else 100) > MOST_PRODUCTS:
        return None

    def results(by: str, data: list[Array]) -> list[Array]:
        y, saved = forward(by, workload, data)
        return [y, *kernels.backward(data[3], saved)[:2]]

    found = []
    for seed in SEEDS:
        data = [array.astype(dtype) for array in draw(workload, seed)]
        try:
            mine = results(engine, data)
        except ValueError:
            return None
        exact = results("definition", [array.astype(WIDER[dtype]) for array in data])
        pairs = [
            (relative(a, c), relative(b, c)) for a, b, c in zip(mine, results("definition", data), exact, strict=True)
        ]
        found.append([[one[key] / other[key] for key in one] for one, other in pairs])
    return np.max(found, axis=0)


def show_ratios() -> None:
    worst: dict[tuple[str, str], list[Array]] = {}
    print(f"{'dtype':<9}{'engine':<13}{'kernel':<8}{'channels':<12}" + f"{'y':>14}{'∂L/∂x':>14}{'∂L/∂W':>14}")
    for dtype in WIDER:
        for engine, kernel in KERNELS:
            for channels in (*((n, n) for n in SQUARE), *WIDE):
                if engine not in SUMS and (values := over_the_definition(engine, kernel, channels, dtype)) is not None:
                    print(
                        f"{dtype:<9}{engine:<13}{kernel:<8}{'{} → {}'.format(*channels):<12}{cells(values)}", flush=True
                    )
                    if channels[0] == channels[1]:
                        worst.setdefault((dtype, engine), []).append(values)
    print(f"\nat worst over {', '.join(map(str, SQUARE))} channels on both sides")
    for (dtype, engine), values in worst.items():
        print(f"{dtype:<9}{engine:<13}{'':<20}{cells(np.max(values, axis=0))}")


def cells(values: Array) -> str:
    return "".join(f"{rms:>8.2f}{largest:>6.2f}" for rms, largest in values)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        pictures.errors(list(growth())).savefig(sys.argv[1], dpi=110)
    else:
        show_ratios()
