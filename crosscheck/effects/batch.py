"""A batch of zero samples: empty gradients, and zeros for what all samples share."""

from __future__ import annotations

import warnings

import numpy as np

from crosscheck.effects.arrays import Array, copied, fresh, rows
from crosscheck.effects.calls import Calls, describe


def empty_batch(calls: Calls, output: Array) -> None:
    """Try no samples at all, where it is clear which axis counts samples; else say nothing."""
    along = batched(calls, output)
    if along is None:
        return
    inputs = {k: rows(x, 0) if k in along else fresh(x) for k, x in calls.a.items()}
    shape = (0, *output.shape[1:])
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            y = np.asarray(calls.forward(inputs))
            answer = copied(calls.backward(np.zeros(shape, calls.v.dtype), inputs))
        except Exception as error:
            calls.add("zero-size", f"a batch of zero samples is refused: {describe(error)}")
            return
    if y.shape != shape:
        calls.add(
            "zero-size",
            f"a batch of zero samples gives an output of shape {y.shape}, not {shape}",
        )
    for k, gradient in answer.items():
        if gradient.shape != inputs[k].shape:
            calls.add(
                "zero-size",
                f"a batch of zero samples gives a gradient of {k} of shape {gradient.shape}, not {inputs[k].shape}",
            )
        elif not np.isfinite(gradient).all():
            calls.add(
                "zero-size",
                f"a batch of zero samples gives a gradient of {k} that is not finite",
            )
        elif gradient.any():
            calls.add(
                "zero-size",
                f"a batch of zero samples gives a gradient of {k} that is not zero",
                fails=True,
            )


def batched(calls: Calls, output: Array) -> set[str] | None:
    """The inputs whose leading axis counts samples, established by a call with another number of them.

    That call is made with one sample (with two, if there is one): its output must have that many.
    """
    first = calls.operation.wrt[0]
    size = calls.a[first].shape[0] if calls.a[first].ndim else 0
    if size == 0 or output.ndim == 0 or output.shape[0] != size:
        return None
    along = {k for k, x in calls.a.items() if x.ndim and x.shape[0] == size}
    samples = 1 if size > 1 else 2
    undifferentiated = {k for k in along if k not in calls.operation.wrt}
    candidates = []
    for names in ({first}, {first} | undifferentiated, along):
        if names not in candidates:
            candidates.append(names)
    for names in candidates:
        inputs = {k: rows(x, samples) if k in names else fresh(x) for k, x in calls.a.items()}
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                y = np.asarray(calls.forward(inputs))
        except Exception:  # not these inputs
            continue
        if y.shape == (samples, *output.shape[1:]):
            return names
    return None
