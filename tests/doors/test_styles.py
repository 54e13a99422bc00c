"""Hand-written layers of the styles found in public repositories: the right ones agree, and a mistake in any gradient
is found in that gradient. All without a reference: the forward is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import crosscheck
from crosscheck.doors.layers.places import everything
from tests.doors.planting import MISTAKES, planted
from tests.doors.styles_beside import BESIDE
from tests.doors.styles_called import CALLED
from tests.doors.styles_functions import FUNCTIONS
from tests.doors.styles_held import HELD
from tests.doors.styles_later import LATER
from tests.doors.styles_stepped import STEPPED
from tests.doors.styles_updating import UPDATING

pytestmark = pytest.mark.proof

STYLES = HELD | CALLED | UPDATING | STEPPED | LATER | BESIDE
# A division by 5 that is compiled into a product with a fifth is not exact: not recorded, and judged all the same.
NOT_RECORDED = {"a mean in the step", "masked arrays", "matrices"}  # ... nor are arrays of a class of their own


def held(layer: Any) -> dict[str, bytes]:
    return {place.name: np.asarray(place.value(layer)).tobytes() for place in everything(layer)}


def judged(name: str) -> crosscheck.Result:
    style = STYLES[name]()
    return crosscheck.check_layer(style.layer, style.x, diagnose=False, **style.says)


def test_there_are_many() -> None:
    assert len(STYLES) + len(FUNCTIONS) >= 100


@pytest.mark.parametrize("name", STYLES)
def test_a_right_layer_agrees_and_is_left_alone(name: str) -> None:
    style = STYLES[name]()
    before, names = held(style.layer), set(getattr(style.layer, "__dict__", {}))
    result = crosscheck.check_layer(style.layer, style.x, diagnose=False, **style.says)
    assert result, result
    assert {of(k, result) for k in style.gradients} <= set(result.gradients)
    assert held(style.layer) == before
    assert set(getattr(style.layer, "__dict__", {})) == names
    assert result.evidence.source.startswith("recorded") or name in NOT_RECORDED


def of(name: str, result: crosscheck.Result) -> str:
    """The gradient in the report that the style calls so: an inner layer's has a longer name."""
    return next((k for k in result.gradients if k == name or k.endswith(f".{name}")), name)


def mistakes() -> Iterator[tuple[str, str, str]]:
    """Each gradient of each style with one of the mistakes, in turn."""
    kinds = list(MISTAKES)
    number = 0
    for name, made in STYLES.items():
        for gradient in made().gradients:
            yield name, gradient, kinds[number % len(kinds)]
            number += 1


@pytest.mark.parametrize(("name", "gradient", "mistake"), list(mistakes()))
def test_a_mistake_in_any_gradient_is_found_there(name: str, gradient: str, mistake: str) -> None:
    with planted(gradient, mistake):
        result = judged(name)
    assert result.verdict == "disagree", result
    assert not result.gradients[of(gradient, result)].passed


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_agrees_and_a_mistake_in_any_gradient_is_found_there(name: str) -> None:
    made = FUNCTIONS[name]()
    result = getattr(crosscheck, made.door)(*made.args, **made.says)
    assert result, result
    assert set(made.gradients) <= set(result.gradients)
    for number, gradient in enumerate(made.gradients):
        with planted(gradient, list(MISTAKES)[number % len(MISTAKES)]):
            wrong = getattr(crosscheck, made.door)(*made.args, **made.says)
        assert wrong.verdict == "disagree", wrong
        assert not wrong.gradients[gradient].passed
