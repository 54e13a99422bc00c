"""A batch of zero samples: empty gradients, and zeros for what all samples share."""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from crosscheck.effects.arrays import Arrays, copied, fresh, rows
from crosscheck.effects.calls import Calls, Change
from crosscheck.effects.visits import FORWARD, OUTPUT, visited
from crosscheck.evidence.finding import UNSETTLED
from crosscheck.operation import describe


@dataclass(frozen=True)
class Batch:
    """A call with no samples.

    Args:
        shapes: that the output and the gradients must have, by name.
        values: the output and the gradients, or the exception instead.
    """

    shapes: dict[str, tuple[int, ...]]
    values: Arrays | Exception


@contextmanager
def quietly() -> Generator[None]:
    """Zero samples may divide by zero: what comes of it is looked at, the warning says nothing more."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def no_samples(calls: Calls) -> Batch | None:
    """Try no samples at all, where it is clear which axis counts samples."""
    along = batched(calls)
    if along is None:
        return None
    inputs = resized(calls, along, 0)
    shape = (0, *visited(calls, FORWARD).values[OUTPUT].shape[1:])
    shapes = {OUTPUT: shape, **{k: inputs[k].shape for k in calls.operation.drawn}}
    with quietly():
        try:
            y = np.asarray(calls.forward(inputs))
            gradients = calls.backward(np.zeros(shape, calls.a.cotangent.dtype), inputs)
            return Batch(shapes, copied({OUTPUT: y, **{k: gradients[k] for k in calls.operation.drawn}}))
        except Exception as error:
            return Batch(shapes, error)


def resized(calls: Calls, along: set[str], samples: int) -> Arrays:
    return {k: rows(x, samples) if k in along else fresh(x) for k, x in calls.a.inputs.items()}


def batched(calls: Calls) -> set[str] | None:
    """The inputs whose leading axis counts samples, established by a call with another number of them.

    That call is made with one sample (with two, if there is one): its output must have that many.
    """
    first, inputs = calls.operation.wrt[0], calls.a.inputs
    output = visited(calls, FORWARD).values[OUTPUT]
    size = inputs[first].shape[0] if inputs[first].ndim else 0
    if size == 0 or output.ndim == 0 or output.shape[0] != size:
        return None
    along = {k for k, x in inputs.items() if x.ndim and x.shape[0] == size}
    undifferentiated = along - set(calls.operation.wrt)
    samples = 1 if size > 1 else 2
    tried: list[set[str]] = []
    for names in ({first}, {first} | undifferentiated, along):
        if names in tried:
            continue
        tried.append(names)
        try:
            with quietly():
                y = np.asarray(calls.forward(resized(calls, names, samples)))
        except Exception:  # not these inputs
            continue
        if y.shape == (samples, *output.shape[1:]):
            return names
    return None


# What stays on a set, or is held in places, has a shape of its own: nothing of it is left out.
NO_SAMPLES = Change(
    "no samples at all", no_samples, when=lambda calls: not (calls.found(*UNSETTLED) or calls.operation.manner.charted)
)


# ---------------------------------------------------------------------- expectations


def accepted(calls: Calls, batch: Batch) -> Iterator[str]:
    if isinstance(batch.values, Exception):
        yield f"a batch of zero samples is refused: {describe(batch.values)}"


def shaped_and_finite(calls: Calls, batch: Batch) -> Iterator[str]:
    """The output and the gradients have the right shapes, and the gradients that are not empty are finite."""
    for k, value in answered(batch).items():
        what = "an output" if k == OUTPUT else f"a gradient of {k}"
        if value.shape != batch.shapes[k]:
            yield f"a batch of zero samples gives {what} of shape {value.shape}, not {batch.shapes[k]}"
        elif k != OUTPUT and not np.isfinite(value).all():
            yield f"a batch of zero samples gives {what} that is not finite"


def zero(calls: Calls, batch: Batch) -> Iterator[str]:
    """A sum over no samples is zero."""
    for k, value in answered(batch).items():
        if k != OUTPUT and value.shape == batch.shapes[k] and np.isfinite(value).all() and value.any():
            yield f"a batch of zero samples gives a gradient of {k} that is not zero"


def answered(batch: Batch) -> Arrays:
    return {} if isinstance(batch.values, Exception) else batch.values
