"""The lecture's runs, what they cost, and what shows how far they are."""

import io
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from crosscheck.cli import main
from crosscheck.lecture import recipes as lecture
from crosscheck.lecture.cases import lecture_network
from crosscheck.lecture.progress import TrainingBar
from manual import ConvolutionalLayer, FlattenLayer, LayeredNeuralNetwork, LinearLayer, SoftmaxCrossEntropy
from manual.data import LabelledImages, create_image_data, shifted, with_shifts
from manual.optimizers import SGD
from manual.summary import costs, table
from manual.training import History, accuracy_under_shift, anneal, evaluate


def rows(images: LabelledImages) -> list[bytes]:
    return [image.tobytes() for image in images.images]


@pytest.mark.parametrize("make", [lecture.digits, lecture.patterns])
def test_training_validation_and_test_images_share_none(make):
    parts = make(3)
    assert [len(part.labels) for part in parts[1:]] == [lecture.VALIDATION_DIGITS, lecture.TEST_DIGITS]
    train, validation, test = (set(rows(part)) for part in parts)
    assert not (train & validation)
    assert not train & test
    assert not validation & test


def test_the_lectures_cnn_reaches_all_of_the_patterns():
    assert lecture.train("patterns").test.accuracy == 1.0


def test_a_short_training_on_the_digits_is_on_its_way():
    """The whole recipe runs in the notebook, which asserts its 98%; this is a tenth of it."""
    run = lecture.train("digits", epochs=4)
    assert run.test.accuracy > 0.93
    assert run.test == evaluate(run.network, SoftmaxCrossEntropy(), *run.split.test)
    assert len(run.history.validation) == 4


def test_the_validation_and_test_images_are_never_trained_on(monkeypatch):
    seen: list[bytes] = []
    forward = ConvolutionalLayer.forward

    def watch(self, x):
        if x.shape[1] == 1:
            seen.extend(image.tobytes() for image in x)
        return forward(self, x)

    monkeypatch.setattr(ConvolutionalLayer, "forward", watch)
    monkeypatch.setattr(ConvolutionalLayer, "predict", lambda self, x: self._run(x, predicting=True).y)
    run = lecture.train("patterns", epochs=1)
    assert set(seen) == set(rows(run.split.train))


# ---------------------------------------------------------------------- the command line


def test_train_on_the_command_line():
    shown = CliRunner().invoke(main, ["train", "patterns", "--epochs", "2"])
    assert shown.exit_code == 0
    assert "test accuracy" in shown.output
    assert "3,658" in shown.output


@pytest.mark.proof
def test_train_cross_checked_on_the_command_line():
    shown = CliRunner().invoke(main, ["train", "patterns", "--epochs", "1", "--check", "--double"])
    assert shown.exit_code == 0, shown.output
    assert "cross-checked training (float64): agree" in shown.output


def test_a_training_whose_budget_ends_is_not_passed():
    shown = CliRunner().invoke(main, ["train", "patterns", "--epochs", "1", "--check", "--budget", "0"])
    assert shown.exit_code == 3, shown.output
    assert "undecided" in shown.output
    assert "the budget ended" in shown.output
    alone = CliRunner().invoke(main, ["train", "patterns", "--epochs", "1", "--budget", "3"])
    assert alone.exit_code == 2
    assert "give --check too" in alone.output


def test_a_training_that_diverges_exits_1_with_a_sentence(monkeypatch):
    monkeypatch.setattr(lecture, "optimizer", lambda: SGD(1e6))
    shown = CliRunner().invoke(main, ["train", "patterns", "--epochs", "2"])
    assert shown.exit_code == 1
    assert "training stopped at step" in shown.output
    assert "Traceback" not in shown.output


@pytest.mark.parametrize("arguments", [["cats"], ["digits", "--epochs", "0"], ["--seed", "-1"]])
def test_wrong_use_exits_2(arguments):
    assert CliRunner().invoke(main, ["train", *arguments]).exit_code == 2


# ---------------------------------------------------------------------- the bar


def test_the_bar_shows_steps_loss_and_accuracy():
    lines: list[str] = []
    lecture.train("patterns", epochs=2, bar=TrainingBar(lines.append))
    assert lines[-1].startswith("█" * 24 + " 188/188 steps  epoch 2  loss ")
    assert "accuracy" in lines[-1]
    assert "validation" in lines[-1]


def test_the_bar_prints_one_line_where_there_is_no_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert list(TrainingBar()(range(1, 4))) == [1, 2, 3]
    assert sys.stderr.getvalue().count("\n") == 1  # pyright: ignore[reportAttributeAccessIssue]


# ---------------------------------------------------------------------- costs


def test_costs_are_counted_by_hand():
    network = LayeredNeuralNetwork(
        [ConvolutionalLayer(2, 3, (3, 2), stride=(2, 1)), LayeredNeuralNetwork([FlattenLayer(), LinearLayer(36, 5)])]
    )
    found = costs(network, (2, 7, 5))
    assert [c.name for c in found] == ["0 ConvolutionalLayer", "1.0 FlattenLayer", "1.1 LinearLayer", "all"]
    assert [c.output_shape for c in found] == [(3, 3, 4), (36,), (5,), (5,)]
    assert [c.parameters for c in found] == [3 * 2 * 3 * 2 + 3, 0, 36 * 5 + 5, 39 + 185]
    convolution, linear = 2 * 3 * 3 * 4 * 2 * 3 * 2, 2 * 36 * 5
    assert [c.flops for c in found] == [convolution, 0, linear, convolution + linear]
    assert "1.1 LinearLayer" in table(network, (2, 7, 5))


def test_costs_of_images_that_do_not_fit_name_the_layer():
    with pytest.raises(ValueError, match="layer 5 "):
        costs(lecture_network(0), (1, 12, 12))


# ---------------------------------------------------------------------- shifts and the learning rate


def test_shifted_copies_come_after_the_images():
    data = create_image_data(5, 8, 3, rng=0)
    images, labels = with_shifts(data)
    assert images.shape == (25, 1, 8, 8)
    np.testing.assert_array_equal(labels, np.tile(data.labels, 5))
    for part, move in zip(np.split(images, 5), [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)], strict=True):
        np.testing.assert_array_equal(part, shifted(data.images, *move))


class Corner(LayeredNeuralNetwork):
    """Says class 1 where the pixel (3, 3) is bright, else class 0."""

    def predict(self, x):
        bright = x[:, 0, 3, 3]
        return np.stack([1 - bright, bright], axis=1)


def test_accuracy_under_shift_is_the_mean_over_four_directions():
    images = np.zeros((2, 1, 8, 8))
    images[0, 0, 3, 3:] = 1  # a bar to the right of the pixel
    labels = np.array([1, 0])
    network = Corner([FlattenLayer()])
    assert accuracy_under_shift(network, images, labels, 0) == 1.0
    # Moved left by one, the bar still covers the pixel; up, down and right it does not. The empty image stays empty.
    assert accuracy_under_shift(network, images, labels, 1) == (1 + 4) / 8


def test_the_learning_rate_falls_along_half_a_cosine():
    optimizer = SGD(0.5)
    lower = anneal(optimizer, 4)
    rates = []
    for epoch in range(1, 6):
        lower(History(loss=[0.0] * epoch))
        rates.append(optimizer.learning_rate)
    expected = [0.005 + 0.495 * (1 + np.cos(np.pi * share)) / 2 for share in (0.25, 0.5, 0.75, 1.0, 1.0)]
    assert rates == pytest.approx(expected)
