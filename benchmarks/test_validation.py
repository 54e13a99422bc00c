"""What the benchmarks compare before they time has to catch a wrong convolution."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from benchmarks import contenders
from benchmarks.around.test_layers import WORKS
from benchmarks.around.test_layers import contest as contest_of_layer
from benchmarks.workloads import Workload
from reference.precision import double_precision

SMALL = Workload(2, 3, 4, 7, 6, kernel=3, stride=2, padding=1)
NAMES = ("auto", "fast", "jax")


@pytest.fixture(autouse=True)
def precise() -> Iterator[None]:
    with double_precision():
        yield


def run(direction: str, *names: str) -> contenders.Field:
    return contenders.contest(SMALL, direction, "float32", names or NAMES)


@pytest.mark.parametrize("direction", contenders.FLOPS)
def test_right_convolution_passes(direction: str) -> None:
    field = run(direction)
    assert list(field.contenders) == ["auto", "jax"]
    assert field.about["auto"] == {"engine": "small"}
    assert field.absent == {"fast": '"auto" takes the same engine, small'}


def test_an_engine_that_cannot_is_absent_with_its_reason() -> None:
    assert "kernel" in run("forward", "pointwise").absent["pointwise"]


def test_one_wrong_output_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = contenders.convolution.forward

    def wrong(*arrays: Any, **hyperparameters: Any) -> Any:
        y, saved = right(*arrays, **hyperparameters)
        y[1, 2, 3, 0] = np.nextafter(y[1, 2, 3, 0], np.float32(np.inf))
        return y, saved

    monkeypatch.setattr(contenders.convolution, "forward", wrong)
    with pytest.raises(ValueError, match=r"result 0 differs in 1 of 96 .* at \(1, 2, 3, 0\)"):
        run("forward")


@pytest.mark.parametrize("number", [0, 1, 2])
def test_one_wrong_gradient_is_caught(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    right = contenders.convolution.backward

    def wrong(*arguments: Any) -> Any:
        gradients = [gradient.copy() for gradient in right(*arguments)]
        gradients[number].flat[-1] += 1
        return tuple(gradients)

    monkeypatch.setattr(contenders.convolution, "backward", wrong)
    with pytest.raises(ValueError, match=f"result {number} differs in 1 of"):
        run("backward")


def test_an_engine_beyond_its_bound_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contenders.kernels, "output_bound", lambda kernel: np.float64(0))
    same = Workload(1, 3, 4, 9, 9, kernel=3, padding=1)
    with pytest.raises(ValueError, match=r"result 0 differs .* by winograd4x4"):
        contenders.contest(same, "forward", "float32", ["winograd4x4"])


@pytest.mark.parametrize("layer", ["ReLU (8, 64, 56, 56)", "sigmoid (8, 64, 56, 56)"])
@pytest.mark.parametrize("number", [0, 1])
def test_one_wrong_result_of_another_layer_is_caught(layer: str, number: int) -> None:
    """By the smallest power of ten that the bound does not allow, in the output and in the gradient."""
    work = WORKS[layer]

    def ours(*arrays: Any) -> Any:
        y, saved = work.ours(*arrays)
        y = y.copy()
        y.flat[-1] += 1e-5 * (number == 0)
        return y, saved

    def backward(*arguments: Any) -> Any:
        (gradient,) = (result.copy() for result in work.backward(*arguments))
        gradient.flat[-1] += 1e-5 * (number == 1)
        return (gradient,)

    with pytest.raises(ValueError, match=f"result {number} differs in 1 of"):
        contest_of_layer(work._replace(ours=ours, backward=backward), "float32", ["manual"])


def test_another_dtype_is_caught() -> None:
    with pytest.raises(ValueError, match=r"float64 \(3,\) by auto, float32 \(3,\) by JAX"):
        contenders.compare("auto", (np.zeros(3),), (np.zeros(3, np.float32),))


def test_sums_too_long_for_the_dtype_are_refused() -> None:
    long = SMALL._replace(batch=2_000_000)
    assert long.longest_sum * contenders.LARGEST**2 > 2**24
    with pytest.raises(ValueError, match="float32 does not hold every sum exactly"):
        contenders.check_sums_are_exact(long, "float32")
