"""What the benchmarks compare before they time has to catch a wrong convolution."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from benchmarks import contenders
from benchmarks.around.test_layers import WORKS
from benchmarks.around.test_layers import contest as contest_of_layer
from benchmarks.workloads import CHOICES, Workload
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
    """An engine that rounds may differ from JAX by its own bound, and by no more."""
    right = contenders.convolution.backward
    same = CHOICES["SMALL 32×8→16, 8×8, 3×3"]

    def wrong(g: Any, saved: Any) -> Any:
        grad_x, grad_filters, grad_biases = right(g, saved)
        if saved.kernel.engine == "winograd4x2":
            grad_filters.flat[0] += 2 * contenders.kernels.gradient_bounds(g, saved.kernel)[1].flat[0]
        return grad_x, grad_filters, grad_biases

    assert list(contenders.contest(same, "both", "float32", ["small", "winograd4x2"]).contenders)[1] == "winograd4x2"
    monkeypatch.setattr(contenders.convolution, "backward", wrong)
    with pytest.raises(ValueError, match=r"result 2 differs in 1 of .* by winograd4x2"):
        contenders.contest(same, "both", "float32", ["small", "winograd4x2"])


@pytest.mark.parametrize("layer", WORKS)
def test_one_wrong_result_of_another_layer_is_caught(layer: str) -> None:
    """By the smallest step that the bound does not allow, in the output and in every gradient."""
    work = WORKS[layer]
    work = work._replace(shapes=((1, *work.shapes[0][1:]), *work.shapes[1:]))  # one sample
    step = 1e-5 if work.allowed else 1.0

    for number in range(1 + len(work.shapes)):

        def ours(*arrays: Any, number: int = number) -> Any:
            y, saved = work.ours(*arrays)
            y = y.copy()
            y.flat[-1] += step * (number == 0)
            return y, saved

        def backward(*arguments: Any, number: int = number) -> Any:
            gradients = [gradient.copy() for gradient in work.backward(*arguments)]
            if number:
                gradients[number - 1].flat[-1] += step
            return tuple(gradients)

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
