"""Training: shuffled mini-batches, one forward, one backward, one update each.

    for every epoch, for every batch x of a fresh shuffle:
        prediction = network.forward(x)                                        (1)
        ∂L/∂prediction = loss.gradient(prediction, target)                     (2)
        network.backward_to_parameters(∂L/∂prediction)                         (3)
        optimizer.step(network)                                                (4)

Letters: L loss; x images of a batch.

Every random draw comes from the one generator that is given, so the same seed gives the same bits. The validation
images are only ever predicted. After every step the loss, the gradients and the parameters are looked at: where the
first number that is no number appears, training stops and says in which layer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np

from manual import checks
from manual.composite import Composite
from manual.data import LabelledImages, shifted
from manual.layer import Layer
from manual.optimizers import Optimizer
from manual.program import Step as ProgramStep
from manual.program import run_forward

Array = np.ndarray

# A loss this many times the first one (counted from 1 at least) has left the region where the gradient says anything.
RUNAWAY = 1e6
EVALUATED_AT_ONCE = 256  # images per prediction, to bound the memory


class Loss(Protocol):
    """What `fit` needs of a loss; the losses of this package qualify."""

    def forward(self, prediction: Array, target: Array) -> Any: ...

    def gradient(self, prediction: Array, target: Array) -> Array: ...


class TrainingDiverged(ArithmeticError):
    """Training met a number that is no number, or a loss that ran away.

    Attributes:
        step: 1 for the first.
        layer: the name of the layer where it began, as in the message.
    """

    def __init__(self, step: int, layer: str, what: str) -> None:
        super().__init__(f"training stopped at step {step}: {what}")
        self.step, self.layer = step, layer


class Evaluation(NamedTuple):
    """What `evaluate` found."""

    loss: float
    accuracy: float  # the share of samples whose largest output is at the label; NaN where targets are not labels


@dataclass
class History:
    """What training went through: the loss of every step, and one number per epoch of the rest.

    `loss` and `accuracy` of an epoch are means over its batches as they came, each before its own update.
    """

    step_loss: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    validation: list[Evaluation] = field(default_factory=list)
    seconds: float = 0.0  # of the whole training

    @property
    def epochs(self) -> int:
        return len(self.loss)


class Step(NamedTuple):
    """One step of training, for who wants to look over its shoulder; every array is a copy or read-only."""

    number: int  # 1 for the first
    images: Array
    target: Array
    loss: float
    parameters: Array  # before the update, flat
    state: dict[str, Array]  # the optimizer's before the update; empty at the first step
    gradients: Array  # flat
    updated: Array  # the parameters after the update, flat
    updated_state: dict[str, Array]
    carried: Mapping[str, Array] = MappingProxyType(
        {}
    )  # what the network carries from call to call, before the forward pass
    carried_on: Mapping[str, Array] = MappingProxyType({})  # and after it


def fit(
    network: Layer,
    loss: Loss,
    optimizer: Optimizer,
    images: Array,
    labels: Array,
    *,
    epochs: int,
    batch_size: int,
    rng: np.random.Generator | int | None = None,
    validation: LabelledImages | tuple[Array, Array] | None = None,
    progress: Callable[[Sequence[int]], Iterable[int]] | None = None,
    after_epoch: Callable[[History], None] | None = None,
    after_step: Callable[[Step], None] | None = None,
) -> History:
    """Train `network` in place.

    Args:
        network: a network or a layer.
        loss: `forward(prediction, target)` and `gradient(prediction, target)`.
        optimizer: takes the steps; one that has already made some goes on from there.
        images: (N, ...), what the network takes, in its dtype.
        labels: (N,) integers, or targets (N, ...) of the loss.
        epochs: how often every image is seen.
        batch_size: images per step; the last batch of an epoch holds what is left.
        rng: a Generator or a seed, for the shuffling.
        validation: images and labels that are predicted after every epoch and never trained on.
        progress: wraps the sequence of all steps' numbers, as `tqdm.tqdm` and `rich.progress.track` do.
        after_epoch: called with the history so far; it may change `optimizer.learning_rate`.
        after_step: called with every `Step`.

    Raises:
        ValueError: nothing to train on, a label outside the classes, a batch larger than the data, images that the
            network cannot take, an empty validation set, numbers that are not finite in the images.
        TypeError: images in another dtype than the network's.
        TrainingDiverged: a loss, gradient or parameter that is not finite, or a loss that ran away.
    """
    epochs, batch_size = checks.integer(epochs, "epochs", 1), checks.integer(batch_size, "batch_size", 1)
    images, labels = usable(network, images, labels, "images", "labels")
    held_out = None if validation is None else usable(network, *validation, "validation images", "validation labels")
    samples = len(images)
    if batch_size > samples:
        raise ValueError(f"batch_size is {batch_size}; there are only {samples} images to take a batch from")
    rng = np.random.default_rng(rng)
    history, started = History(), time.perf_counter()
    batches = -(-samples // batch_size)
    numbers = range(1, epochs * batches + 1)
    order, correct = np.arange(samples), 0.0

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # `watch` says it in words
        for number in numbers if progress is None else progress(numbers):
            place = (number - 1) % batches
            if place == 0:
                order, correct = rng.permutation(samples), 0.0
            chosen = order[place * batch_size : (place + 1) * batch_size]
            x, target = images[chosen], labels[chosen]
            before, state, carried = network.parameters, optimizer.state, copied(network.named_state())

            prediction = network.forward(x)  # (1)
            value = float(loss.forward(prediction, target))
            network.backward_to_parameters(loss.gradient(prediction, target))  # (2), (3)
            gradients = network.gradients
            history.step_loss.append(value)
            watch_loss(network, x, value, gradients, history.step_loss[0], number)
            optimizer.step(network)  # (4)
            watch_update(network, number)

            correct += hits(prediction, target)
            if after_step is not None:
                moved = (network.parameters, optimizer.state, carried, copied(network.named_state()))
                after_step(Step(number, x, target, value, before, state, gradients, *moved))
            if place == batches - 1:
                sizes = np.diff([*range(0, samples, batch_size), samples])
                history.loss.append(float(np.average(history.step_loss[-batches:], weights=sizes)))
                history.accuracy.append(correct / samples)
                if held_out is not None:
                    history.validation.append(evaluate(network, loss, *held_out))
                history.seconds = time.perf_counter() - started
                if after_epoch is not None:
                    after_epoch(history)
    return history


def copied(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.array(array) for name, array in arrays.items()}


def evaluate(network: Layer, loss: Loss, images: Array, labels: Array) -> Evaluation:
    """Mean loss and accuracy; nothing is trained, and what the network keeps stays as it is.

    Raises ValueError as `fit` does for images or labels that do not fit.
    """
    images, labels = usable(network, images, labels, "images", "labels")
    total, correct = 0.0, 0.0
    for start in range(0, len(images), EVALUATED_AT_ONCE):
        x, target = images[start : start + EVALUATED_AT_ONCE], labels[start : start + EVALUATED_AT_ONCE]
        prediction = network.predict(x)
        total += len(x) * float(loss.forward(prediction, target))
        correct += hits(prediction, target)
    return Evaluation(total / len(images), correct / len(images))


def accuracy_under_shift(network: Layer, images: Array, labels: Array, pixels: int) -> float:
    """Accuracy on the images (N, C, H, W) moved by `pixels` up, down, left and right, on average."""
    moves = {(0, 0)} if pixels == 0 else {(pixels, 0), (-pixels, 0), (0, pixels), (0, -pixels)}
    right = 0.0
    for rows, columns in moves:
        moved = shifted(images, rows, columns)
        for start in range(0, len(moved), EVALUATED_AT_ONCE):
            part = slice(start, start + EVALUATED_AT_ONCE)
            right += hits(network.predict(moved[part]), labels[part])
    return right / (len(moves) * len(images))


def anneal(optimizer: Optimizer, epochs: int) -> Callable[[History], None]:
    """For `after_epoch`: the learning rate falls from where it is now along half a cosine, to 1% of it at the end.

    Source: I. Loshchilov and F. Hutter, arXiv 1608.03983, equation (5), one period.
    """
    highest, lowest = optimizer.learning_rate, 0.01 * optimizer.learning_rate

    def lower(history: History) -> None:
        share = min(history.epochs / epochs, 1.0)
        optimizer.learning_rate = lowest + (highest - lowest) * (1 + np.cos(np.pi * share)) / 2

    return lower


def hits(prediction: Array, target: Array) -> float:
    """How many samples have their largest output at the label; NaN where targets are not labels."""
    if target.dtype.kind not in "iu":
        return float("nan")
    return float(np.sum(np.argmax(prediction, axis=1) == target))


# ---------------------------------------------------------------------- the edge


def usable(network: Layer, images: Any, labels: Any, images_name: str, labels_name: str) -> tuple[Array, Array]:
    """Images and labels as arrays that fit each other and the network."""
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim < 2 or not len(images):
        raise ValueError(
            f"the {images_name} have shape {images.shape}; there must be at least one, along the first axis"
        )
    if labels.ndim == 0 or len(labels) != len(images):
        raise ValueError(f"there are {len(images)} {images_name} and {labels_name} of shape {labels.shape}; one each")
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(images))[0])
        raise ValueError(f"the {images_name} hold {images[first]} at {first}; every pixel must be finite")
    try:
        prediction = network.predict(images[:1])
    except ValueError as error:
        raise ValueError(f"the network does not take {images_name} of shape {images.shape[1:]}: {error}") from error
    if labels.dtype.kind in "iu":
        classes = prediction.shape[-1]
        if labels.ndim != 1 or prediction.ndim != 2:
            raise ValueError(
                f"{labels_name} has shape {labels.shape} and the network gives {prediction.shape[1:]} per image; "
                "labels are one integer per image, for outputs that are one number per class"
            )
        outside = (labels < 0) | (labels >= classes)
        if outside.any():
            at = int(np.argmax(outside))
            raise ValueError(
                f"{labels_name}[{at}] is {labels[at]}; the network has {classes} classes, 0 to {classes - 1}"
            )
    return images, labels


# ---------------------------------------------------------------------- where it began


def named_layers(network: Layer) -> list[tuple[str, Layer]]:
    """The layers in order with their names; a layer that is not made of layers is its own only one."""
    if not isinstance(network, Composite):
        return [(type(network).__name__, network)]
    return [(f"layer {place} ({type(layer).__name__})", layer) for place, layer in enumerate(network.layers)]


def watch_loss(network: Layer, x: Array, value: float, gradients: Array, first: float, step: int) -> None:
    """Stop unless the loss and every gradient is a number, and the loss within reason."""
    if np.isfinite(value) and np.isfinite(gradients).all():
        if value > RUNAWAY * max(first, 1.0):
            name, size = largest_parameter(network)
            raise TrainingDiverged(
                step,
                name,
                f"the loss is {value:.3g} after {first:.3g} at the first step, and the largest parameter, {size:.3g}, "
                f"is in {name}: the training diverges, a smaller learning rate may help",
            )
        return
    run_forward([stopping(s, dict(named_layers(network)), step) for s in network.program()], x)
    if not np.isfinite(value):
        raise TrainingDiverged(step, "the loss", f"the loss is {value}, and what went into it is finite")
    for name, layer in reversed(named_layers(network)):  # backward, the last layer is the first
        if not np.isfinite(layer.gradients).all():
            raise TrainingDiverged(
                step,
                name,
                f"a gradient of {name} is {first_odd(layer.gradients)}, and the gradients of the layers after it are "
                "finite",
            )


def stopping(step: ProgramStep, layers: Mapping[str, Layer], number: int) -> ProgramStep:
    """The step, which stops if what comes out is no number; nothing before it did, so what went in is one."""
    place = step.place.partition(".")[0]
    name = next((name for name in layers if name.startswith(f"layer {place} (")), step.layer)

    def forward(*inputs: Array) -> Any:
        found = step.forward(*inputs)
        if not np.isfinite(found[0]).all():
            said = f"the output of {name} is {first_odd(found[0])}, and what went in is finite"
            raise TrainingDiverged(number, name, said)
        return found

    return step._replace(forward=forward)


def watch_update(network: Layer, step: int) -> None:
    """Stop if the update left a parameter that is not a number."""
    if np.isfinite(network.parameters).all():
        return
    for name, layer in named_layers(network):
        if not np.isfinite(layer.parameters).all():
            raise TrainingDiverged(
                step,
                name,
                f"the update made a parameter of {name} {first_odd(layer.parameters)}, from finite gradients",
            )


def largest_parameter(network: Layer) -> tuple[str, float]:
    """The layer with the largest parameter in absolute value, and that value."""
    sizes = {name: float(np.max(np.abs(layer.parameters), initial=0.0)) for name, layer in named_layers(network)}
    name = max(sizes, key=lambda key: sizes[key])
    return name, sizes[name]


def first_odd(values: Array) -> str:
    """The first value that is not finite, in words."""
    value = values[~np.isfinite(values)][0]
    return "not a number (NaN)" if np.isnan(value) else "infinite"
