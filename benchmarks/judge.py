"""What a check costs: `python -m benchmarks.judge` (or `make bench-judge`).

1. A convolution 64→64, 56×56, 3×3, batch 8: everything but finite differences and diagnosis, as a multiple of one
   forward and backward of both sides, once compiled; the three timed in turns.
2. Finite differences of every entry of a convolution: how many forwards, as the image grows.
3. The lecture's CNN on 16 digits: every parameter and every pixel by finite differences.

Every timed check must also pass, or nothing is printed.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import jax
import numpy as np

import reference.convolution
from crosscheck.doors.layers import from_layer
from crosscheck.judge import judge
from crosscheck.lecture.cases import digits_parted
from crosscheck.witnesses.moving import moving_witnesses
from manual import ConvolutionalLayer, convolution
from reference.precision import double_precision

ROUNDS = 7


def seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def cost_of_a_check(dtype: type[np.floating[Any]]) -> None:
    rng = np.random.default_rng(0)
    layer = ConvolutionalLayer(64, 64, 3, padding=1, dtype=dtype, rng=0)
    layer.biases = rng.normal(size=64)
    x = rng.normal(size=(8, 64, 56, 56)).astype(dtype)
    operation = from_layer(layer, x)
    v = rng.normal(size=operation.output().shape).astype(dtype)
    arrays = (x, layer.filters, layer.biases)

    def both(v: Any, *arrays: Any) -> Any:
        y, pull = jax.vjp(lambda *a: reference.convolution.forward(*a, padding=(1, 1)), *arrays)
        return y, pull(v)

    with double_precision():
        compiled = jax.jit(both)

        def ours() -> None:
            _, saved = convolution.forward(*arrays, padding=(1, 1))
            convolution.backward(v, saved)

        def theirs() -> None:
            jax.block_until_ready(compiled(v, *arrays))

        def check() -> None:
            judge(operation, differences=False, diagnose=False).raise_for_failure()

        first = seconds(check)
        theirs()
        rounds = [[seconds(work) for work in (ours, theirs, check)] for _ in range(ROUNDS)]
    hand, autodiff, whole = (median(column) for column in zip(*rounds, strict=True))
    ratio = median(r[2] / (r[0] + r[1]) for r in rounds)
    entries = sum(a.size for a in arrays)
    print(
        f"{np.dtype(dtype).name:>8}: hand {hand * 1e3:5.0f} ms, JAX {autodiff * 1e3:5.0f} ms, "
        f"check {whole * 1e3:5.0f} ms = {ratio:4.1f} times both; "
        f"{entries / whole:.2g} entries/s; first call {first:.1f} s"
    )


def growth_with_the_image() -> None:
    for side in (8, 32, 128):
        rng = np.random.default_rng(0)
        operation = from_layer(ConvolutionalLayer(3, 4, 3, padding=1, rng=0), rng.normal(size=(2, 3, side, side)))
        v = rng.normal(size=operation.output().shape)
        wanted = operation.gradients(v)["x"]
        started = time.perf_counter()
        estimate = moving_witnesses(operation, "x", v, None)[0]
        took = time.perf_counter() - started
        assert (np.abs(estimate.value - wanted) <= estimate.bound).all()
        print(
            f"{side:>4}×{side:<4} {wanted.size:>7} entries  {estimate.notes['groups']:>3} groups  "
            f"{estimate.notes['evaluations']:>4} forwards  {took:6.2f} s"
        )


def lecture_network() -> None:
    operation = digits_parted(np.random.default_rng(0))
    v = np.asarray(1.7)
    total = entries = evaluations = 0
    for name in operation.wrt:
        started = time.perf_counter()
        estimate = moving_witnesses(operation, name, v, None)[0]
        total += time.perf_counter() - started
        entries += estimate.value.size
        evaluations += estimate.notes["evaluations"]
    print(f"{entries} entries, {evaluations} forwards, {total:.1f} s")


def main() -> None:
    threads = {k: v for k, v in os.environ.items() if k.startswith(("OPENBLAS", "OMP", "MANUAL"))}
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, JAX {jax.__version__}, {os.cpu_count()} cores")
    print(f"threads: {threads or 'as the libraries choose'}\n")
    print("a check without differences and diagnosis, convolution 64→64, 56×56, 3×3, batch 8:")
    for dtype in (np.float64, np.float32):
        cost_of_a_check(dtype)
    print("\nevery entry of a convolution's input by finite differences:")
    growth_with_the_image()
    print("\nthe lecture's CNN, 16 digits, every pixel and parameter by finite differences:")
    lecture_network()


if __name__ == "__main__":
    sys.exit(main())
