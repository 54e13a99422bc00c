"""Two plain functions become an operation."""

from __future__ import annotations

from typing import Any

import numpy as np

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
