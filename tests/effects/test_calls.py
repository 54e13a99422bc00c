"""The calls of an audit: made once, with arrays that stay alive, and refused in the operation's own words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crosscheck.effects.calls import Calls, Change, Site
from crosscheck.operation import Operation
from tests.effects.healthy import Array, Rng, operation
from tests.effects.planted import calls, healthy


def given(forward: Any, backward: Any) -> Calls:
    x = np.arange(3.0)
    subject = Operation(
        "subject", lambda values: forward(**values), lambda g, values: backward(g, **values), {"x": x}, ("x",), None
    )
    return Calls(subject, x, Site({"x": x + 1}, x), {}, None)


def test_a_change_is_made_once(rng: Rng) -> None:
    made = []
    found = calls(healthy, rng)
    change = Change("a call", lambda calls: made.append(calls) or "answer")
    assert [found.answer(change), found.answer(change)] == ["answer", "answer"]
    assert made == [found]


def test_a_change_that_cannot_be_made_is_not_tried_again(rng: Rng) -> None:
    made = []
    found = calls(healthy, rng)
    change: Change[str] = Change("a call", lambda calls: made.append(calls))
    assert [found.answer(change), found.answer(change)] == [None, None]
    assert len(made) == 1


def test_whether_a_change_is_worth_it_is_asked_once(rng: Rng) -> None:
    found = calls(healthy, rng)
    change = Change("a call", lambda calls: "answer", when=lambda calls: calls.found("stale"))
    assert found.answer(change) is None
    found.add("stale", "it is", fails=True)
    assert found.answer(change) is None


def test_changes_of_one_name_are_two(rng: Rng) -> None:
    found = calls(healthy, rng)
    one, two = Change("a call", lambda calls: 1), Change("a call", lambda calls: 2)
    assert (found.answer(one), found.answer(two)) == (1, 2)


def test_a_finding_is_told_once(rng: Rng) -> None:
    found = calls(healthy, rng)
    for _ in range(2):
        found.add("dtype", "it changes", fails=False)
    found.add("dtype", "it changes again", fails=False)
    assert [f.explanation for f in found.findings.values()] == ["it changes", "it changes again"]
    assert found.found("stale", "dtype")
    assert not found.found("stale")


def test_no_array_is_handed_over_twice(rng: Rng) -> None:
    seen: list[Array] = []

    def backward(g: Array, x: Array) -> dict[str, Array]:
        seen.extend((g, x))
        return {"x": g}

    found = given(lambda x: x, backward)
    for _ in range(3):
        found.plain(found.a)
    assert len({id(a) for a in seen}) == len(seen) == 6
    assert not any(np.shares_memory(a, found.a.inputs["x"]) or np.shares_memory(a, found.a.cotangent) for a in seen)


def test_plain_calls_are_made_at_their_point() -> None:
    found = given(lambda x: x * x, lambda g, x: {"x": 2 * g * x})
    assert np.array_equal(found.plain(found.b)["x"], 2 * np.arange(3.0) * (np.arange(3.0) + 1))


@pytest.mark.parametrize(
    "returned", [None, [1.0], {"y": np.ones(3)}, np.array(["a"])], ids=["none", "list", "dict", "text"]
)
def test_what_is_no_array_is_refused_by_name(returned: Any) -> None:
    found = given(lambda x: returned, lambda g, x: {"x": returned})
    with pytest.raises(TypeError, match="forward of"):
        found.forward(found.a.inputs)
    with pytest.raises(TypeError, match="gradient x of"):
        found.backward(found.a.cotangent, found.a.inputs)


def test_a_missing_gradient_is_refused_in_the_operation_s_words() -> None:
    found = given(lambda x: x, lambda g, x: {"z": g})
    with pytest.raises(ValueError, match="no gradient for x"):
        found.backward(found.a.cotangent, found.a.inputs)


def test_a_backward_that_returns_a_dictionary_at_times_only_is_refused() -> None:
    answers = iter([[1.0, 1.0, 1.0], {"x": np.ones(3)}])
    found = given(lambda x: x, lambda g, x: next(answers))
    with pytest.raises(TypeError, match="no dictionary"):
        found.backward(found.a.cotangent, found.a.inputs)


@pytest.mark.parametrize(("dtype", "unit"), [(np.float32, 2.0**-24), (np.float64, 2.0**-53)])
def test_answers_are_compared_at_the_roundoff_of_their_dtype(dtype: type, unit: float, rng: Rng) -> None:
    assert calls(healthy, rng, dtype).unit == unit


def losing(slope: Any) -> Calls:
    x, v = np.random.default_rng(0).normal(size=(4, 5)), np.random.default_rng(1).normal(size=(4, 5))
    subject = operation(lambda x: x**2, lambda g, x: {"x": g * slope(x)}, {"x": x})
    return Calls(subject, v, Site({"x": 2 * x}, v), {"x": 1e-15}, None)


def test_what_the_code_itself_loses_is_no_difference() -> None:
    """A sum in another order loses other digits; an array that is misread gives other numbers."""
    p = np.random.default_rng(2).normal(size=(4, 5))
    found = losing(lambda x: (2 * x + 2.0**32) - 2.0**32)
    assert found.scattered("x", p, p * (1 + 1e-7))
    assert not found.scattered("x", p, p * (1 + 1e-3))


def test_code_that_scatters_grossly_widens_nothing() -> None:
    p = np.random.default_rng(2).normal(size=(4, 5))
    assert not losing(lambda x: np.sin(x * 1e12)).scattered("x", p, p * (1 + 1e-7))


@pytest.mark.parametrize("offset", [0.0, 1e5, 1e9])
def test_a_gradient_that_moves_on_the_way_is_asked_on_a_shorter_one(offset: float) -> None:
    """A batch of mean 10⁵ and variance 1 is another one within 2^-20 of every number; its variance, summed in another
    order, is not."""
    x, v = offset + np.random.default_rng(0).normal(size=(64, 5)), np.random.default_rng(1).normal(size=(64, 5))

    def backward(g: Any, x: Any) -> Any:
        d = x - x.mean(0)
        s = 1 / np.sqrt((d**2).mean(0))
        return {"x": s * (g - g.mean(0) - d * s * (g * d * s).mean(0))}

    subject = operation(lambda x: (x - x.mean(0)) / x.std(0), backward, {"x": x})
    found = Calls(subject, v, Site({"x": 2 * x}, v), {"x": 1e-15}, None)
    p = found.plain(found.a)["x"]
    in_another_order = backward(v[::-1], x[::-1])["x"][::-1]
    assert found.scattered("x", p, in_another_order)
    assert not found.scattered("x", p, p * (1 + 1e-2))
    assert not found.scattered("x", p, p.ravel(order="F").reshape(p.shape))
