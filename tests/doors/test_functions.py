"""Two plain functions become an operation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crosscheck
from crosscheck.doors.functions import from_functions


def test_functions_become_an_operation() -> None:
    def doubled(x: Any, n: Any) -> Any:
        return 2 * x + n

    given = {"x": np.ones(3), "n": np.arange(3)}
    operation = from_functions(doubled, lambda grad_output, x, n: {"x": 2 * grad_output}, given, doubled)
    assert operation.name == "doubled"
    assert operation.wrt == ("x",)
    assert operation.output().tolist() == [2.0, 3.0, 4.0]
    assert operation.gradients(np.ones(3))["x"].tolist() == [2.0, 2.0, 2.0]
    assert operation.inputs["x"] is not given["x"]
    assert from_functions(doubled, lambda grad_output, **d: {}, given, name="mine").name == "mine"
    assert from_functions(doubled, lambda grad_output, **d: {}, given).reference is None


@pytest.mark.parametrize("inputs", [{}, {"mode": "mean"}])
def test_inputs_without_an_array_are_called_that(inputs: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="must be a non-empty dictionary of arrays by name, not one without an array"):
        crosscheck.check(lambda **given: 0.0, lambda grad_output, **given: {}, inputs)


def test_a_backward_may_take_all_by_name_only() -> None:
    def backward(*, grad_output: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
        return {"x": grad_output * np.cos(x)}

    assert crosscheck.check(lambda *, x: np.sin(x), backward, {"x": np.linspace(-1, 1, 5)})
