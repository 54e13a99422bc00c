"""The measurements behind the thresholds of `manual/kernels/choice.py`: every engine around each of them.

Forward and backward together. Before it is timed, each engine's output and gradients are compared with `gemm`'s within
the two engines' own bounds.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks.scaling import Arrays, arrays
from benchmarks.workloads import Workload
from manual import kernels

# What "auto" may take: engines whose error is at most four times the definition's.
PRECISE = ("small", "gemm", "pointwise", "winograd2x2", "winograd4x2", "transform")


class Choice(NamedTuple):
    threshold: str  # of choice.py, that these workloads go across
    workload: Workload


def same(threshold: str, batch: int, inputs: int, outputs: int, side: int, kernel: int) -> Choice:
    name = f"{batch}×{inputs}→{outputs}, {side}×{side}, {kernel}×{kernel}"
    return Choice(threshold, Workload(name, batch, inputs, outputs, side, side, kernel, 1, (kernel - 1) // 2))


CHOICES = (
    *(same("SMALL", 32, 1, 8, side, 3) for side in (16, 32, 64)),
    *(same("SMALL", 32, 8, 16, side, 3) for side in (8, 12, 16, 24)),
    *(same("SMALL", 64, 3, 6, side, 5) for side in (12, 16, 24, 32)),
    *(same("SMALL", 4, 16, 16, side, 3) for side in (14, 28, 56)),
    *(same("WINOGRAD_CHANNELS", 8, channels, channels, 28, 3) for channels in (16, 24, 32, 48, 64, 96)),
    *(same("WINOGRAD_LEAST", 8, 64, 64, side, 3) for side in (7, 14, 20, 28)),
    *(same("FEWER", 4, 32, 32, 48, kernel) for kernel in (5, 7, 9, 11)),
    *(same("SPECTRAL_CHANNELS", 4, channels, channels, 48, 7) for channels in (8, 12, 16, 64)),
)


def contenders(choice: Choice, dtype: Any) -> dict[str, Callable[[], object]]:
    """The engines that can and may; forward and backward. Raises ValueError where one is further from gemm than both
    bounds allow.
    """
    made = arrays(choice.workload, dtype)
    exact = gradients(made, "gemm")
    field: dict[str, Callable[[], object]] = {}
    for engine in PRECISE:
        try:
            mine = gradients(made, engine)
        except ValueError:
            continue  # it cannot do this
        for number, (result, bound, gemm, its_bound) in enumerate(zip(*mine, *exact, strict=True)):
            apart = np.abs(result.astype(np.float64) - gemm)
            if not (apart <= bound + its_bound).all():
                raise ValueError(
                    f"{choice.workload.name}: result {number} of {engine} is {apart.max():.3g} from gemm's"
                )
        field[engine] = lambda engine=engine: both(made, engine)
    return field


def both(made: Arrays, engine: str) -> tuple[np.ndarray, ...]:
    y, saved = made.forward(engine)
    return y, *kernels.backward(made.g, saved)


def gradients(made: Arrays, engine: str) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """(results, their bounds)."""
    y, saved = made.forward(engine)
    results = (y, *kernels.backward(made.g, saved))
    return results, (kernels.output_bound(saved), *kernels.gradient_bounds(made.g, saved))


def chosen(choice: Choice, dtype: Any) -> str:
    return arrays(choice.workload, dtype).forward("auto")[1].engine
