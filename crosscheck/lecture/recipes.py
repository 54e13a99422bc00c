"""The lecture's training runs: which data, which network, which optimizer, for how long.

One place for the command line, the notebook and the figures of the README. Everything was chosen on validation images;
the test images are looked at once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from crosscheck.lecture.cases import lecture_network
from crosscheck.lecture.checked_training import CheckedTraining, cross_checked_fit
from crosscheck.lecture.progress import TrainingBar
from manual import LayeredNeuralNetwork, SoftmaxCrossEntropy
from manual.data import LabelledImages, create_image_data, load_digits, train_test_split, with_shifts
from manual.optimizers import SGD
from manual.training import Evaluation, History, anneal, evaluate, fit

TEST_DIGITS, VALIDATION_DIGITS = 360, 180  # of 1797
PATTERN_NOISE = 0.1
BATCH_SIZE = 32


class Split(NamedTuple):
    """What is trained on, what is looked at after every epoch, and what is held out to the end."""

    train: LabelledImages
    validation: LabelledImages
    test: LabelledImages


class Training(NamedTuple):
    """A finished training."""

    network: LayeredNeuralNetwork
    split: Split
    history: History
    test: Evaluation
    checked: CheckedTraining | None


def digits(seed: int = 0, dtype: DTypeLike = np.float64) -> Split:
    """The digits, shuffled: 1257 to train on, 180 to choose by, 360 to test on."""
    rest, test = train_test_split(load_digits(dtype=dtype), TEST_DIGITS, rng=seed)
    train, validation = train_test_split(rest, VALIDATION_DIGITS, rng=seed)
    return Split(train, validation, test)


def patterns(seed: int = 0, dtype: DTypeLike = np.float64) -> Split:
    """All six patterns in 8 by 8 pixels: 3000 images to train on, 180 to choose by, 360 to test on, drawn apart."""
    rng = np.random.default_rng(seed)
    counts = (3000, VALIDATION_DIGITS, TEST_DIGITS)
    return Split(*(create_image_data(count, 8, noise=PATTERN_NOISE, rng=rng, dtype=dtype) for count in counts))


class Recipe(NamedTuple):
    """How the lecture's network is trained on one kind of images."""

    split: Callable[[int, DTypeLike], Split]
    epochs: int
    shifts: bool  # whether copies of the training images, moved by a pixel, are trained on too


RECIPES = {"digits": Recipe(digits, 40, shifts=True), "patterns": Recipe(patterns, 12, shifts=False)}


def optimizer() -> SGD:
    return SGD(0.05, momentum=0.9, weight_decay=3e-3)


def train(
    data: str,
    *,
    seed: int = 0,
    dtype: DTypeLike = np.float32,
    epochs: int | None = None,
    check: bool = False,
    budget: float | None = None,
    bar: TrainingBar | None = None,
) -> Training:
    """Train the lecture's CNN on `data`, "digits" or "patterns".

    Args:
        seed: of the split, the first weights and the shuffling.
        epochs: None: the recipe's.
        check: whether every step is cross-checked against JAX's.
        budget: seconds for the cross-checks; later steps are not judged. None: no limit.
        bar: shows how far it is.
    """
    recipe = RECIPES[data]
    epochs = recipe.epochs if epochs is None else epochs
    split, network, steps, loss = recipe.split(seed, dtype), lecture_network(seed), optimizer(), SoftmaxCrossEntropy()
    network = network.astype(dtype)
    images = with_shifts(split.train) if recipe.shifts else split.train
    slower = anneal(steps, epochs)

    def after_epoch(history: History) -> None:
        slower(history)
        if bar is not None:
            bar.after_epoch(history)

    arguments: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": BATCH_SIZE,
        "rng": seed,
        "validation": split.validation,
        "progress": bar,
        "after_epoch": after_epoch,
    }
    checked = cross_checked_fit(network, loss, steps, *images, budget=budget, **arguments) if check else None
    history = fit(network, loss, steps, *images, **arguments) if checked is None else checked.history
    return Training(network, split, history, evaluate(network, loss, *split.test), checked)
