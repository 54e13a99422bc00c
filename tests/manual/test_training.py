"""Training learns, repeats bit for bit, never trains on what it validates on, and says in words where it breaks."""

import re
from itertools import pairwise

import numpy as np
import pytest

from manual import (
    ConvolutionalLayer,
    FlattenLayer,
    FullyConnectedLayer,
    Layer,
    LayeredNeuralNetwork,
    LinearLayer,
    MaxPoolingLayer,
    MeanSquaredError,
    ReLUActivation,
    SoftmaxCrossEntropy,
)
from manual.data import LabelledImages, create_image_data
from manual.optimizers import SGD, Adam
from manual.training import History, Step, TrainingDiverged, evaluate, fit

LOSS = SoftmaxCrossEntropy()


def small_network(classes: int = 3, size: int = 8, dtype: type = np.float64) -> LayeredNeuralNetwork:
    rng = np.random.default_rng(0)
    layers = [
        ConvolutionalLayer(1, 4, 3, activation=ReLUActivation(), rng=rng),
        MaxPoolingLayer(2),
        FlattenLayer(),
        LinearLayer(4 * ((size - 2) // 2) ** 2, classes, rng=rng),
    ]
    return LayeredNeuralNetwork(layers).astype(dtype)


def patterns(count: int = 60, seed: int = 0, dtype: type = np.float64) -> LabelledImages:
    return create_image_data(count, 8, 3, rng=seed, dtype=dtype)


def train(network: Layer | None = None, **changed) -> tuple[Layer, History]:
    network = small_network() if network is None else network
    images, labels = changed.pop("data", patterns())
    arguments = {"epochs": 3, "batch_size": 16, "rng": 0, **changed}
    return network, fit(
        network, changed.pop("loss", LOSS), arguments.pop("optimizer", Adam(0.01)), images, labels, **arguments
    )


def test_it_learns_the_patterns():
    network, history = train(epochs=20)
    assert evaluate(network, LOSS, *patterns(90, seed=1)).accuracy == 1.0
    assert history.loss[-1] < 0.1 * history.loss[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_seed_gives_the_same_bits(dtype):
    runs = [train(small_network(dtype=dtype), data=patterns(dtype=dtype)) for _ in range(2)]
    assert runs[0][0].parameters.tobytes() == runs[1][0].parameters.tobytes()
    assert runs[0][1].step_loss == runs[1][1].step_loss
    other, _ = train(small_network(dtype=dtype), data=patterns(dtype=dtype), rng=1)
    assert other.parameters.tobytes() != runs[0][0].parameters.tobytes()


def test_every_epoch_sees_every_image_once_in_an_order_of_its_own():
    seen: list[Step] = []
    images, labels = patterns(50)
    train(data=(images, labels), epochs=2, batch_size=16, after_step=seen.append)
    assert [step.number for step in seen] == list(range(1, 9))
    assert [len(step.target) for step in seen] == [16, 16, 16, 2] * 2
    epochs = [np.concatenate([step.images for step in seen[i : i + 4]]) for i in (0, 4)]
    for epoch in epochs:
        assert sorted(image.tobytes() for image in epoch) == sorted(image.tobytes() for image in images)
    assert not np.array_equal(epochs[0], epochs[1])


def test_a_step_holds_what_was_before_and_after():
    seen: list[Step] = []
    network, history = train(optimizer=SGD(0.1, 0.9), epochs=1, after_step=seen.append)
    for first, second in pairwise(seen):
        np.testing.assert_array_equal(first.updated, second.parameters)
        np.testing.assert_array_equal(first.updated_state["velocity"], second.state["velocity"])
    for step in seen:
        velocity = 0.9 * step.state.get("velocity", 0) + step.gradients
        np.testing.assert_array_equal(step.updated, step.parameters - 0.1 * velocity)
    np.testing.assert_array_equal(seen[-1].updated, network.parameters)
    assert history.step_loss == [step.loss for step in seen]


def test_an_epochs_loss_is_the_mean_over_images():
    seen: list[Step] = []
    _, history = train(data=patterns(50), epochs=1, after_step=seen.append)
    assert history.loss[0] == pytest.approx(sum(step.loss * len(step.target) for step in seen) / 50)


def test_validation_changes_nothing_but_the_history():
    held_out = patterns(30, seed=9)
    with_it, history = train(validation=held_out)
    without, _ = train()
    np.testing.assert_array_equal(with_it.parameters, without.parameters)
    assert len(history.validation) == 3
    assert history.validation[-1] == evaluate(with_it, LOSS, *held_out)


def test_progress_wraps_the_sequence_of_all_steps():
    sizes = []

    def progress(sequence):
        sizes.append(len(sequence))
        yield from sequence

    with_it, _ = train(progress=progress)
    without, _ = train()
    assert sizes == [3 * 4]
    np.testing.assert_array_equal(with_it.parameters, without.parameters)


def test_after_epoch_may_change_the_learning_rate():
    optimizer, rates = SGD(0.4), []

    def halve(history: History) -> None:
        rates.append(optimizer.learning_rate)
        optimizer.learning_rate /= 2

    train(optimizer=optimizer, after_epoch=halve)
    assert rates == [0.4, 0.2, 0.1]


def test_evaluation_leaves_the_kept_gradients_alone():
    network, _ = train(epochs=1)
    before = network.gradients.tobytes()
    evaluate(network, LOSS, *patterns(300, seed=2))
    assert network.gradients.tobytes() == before


def test_a_regression_has_no_accuracy(rng):
    x, layer = rng.normal(size=(40, 3)), LinearLayer(3, 2, rng=rng)
    history = fit(layer, MeanSquaredError(), SGD(0.2), x, x[:, :2] * 2, epochs=30, batch_size=8, rng=0)
    assert history.loss[-1] < 1e-3
    assert np.isnan(history.accuracy).all()


# ---------------------------------------------------------------------- where it breaks


def test_divergence_stops_with_step_and_layer():
    with pytest.raises(TrainingDiverged, match=r"^training stopped at step \d+: .*layer \d \(\w+\)") as caught:
        train(optimizer=SGD(1e6), epochs=20)
    assert re.search(r"layer \d \(\w+\)", caught.value.layer)


def test_a_loss_that_runs_away_stops_before_it_overflows(rng):
    x = rng.normal(size=(40, 3))
    with pytest.raises(TrainingDiverged, match=r"the loss is .* after .* at the first step.*smaller learning rate"):
        fit(LinearLayer(3, 2, rng=rng), MeanSquaredError(), SGD(5.0), x, x[:, :2], epochs=30, batch_size=8, rng=0)


class Breaks(ReLUActivation):
    """Works for two steps."""

    def __init__(self, forward: float = 1.0, backward: float = 1.0) -> None:
        super().__init__()
        self.factors, self.calls = (forward, backward), 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x) * (self.factors[0] if self.calls > 2 else 1.0)

    def predict(self, x):
        return super().forward(x) * (self.factors[0] if self.calls > 2 else 1.0)

    def backward(self, grad_output):
        return super().backward(grad_output) * (self.factors[1] if self.calls > 2 else 1.0)


def broken(breaks: Breaks) -> LayeredNeuralNetwork:
    rng = np.random.default_rng(0)
    return LayeredNeuralNetwork([FlattenLayer(), LinearLayer(64, 8, rng=rng), breaks, LinearLayer(8, 3, rng=rng)])


def test_a_nan_in_the_forward_pass_is_traced_to_its_layer():
    words = r"step 3: the output of layer 2 \(Breaks\) is not a number \(NaN\), and what went in is finite"
    with pytest.raises(TrainingDiverged, match=words) as caught:
        train(broken(Breaks(forward=float("nan"))))
    assert (caught.value.step, caught.value.layer) == (3, "layer 2 (Breaks)")


def test_an_infinity_in_the_backward_pass_is_traced_to_where_it_arrives_first():
    with pytest.raises(TrainingDiverged, match=r"step 3: .*layer 1 \(LinearLayer\) is (infinite|not a number)"):
        train(broken(Breaks(backward=float("inf"))))


def test_an_update_that_overflows_is_traced_to_its_layer():
    class Leaps(SGD):
        def update(self, parameters, gradients, state):
            moved = parameters.copy()
            moved[-1] = np.inf
            return moved, dict(state)

    with pytest.raises(TrainingDiverged, match=r"step 1: the update made a parameter of layer 3 .* infinite"):
        train(optimizer=Leaps(0.1))


# ---------------------------------------------------------------------- bad input, a sentence each


def relabelled(label: int) -> LabelledImages:
    images, labels = patterns()
    labels[7] = label
    return LabelledImages(images, labels)


NOTHING = LabelledImages(np.zeros((0, 1, 8, 8)), np.zeros(0, int))
BAD = {
    "label too large": ({"data": relabelled(3)}, r"labels\[7\] is 3; the network has 3 classes, 0 to 2"),
    "label negative": ({"data": relabelled(-1)}, r"labels\[7\] is -1; the network has 3 classes"),
    "batch too large": ({"batch_size": 61}, "batch_size is 61; there are only 60 images to take a batch from"),
    "no epochs": ({"epochs": 0}, "epochs is 0; it must be at least 1"),
    "empty batch": ({"batch_size": 0}, "batch_size is 0; it must be at least 1"),
    "images too large": (
        {"data": create_image_data(20, 12, 3, rng=0)},
        r"the network does not take images of shape \(1, 12, 12\): layer 3 \(LinearLayer\): x has",
    ),
    "images without channel": ({"data": (patterns().images[:, 0], patterns().labels)}, "does not take images of shape"),
    "no images": ({"data": NOTHING}, r"the images have shape \(0, 1, 8, 8\); there must be at least one"),
    "empty validation set": ({"validation": NOTHING}, "the validation images have shape .* there must be at least one"),
    "validation label": ({"validation": relabelled(5)}, r"validation labels\[7\] is 5; the network has 3 classes"),
    "labels missing": ({"data": (patterns().images, patterns().labels[:-1])}, "60 images and labels of shape"),
    "NaN pixel": ({"data": (np.full((20, 1, 8, 8), np.nan), np.zeros(20, int))}, r"hold nan at \(0, 0, 0, 0\)"),
}


@pytest.mark.parametrize(("changed", "words"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_in_one_sentence(changed, words):
    network = small_network()
    before = network.parameters.tobytes()
    with pytest.raises(ValueError, match=words) as caught:
        train(network, **changed)
    assert "\n" not in str(caught.value)
    assert network.parameters.tobytes() == before


def test_images_of_another_dtype_are_refused():
    with pytest.raises(TypeError, match="x has dtype float32, the layer computes in float64"):
        train(data=patterns(dtype=np.float32))


def test_labels_for_outputs_that_are_images_are_refused():
    with pytest.raises(ValueError, match="labels are one integer per image"):
        train(LayeredNeuralNetwork([ConvolutionalLayer(1, 3, 3)]))


def test_a_network_without_parameters_trains_nothing_and_does_not_fail():
    images, labels = patterns()
    network = LayeredNeuralNetwork([FlattenLayer(), ReLUActivation()])
    history = fit(network, LOSS, SGD(0.1), images, labels, epochs=2, batch_size=20, rng=0)
    assert history.loss[0] == pytest.approx(history.loss[1])


def test_dense_layers_train_too():
    layers = [FlattenLayer(), FullyConnectedLayer(64, 16, ReLUActivation(), rng=0), LinearLayer(16, 3, rng=1)]
    _, history = train(LayeredNeuralNetwork(layers), epochs=30, data=patterns(200))
    assert history.accuracy[-1] > 0.9
