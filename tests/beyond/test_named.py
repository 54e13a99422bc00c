"""A few of the planted mistakes, named; `make beyond` does them all, through the whole judge."""

from __future__ import annotations

import numpy as np
import pytest

from tests.beyond.planted import Slip, Subject
from tests.beyond.run import expected
from tests.beyond.subjects import planted
from tests.diagnosis.harness import reasons

FEW = (
    "RMS norm: the path taken twice",
    "Gaussian likelihood: the ½ left out of the square",
    "running sum: summed forwards",
    "Poisson likelihood: the exponential's derivative left out",
    "circular convolution by FFT: the conjugate left out",
    "quantile: not put back in order",
    # Code that is made for its sizes: at four coordinates the right gradients of a camera are wrong.
    "pinhole camera: the rotation for its inverse",
)


@pytest.mark.parametrize("name", FEW)
def test_a_planted_mistake_is_named(name: str) -> None:
    row: tuple[Subject, Slip] = planted(name)[0]
    subject, slip = row
    rng = np.random.default_rng(0)
    operation = subject.operation(slip.name, 0, 0)
    found = reasons(operation, rng.normal(size=operation.output().shape))
    assert found
    for diagnoses in found.values():
        assert diagnoses
        assert expected(diagnoses[0], slip), diagnoses[0]
