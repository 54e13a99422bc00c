"""Where the forward is large, the search runs at a smaller point."""

from __future__ import annotations

import numpy as np
import pytest

import crosscheck.diagnosis.posing
from crosscheck.doors.functions import from_functions
from tests.diagnosis.derivations import (
    Array,
    Arrays,
    conv_backward,
    convolution,
)
from tests.diagnosis.harness import (
    drawn,
    reasons,
)


def test_a_large_operation_is_diagnosed_at_a_small_point(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crosscheck.diagnosis.posing, "LARGE", 100)
    large = convolution(1, 1, {"x": (4, 4, 6, 7), "filters": (5, 4, 3, 3), "biases": (5,)})

    def backward(g: Array, x: Array, filters: Array, biases: Array) -> Arrays:
        right = conv_backward(g, x, filters, biases, stride=1, padding=1)
        return {**right, "filters": right["filters"][:, :, ::-1], "biases": g.mean((0, 2, 3))}

    operation = from_functions(large.forward, backward, drawn(large, rng), large.reference)
    v = rng.normal(size=operation.output().shape)
    found = reasons(operation, v)
    assert found["filters"][0].kind == "flipped"
    assert found["biases"][0].evidence["factor"] == pytest.approx(1 / (4 * 6 * 7))
    assert found["biases"][0].evidence["name"] == "1 / (batch · output rows · output columns)"
