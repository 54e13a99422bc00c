"""Layers that keep state: it is compared with the reference's, and the mode that a layer is in is kept."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from tests.doors.planting import Array, normal
from tests.doors.styles_called import Mode, Recurrent
from tests.doors.styles_held import BatchNorm, X

STATE = ("running_mean", "running_var")


def reference(x: Any, gamma: Any, beta: Any) -> Any:
    mean, var = x.mean(0), x.var(0)
    state = {"running_mean": 0.1 * mean, "running_var": 0.9 + 0.1 * var}
    return gamma * (x - mean) / jnp.sqrt(var + 1e-5) + beta, state


class Unbiased(BatchNorm):
    """Its running variance is that of a sample, as PyTorch's is."""

    def forward(self, x: Array) -> Array:
        before = self.running_var
        y = super().forward(x)
        self.running_var = 0.9 * before + 0.1 * x.var(0, ddof=1)
        return y


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_state_is_compared_with_the_reference(dtype: Any) -> None:
    def layer(kind: type[BatchNorm]) -> BatchNorm:
        made = kind()
        made.gamma, made.beta = made.gamma.astype(dtype), made.beta.astype(dtype)
        return made

    x = X[:, :3].astype(dtype)
    result = crosscheck.check_layer(layer(BatchNorm), x, reference, state=STATE, diagnose=False)
    assert result, result
    wrong = crosscheck.check_layer(layer(Unbiased), x, reference, state=STATE, diagnose=False)
    assert wrong.verdict == "disagree"
    assert all(g.passed for g in wrong.gradients.values())
    (said,) = [f.explanation for f in wrong.findings if f.fails]
    assert said.startswith("running_var after forward of Unbiased differs from the reference's at 3 of 3 entries")


def test_state_without_a_reference_or_by_another_name_is_said() -> None:
    with pytest.raises(ValueError, match=r"state names running_mean, running_var, and there is no reference"):
        crosscheck.check_layer(BatchNorm(), X[:, :3], state=STATE)
    with pytest.raises(ValueError, match=r"state names 'mean', which BatchNorm does not have"):
        crosscheck.check_layer(BatchNorm(), X[:, :3], reference, state=("mean",))
    with pytest.raises(TypeError, match=r"with state= it must return \(y, \{name"):
        crosscheck.check_layer(BatchNorm(), X[:, :3], lambda **v: reference(**v)[0], state=STATE)


def test_a_hidden_state_that_is_gone_on_from_is_a_constant_if_it_is_said_to_be() -> None:
    layer = Recurrent()
    layer.forward(normal(4, 3))
    unsaid = crosscheck.check_layer(layer, normal(4, 3), diagnose=False)
    assert any(f.fails and f.explanation.startswith("h moves the output") for f in unsaid.findings)
    result = crosscheck.check_layer(layer, normal(4, 3), constants=("h",), diagnose=False)
    assert result, result
    assert any("reads what it wrote the last time" in f.explanation for f in result.findings)


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_the_mode_of_a_layer_is_kept(scale: float) -> None:
    layer = Mode() if scale == 1.0 else Mode().eval()

    def twin(x: Any, W: Any, b: Any) -> Any:
        return scale * (x @ W + b)

    assert crosscheck.check_layer(layer, X, twin, diagnose=False)
    assert layer.training is (scale == 1.0)
