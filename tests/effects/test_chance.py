"""A random forward is named as that, and nothing is said of its gradients."""

import numpy as np
import pytest

from crosscheck import check
from crosscheck.effects.chance import of_chance

X = np.random.default_rng(0).normal(size=(4, 5))


@pytest.mark.parametrize("with_reference", [True, False])
def test_dropout_without_a_seed_is_named(with_reference: bool) -> None:
    rng, kept = np.random.default_rng(0), {}

    def forward(x: np.ndarray) -> np.ndarray:
        kept["mask"] = (rng.random(x.shape) < 0.5) * 2.0
        return x * kept["mask"]

    result = check(forward, lambda g, x: {"x": g * kept["mask"]}, {"x": X}, (lambda x: x) if with_reference else None)
    assert result.verdict == "disagree"
    assert [f.kind for f in result.findings if f.fails] == ["random"]
    assert "two equal calls" in str(result)
    assert result.gradients["x"].verdict == "undecided"


def test_dropout_with_a_seed_agrees() -> None:
    def mask(x: np.ndarray) -> np.ndarray:
        return (np.random.default_rng(3).random(x.shape) < 0.5) * 2.0

    assert check(lambda x: x * mask(x), lambda g, x: {"x": g * mask(x)}, {"x": X}).passed


def test_a_forward_that_writes_into_one_buffer_is_not_random() -> None:
    out = np.zeros_like(X)

    def forward(x: np.ndarray) -> np.ndarray:
        np.multiply(x, 2.0, out=out)
        return out

    result = check(forward, lambda g, x: {"x": 2.0 * g}, {"x": X}, lambda x: 2.0 * x)
    assert not any(f.kind == "random" for f in result.findings)


def test_rounding_is_no_chance_and_another_shape_is() -> None:
    assert of_chance(X, X * (1 + 2.0**-52)) is None
    assert of_chance(np.full(3, np.nan), np.full(3, np.nan)) is None
    found = of_chance(X, X[1:])
    assert found is not None
    assert "shapes (4, 5) and (3, 5)" in found.explanation
