"""Plain functions come in by name; one that takes its arrays by position is met half-way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import crosscheck
from crosscheck.doors.signatures import by_name

NAMES = ("x", "w")
VALUES = {"x": 3.0, "w": 2.0}


def only_position(a: float, b: float, /) -> float:
    return a - b


def position_with_default(a: float, b: float, c: float = 100.0, /) -> float:
    return a - b + c


MET: dict[str, tuple[Callable[..., Any], float]] = {
    "the same names": (lambda x, w: x - w, 1.0),
    "the same names in another order": (lambda w, x: x - w, 1.0),
    "by keyword only": (lambda *, x, w: x - w, 1.0),
    "any keywords": (lambda **d: d["x"] - d["w"], 1.0),
    "further defaults": (lambda x, w, scale=10.0: scale * (x - w), 10.0),
    "by position only": (only_position, 1.0),
    "any by position": (lambda *given: given[0] - given[1], 1.0),
    "by position only, with a default": (position_with_default, 101.0),
}


@pytest.mark.parametrize("name", MET)
def test_a_reference_is_called_by_name(name: str) -> None:
    reference, expected = MET[name]
    assert by_name("the reference", reference, NAMES)(**VALUES) == expected


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "other names": (lambda a, b: a, "takes a, b.*x=, w="),
    "one name missing": (lambda x: x, "takes x;.*x=, w="),
    "one too many by position": (lambda a, b, c, /: a, "takes a, b, c.*x=, w="),
    "nothing": (lambda: 0, "takes nothing.*x=, w="),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_reference_with_other_arguments_is_refused_by_its_names(name: str) -> None:
    reference, words = REFUSED[name]
    with pytest.raises(TypeError, match=words):
        by_name("the reference", reference, NAMES)


def test_a_callable_without_a_signature_says_itself_what_it_wants() -> None:
    class Silent:
        @property
        def __signature__(self) -> None:
            raise ValueError("none")

        def __call__(self, **d: float) -> float:
            return d["x"]

    silent = Silent()
    assert by_name("forward", silent, NAMES) is silent


def test_what_comes_first_stays_first() -> None:
    def backward(g: float, x: float, w: float, /) -> float:
        return g + 10 * x + 100 * w

    assert by_name("backward", backward, NAMES, "grad_output")(1.0, w=3.0, x=2.0) == 321.0
    assert by_name("backward", lambda grad_output, w, x: grad_output + w, NAMES, "grad_output")(1.0, **VALUES) == 3.0
    with pytest.raises(TypeError, match="backward takes x, w; it is called with grad_output, x=, w="):
        by_name("backward", lambda x, w: x, NAMES, "grad_output")


def test_a_backward_is_called_with_what_it_takes() -> None:
    def last(x: float, d: float) -> float:
        return x + 10 * d

    assert by_name("backward", last, NAMES, "grad_output")(1.0, **VALUES) == 13.0
    assert by_name("backward", lambda dy, w: dy * w, NAMES, "grad_output")(3.0, **VALUES) == 6.0
    assert by_name("backward", lambda dy, w, k=2.0: dy * w * k, NAMES, "grad_output")(3.0, **VALUES) == 12.0
    with pytest.raises(TypeError, match=r"takes g, x, w, y; .*; wrap it, lambda grad_output, x, w: backward\(\.\.\.\)"):
        by_name("backward", lambda g, x, w, y: g, NAMES, "grad_output")


def test_a_backward_of_scalars_and_one_without_its_bias() -> None:
    assert crosscheck.check(lambda x: 1.0 / x, lambda x, d: -d / x**2, {"x": 2.0})
    inputs = {"x": np.linspace(-1, 1, 6).reshape(2, 3), "w": np.ones((3, 2)), "b": np.zeros(2)}

    def backward(dy: Any, x: Any, w: Any) -> Any:
        return dy @ w.T, x.T @ dy, dy.sum(0)

    assert crosscheck.check(lambda x, w, b: x @ w + b, backward, inputs)
    wrong = crosscheck.check(lambda x, w, b: x @ w + b, lambda dy, x, w: (dy @ w.T, x.T @ dy, dy.mean(0)), inputs)
    assert wrong.gradients["b"].verdict == "disagree"


def test_a_function_of_numpys_is_a_forward() -> None:
    assert by_name("forward", np.sin, ("x",))(x=np.zeros(2)).tolist() == [0.0, 0.0]
