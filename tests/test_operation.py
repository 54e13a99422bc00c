"""What is under check: private copies on the way in and out, and a sentence for everything that does not fit."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck.floats import UNIT
from crosscheck.operation import Operation, as_array, checked_inputs, describe, wide

Array = np.ndarray
INPUTS = {"x": np.array([1.0, 2.0]), "n": np.array([3, 4])}


def operation(forward: Any = lambda d: d["x"] * d["n"], backward: Any = None, **more: Any) -> Operation:
    backward = backward or (lambda g, d: {"x": g * d["n"]})
    inputs = {k: a.copy() for k, a in INPUTS.items()}
    return Operation("mine", forward, backward, inputs, ("x",), None, **more)


def test_the_units_are_half_of_eps() -> None:
    assert list(UNIT.values()) == [2.0**-11, 2.0**-8, 2.0**-24, 2.0**-53]


# ---------------------------------------------------------------------- running it


def test_output_and_gradients_at_the_point_and_elsewhere() -> None:
    subject = operation()
    assert subject.output().tolist() == [3.0, 8.0]
    assert subject.output({"x": np.array([0.0, 1.0])}).tolist() == [0.0, 4.0]
    assert subject.gradients(np.ones(2))["x"].tolist() == [3, 4]
    there = subject.at({**subject.inputs, "n": np.array([1, 1])})
    assert there.gradients(np.ones(2))["x"].tolist() == [1, 1]
    assert subject.inputs["n"].tolist() == [3, 4]


def test_code_that_writes_to_what_it_is_given_writes_to_a_copy() -> None:
    def forward(d: dict[str, Array]) -> Array:
        d["x"] *= 0
        return d["x"]

    def backward(g: Array, d: dict[str, Array]) -> dict[str, Array]:
        g *= 0
        d["x"] *= 0
        return {"x": g}

    subject, g = operation(forward, backward), np.ones(2)
    subject.output()
    subject.gradients(g)
    assert subject.inputs["x"].tolist() == [1.0, 2.0]
    assert g.tolist() == [1.0, 1.0]


def test_a_gradient_in_a_buffer_that_is_used_again_is_kept() -> None:
    buffer = np.zeros(2)

    def backward(g: Array, d: dict[str, Array]) -> dict[str, Array]:
        np.multiply(g, 2, out=buffer)
        return {"x": buffer}

    first = operation(backward=backward).gradients(np.ones(2))["x"]
    buffer[:] = 99
    assert first.tolist() == [2.0, 2.0]


def test_gradients_beyond_those_asked_for_are_left_out() -> None:
    subject = operation(backward=lambda g, d: {"x": g, "n": g})
    assert set(subject.gradients(np.ones(2))) == {"x"}


def test_moving_takes_the_quicker_forward() -> None:
    assert operation().moved({"x": np.ones(2)}).tolist() == [3.0, 4.0]
    quick = operation(moving_forward=lambda d: d["x"] * 1j)
    assert quick.moved({"x": np.ones(2)}).tolist() == [1j, 1j]


def test_the_dtype_is_the_coarsest_of_the_differentiated() -> None:
    def dtype(**inputs: Array) -> np.dtype:
        return Operation("f", lambda d: 0, lambda g, d: {}, inputs, tuple(inputs), None).dtype

    assert dtype(x=np.ones(1)) == np.float64
    assert dtype(x=np.ones(1), w=np.ones(1, np.float32)) == np.float32


def test_widened_is_the_same_formula_on_float64_copies() -> None:
    single = operation().at({"x": np.ones(2, np.float32), "n": INPUTS["n"]})
    assert single.widened().inputs["x"].dtype == np.float64
    assert single.widened().inputs["n"] is INPUTS["n"]
    other = operation(forward=lambda d: d["x"] + 1)
    assert operation(widen=lambda: other).widened().output().tolist() == [2.0, 3.0]
    assert wide(np.ones(1, np.float32)).dtype == np.float64


# ---------------------------------------------------------------------- what does not fit


@pytest.mark.parametrize(
    ("value", "said"),
    [((1, 2), "tuple"), (None, "None"), ({}, "dict"), (np.array([1j]), "complex128"), (np.array(["a"]), "<U1")],
)
def test_an_output_that_is_no_array_is_named(value: Any, said: str) -> None:
    with pytest.raises(TypeError, match=f"forward of mine.*{said}.*one array"):
        operation(lambda d: value).output()
    with pytest.raises(TypeError, match=f"gradient x of mine.*{said}"):
        operation(backward=lambda g, d: {"x": value}).gradients(np.ones(2))


def test_numbers_are_arrays() -> None:
    assert as_array(1.5, "it", "one array").shape == ()


def test_gradients_must_be_named() -> None:
    with pytest.raises(TypeError, match=r"backward of mine.*ndarray.*dictionary.* x"):
        operation(backward=lambda g, d: g).gradients(np.ones(2))
    with pytest.raises(ValueError, match=r"backward of mine.*no gradient for x.*returned y"):
        operation(backward=lambda g, d: {"y": g}).gradients(np.ones(2))
    with pytest.raises(ValueError, match="returned nothing"):
        operation(backward=lambda g, d: {}).gradients(np.ones(2))


# ---------------------------------------------------------------------- the inputs


def test_inputs_are_copied_and_the_floating_ones_differentiated() -> None:
    given = {"x": np.ones(2), "n": np.arange(2), "w": np.ones(1, np.float32), "b": np.ones(2, bool)}
    arrays, names = checked_inputs(given, None)
    assert names == ("x", "w")
    assert all(arrays[k] is not given[k] and (arrays[k] == given[k]).all() for k in given)
    assert checked_inputs(given, ("w",))[1] == checked_inputs(given, "w")[1] == ("w",)  # pyright: ignore[reportArgumentType]
    assert checked_inputs({"x": [1.0, 2.0]}, None)[0]["x"].tolist() == [1.0, 2.0]


# inputs, wrt -> the exception, and what it names: the argument, its value, the rule
BAD: dict[str, tuple[Any, Any, type[Exception], str]] = {
    "no dictionary": ([np.ones(2)], None, TypeError, "inputs.*dictionary.*list"),
    "nothing": ({}, None, TypeError, "inputs.*non-empty"),
    "complex": ({"x": np.ones(2, complex)}, None, TypeError, "x.*complex128.*real"),
    "words": ({"x": np.array(["a"])}, None, TypeError, "x.*<U1.*real"),
    "half precision": ({"x": np.ones(2, np.float16)}, None, TypeError, "x.*float16.*float32 and float64"),
    "not a number": ({"x": np.array([[0.0, 1.0], [np.nan, 1.0]])}, None, ValueError, r"x.*nan.*\(1, 0\)"),
    "infinite": ({"x": np.ones(1), "t": np.array([np.inf])}, ("t",), ValueError, r"t.*inf.*\(0,\)"),
    "only integers": ({"n": np.arange(3)}, None, ValueError, "nothing to differentiate"),
    "wrt is empty": ({"x": np.ones(2)}, (), ValueError, "wrt.*empty"),
    "wrt is unknown": ({"x": np.ones(2)}, ("v",), ValueError, "wrt.*'v'.*x"),
    "wrt is an integer": ({"x": np.ones(2), "n": np.arange(2)}, ("n",), TypeError, "wrt.*'n'.*int64.*floating"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_inputs_get_a_sentence(name: str) -> None:
    inputs, wrt, exception, words = BAD[name]
    with pytest.raises(exception, match=words):
        checked_inputs(inputs, wrt)


def test_an_error_is_described_by_its_first_line() -> None:
    assert describe(ValueError("one\ntwo")) == "ValueError: one"
    assert len(describe(ValueError("x" * 1000))) == 200


# ---------------------------------------------------------------------- what forward returns


def read_only(x: np.ndarray) -> np.ndarray:
    """As `np.asarray` makes it of an array of JAX."""
    y = np.tanh(x) * x
    y.flags.writeable = False
    return y


class Buffered:
    """Every output is written to the same array."""

    def __init__(self) -> None:
        self.y = np.zeros(5)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.multiply(np.tanh(x), x, out=self.y)


@pytest.mark.parametrize("forward", [read_only, Buffered()])
@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "agree"), (1.01, "disagree")])
def test_an_output_that_is_kept_or_cannot_be_written_to(forward: Any, factor: float, verdict: str) -> None:
    x = np.random.default_rng(2).normal(size=5)
    found = crosscheck.check(
        lambda x: forward(x),
        lambda g, x: {"x": factor * g * (np.tanh(x) + x * (1 - np.tanh(x) ** 2))},
        {"x": x},
        lambda x: jnp.tanh(x) * x,
    )
    assert found.verdict == verdict, str(found)


def test_an_output_is_copied_only_where_somebody_else_has_it() -> None:
    held: list[np.ndarray] = []
    made: list[int] = []

    def keep(d: dict[str, np.ndarray]) -> np.ndarray:
        held.append(2 * d["x"])
        return held[-1]

    def fresh(d: dict[str, np.ndarray]) -> np.ndarray:
        y = 2 * d["x"]
        made.append(id(y))
        return y

    assert operation(keep).output() is not held[-1]
    kept = operation(fresh).output()
    assert id(kept) == made[-1]
