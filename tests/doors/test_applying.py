"""Gradients that are hidden until a step: right ones agree, wrong ones are wrong, and what cannot be told is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crosscheck
from tests.doors.planting import PLANTED, Array, normal, planted
from tests.doors.styles_held import X
from tests.doors.styles_stepped import Averaged, Delta, Sums, WithMomentum


def judged(layer: Any, **says: Any) -> crosscheck.Result:
    return crosscheck.check_layer(layer, X, diagnose=False, **says)


def test_the_gradient_is_read_from_the_step_and_said() -> None:
    layer = Delta()
    before = layer.W.copy()
    result = judged(layer)
    assert result, result
    assert set(result.gradients) == {"x", "W", "b"}
    assert "update of Delta was called after every backward" in str(result).replace("\n            ", "")
    assert np.array_equal(layer.W, before)


@pytest.mark.parametrize("make", [Delta, Averaged, Sums])
def test_a_wrong_one_is_wrong(make: type) -> None:
    with planted("W", "a quarter too large"):
        result = judged(make())
    assert result.gradients["W"].verdict == "disagree", result
    assert result.gradients["b"].passed


def test_a_factor_that_a_rule_may_hold_fails_by_the_name() -> None:
    with planted("W", "a quarter too large"):
        result = judged(WithMomentum())
    assert not result
    assert "update of WithMomentum changes W by a step that depends on v.0, too" in " ".join(str(result).split())


def test_what_is_no_multiple_of_the_gradient_is_wrong_under_any_rule() -> None:
    PLANTED["W"] = lambda g: g[::-1]
    try:
        result = judged(WithMomentum())
    finally:
        PLANTED.clear()
    assert result.gradients["W"].verdict == "disagree", result


def test_a_step_of_a_name_of_its_own_with_an_object_that_updates() -> None:
    class Rule:
        def apply(self, w: Array, g: Array) -> None:
            w -= 0.1 * g / (1 + np.abs(g))

    class Told(Delta):
        update = None  # pyright: ignore[reportAssignmentType]

        def train(self, rule: Any) -> None:
            rule.apply(self.W, PLANTED.get("W", lambda g: g)(self.x.T @ self.error))
            rule.apply(self.b, self.error.sum(0))

    says = {"step": "train", "backward_kwargs": {"rule": Rule()}}
    assert judged(Told(), **says)
    with planted("W", "zero"):
        assert judged(Told(), **says).gradients["W"].verdict == "disagree"


def test_a_rule_that_adapts_is_named() -> None:
    class Adaptive(Delta):
        def update(self, lr: float) -> None:
            for name, g in (("W", self.x.T @ self.error), ("b", self.error.sum(0))):
                setattr(self, name, getattr(self, name) - lr * g / (np.abs(g) + 1e-8))

    result = judged(Adaptive())
    assert not result
    assert "update of Adaptive changes W, b by a step that is no multiple of lr times" in " ".join(str(result).split())


def test_a_step_that_there_is_not_is_said() -> None:
    with pytest.raises(TypeError, match="step is 'learn'; Delta has no such method"):
        judged(Delta(), step="learn")


def test_a_layer_that_was_used_before_is_judged_by_one_call() -> None:
    layer = Sums()
    layer.forward(X)
    layer.backward(normal(5, 3, seed=3))
    held = layer.acc_w.copy()
    result = judged(layer)
    assert result, result
    assert np.array_equal(layer.acc_w, held)
