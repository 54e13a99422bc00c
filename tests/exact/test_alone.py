"""Without a reference: longdouble shows that nothing rounds, and the forward's own exact difference is the truth."""

from __future__ import annotations

import numpy as np
import pytest

from crosscheck.exact.run import exact_run
from tests.operations import SQUARE, one

Array = np.ndarray
Arrays = dict[str, Array]


EXTENDED = np.finfo(np.longdouble).nmant > 52


@pytest.mark.skipif(not EXTENDED, reason="longdouble is double here")
def test_without_a_reference_longdouble_shows_that_nothing_rounds() -> None:
    forward, backward, _, shape = SQUARE
    run = exact_run(one(forward, backward, None, shape), seed=0)
    assert run.applies, run.reason
    assert run.outcomes == {"x": "equal"}
    assert run.difference["x"].checked.all()
    wrong = exact_run(one(forward, lambda g, x: (3 * g * x,), None, shape), seed=0)
    assert wrong.different == ["x"]
    assert np.array_equal(wrong.gradients["x"], 2 * wrong.cotangent * wrong.inputs["x"])


def test_without_a_reference_it_says_what_is_missing() -> None:
    run = exact_run(one(np.tanh, lambda g, x: (g * (1 - np.tanh(x) ** 2),), None, (3, 4)), seed=0)
    assert not run.applies
    assert run.reason.startswith("there is no reference")
    double = one(lambda x: x.astype(np.float64), lambda g, x: (g,), None, (3, 4))
    assert exact_run(double, seed=0).reason.startswith("there is no reference")
