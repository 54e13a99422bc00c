"""What vanishes beside a much larger number: -1e30 for the log of zero, as recursions in logs have it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import crosscheck

Array = np.ndarray


def alignment(logits: Array) -> Any:
    """CTC as it is written: in logs, -1e30 where no path has come, the largest of three by Python's `max`."""
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    labels = [0, 1, 0, 2, 0, 1, 0]
    alpha = np.full((len(log_p), 7), -1e30)
    alpha[0, :2] = log_p[0, 0], log_p[0, 1]
    for t in range(1, len(log_p)):
        for s in range(7):
            before = [alpha[t - 1, k] for k in (s, s - 1, s - 2) if k >= 0 and (k > s - 2 or s in (3, 5))]
            top = max(before)
            alpha[t, s] = top + np.log(sum(np.exp(a - top) for a in before)) + log_p[t, labels[s]]
    return -np.logaddexp(alpha[-1, -1], alpha[-1, -2])


def alignment_backward(g: Any, logits: Array, *, softmax: bool = True) -> dict[str, Array]:
    """What the posterior of the labels leaves of their probability."""
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels, steps = np.array([0, 1, 0, 2, 0, 1, 0]), len(p)
    move = np.eye(7) + np.eye(7, k=1)
    move[1, 3] = move[3, 5] = 1
    forth, back = np.zeros((steps, 7)), np.zeros((steps, 7))
    forth[0, :2], back[-1, -2:] = p[0, :2], 1
    for t in range(1, steps):
        forth[t] = forth[t - 1] @ move * p[t, labels]
        back[-1 - t] = move @ (back[-t] * p[-t, labels])
    posterior = forth * back / forth[-1, -2:].sum()
    return {"logits": g * (softmax * p - np.stack([posterior @ (labels == c) for c in range(3)], 1))}


def test_a_log_of_zero_by_convention_leaves_a_verdict() -> None:
    inputs = {"logits": np.random.default_rng(0).normal(size=(5, 3))}
    assert crosscheck.check(alignment, alignment_backward, inputs)
    wrong = crosscheck.check(alignment, partial(alignment_backward, softmax=False), inputs, diagnose=False)
    assert wrong.verdict == "disagree"
