"""Every benchmark once, validated and not timed, on batches that take no time."""

import numpy as np
import pytest

from benchmarks import choices, contenders, convolution_errors, layers, profile, scaling, training
from benchmarks.alternation import Product, time_in_turns
from benchmarks.workloads import WORKLOADS
from reference.precision import double_precision

SMOKE_BATCH = 2


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("direction", contenders.DIRECTIONS)
def test_convolution(workload, dtype, direction):
    with double_precision():
        contenders.contenders(
            workload._replace(batch=min(workload.batch, SMOKE_BATCH)), direction, dtype, np.random.default_rng(0)
        )


@pytest.mark.parametrize("work", layers.works(1), ids=lambda work: work.name)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_other_layers(work, dtype):
    with double_precision():
        layers.contenders(work, dtype, np.random.default_rng(0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_step(dtype):
    with double_precision():
        assert training.where_the_time_goes(training.contenders(32, dtype), repeats=1)


def test_rounds_are_counted(monkeypatch):
    monkeypatch.setattr("benchmarks.alternation.SIDE", 64)
    monkeypatch.setattr("benchmarks.alternation.UNDISTURBED", 0.0)
    timed = time_in_turns(
        {"one": lambda: sum(range(2000)), "other": lambda: sum(range(4000))}, Product(np.float32), rounds=2
    )
    assert len(timed.seconds["one"]) == len(timed.seconds["other"]) == len(timed.product) == 2
    assert timed.dropped == 0


def test_disturbed_rounds_are_dropped(monkeypatch):
    monkeypatch.setattr("benchmarks.alternation.SIDE", 64)
    product = Product(np.float32)
    rates = iter([100.0, 100.0, 100.0, 10.0, 100.0, 90.0])
    product.best = 100.0
    monkeypatch.setattr(product, "rate", lambda: next(rates))
    timed = time_in_turns({"one": lambda: None}, product, rounds=2)
    assert (timed.dropped, timed.product) == (1, [100.0, 90.0])


def test_growth_costs_and_profile():
    small = scaling.GROWING[0]
    assert len(scaling.growth(small, "area", (1, 2)).seconds) == 2
    assert scaling.grown(small, "area", 8)[4:6] == (64, 32)
    forward, backward = scaling.costs(small, np.float32, "auto", repeats=1)
    assert 0 < forward.scratch < backward.scratch < 64 * 2**20
    assert profile.of_convolution(WORKLOADS[0], "forward", "float32", "auto")


@pytest.mark.parametrize("choice", choices.CHOICES[::6], ids=lambda choice: choice.workload.name)
def test_choices(choice):
    field = choices.contenders(choice, np.float32)
    assert choices.chosen(choice, np.float32) in field


def test_errors():
    error = convolution_errors.of_channels("winograd4x2", 3, 16, np.float32)
    assert error is not None
    assert 0 < error.rms < error.largest < 1e-4
    assert convolution_errors.of_channels("pointwise", 3, 16, np.float32) is None
