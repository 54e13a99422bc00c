"""What the benchmarks compare before they time has to catch a wrong convolution."""

from typing import Any

import numpy as np
import pytest

from benchmarks import contenders
from benchmarks.workloads import Workload
from reference.precision import double_precision

SMALL = Workload("small", 2, 3, 4, 7, 6, kernel=3, stride=2, padding=1)


def run(direction: str) -> contenders.Field:
    with double_precision():
        return contenders.contenders(SMALL, direction, np.float32, np.random.default_rng(1))


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_right_convolution_passes(direction):
    field = run(direction)
    assert list(field.contenders)[:2] == ["auto", "jax"]
    assert field.engines == {"auto": "small", "fast": "small"}


def test_one_wrong_output_is_caught(monkeypatch):
    right = contenders.convolution.forward

    def wrong(*arrays: Any, **hyperparameters: Any):
        y, saved = right(*arrays, **hyperparameters)
        y[1, 2, 3, 0] = np.nextafter(y[1, 2, 3, 0], np.float32(np.inf))
        return y, saved

    monkeypatch.setattr(contenders.convolution, "forward", wrong)
    with pytest.raises(ValueError, match=r"result 0 differs in 1 of 96 .* at \(1, 2, 3, 0\)"):
        run("forward")


@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_wrong_gradient_is_caught(monkeypatch, number):
    right = contenders.convolution.backward

    def wrong(*arguments: Any):
        gradients = [gradient.copy() for gradient in right(*arguments)]
        gradients[number].flat[-1] += 1
        return tuple(gradients)

    monkeypatch.setattr(contenders.convolution, "backward", wrong)
    with pytest.raises(ValueError, match=f"result {number} differs in 1 of"):
        run("backward")


def test_another_dtype_is_caught():
    with pytest.raises(ValueError, match=r"float64 \(3,\) by auto, float32 \(3,\) by JAX"):
        contenders.compare("auto", (np.zeros(3),), (np.zeros(3, np.float32),))


def test_sums_too_long_for_the_dtype_are_refused():
    long = SMALL._replace(batch=2_000_000)
    assert long.longest_sum * contenders.LARGEST**2 > 2**24
    with pytest.raises(ValueError, match="float32 does not hold every sum exactly"):
        contenders.check_sums_are_exact(long, np.float32)
