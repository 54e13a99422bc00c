"""Values as Python, and the smallest at which a check fails."""

from __future__ import annotations

import functools
import importlib
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck.pytest import configurations, strategies
from crosscheck.pytest.fixture import AskedDoor, FailedCheck, Gradcheck
from crosscheck.pytest.pasting import Unwritable, Writer
from crosscheck.pytest.smallest import Shrinking, failure, of_rows, of_values
from crosscheck.pytest.tables import TABLE, settled
from crosscheck.spaces.space import Space


def a_function(x: Any) -> Any:
    return x


WRITTEN: dict[str, Any] = {
    "nothing": None,
    "numbers": [1, 2.5, True, -0.0, 1e-300, 2 - 3j, float("inf")],
    "words": 'it\'s "so"',
    "nested": {"a": (1,), "b": [("x", {})]},
    "NumPy's numbers": (np.float32(0.1), np.int64(3)),
    "an array": np.array([[0.1, 1 / 3], [np.inf, -2.0]]),
    "float32": np.array([0.1, 2.0], np.float32),
    "integers": np.array([[3, 1]]),
    "small integers": np.array([1, 2], np.int32),
    "ones": np.ones((2, 3)),
    "zeros": np.zeros(4, np.float32),
    "no entries": np.zeros((0, 3)),
    "booleans": np.array([True, False]),
    "complex numbers": np.array([1 + 2j, 0.5]),
    "long": np.linspace(0.1, 9.9, 60).reshape(3, 20),
    "a scalar": np.array(0.1),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_is_the_value(name: str) -> None:
    value = WRITTEN[name]
    writer = Writer({})
    text = writer.written(value)
    names: dict[str, Any] = {}
    exec("\n".join(writer.imports()), names)
    found = eval(text, names)
    assert type(found) is type(value)
    assert repr(found) == repr(value)
    if isinstance(value, np.ndarray):
        assert found.dtype == value.dtype
        assert np.array_equal(found, value)


def test_functions_go_by_their_names() -> None:
    names = {"other": a_function, "xp": np}
    assert Writer(names).written(a_function) == "other"
    assert (
        Writer({"f": a_function}).written(functools.partial(a_function, x=(1, 2))) == "functools.partial(f, x=(1, 2))"
    )
    assert Writer({}).written(jnp.ones(2)) == "np.ones((2,), dtype=np.float32)"
    assert Writer({}).written(np.float32) == "np.float32"
    imported = Writer({})
    assert imported.written(settled) == "settled"
    assert next(imported.imports()) == "from crosscheck.pytest.tables import settled"


UNWRITTEN = {"a lambda": lambda x: x, "an object": SimpleNamespace(), "many entries": np.arange(500.0)}


@pytest.mark.parametrize("value", UNWRITTEN.values(), ids=UNWRITTEN)
def test_what_has_no_name_or_is_too_long_is_not_written(value: Any) -> None:
    with pytest.raises(Unwritable, match=r"goes by no name|too long"):
        Writer({}).written(value)


# ---------------------------------------------------------------------- what is smallest


def failed(backward: Any, **inputs: Any) -> FailedCheck:
    error = failure(lambda: Gradcheck()(lambda x: x**2, backward, inputs))
    assert error is not None
    return error


def test_sizes_and_numbers_become_small_while_it_fails() -> None:
    """Wrong where there are two rows at the least, and the first is above one half."""

    def backward(grad_output: Any, x: Any) -> Any:
        return (3 if x.shape[0] >= 2 and x[0, 0] > 0.5 else 2) * grad_output * x

    x = np.linspace(0.73, 2.2, 6).reshape(3, 2)
    found = Shrinking(failed(backward, x=x), None).values()
    assert np.array_equal(found.args[2]["x"], np.ones((2, 1)))


def test_a_side_effect_is_led_to_its_smallest_too() -> None:
    def writes(x: Any) -> Any:
        if x.shape[0] > 1:
            x[0] = 1.0
        return x**2

    with pytest.raises(FailedCheck) as caught:
        Gradcheck()(writes, lambda grad_output, x: 2 * grad_output * x, {"x": np.array([1.0, 0.71, 2.2, 0.9])})
    found = Shrinking(caught.value, None).values()
    assert found.args[2]["x"].shape == (2,)


def test_what_the_code_refuses_does_not_fail() -> None:
    def backward(grad_output: Any, x: Any) -> Any:
        if x.shape != (3,):
            raise ValueError("three, please")
        return 3 * grad_output * x

    found = Shrinking(failed(backward, x=np.array([0.71, 1.2, 3.3])), None).values()
    assert np.array_equal(found.args[2]["x"], np.ones(3))


def test_when_the_time_is_up_nothing_smaller_is_looked_for() -> None:
    x = np.array([0.71, 1.2, 3.3])
    search = Shrinking(failed(lambda grad_output, x: 3 * grad_output * x, x=x), 0.0)
    assert search.late
    assert np.array_equal(search.values().args[2]["x"], x)


def test_a_table_is_a_space_with_small_numbers_first() -> None:
    @configurations({"n": 5, "mode": "b", "size": (2, 2)}, {"n": 1, "mode": "a", "size": (1, 2)})
    def table(n: int, mode: str, size: Any) -> None: ...

    assert of_rows(getattr(table, TABLE)).dimensions == {"n": (1, 5), "mode": ("b", "a"), "size": ((2, 2), (1, 2))}


def test_the_values_of_a_check_are_a_space() -> None:
    space = of_values({"x": np.ones((5, 2)), "labels": np.arange(5), "s": 1.5, "mode": "mean"})
    assert {k: c[:3] for k, c in space.dimensions.items()} == {
        "axes of 5": (1, 2, 3),
        "axes of 2": (1, 2),
        "values of .x": ("ones", "counted", "whole"),
        "values of .s": ("ones", "counted", "whole"),
    }


# ---------------------------------------------------------------------- the fixture and the tables


def test_every_door_is_asked_with_the_options() -> None:
    check = Gradcheck(seed=3, budget=50.0)
    assert check.check_gradient(lambda x: x @ x, lambda x: 2 * x, np.ones(3)).seed == 3
    assert check(lambda x: x, lambda grad_output, x: grad_output, {"x": np.ones(3)}, seed=4).seed == 4
    with pytest.raises(AttributeError, match="has the checks of crosscheck by name"):
        _ = check.nothing
    with pytest.raises(crosscheck.GradientMismatch) as caught:
        check.check_gradient(lambda x: x @ x, lambda x: 3 * x, np.ones(3))
    assert isinstance(caught.value, FailedCheck)
    assert isinstance(caught.value.asked, AskedDoor)
    assert caught.value.asked.kwargs == {"seed": 3, "budget": 50.0}


REFUSED = {
    "no dictionary": (lambda: configurations(3), TypeError, "is given 3; it takes dictionaries, or one space"),
    "nothing": (lambda: configurations(), ValueError, "no configuration"),
    "both": (lambda: configurations(Space("s", {"a": (1,)}), b={"a": 1}), TypeError, "not both"),
    "other names": (
        lambda: configurations({"x": 1}, {"y": 1})(a_function),
        ValueError,
        "the configuration y=1 of a_function has y; the first has x",
    ),
    "no such argument": (
        lambda: configurations({"y": 1})(a_function),
        TypeError,
        "takes neither y nor `configuration`",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_table_that_does_not_fit_is_refused(why: str) -> None:
    call, kind, sentence = REFUSED[why]
    with pytest.raises(kind, match=sentence):
        call()


class Sizes:
    """A space of our own: no more than what is documented."""

    def __init__(self) -> None:
        self.dimensions = {"batch": ("one", "several"), "width": (1, 2)}

    def valid(self, point: dict[str, Any]) -> bool:
        return point != {"batch": "one", "width": 2}

    def settle(self, point: dict[str, Any], rng: np.random.Generator | None) -> dict[str, Any] | None:
        assert rng is not None
        if rng.random() < 0.5:
            return None
        return {**point, "batch": 1 if point["batch"] == "one" else int(rng.integers(2, 5))}


def test_any_object_with_the_protocol_is_a_space_for_hypothesis() -> None:
    hypothesis = importlib.import_module("hypothesis")
    seen: list[dict[str, Any]] = []

    @hypothesis.settings(max_examples=30, database=None, derandomize=True)
    @hypothesis.given(strategies.points(Sizes()))
    def draw(configuration: dict[str, Any]) -> None:
        seen.append(configuration)

    draw()
    assert {c["width"] for c in seen if c["batch"] > 1} == {1, 2}
    assert {c["width"] for c in seen if c["batch"] == 1} == {1}


def test_choices_are_drawn_from_a_dictionary() -> None:
    found = strategies.points({"a": (1, 2), "b": ("x",)})
    hypothesis = importlib.import_module("hypothesis")
    assert hypothesis.find(found, lambda c: c["a"] == 2, settings=hypothesis.settings(database=None)) == {
        "a": 2,
        "b": "x",
    }
