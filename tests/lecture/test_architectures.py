"""What networks are built of today: each trains, and JAX takes every step from the same place."""

import numpy as np
import pytest

from crosscheck.lecture.architectures import ARCHITECTURES, CLASSES, IMAGE_BATCH
from crosscheck.lecture.cases import LONG, Case, architectures
from crosscheck.lecture.checked_training import cross_checked_fit
from crosscheck.lecture.flow import gradient_flow
from crosscheck.lecture.running import check_case
from manual import SGD, Dropout, FlattenLayer, LayeredNeuralNetwork, LinearLayer, SoftmaxCrossEntropy
from manual.summary import costs

STEPS, BATCH = 20, 8


def images(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright stripe where the label says."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, count)
    x = rng.normal(scale=0.3, size=(count, *IMAGE_BATCH[1:]))
    x[np.arange(count), :, 2 * labels] += 2
    x[labels == 1] *= -1
    return x, labels


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_its_flow_and_its_costs_can_be_shown(name: str) -> None:
    network = ARCHITECTURES[name](np.random.default_rng(0))
    x, labels = images(4)
    stations = gradient_flow(network, SoftmaxCrossEntropy(), x, labels)
    assert [s.operation for s in stations] == [stage.operation for stage in network.stages()]
    assert not any(s.broken for s in stations if s.operation != "relu")
    assert costs(network, IMAGE_BATCH[1:])[-1].parameters == network.parameters.size


@pytest.mark.proof
@pytest.mark.parametrize("case", [c for c in architectures() if c.configuration in LONG], ids=LONG)
def test_every_gradient_of_the_long_ones_agrees(case: Case) -> None:
    check_case(case, seed=1).raise_for_failure()


@pytest.mark.proof
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_it_trains_and_every_step_agrees(name: str) -> None:
    network = ARCHITECTURES[name](np.random.default_rng(0))
    x, labels = images(STEPS * BATCH // 2)
    optimizer = SGD(0.05, momentum=0.9)
    result = cross_checked_fit(network, SoftmaxCrossEntropy(), optimizer, x, labels, epochs=2, batch_size=BATCH, rng=0)
    assert len(result.verdicts) == STEPS
    assert result.verdict == "agree", str(result)
    assert np.mean(result.history.step_loss[-5:]) < np.mean(result.history.step_loss[:5])


def test_a_network_with_dropout_trains_and_every_step_agrees() -> None:
    """The seed moves on from step to step, and JAX is told where it was."""
    network = LayeredNeuralNetwork([FlattenLayer(), LinearLayer(128, 6, rng=0), Dropout(0.5), LinearLayer(6, 3, rng=1)])
    x, labels = images(12)
    before = network.named_state()["2.seed"].copy()
    result = cross_checked_fit(network, SoftmaxCrossEntropy(), SGD(0.01), x, labels, epochs=1, batch_size=4, rng=0)
    assert result.verdict == "agree", str(result)
    assert network.named_state()["2.seed"] != before
