"""A wrong call is one sentence: the argument's name, its value, the rule; the user's own exceptions are the user's."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck

PACKAGE = Path(crosscheck.__file__).parent
X, W = np.random.default_rng(0).normal(size=(4, 3)), np.random.default_rng(1).normal(size=(3, 2))
INPUTS = {"x": X, "w": W}


def forward(x: Any, w: Any) -> Any:
    return np.tanh(x @ w)


def backward(grad_output: Any, x: Any, w: Any) -> Any:
    g = grad_output * (1 - np.tanh(x @ w) ** 2)
    return {"x": g @ w.T, "w": x.T @ g}


def reference(x: Any, w: Any) -> Any:
    return jnp.tanh(x @ w)


def check(**changed: Any) -> Any:
    given = {"forward": forward, "backward": backward, "inputs": INPUTS, "reference": reference, **changed}
    return crosscheck.check(**given)


class Twice:
    def forward(self, x: Any) -> Any:
        return 2 * x

    def backward(self, grad_output: Any) -> Any:
        return 2 * grad_output


def numbers() -> Iterator[float]:
    yield 1.0


WRONG: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "no forward": (lambda: check(forward=None), TypeError, ("forward", "None", "function")),
    "no backward": (lambda: check(backward=None), TypeError, ("backward", "None", "function")),
    "a number for a reference": (lambda: check(reference=3), TypeError, ("reference", "3", "function")),
    "a negative seed": (lambda: check(seed=-1), ValueError, ("seed", "-1", "0 or more")),
    "half a seed": (lambda: check(seed=1.5), TypeError, ("seed", "1.5", "integer")),
    "a seed in words": (lambda: check(seed="one"), TypeError, ("seed", "'one'", "integer")),
    "a yes for a seed": (lambda: check(seed=True), TypeError, ("seed", "True", "integer")),
    "a number for a name": (lambda: check(name=3), TypeError, ("name", "3", "line of text")),
    "an empty name": (lambda: check(name=" "), ValueError, ("name", "' '", "line of text")),
    "a name of two lines": (lambda: check(name="a\nb"), ValueError, ("name", "'a\\nb'", "line of text")),
    "a word for a choice": (lambda: check(diagnose="no"), TypeError, ("diagnose", "'no'", "True or False")),
    "inputs without names": (lambda: check(inputs=[X, W]), TypeError, ("inputs", "dictionary", "list")),
    "a generator": (lambda: check(inputs={"x": numbers(), "w": W}), TypeError, ("x", "generator", "once")),
    "rows of two lengths": (
        lambda: check(inputs={"x": [[1.0], [1.0, 2.0]], "w": W}),
        ValueError,
        ("x", "list", "no array"),
    ),
    "wrt a number": (lambda: check(wrt=3), TypeError, ("wrt", "3", "names")),
    "wrt a stranger": (lambda: check(wrt=("q",)), ValueError, ("wrt", "'q'", "x, w")),
    "a gradient too few": (
        lambda: check(backward=lambda g, x, w: {"x": x}),
        ValueError,
        ("no gradient for w", "it returned x", "wrt="),
    ),
    "a gradient too many": (
        lambda: check(backward=lambda g, x, w: {**backward(g, x, w), "z": g}),
        ValueError,
        ("a gradient for z", "x, w"),
    ),
    "a gradient that is none": (
        lambda: check(backward=lambda g, x, w: backward(g, x, w)["x"]),
        TypeError,
        ("backward", "ndarray", "dictionary"),
    ),
    "a forward of other names": (
        lambda: check(forward=lambda a, b: a @ b),
        TypeError,
        ("forward takes a, b", "x=", "w="),
    ),
    "a backward of other names": (
        lambda: check(backward=lambda g, a, b: g),
        TypeError,
        ("backward takes g, a, b", "grad_output, x=, w="),
    ),
    "a reference of other names": (lambda: check(reference=lambda a, b: a @ b), TypeError, ("a, b", "x=, w=")),
    "forward and backward swapped": (
        lambda: check(forward=backward, backward=forward),
        TypeError,
        ("forward takes grad_output, x, w",),
    ),
    "a generator for an output": (
        lambda: check(forward=lambda x, w: numbers()),
        TypeError,
        ("forward", "returned dtype object"),
    ),
    "an argument too many": (
        lambda: crosscheck.check(forward, backward, INPUTS, reference, X),  # type: ignore[misc]
        TypeError,
        ("check(forward, backward, inputs, reference=",),
    ),
    "a layer that is none": (lambda: crosscheck.check_layer(None, X), TypeError, ("layer", "None", "object")),
    "a class for a layer": (lambda: crosscheck.check_layer(Twice, X), TypeError, ("layer", "Twice", "instance")),
    "a reference for a layer": (lambda: crosscheck.check_layer(Twice(), X, 3), TypeError, ("reference", "3")),  # type: ignore[arg-type]
    "an operation that is none": (lambda: crosscheck.check_operation(None, INPUTS), TypeError, ("operation", "None")),
}


def our_frames(error: BaseException) -> int:
    frames = traceback.extract_tb(error.__traceback__)
    return sum(Path(frame.filename).is_relative_to(PACKAGE) for frame in frames)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_call_is_one_sentence(name: str) -> None:
    call, kind, words = WRONG[name]
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    assert [word for word in words if word not in str(caught.value)] == []
    assert "\n" not in str(caught.value)
    assert our_frames(caught.value) <= 5
    assert caught.value.__cause__ is None


# ---------------------------------------------------------------------- the user's own exceptions


class Mine(Exception):
    pass


def fails(*_: Any, **__: Any) -> Any:
    raise Mine("it is mine")


@pytest.mark.parametrize(
    ("changed", "call"),
    [
        ({"forward": lambda x, w: fails()}, "calling forward at the point of the check"),
        ({"backward": lambda g, x, w: fails()}, "for the first time"),
    ],
)
def test_an_exception_of_the_users_keeps_its_traceback_and_says_which_call_it_was(
    changed: dict[str, Any], call: str
) -> None:
    with pytest.raises(Mine, match="it is mine") as caught:
        check(**changed)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[-1].name == "fails"
    notes = [note for note in caught.value.__notes__ if note.startswith("crosscheck:")]
    assert len(notes) == 1
    assert call in notes[0]


def test_a_later_call_says_which_it_was() -> None:
    calls = [0]

    def tired(grad_output: Any, x: Any, w: Any) -> Any:
        calls[0] += 1
        if calls[0] > 1:
            fails()
        return backward(grad_output, x, w)

    with pytest.raises(Mine) as caught:
        check(backward=tired)
    assert "calling backward for side effects" in "".join(caught.value.__notes__)


def test_nothing_is_compiled_before_the_code_has_worked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> Any:
        pytest.fail("the reference was asked before the code was called")

    monkeypatch.setattr("crosscheck.collecting.setting.autodiff", never)
    monkeypatch.setattr("crosscheck.collecting.collect.Points", never)
    for changed in ({"forward": lambda x, w: fails()}, {"backward": lambda g, x, w: fails()}):
        with pytest.raises(Mine):
            check(**changed)
    with pytest.raises(ValueError, match="no gradient for w"):
        check(backward=lambda g, x, w: {"x": x})


def test_the_doors_keep_their_names_and_words() -> None:
    for door in (crosscheck.check, crosscheck.check_layer, crosscheck.check_operation):
        assert door.__doc__
        assert door.__name__.startswith("check")


def number(x: Any) -> Any:
    return np.sum(x**3)


# Every door by its name, with `name=` and a seed, and the call that its page gives.
NAMED: dict[str, tuple[Callable[..., Any], str]] = {
    "check": (check, "check(forward, backward, inputs, reference=reference, seed=3, name='mine')"),
    "check_operation": (
        lambda **given: crosscheck.check_operation(
            (lambda x: (2 * x, None), lambda grad_output, saved: 2 * grad_output), {"x": X}, **given
        ),
        "check_operation(operation, inputs, seed=3, name='mine')",
    ),
    "check_layer": (
        lambda **given: crosscheck.check_layer(Twice(), X, loss=False, **given),
        "check_layer(layer, x, seed=3, name='mine')",
    ),
    "check_gradient": (
        lambda **given: crosscheck.check_gradient(number, lambda x: 3 * x**2, X[0], **given),
        "check_gradient(f, grad, x0, seed=3, name='mine')",
    ),
    "check_jacobian": (
        lambda **given: crosscheck.check_jacobian(lambda x: x**2, lambda x: np.diag(2 * x), X[0], **given),
        "check_jacobian(f, jacobian, x, seed=3, name='mine')",
    ),
    "check_hessian": (
        lambda **given: crosscheck.check_hessian(
            number, lambda x: 3 * x**2, lambda x: np.diag(6 * x), X[0], diagnose=False, **given
        ),
        "check_hessian(f, grad, hess, x0, seed=3, diagnose=False, name='mine')",
    ),
    "check_hvp": (
        lambda **given: crosscheck.check_hvp(number, lambda x, p: 6 * x * p, X[0], **given),
        "check_hvp(f, hvp, x, seed=3, name='mine')",
    ),
    "check_jvp": (
        lambda **given: crosscheck.check_jvp(
            lambda x: x**2, lambda tangents, x: 2 * x * tangents["x"], {"x": X}, **given
        ),
        "check_jvp(forward, tangent, inputs, seed=3, name='mine')",
    ),
}


@pytest.mark.parametrize("door", NAMED)
def test_every_door_takes_a_name_and_says_how_to_repeat_the_check(door: str) -> None:
    made, call = NAMED[door]
    result = made(name="mine", seed=3)
    assert result, result
    assert str(result).startswith("mine (float64): agree; ")
    assert result.call == f"crosscheck.{call}"
    assert result.to_dict()["call"] == result.call
    assert result.to_dict()["versions"]["numpy"] == np.__version__


def test_every_door_is_in_the_table() -> None:
    assert {name for name in crosscheck.__all__ if name.startswith("check")} == NAMED.keys()
