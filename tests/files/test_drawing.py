"""Inputs by their shapes: what is drawn, and what is taken as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crosscheck.files.drawing import inputs_of

DRAWN = {
    "tuple": ((4, 3), (4, 3), np.float64),
    "scalar tuple": ((), (), np.float64),
    "tuple with a dtype": ((4, np.float32), (4,), np.float32),
    "tuple with a word": ((2, 2, "complex128"), (2, 2), np.complex128),
    "text": ("4,3", (4, 3), np.float64),
    "text with spaces": (" 4 , 3 ,".strip(), (4, 3), np.float64),
    "one axis": ("5", (5,), np.float64),
    "text with a dtype": ("4,3 float32", (4, 3), np.float32),
    "scalar": ("scalar", (), np.float64),
    "booleans": ("6 bool", (6,), np.bool_),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_shape_is_drawn(name: str) -> None:
    given, shape, dtype = DRAWN[name]
    a = inputs_of({"a": given}, 0)["a"]
    assert isinstance(a, np.ndarray | np.generic)
    assert a.shape == shape
    assert a.dtype == dtype


def test_ranges_are_kept() -> None:
    drawn = inputs_of({"p": "50 0.25..2", "k": "50 int64 0..3", "s": "scalar -2..-1", "f": "9 float32 1e-3..1e-2"}, 4)
    assert drawn["p"].min() >= 0.25
    assert drawn["p"].max() <= 2
    assert set(drawn["k"]) == {0, 1, 2, 3}
    assert -2 <= drawn["s"] <= -1
    assert drawn["f"].dtype == np.float32
    assert drawn["f"].max() <= 0.0101


def test_the_same_seed_gives_the_same_numbers_whatever_stands_beside() -> None:
    alone = inputs_of({"x": (3,)}, 1)["x"]
    beside = inputs_of({"w": (3,), "x": "3"}, 1)
    assert np.array_equal(alone, beside["x"])
    assert not np.array_equal(alone, beside["w"])
    assert not np.array_equal(alone, inputs_of({"x": (3,)}, 2)["x"])


@pytest.mark.parametrize(
    "given", [2.0, 3, "mean", None, True, [1.0, 2.0], ((2, 2), "same"), np.float32, (1.5, 2)], ids=str
)
def test_what_is_no_shape_is_taken_as_it_is(given: Any) -> None:
    assert inputs_of({"a": given}, 0)["a"] is given


def test_arrays_are_taken_and_dictionaries_looked_into() -> None:
    x = np.ones(3)
    found = inputs_of({"x": x, "params": {"w": (3, 2), "b": x}}, 0)
    assert found["x"] is x
    assert found["params"]["w"].shape == (3, 2)
    assert found["params"]["b"] is x


def test_functions_draw_for_themselves() -> None:
    assert inputs_of({"p": lambda rng: rng.dirichlet(np.ones(3))}, 0)["p"].sum() == pytest.approx(1)
    assert inputs_of(lambda rng: {"x": rng.normal(size=2)}, 0)["x"].shape == (2,)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"a": "4x3"}, "input a is '4x3'; a shape is written"),
        ({"a": "4 float23"}, "input a is '4 float23'"),
        ({"a": "4 2..1"}, "ends below where it begins"),
        ({"a": "4 int64"}, "input a is drawn as int64: say from where to where"),
        ({"p": {"a": "4 int64"}}, r"input p\.a is drawn"),
        ({}, "inputs is empty"),
        ([1], "inputs is a list"),
    ],
)
def test_what_cannot_be_drawn_is_refused(given: Any, sentence: str) -> None:
    with pytest.raises((TypeError, ValueError), match=sentence):
        inputs_of(given, 0)
