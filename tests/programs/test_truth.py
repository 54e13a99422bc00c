"""The truth: settled whatever cancels, and what it calls rounding is rounding."""

import mpmath
import numpy as np
import pytest

from tests.programs.generate import generate
from tests.programs.program import Program, Step
from tests.programs.truth import NoTruth, errors, once, rounding, settled, truth


def program(steps: dict[str, Step], dtype: type = np.float64, **inputs: object) -> Program:
    return Program({k: np.asarray(v, dtype) for k, v in inputs.items()}, steps, np.ones((), dtype))


def test_more_digits_change_nothing() -> None:
    for index in range(0, 60, 2):
        p = generate(1, index).program
        known = truth(p)
        _, finer = once(p, 2 * known.digits, None)
        with mpmath.workdps(known.digits):
            for name, g in known.gradients.items():
                for a, b in zip(g.flat, finer[name].flat, strict=True):
                    assert abs(a - b) <= abs(b) * mpmath.mpf(10) ** -20 or a == 0


def test_a_gradient_that_cancels_is_zero() -> None:
    """The last sum of a softmax is 1 whatever the input; the terms that cancel are irrational."""
    steps = {"v1": Step("softmax", ("a",), {"axis": 0}), "v2": Step("sum", ("v1",), {"axis": (0,), "keepdims": False})}
    known = truth(program(steps, a=[0.3, -1.7, 0.9]))
    assert [float(v) for v in known.gradients["a"]] == [0.0, 0.0, 0.0]


def test_one_beside_ten_to_the_hundred_and_fifty() -> None:
    """((a + b) - a)² with a = 10^150, b = 1: float64 loses b, the truth does not."""
    steps = {
        "v1": Step("add", ("a", "b"), {}),
        "v2": Step("subtract", ("v1", "a"), {}),
        "v3": Step("square", ("v2",), {}),
    }
    p = program(steps, a=1e150, b=1.0)
    known = truth(p)
    assert float(known.gradients["b"][()]) == 2.0
    assert errors(p, known)[0]["b"] == 1.0
    assert rounding(p, known).worst >= 1.0


def test_a_tiny_entry_is_not_taken_for_dust() -> None:
    steps = {"v1": Step("square", ("a",), {}), "v2": Step("sum", ("v1",), {"axis": (0,), "keepdims": False})}
    known = truth(program(steps, a=[1e150, 1e-150]))
    assert float(known.gradients["a"][1]) == 2e-150


def test_digits_that_disagree_do_not_settle() -> None:
    def run(value: str) -> np.ndarray:
        return np.array([mpmath.mpf(value)], dtype=object)

    assert settled([run("1e-3"), run("1e-3")]) is not None
    assert settled([run("1e-3"), run("2e-3")]) is None
    assert settled([run("3e-60"), run("1e-110")]) is None
    for far_below in ("1e-900", "0"):
        found = settled([run("1e-400"), run(far_below)])
        assert found is not None
        assert found[0] == 0
    dust = settled([run("3e-60"), run("1e-110"), run("2e-210")])
    assert dust is not None
    assert dust[0] == 0


def test_singular_in_truth_has_no_truth() -> None:
    steps = {"v1": Step("inv", ("a",), {}), "v2": Step("sum", ("v1",), {"axis": (0, 1), "keepdims": False})}
    with pytest.raises(NoTruth):
        once(program(steps, a=[[1.0, 2.0], [2.0, 4.0]]), 50, None)


def test_integers_and_ties_have_no_rounding() -> None:
    steps = {
        "v1": Step("maximum", ("a", "b"), {}),
        "v2": Step("multiply", ("v1", "a"), {}),
        "v3": Step("sum", ("v2",), {"axis": (0,), "keepdims": False}),
    }
    p = program(steps, a=[2.0, -3.0], b=[2.0, 1.0])
    assert rounding(p, truth(p)).worst == 0.0


def test_a_near_tie_that_rounding_decides_is_rounding() -> None:
    """0.1·3 and 0.3 are one ulp apart, computed; which of the two wins is rounding's choice."""
    steps = {"v1": Step("multiply_constant", ("a",), {"c": 3.0}), "v2": Step("maximum", ("v1", "b"), {})}
    p = program(steps, a=0.1, b=np.nextafter(0.1 * 3, 0))
    assert rounding(p, truth(p)).worst > 1e-3


def test_healthy_arithmetic_loses_little() -> None:
    steps = {"v1": Step("tanh", ("a",), {}), "v2": Step("sum", ("v1",), {"axis": (0,), "keepdims": False})}
    for dtype in (np.float64, np.float32):
        p = program(steps, dtype, a=[0.3, -0.7])
        unit = float(np.finfo(dtype).eps)
        assert 0 < rounding(p, truth(p)).worst < 20 * unit


def test_what_is_rounded_within_a_step_is_rounding() -> None:
    """1 - tanh² in a loop whose tanh is 1 - 2e-14: an ulp is half a percent of it, which no later value shows."""
    p = generate(0, 1023).program
    assert "rnn" in {s.op for s in p.steps.values()}
    assert 1e-3 < rounding(p, truth(p)).at("a", (0, 2)) < 0.1


def test_what_mpmath_gives_up_has_no_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its eigenvalues of some matrices with a hundred decades between their entries do not converge."""

    def gives_up(*_: object) -> None:
        raise RuntimeError("no convergence to an eigenvalue after 172 iterations")

    monkeypatch.setattr(mpmath, "eigsy", gives_up)
    steps = {"v1": Step("eigenvalues", ("a",), {}), "v2": Step("sum", ("v1",), {"axis": (0,), "keepdims": False})}
    with pytest.raises(NoTruth, match="no convergence"):
        truth(program(steps, a=[[1.0, 2.0], [2.0, 5.0]]))
