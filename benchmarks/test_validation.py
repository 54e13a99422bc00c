"""What the benchmarks compare before they time has to catch a wrong convolution."""

from typing import Any

import numpy as np
import pytest

from benchmarks import choices, contenders, layers
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


@pytest.mark.parametrize("work", layers.works(1), ids=lambda work: work.name)
def test_one_wrong_result_of_another_layer_is_caught(work):
    """By the smallest step that the bound does not allow, in the output and in every gradient."""
    step = 1e-5 if work.allowed else 1.0

    def forward(*arrays: Any):
        y, saved = work.ours(*arrays)
        y = y.copy()
        y.flat[-1] += step
        return y, saved

    with double_precision(), pytest.raises(ValueError, match="result 0 differs in 1 of"):
        layers.contenders(work._replace(ours=forward), np.float32, np.random.default_rng(0))
    for number in range(len(work.shapes)):

        def backward(*arguments: Any, number: int = number):
            gradients = [gradient.copy() for gradient in work.backward(*arguments)]
            gradients[number].flat[-1] += step
            return tuple(gradients)

        with double_precision(), pytest.raises(ValueError, match=f"result {number + 1} differs in 1 of"):
            layers.contenders(work._replace(backward=backward), np.float32, np.random.default_rng(0))


def test_an_engine_beyond_its_bound_is_caught(monkeypatch):
    right = choices.kernels.backward

    def wrong(g: Any, saved: Any):
        grad_x, grad_filters, grad_biases = right(g, saved)
        if saved.engine == "small":
            grad_filters.flat[0] *= 1.01
        return grad_x, grad_filters, grad_biases

    monkeypatch.setattr(choices.kernels, "backward", wrong)
    with pytest.raises(ValueError, match="result 2 of small is"):
        choices.contenders(choices.CHOICES[3], np.float32)


def test_another_dtype_is_caught():
    with pytest.raises(ValueError, match=r"float64 \(3,\) by auto, float32 \(3,\) by JAX"):
        contenders.compare("auto", (np.zeros(3),), (np.zeros(3, np.float32),))


def test_sums_too_long_for_the_dtype_are_refused():
    long = SMALL._replace(batch=2_000_000)
    assert long.longest_sum * contenders.LARGEST**2 > 2**24
    with pytest.raises(ValueError, match="float32 does not hold every sum exactly"):
        contenders.check_sums_are_exact(long, np.float32)
