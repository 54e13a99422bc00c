"""The same operation at other sizes."""

from __future__ import annotations

import numpy as np
import pytest

from crosscheck.diagnosis.resizing import SMALL, concerned, cut_down, fits, ratio, shortened
from crosscheck.doors.functions import from_functions
from tests.diagnosis.derivations import DENSE
from tests.diagnosis.harness import drawn, planted_operation

AXES = {"x": ("batch", "features"), "weights": ("inputs", "outputs"), "biases": ("outputs",)}


def test_one_axis_is_shortened_wherever_it_stands(rng: np.random.Generator) -> None:
    inputs = drawn(DENSE, rng)
    shorter = shortened(inputs, AXES, ("inputs", "features"), 2)
    assert shorter is not None
    assert {k: a.shape for k, a in shorter.items()} == {"x": (5, 2), "weights": (2, 4), "biases": (4,)}
    np.testing.assert_array_equal(shorter["x"], inputs["x"][:, :2])
    assert shortened(inputs, AXES, ("rows",), 2) is None


def test_sizes_that_do_not_fit_are_not_used(rng: np.random.Generator) -> None:
    operation = from_functions(DENSE.forward, DENSE.backward, drawn(DENSE, rng), DENSE.reference)
    apart = shortened(operation.inputs, AXES, ("inputs",), 2)
    assert apart is not None
    assert fits(operation, apart) is None


@pytest.mark.parametrize("factor", [1.0, 0.25, -3.0])
def test_the_ratio_of_two_directional_derivatives(factor: float, rng: np.random.Generator) -> None:
    operation = planted_operation(DENSE, "weights", lambda r, g, **_: factor * r["weights"], drawn(DENSE, rng))
    assert ratio(operation, "weights", (5, 4), rng) == pytest.approx(factor, rel=1e-6)


def test_code_that_refuses_other_numbers_says_nothing(rng: np.random.Generator) -> None:
    inputs = drawn(DENSE, rng)

    def forward(**values):
        assert np.array_equal(values["weights"], inputs["weights"])
        return DENSE.forward(**values)

    operation = from_functions(forward, lambda g, **values: DENSE.backward(g, **values), inputs)
    assert ratio(operation, "weights", (5, 4), rng) is None


def test_a_large_operation_is_cut_down_as_far_as_it_fits(rng: np.random.Generator) -> None:
    base = DENSE._replace(shapes={"x": (50, 60), "weights": (60, 40), "biases": (40,)})
    operation = from_functions(base.forward, base.backward, drawn(base, rng), base.reference)
    small = cut_down(AXES, operation)
    assert small.inputs["x"].shape == (SMALL["batch"], SMALL["inputs"])
    assert small.inputs["weights"].shape == (SMALL["inputs"], SMALL["outputs"])


def test_a_group_of_axes_concerns_the_areas_that_it_is_in() -> None:
    assert "output rows · output columns" in concerned(("rows",))
    assert "kernel rows · kernel columns" in concerned(("kernel columns",))
    assert "rows · columns" not in concerned(("batch",))
