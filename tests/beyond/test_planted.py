"""The planted mistakes are what they say: the right derivations are right, and every slip makes a gradient wrong."""

from __future__ import annotations

import numpy as np
import pytest

from tests.beyond.planted import Arrays, Slip, Subject
from tests.beyond.subjects import HELD_OUT, SUBJECTS, planted

STEP = 2.0**-20  # of central differences: their error is h² and u / h, both near 2^-34
AGREE = 1e-7


def moved(subject: Subject, inputs: Arrays, directions: Arrays, h: float) -> np.ndarray:
    return subject.forward(**{k: a + h * directions[k] if k in directions else a for k, a in inputs.items()})


@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize("subject", [*SUBJECTS, *HELD_OUT], ids=lambda subject: subject.name)
def test_the_right_derivation_is_right_along_a_direction(subject: Subject, size: int) -> None:
    rng = np.random.default_rng(size)
    inputs = subject.draw(rng, size)
    directions = {k: rng.normal(size=a.shape) for k, a in inputs.items() if a.dtype.kind == "f"}
    for k, d in directions.items():
        if subject.name in ("Cholesky", "multivariate normal") and d.ndim == 2:
            directions[k] = d + d.T
    y = subject.forward(**inputs)
    g = rng.normal(size=np.shape(y))
    gradients = subject.backward(g, "", **inputs)
    change = (moved(subject, inputs, directions, STEP) - moved(subject, inputs, directions, -STEP)) / (2 * STEP)
    along = sum(float(np.sum(gradients[k] * d)) for k, d in directions.items())
    size_of_it = sum(float(np.sum(np.abs(gradients[k] * d))) for k, d in directions.items())
    assert abs(float(np.sum(g * change)) - along) <= AGREE * size_of_it


@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize("row", planted(), ids=lambda row: f"{row[0].name}: {row[1].name}")
def test_a_slip_makes_a_gradient_wrong(row: tuple[Subject, Slip], size: int) -> None:
    subject, slip = row
    rng = np.random.default_rng(size)
    inputs = subject.draw(rng, size)
    g = rng.normal(size=np.shape(subject.forward(**inputs)))
    right, wrong = subject.backward(g, "", **inputs), subject.backward(g, slip.name, **inputs)
    assert all(wrong[k].shape == right[k].shape for k in right)
    assert any(np.abs(wrong[k] - right[k]).max() > 1e-6 * np.abs(right[k]).max() for k in right)


def test_no_two_rows_have_one_name() -> None:
    names = [(subject.name, slip.name) for subject, slip in planted()]
    assert len(names) == len(set(names)) >= 40
