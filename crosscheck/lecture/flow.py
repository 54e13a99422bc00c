"""Where gradients flow in a network and where they do not: every operation's activation and gradients, and what is odd.

    X → operation → Y          ∂L/∂Y arrives, ∂L/∂X leaves, the parameters keep their share

A `Station` holds these arrays for one operation of the network, in order. Its comments say in words what the pictures
(`figures.gradient_flow_sheet`) show: units that are shut for every image, entries that win no pooling window, and
breaks: places where a gradient ends or dwindles, or passes where it should not.

Source: the lecture, "Visual debugging: Easy to see where gradients flow and where they don't".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from manual import Layer
from manual.program import Step, run_backward, run_forward

Array = np.ndarray
Arrays = dict[str, Array]

DWINDLED = 1e-3  # a gradient that leaves with less than this share of the norm it arrived with
SATURATED = 0.01  # a slope below this share of the steepest
ALLOWED_SATURATION = 0.5  # of the units


class Comment(NamedTuple):
    """What is worth saying of a gradient on its way."""

    text: str
    broken: bool  # whether something is wrong, not only worth seeing


class Station(NamedTuple):
    """One operation of a network at one batch.

    Of an operation that reads several values, x and what leaves are those of the first.
    """

    name: str
    operation: str  # the file's name in `manual`; the class's where a layer brings its own passes
    x: Array
    y: Array
    arriving: Array  # ∂L/∂Y
    leaving: Array  # ∂L/∂X
    parameters: dict[str, Array]
    gradients: dict[str, Array]  # of the parameters
    comments: tuple[Comment, ...] = ()

    @property
    def broken(self) -> bool:
        return any(comment.broken for comment in self.comments)


def gradient_flow(network: Layer, loss: Any, images: Array, target: Array) -> list[Station]:
    """Run `network` and the loss on a batch, forward and backward, and keep what passes every operation.

    Args:
        network: a network or a layer; it is left as it is.
        loss: `gradient(prediction, target)`.
        images, target: a batch, as the network and the loss take it.

    Raises:
        ValueError, TypeError: as the network or the loss.
    """
    stations: list[Station] = []
    ran = run_forward([watched(step, stations) for step in network.program()], network.received(images, "x"))
    run_backward(ran.passed, np.asarray(loss.gradient(ran.y, target)))
    return stations[::-1]


def watched(step: Step, stations: list[Station]) -> Step:
    """The step, which leaves a station on the way back."""

    def forward(*inputs: Array) -> tuple[Array, Any, Arrays]:
        y, saved, state = step.forward(*inputs)
        return y, (inputs, y, saved), state

    def backward(g: Array, kept: Any) -> tuple[tuple[Array, ...], Arrays]:
        inputs, y, saved = kept
        leaving, gradients = step.backward(g, saved)
        own = {k.rpartition(".")[2]: k for k in step.parameters}
        station = Station(
            step.place,
            step.operation,
            inputs[0],
            y,
            g,
            np.asarray(leaving[0]),
            {name: step.parameters[k] for name, k in own.items()},
            {name: gradients[k] for name, k in own.items()},
        )
        stations.append(station._replace(comments=tuple(comments(station))))
        return leaving, gradients

    return step._replace(forward=forward, backward=backward)


# ---------------------------------------------------------------------- what is odd


def comments(station: Station) -> Iterator[Comment]:
    """What is worth saying about a station, breaks included."""
    if not station.arriving.any():
        yield Comment("no gradient arrives", True)
    elif not station.leaving.any():
        yield Comment("the gradient ends here", True)
    yield from COMMENTS.get(station.operation, nothing)(station)


def nothing(station: Station) -> Iterator[Comment]:
    if 0 < norm(station.leaving) < DWINDLED * norm(station.arriving):
        yield Comment(f"{share(station):.1g} of the gradient's norm leaves", True)


def of_relu(station: Station) -> Iterator[Comment]:
    leaks = int(leaking(station).sum())
    if leaks:
        yield Comment(f"the mask is missing: a gradient leaves {leaks} shut units", True)
    shut = ~(station.y > 0).any(axis=0)
    channels = dead_channels(station)
    if channels:
        yield Comment(f"{numbered('channel', channels)} dead for all {len(station.y)} images", bool(shut.all()))
    elif shut.any():
        yield Comment(f"{int(shut.sum())} of {shut.size} units dead for all {len(station.y)} images", bool(shut.all()))
    yield from nothing(station)


def of_pooling(station: Station) -> Iterator[Comment]:
    lost = float(np.mean(station.leaving == 0))
    yield Comment(f"{lost:.0%} of the entries get no gradient", lost == 1)
    gap = abs(float(station.leaving.sum()) - float(station.arriving.sum()))
    unit = float(np.finfo(station.arriving.dtype).eps)
    if gap > station.arriving.size**0.5 * unit * float(np.abs(station.arriving).sum()):
        yield Comment("what leaves does not add up to what arrives", True)


def of_sigmoid(station: Station) -> Iterator[Comment]:
    yield from saturation(station, 4 * station.y * (1 - station.y))


def of_tanh(station: Station) -> Iterator[Comment]:
    yield from saturation(station, 1 - station.y**2)


def saturation(station: Station, slope: Array) -> Iterator[Comment]:
    """`slope` as a share of the steepest that there is."""
    flat = float(np.mean(slope < SATURATED))
    if flat:
        yield Comment(f"{flat:.0%} of the units saturated", flat > ALLOWED_SATURATION)
    yield from nothing(station)


def of_weights(station: Station) -> Iterator[Comment]:
    """Filters (C_out, C_in, K_h, K_w) or weights (D, O): what is zero, and what gets no gradient."""
    if "filters" in station.parameters:
        filters, gradients = station.parameters["filters"], station.gradients["filters"]
        zero = [c for c in range(len(filters)) if not filters[c].any()]
        untaught = [c for c in range(len(filters)) if not gradients[c].any() and c not in zero]
        if zero:
            yield Comment(f"{numbered('filter', zero)} zero", True)
        if untaught:
            yield Comment(f"no gradient for {numbered('filter', untaught, verb='')}", len(untaught) == len(filters))
    elif "weights" in station.parameters:
        weights, gradients = station.parameters["weights"], station.gradients["weights"]
        zero = int(np.sum(~weights.any(axis=0)))
        untaught = int(np.sum(~gradients.any(axis=0))) - zero
        if zero:
            yield Comment(f"{zero} of {weights.shape[1]} units have zero weights", True)
        if untaught > 0:
            yield Comment(f"no gradient for {untaught} of {weights.shape[1]} units", untaught == weights.shape[1])
    yield from nothing(station)


COMMENTS: dict[str, Callable[[Station], Iterator[Comment]]] = {
    "relu": of_relu,
    "max_pooling": of_pooling,
    "sigmoid": of_sigmoid,
    "tanh": of_tanh,
    "convolution": of_weights,
    "linear": of_weights,
}


def leaking(station: Station) -> Array:
    """Where a gradient leaves a ReLU that is shut: its mask is missing there."""
    if station.operation != "relu":
        return np.zeros(station.x.shape, bool)
    return (station.y <= 0) & (station.leaving != 0)


def dead_channels(station: Station) -> list[int]:
    """The channels (or units) of an activation that are 0 everywhere in every image."""
    if station.operation != "relu" or station.y.ndim != 4:
        return []
    return [c for c in range(station.y.shape[1]) if not (station.y[:, c] > 0).any()]


def numbered(what: str, places: list[int], verb: str = "is") -> str:
    """In words: "filter 3 is", "filters 3, 5 are"."""
    plural = len(places) > 1
    verb = {"is": " are" if plural else " is"}.get(verb, "")
    return f"{what}{'s' if plural else ''} {', '.join(map(str, places))}{verb}"


def norm(a: Array) -> float:
    return float(np.linalg.norm(a.ravel().astype(np.float64)))


def share(station: Station) -> float:
    """How much of the norm that arrives leaves."""
    arriving = norm(station.arriving)
    return norm(station.leaving) / arriving if arriving else float("nan")
