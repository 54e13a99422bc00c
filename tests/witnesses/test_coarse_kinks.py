"""What only looks like float32: beside a kink the answers jump by more than float64 rounds."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import crosscheck

Array = np.ndarray


@pytest.mark.parametrize("slip", [1.0, 0.5])
def test_the_largest_of_numbers_that_are_near_each_other_is_not_float32(slip: float) -> None:
    x = np.array([1e9, 1e9 - 1, 1e9, 1e9 + 2, 1e9 - 1, 1e9 - 1])

    def backward(grad_output: Array, x: Array) -> dict[str, Array]:
        grad = np.zeros(x.shape)
        for j in range(len(x)):
            grad[np.argmax(x[: j + 1])] += grad_output[j] * (slip if j == 3 else 1.0)
        return {"x": grad}

    result = crosscheck.check(
        lambda x: np.maximum.accumulate(x), backward, {"x": x}, lambda x: lax.cummax(x), diagnose=False
    )
    assert "float32" not in result.full()
    assert (result.verdict == "disagree") == (slip != 1)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    ("slope", "verdict"), [(0.0, "agree"), (1.0, "agree"), (0.5, "agree"), (2.0, "disagree"), (-1.0, "disagree")]
)
def test_a_float32_forward_that_returns_float64_has_its_conventions(slope: float, verdict: str, given: bool) -> None:
    """Of round numbers float32 sees steps that are powers of two exactly."""
    found = crosscheck.check(
        lambda x: np.maximum(x.astype(np.float32), 0).astype(np.float64),
        lambda g, x: g * np.where(x == 0, slope, x > 0),
        {"x": np.array([0.0, 1.0, -2.0, 0.5])},
        (lambda x: jnp.maximum(x, 0)) if given else None,
        diagnose=False,
    )
    assert found.verdict == verdict, str(found)
