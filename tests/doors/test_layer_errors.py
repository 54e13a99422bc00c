"""A wrong call of the layer's door is one sentence that names the argument, what it is and the rule."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crosscheck
from tests.doors.planting import Array
from tests.doors.styles_called import Attention, ReturnsDictionary, ReturnsFirst
from tests.doors.styles_held import Attributes, X

OURS = Path(crosscheck.__file__).parent
# What no type checker would let pass.
check: Any = crosscheck.check_layer
check_gradient: Any = crosscheck.check_gradient


class Surplus(ReturnsDictionary):
    def backward(self, dout: Array) -> Any:
        return {**super().backward(dout), "dq": 1.0}


class Nothing:
    def forward(self, x: Array) -> Array:
        return np.tanh(x)

    def backward(self, grad: Array) -> Any:
        pass


class Wired:
    """What comes in and goes out stands in attributes, which others read."""

    input = X

    def forward(self) -> None:
        self.output = np.tanh(self.input)

    def backward(self) -> None:
        self.dinput = 1 - self.output**2


class Text(Attributes):
    def forward(self, x: Array) -> Any:
        return "y", None


class Four(ReturnsFirst):
    def backward(self, dout: Array) -> Any:
        return (*super().backward(dout), 1.0)


class Started(Attributes):
    def __init__(self) -> None:
        super().__init__()
        self.samples = (i for i in range(3))


class Doubling:
    """Of integers, which have no gradient, and without parameters."""

    def forward(self, x):
        return 2.0 * x

    def backward(self, grad):
        return None


CALLS: dict[str, tuple[Callable[[], Any], str]] = {
    "no layer": (lambda: check(None, X), r"layer is None; it must be an object with"),
    "a class": (lambda: check(Attributes, X), r"layer is the class Attributes; it must be an instance"),
    "a word": (lambda: check("layer", X), r"layer is a str; it must be an object"),
    "a function": (lambda: check(np.sin, X), r"layer is a ufunc without a backward method; .*backward='\.\.\.'"),
    "no input": (lambda: check(Attributes(), None), r"x is None; it must be an array, or a tuple or a dictionary"),
    "a list": (lambda: check(Attributes(), [1.0, 2.0]), r"x is a list; it must be an array"),
    "a generator": (lambda: check(Attributes(), (i for i in X)), r"x is a generator; it must be an array"),
    "a list inside": (lambda: check(Attention(), ([1.0], X, X)), r"q is a list; it must be an array"),
    "an empty tuple": (lambda: check(Attributes(), ()), r"x is an empty tuple"),
    "no names": (lambda: check(Attributes(), {}), r"x is a dictionary with the keys \[\]"),
    "integers": (lambda: check(Attributes(), X.astype(int)), r"x has dtype int64; it must be float32 or float64"),
    "integers alone": (lambda: check(Doubling(), X.astype(int)), r"x has dtype int64; it must be float32 or float64"),
    "no such reset": (
        lambda: check(Attributes(), X, reset="flush"),
        r"reset is 'flush'; Attributes has no such method",
    ),
    "NaN": (lambda: check(Attributes(), X * np.nan), r"input x is nan at \(0, 0\)"),
    "a number": (lambda: check(Attributes(), X, 3), r"reference is 3, an int; it must be a function"),
    "names": (
        lambda: check(Attributes(), X, lambda x, w, b: x),
        r"the reference takes x, w, b; it is called with x=, W=, b=",
    ),
    "a seed below 0": (lambda: check(Attributes(), X, seed=-1), r"seed is -1; it must be an integer, 0 or more"),
    "a seed of words": (lambda: check(Attributes(), X, seed="a"), r"seed is 'a', a str; it must be an integer"),
    "a budget": (lambda: check(Attributes(), X, budget="a"), r"budget is 'a', a str; it must be a number of"),
    "a list of names": (lambda: check(Attributes(), X, parameters=["W"]), r"parameters is a list; it must be a dict"),
    "no parameter": (lambda: check(Attributes(), X, parameters={"V": "dV"}), r"names 'V', which Attributes does not"),
    "no gradient": (lambda: check(Attributes(), X, parameters={"W": "dV"}), r"parameters\['W'\] names 'dV', which"),
    "not a name": (lambda: check(Attributes(), X, parameters={"W": 3}), r"parameters\['W'\] names 3; it must be"),
    "no constant": (lambda: check(Attributes(), X, constants=("q",)), r"constants names 'q', .*its arrays: W, b"),
    "no method": (lambda: check(Attributes(), X, forward="foward"), r"forward is 'foward'; Attributes has no such"),
    "a method": (lambda: check(Attributes(), X, backward=np.sin), r"backward is .*; it must be the name"),
    "a keyword": (lambda: check(Attributes(), X, forward_kwargs=[1]), r"forward_kwargs is a list; it must be"),
    "a rate": (lambda: check(Attributes(), X, rate=0.1), r"rate is 0\.1; it must be the name of the learning"),
    "no rate": (lambda: check(Attributes(), X, rate="speed"), r"rate names 'speed', which is neither"),
    "too few names": (lambda: check(ReturnsFirst(), X, returns=("x", "W")), r"returns names 2 gradients, x, W; .* 3$"),
    "another name": (lambda: check(ReturnsFirst(), X, returns=("x", "W", "q")), r"returns names 'q', which is none"),
    "no loss": (lambda: check(Attributes(), X, loss=True), r"loss is True, and .* shape \(5, 3\); a loss is one"),
    "a cotangent": (lambda: check(Attributes(), X, grad_output=np.ones(3)), r"grad_output has shape \(3,\)"),
    "surplus": (lambda: check(Surplus(), X), r"returned a gradient of 'dq', which is none .*: x, W, b$"),
    "nothing": (lambda: check(Nothing(), X), r"returned no gradient of x and left none \(as dx or grad_x\)"),
    "no argument": (lambda: check(Wired(), X), r"forward of Wired takes no input; hand over an object whose forward"),
    "text": (lambda: check(Text(), X), r"forward of Text returned a tuple without an array of floats in it"),
    "four": (lambda: check(Four(), X), r"returned 4 gradients for the inputs x and the parameters W, b"),
    "a generator held": (
        lambda: check(Started(), X),
        r"layer is a Started that cannot be copied \(TypeError: cannot pickle",
    ),
    "no function": (lambda: check_gradient(None, np.cos, X), r"f is None; it must be a function f\(x"),
    "no derivative": (lambda: check_gradient(np.sum, None, X), r"grad is None; it must be a function grad"),
    "no point": (lambda: check_gradient(np.sum, np.cos, "x"), r"x0 is a str; it must be an array"),
    "an array": (lambda: check_gradient(np.sin, np.cos, X), r"f returned shape \(5, 4\); it must"),
    "no value": (lambda: check_gradient(np.sum, True, X), r"grad is True, and sum returned float64"),
    "no operation": (lambda: crosscheck.check_operation(None, {"x": X}), r"operation is None; it must be an object"),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_call_is_one_sentence(name: str) -> None:
    call, sentence = CALLS[name]
    with pytest.raises((TypeError, ValueError), match=sentence) as raised:
        call()
    assert len(str(raised.value).splitlines()) == 1
    frames = [f for f in traceback.extract_tb(raised.value.__traceback__) if OURS in Path(f.filename).parents]
    assert len(frames) <= 5


def test_a_forward_that_keeps_nothing_unless_it_is_told_to() -> None:
    class Evaluating:
        def forward(self, x: Array, training: bool = False) -> Array:
            if training:
                self.y = np.tanh(x)
            return np.tanh(x)

        def backward(self, grad: Array) -> Array:
            return grad * (1 - self.y**2)

    with pytest.raises(AttributeError, match="'y'") as raised:
        check(Evaluating(), X)
    assert "forward_kwargs={'training': True}" in " ".join(raised.value.__notes__)
    assert check(Evaluating(), X, forward_kwargs={"training": True})


@pytest.mark.parametrize("method", ["forward", "backward"])
def test_a_users_exception_keeps_its_traceback_and_says_where_it_was(method: str) -> None:
    class Raising(Attributes):
        pass

    def failing_method(self: Any, x: Array) -> Array:
        raise ValueError("mine")

    setattr(Raising, method, failing_method)
    with pytest.raises(ValueError, match="mine") as raised:
        check(Raising(), X)
    assert traceback.extract_tb(raised.value.__traceback__)[-1].name == "failing_method"
    assert raised.value.__notes__ == [f"while calling {method} of Raising"]
