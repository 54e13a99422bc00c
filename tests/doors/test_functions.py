"""Plain functions come in by name; a reference that takes its arrays by position is met half-way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from crosscheck.doors.functions import by_name, from_functions

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
    "by position only, with a default": (position_with_default, 101.0),
}


@pytest.mark.parametrize("name", MET)
def test_a_reference_is_called_by_name(name: str) -> None:
    reference, expected = MET[name]
    assert by_name(reference, NAMES)(**VALUES) == expected


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "other names": (lambda a, b: a, "takes a, b.*x, w"),
    "one name missing": (lambda x: x, "takes x;.*x, w"),
    "one too many by position": (lambda a, b, c, /: a, "takes a, b, c.*x, w"),
    "nothing": (lambda: 0, "takes nothing.*x, w"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_reference_with_other_arguments_is_refused_by_its_names(name: str) -> None:
    reference, words = REFUSED[name]
    with pytest.raises(TypeError, match=words):
        by_name(reference, NAMES)


def test_a_callable_without_a_signature_says_itself_what_it_wants() -> None:
    class Silent:
        @property
        def __signature__(self) -> None:
            raise ValueError("none")

        def __call__(self, **d: float) -> float:
            return d["x"]

    silent = Silent()
    assert by_name(silent, NAMES) is silent


def test_functions_become_an_operation() -> None:
    def doubled(x: Any, n: Any) -> Any:
        return 2 * x + n

    given = {"x": np.ones(3), "n": np.arange(3)}
    operation = from_functions(doubled, lambda grad_output, x, n: {"x": 2 * grad_output}, given, doubled)
    assert operation.name == "doubled"
    assert operation.wrt == ("x",)
    assert operation.output().tolist() == [2.0, 3.0, 4.0]
    assert operation.gradients(np.ones(3))["x"].tolist() == [2.0, 2.0, 2.0]
    assert operation.inputs["x"] is not given["x"]
    assert from_functions(doubled, lambda grad_output, **d: {}, given, name="mine").name == "mine"
    assert from_functions(doubled, lambda grad_output, **d: {}, given).reference is None
