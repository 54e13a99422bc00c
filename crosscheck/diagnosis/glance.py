"""What needs no search: a gradient of the wrong shape or dtype, not finite, or zero everywhere."""

from __future__ import annotations

import numpy as np

from crosscheck.diagnosis.points import Array
from crosscheck.diagnosis.shapes import wrong_shape
from crosscheck.diagnosis.tolerances import CANDIDATE, LEAST
from crosscheck.evidence.reason import Diagnosis
from crosscheck.operation import Operation

# Of these a search for another reason would say nothing more.
FINAL = frozenset(["shape", "not-finite", "zero"])


def at_a_glance(operation: Operation, name: str, wrong: Array, truth: Array, bound: Array) -> list[Diagnosis]:
    """What is seen at once, the gravest first."""
    said = []
    if wrong.shape != truth.shape:
        top = np.abs(truth).max(initial=0.0)
        tolerance = float(bound.max(initial=0.0) / top) if top else 0.0
        said.append(wrong_shape(name, wrong, truth, CANDIDATE * max(tolerance, LEAST)))
    elif not np.isfinite(wrong).all():
        lost = ~np.isfinite(wrong)
        what = "NaN" if np.isnan(wrong).any() else "infinite"
        sentence = f"the gradient of {name} is {what} at {lost.sum()} of {lost.size} entries"
        evidence = {"entries": int(lost.sum()), "first": [int(i) for i in np.argwhere(lost)[0]]}
        said.append(Diagnosis("not-finite", sentence, evidence))
    elif wrong.size and not wrong.any():
        said.append(Diagnosis("zero", f"the gradient of {name} is zero everywhere", {}))
    wanted = operation.inputs[name].dtype
    if wrong.dtype != wanted and wrong.dtype.kind == "f" and wrong.dtype.itemsize < wanted.itemsize:
        sentence = f"the gradient of {name} is {wrong.dtype}; {name} is {wanted}"
        said.append(Diagnosis("dtype", sentence, {"dtype": str(wrong.dtype), "expected": str(wanted)}))
    return said
