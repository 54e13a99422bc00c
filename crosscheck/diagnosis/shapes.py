"""A gradient of the wrong shape or dtype: which step is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations, permutations

import numpy as np

from crosscheck.diagnosis.points import Array
from crosscheck.diagnosis.tolerances import CANDIDATE, LEAST
from crosscheck.diagnosis.transforms import MOST_AXES
from crosscheck.diagnosis.words import along, plain_names
from crosscheck.evidence.reason import Diagnosis
from crosscheck.operation import Operation
from crosscheck.witnesses.autodiff import plain_gradients

BOUND = CANDIDATE * LEAST  # two computations of one array in float64, as a share of its largest entry


def shape_reasons(operation: Operation, v: Array, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Diagnosis]:
    """Of gradients of another shape than their inputs', which step is missing, where there is a reference to ask."""
    if not shapes:
        return {}
    returned, truth = operation.gradients(v), {}
    if operation.reference is not None:
        truth = plain_gradients(operation.reference, operation.inputs, operation.wrt, v)[1]
    # Where nobody knows the entries, none of them is right.
    reasons = {}
    for name, shape in shapes.items():
        wrong = np.asarray(returned[name], np.float64)
        right = truth.get(name, np.full(shape, np.nan))
        reasons[name] = exchanged(name, wrong, truth) or wrong_shape(name, wrong, right, BOUND)
    return reasons


def exchanged(name: str, wrong: Array, truth: Mapping[str, Array]) -> Diagnosis | None:
    """A gradient that is the right one of another input, where nobody could take it for its own."""
    for other, right in truth.items():
        if other != name and wrong.any() and is_the_same(wrong, right, BOUND):
            hint = f"it is that of {other}; are they returned in another order?"
            evidence = {"shape": list(wrong.shape), "expected": list(truth[name].shape), "repair": hint}
            return Diagnosis("shape", f"{has_shape(name, wrong, truth[name])}: {hint}", evidence)
    return None


def has_shape(name: str, wrong: Array, truth: Array) -> str:
    return f"the gradient of {name} has shape {wrong.shape}; {name} has shape {truth.shape}"


def is_the_same(a: Array, truth: Array, tolerance: float) -> bool:
    if a.shape != truth.shape or not (np.isfinite(a).all() and np.isfinite(truth).all()):
        return False
    largest = max(np.abs(truth).max(initial=0.0), np.finfo(np.float64).tiny)
    return bool((np.abs(a - truth) <= tolerance * largest).all())


def wrong_shape(name: str, wrong: Array, truth: Array, tolerance: float) -> Diagnosis:
    """Why the shape is wrong, where a simple step gives the right array."""
    evidence = {"shape": list(wrong.shape), "expected": list(truth.shape)}
    text = has_shape(name, wrong, truth)
    if np.isfinite(wrong).all() and np.isfinite(truth).all():
        for hint, array in repairs(wrong, truth):
            if is_the_same(array, truth, tolerance):
                return Diagnosis("shape", f"{text}: {hint}", {**evidence, "repair": hint})
    return Diagnosis("shape", text, evidence)


def repairs(wrong: Array, truth: Array) -> Iterator[tuple[str, Array]]:
    if wrong.size == truth.size:
        yield "its entries are right, it is only not reshaped", wrong.reshape(truth.shape)
    if wrong.ndim <= MOST_AXES:
        names = plain_names(wrong.ndim)
        for r in range(1, wrong.ndim + 1):
            for axes in combinations(range(wrong.ndim), r):
                over = along(names, axes)
                for keep in (False, True):
                    yield f"it is not summed over its {over}", wrong.sum(axes, keepdims=keep)
        for order in permutations(range(wrong.ndim)):
            if order != tuple(range(wrong.ndim)):
                yield "it is transposed", wrong.transpose(order)
    leading = wrong.shape[:-2] == truth.shape[:-2]
    if wrong.ndim == truth.ndim > 2 and leading and all(w >= t for w, t in zip(wrong.shape, truth.shape, strict=True)):
        excess = [w - t for w, t in zip(wrong.shape, truth.shape, strict=True)]
        for text, share in (("on both sides", 0.5), ("at the end", 0.0), ("at the start", 1.0)):
            start = [int(e * share) for e in excess]
            crop = tuple(slice(s, s + t) for s, t in zip(start, truth.shape, strict=True))
            yield f"the padding {text} is not cut off", wrong[crop]
    if (wrong.size and wrong.ndim < truth.ndim) or wrong.size == 1:
        try:
            spread = np.broadcast_to(wrong, truth.shape)
        except ValueError:
            return
        yield "it is not spread out to the whole shape", spread
