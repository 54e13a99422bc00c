"""The cross-checked training agrees with a right training, and finds a wrong step wherever in it the mistake is."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from crosscheck.lecture.cases import lecture_network
from crosscheck.lecture.checked_training import CheckedTraining, cross_checked_fit, drift
from manual import (
    ConvolutionalLayer,
    FlattenLayer,
    FullyConnectedLayer,
    LayeredNeuralNetwork,
    LinearLayer,
    MaxPoolingLayer,
    MeanSquaredError,
    ReLUActivation,
    SoftmaxCrossEntropy,
    TanhActivation,
)
from manual.data import LabelledImages, create_image_data, load_digits
from manual.optimizers import SGD, Adam, Optimizer
from manual.training import fit

LOSS = SoftmaxCrossEntropy()
SMALL: dict[str, Any] = {"epochs": 2, "batch_size": 16, "rng": 0}


def small_network(*extra: ReLUActivation, dtype: type = np.float64) -> LayeredNeuralNetwork:
    rng = np.random.default_rng(0)
    layers = [
        ConvolutionalLayer(1, 3, 3, activation=ReLUActivation(), rng=rng),
        MaxPoolingLayer(2),
        FlattenLayer(),
        FullyConnectedLayer(27, 8, rng=rng),
        *(extra or (ReLUActivation(),)),
        LinearLayer(8, 3, rng=rng),
    ]
    return LayeredNeuralNetwork(layers).astype(dtype) if not extra else LayeredNeuralNetwork(layers)


def patterns(dtype: type = np.float64) -> LabelledImages:
    return create_image_data(48, 8, 3, rng=0, dtype=dtype)


def small(optimizer: Optimizer, network: LayeredNeuralNetwork | None = None, **changed) -> CheckedTraining:
    network = small_network() if network is None else network
    return cross_checked_fit(network, LOSS, optimizer, *patterns(network.dtype.type), **{**SMALL, **changed})


OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {
    "gradient descent": lambda: SGD(0.1),
    "momentum and decay": lambda: SGD(0.1, 0.9, 0.01),
    "Adam": lambda: Adam(0.01),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_every_step_of_a_right_training_agrees(make, dtype):
    result = small(make(), small_network(dtype=dtype))
    assert result, result
    assert result.verdicts == ["agree"] * 6
    assert result.worst()[2] < 0.6
    parameters = small_network().parameters.size
    assert result.compared == 6 * parameters * (2 + len(make().state_names))


def test_the_lectures_network_on_the_digits_agrees_at_every_step():
    images, labels = load_digits()
    optimizer = SGD(0.05, 0.9, 1e-3)
    result = cross_checked_fit(
        lecture_network(0), LOSS, optimizer, images[:320], labels[:320], epochs=2, batch_size=32, rng=0
    )
    assert result, result
    assert not result.weak


def test_it_trains_exactly_as_fit_does():
    watched, plain = small_network(), small_network()
    result = small(Adam(0.01), watched)
    history = fit(plain, LOSS, Adam(0.01), *patterns(), **SMALL)
    assert watched.parameters.tobytes() == plain.parameters.tobytes()
    assert result.history.step_loss == history.step_loss


def test_a_budget_leaves_steps_unjudged_and_the_training_as_it_is():
    watched, plain = small_network(), small_network()
    result = small(Adam(0.01), watched, budget=0)
    fit(plain, LOSS, Adam(0.01), *patterns(), **SMALL)
    assert watched.parameters.tobytes() == plain.parameters.tobytes()
    assert result.verdict == "undecided"
    assert not result
    assert result.left_out == len(result.history.step_loss)
    assert f"{result.left_out} later steps were not judged" in str(result)
    with pytest.raises(ValueError, match=r"budget is -1; it must be"):
        small(Adam(0.01), budget=-1)


def test_a_last_batch_of_another_size_is_checked_too():
    result = small(SGD(0.1), batch_size=20)
    assert result.verdicts == ["agree"] * 6


def test_a_changing_learning_rate_is_followed():
    optimizer = SGD(0.1, 0.5)

    def halve(_) -> None:
        optimizer.learning_rate /= 2

    assert small(optimizer, after_epoch=halve)


def test_a_regression_agrees(rng):
    network = LayeredNeuralNetwork([FullyConnectedLayer(4, 6, TanhActivation(), rng=rng), LinearLayer(6, 2, rng=rng)])
    x = rng.normal(size=(40, 4))
    assert cross_checked_fit(network, MeanSquaredError(), Adam(), x, np.sin(x[:, :2]), **SMALL)


# ---------------------------------------------------------------------- planted mistakes


class Leaky(ReLUActivation):
    """The mask forgotten from the sixth call on, which only a check during training can see."""

    calls = 0

    def backward(self, grad_output):
        self.calls += 1
        masked = super().backward(grad_output)
        return masked if self.calls < 4 else grad_output


def test_a_mistake_that_begins_during_training_is_found_at_its_step():
    result = small(SGD(0.1), small_network(Leaky()))
    assert not result
    assert result.verdicts[:3] == ["agree"] * 3
    assert result.first_wrong is not None
    assert result.first_wrong.number == 4
    assert "first wrong at step 4" in str(result)
    assert " of 0.filters" in str(result) or " of 3.weights" in str(result) or " of 3.biases" in str(result)


class Scaled(ReLUActivation):
    def backward(self, grad_output):
        return super().backward(grad_output) * (1 + 1e-9)


def test_a_gradient_that_is_off_by_a_billionth_is_found():
    result = small(SGD(0.1), small_network(Scaled()))
    assert result.verdicts == ["disagree"] * 6
    assert "gradients" in str(result)


def sgd_without_decay_in_velocity(o, p, g, s):
    velocity = o.momentum * s["velocity"] + g
    return p - o.learning_rate * (velocity + o.weight_decay * p), {"velocity": velocity}


def adam_with_eps_inside(o, p, g, s):
    mean = o.mean_decay * s["mean"] + (1 - o.mean_decay) * g
    square = o.square_decay * s["square"] + (1 - o.square_decay) * g**2
    unbiased = mean / (1 - o.mean_decay**o.steps), square / (1 - o.square_decay**o.steps)
    return p - o.learning_rate * unbiased[0] / np.sqrt(unbiased[1] + o.eps), {"mean": mean, "square": square}


def adam_counting_from_zero(o, p, g, s):
    o.steps += 1
    moved = Adam.update(o, p, g, s)
    o.steps -= 1
    return moved


def nesterov(o, p, g, s):
    velocity = o.momentum * s["velocity"] + g + o.weight_decay * p
    return p - o.learning_rate * (g + o.weight_decay * p + o.momentum * velocity), {"velocity": velocity}


@pytest.mark.parametrize(
    ("base", "wrong"),
    [
        (lambda: SGD(0.1, 0.9, 0.01), sgd_without_decay_in_velocity),
        (lambda: SGD(0.1, 0.9, 0.01), nesterov),
        (lambda: Adam(0.01), adam_with_eps_inside),
        (lambda: Adam(0.01), adam_counting_from_zero),
    ],
    ids=lambda f: getattr(f, "__name__", ""),
)
def test_a_wrong_update_is_found_while_the_gradients_agree(monkeypatch, base, wrong):
    optimizer = base()
    monkeypatch.setattr(optimizer, "update", lambda p, g, s: wrong(optimizer, p, g, s))
    # an instance attribute is no hyper-parameter
    monkeypatch.setattr(optimizer, "hyperparameters", base().hyperparameters)
    result = small(optimizer)
    assert result.verdict == "disagree"
    assert result.first_wrong is not None
    pairs = result.first_wrong.pairs
    assert pairs["gradients"].agree.all()
    assert any(pair.disagree.any() for name, pair in pairs.items() if name != "gradients")


def test_exact_zeros_of_adam_are_decided():
    """Dead units have gradient 0 for ever; the square root's slope there is infinite, its error is not."""
    network = small_network()
    layer = network.layers[0]
    assert isinstance(layer, ConvolutionalLayer)
    layer.filters, layer.biases = np.zeros_like(layer.filters), -np.ones(3)
    result = small(Adam(0.01), network)
    assert result, result
    assert result.undecided == 0


# ---------------------------------------------------------------------- the edge, and the drift


def test_an_optimizer_without_reference_is_refused_in_words():
    class Mine(SGD):
        pass

    with pytest.raises(TypeError, match="there is no reference for Mine; give rule="):
        small(Mine(0.1))


def test_a_rule_of_ones_own(rng):
    class Signs(Optimizer):
        def update(self, parameters, gradients, state):
            return parameters - self.learning_rate * np.sign(gradients), {}

    def rule(parameters, gradients, state, step, *, learning_rate):
        import jax.numpy as jnp

        return parameters - learning_rate * jnp.sign(gradients), {}

    assert small(Signs(0.01), rule=rule)


def test_the_result_is_readable_as_json():
    found = json.loads(json.dumps(small(SGD(0.1)).to_dict()))
    assert found["passed"] is True
    assert len(found["shares"]) == 6


def test_left_alone_two_trainings_drift_by_rounding_only():
    far = {}
    for dtype in (np.float32, np.float64):
        result = drift(small_network(dtype=dtype), LOSS, SGD(0.1, 0.9), *patterns(dtype), **{**SMALL, "epochs": 8})
        assert len(result.distance) == len(result.our_loss) == 24
        assert result.their_parameters.dtype == dtype
        far[dtype] = result.distance[-1]
    assert far[np.float64] < 1e-12 < far[np.float32] < 1e-3
