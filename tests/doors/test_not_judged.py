"""What a layer's door cannot judge fails the check by its name; and the ways by which a wrong one
might have agreed."""

from __future__ import annotations

from collections import deque
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck.doors.layers import from_layer
from tests.doors.planting import Array, normal, planted
from tests.doors.styles_called import CALLED, ReturnsFirst, Square
from tests.doors.styles_held import WB, Adding, Attributes, BatchNorm, Lists, X
from tests.doors.styles_updating import SGD, Optimized, RateAttribute


def check(layer: Any, x: Any = X, **says: Any) -> crosscheck.Result:
    return crosscheck.check_layer(layer, x, diagnose=False, **says)


def failing(result: crosscheck.Result, kind: str = "unjudged") -> str:
    """The sentences by which a check fails."""
    assert result.verdict == "disagree", result
    said = [f.explanation for f in result.findings if f.fails and f.kind == kind]
    assert said, result
    return " | ".join(said)


def told(result: crosscheck.Result, kind: str) -> str:
    return " | ".join(f.explanation for f in result.findings if f.kind == kind and not f.fails)


# ---------------------------------------------------------------------- no gradient, two gradients


class NoBias(Attributes):
    """The gradient of b is forgotten."""

    def backward(self, grad: Array) -> Array:
        dx = super().backward(grad)
        del self.db
        return dx


def test_a_parameter_without_a_gradient_fails_by_its_name() -> None:
    said = failing(check(NoBias()))
    assert "b moves the output of NoBias" in said
    assert "constants" in said
    assert "W moves" not in said


def test_a_constant_is_named_by_the_caller_and_said() -> None:
    result = check(NoBias(), constants=("b",))
    assert result, result
    assert told(result, "constants") == "taken as constants of NoBias, as you said: b"
    assert set(result.gradients) == {"x", "W"}


def test_running_statistics_in_evaluation_are_not_taken_as_constants_unasked() -> None:
    assert "running_mean and running_var move" in failing(check(BatchNorm(False), X[:, :3]))


def test_parameters_that_are_given_are_not_all_that_is_looked_at() -> None:
    assert "b moves" in failing(check(Attributes(), parameters={"W": "dW"}))
    assert set(check(Attributes(), parameters={"W": "dW", "b": "db"}).gradients) == set(WB)


class Twice(Attributes):
    """Two arrays that may be the gradient of W."""

    def backward(self, grad: Array) -> Array:
        dx = super().backward(grad)
        self.grad_W = 0 * self.dW
        return dx


def test_two_candidates_fail_and_both_are_named() -> None:
    assert "W of Twice has two candidates for its gradient, dW and grad_W" in failing(check(Twice()), "ambiguous")
    assert check(Twice(), parameters={"W": "dW", "b": "db"})
    assert not check(Twice(), parameters={"W": "grad_W", "b": "db"}).gradients["W"].passed


class TwoAnswers(ReturnsFirst):
    """It returns one gradient of W and leaves another."""

    def backward(self, dout: Array) -> Any:
        self.dW = np.ones((4, 3))
        return super().backward(dout)


def test_a_returned_gradient_and_another_left_behind_are_two_candidates() -> None:
    assert "they differ" in failing(check(TwoAnswers()), "ambiguous")


class Unused(Attributes):
    """The gradient is left in another word than anybody would look for."""

    def backward(self, grad: Array) -> Array:
        dx = super().backward(grad)
        self.update_for_b = self.db
        del self.db
        return dx


def test_a_gradient_of_any_name_can_be_given() -> None:
    assert "b moves" in failing(check(Unused()))
    assert check(Unused(), parameters={"W": "dW", "b": "update_for_b"})


@pytest.mark.parametrize(
    "hidden",
    [lambda w: deque([w]), lambda w: np.array([w, None], object), lambda w: {"deep": [(w,)]}],
    ids=["deque", "objects", "deep"],
)
def test_arrays_are_found_wherever_they_are_kept(hidden: Any) -> None:
    class Hidden:
        def __init__(self) -> None:
            self.kept = hidden(normal(4, 3))

        def forward(self, x: Array) -> Array:
            kept = self.kept["deep"][0] if isinstance(self.kept, dict) else self.kept
            return x @ kept[0]

        def backward(self, grad: Array) -> Array:
            kept = self.kept["deep"][0] if isinstance(self.kept, dict) else self.kept
            return grad @ kept[0].T

    assert "kept" in failing(check(Hidden()))


def test_a_complex_parameter_is_said_not_to_be_judged() -> None:
    class Filter:
        def __init__(self) -> None:
            self.spectrum = np.fft.fft(normal(4))

        def forward(self, x: Array) -> Array:
            return np.fft.ifft(np.fft.fft(x) * self.spectrum).real

        def backward(self, grad: Array) -> Array:
            return np.fft.ifft(np.fft.fft(grad) * self.spectrum.conj()).real

    assert "spectrum of Filter is complex" in failing(check(Filter()))


def test_a_dead_layer_is_not_judged_and_does_not_agree() -> None:
    class Dead(Attributes):
        def forward(self, x: Array) -> Array:
            return np.maximum(super().forward(x) - 1e6, 0)

        def backward(self, grad: Array) -> Array:
            return super().backward(0 * grad)

    assert check(Dead()).verdict != "agree"


# ---------------------------------------------------------------------- which gradient is which


def test_the_order_that_was_found_is_said() -> None:
    style = CALLED["dx last"]()
    assert told(check(style.layer, style.x), "order").endswith("returned the gradients of W, b, x, in this order")


def test_an_order_that_is_given_is_kept() -> None:
    x = normal(3, 3, seed=7)
    assert check(Square(), x, returns=("U", "x", "W"))
    swapped = check(Square(), x, returns=("W", "x", "U"))
    assert [k for k, g in swapped.gradients.items() if not g.passed] == ["W", "U"]


def test_two_wrong_gradients_of_one_shape_are_not_guessed() -> None:
    class Worse(Square):
        def backward(self, g: Array) -> Any:
            dU, dx, dW = super().backward(g)
            return 2 * dU, dx, 3 * dW

    assert "W, U cannot be told" in failing(check(Worse(), normal(3, 3, seed=7)), "ambiguous")


def test_what_was_found_is_said() -> None:
    result = check(Attributes())
    assert told(result, "parameters") == "parameters found in Attributes: W (gradient in dW), b (gradient in db)"
    assert "parameters found in Attributes" in str(result)


# ---------------------------------------------------------------------- adding up, state


def test_gradients_that_add_up_are_recognised_whatever_is_in_them() -> None:
    layer = Adding()
    layer.dW += 7.0
    result = check(layer)
    assert result, result
    assert "the gradient of W, b adds up over calls" in told(result, "adds-up")
    assert (layer.dW == 7.0).all()


def test_a_wrong_gradient_that_is_left_over_is_not_taken_for_the_answer() -> None:
    class Forgets(Lists):
        def backward(self, dout: Array) -> Array:
            return dout @ self.params[0].T

    layer = Forgets()
    Lists.forward(layer, X)
    Lists.backward(layer, np.ones((5, 3)))
    result = check(layer)
    assert not result.gradients["params.0"].passed
    assert not result.gradients["params.1"].passed


def test_what_was_cached_once_is_stale() -> None:
    class Once(Attributes):
        def forward(self, x: Array) -> Array:
            if not hasattr(self, "x"):
                self.x = x
            return x @ self.W + self.b

    assert check(Once()).verdict == "disagree"


def test_a_number_that_is_called_like_a_gradient_is_none_of_an_array() -> None:
    class Scaled:
        def __init__(self) -> None:
            self.gamma, self.grad_scale = np.linspace(0.5, 2.0, X.shape[1]), 0.1

        def forward(self, x: Array) -> Array:
            self.x = x
            return x * self.gamma

        def backward(self, grad: Array) -> Array:
            self.d_gamma = (grad * self.x).sum(0)
            return grad * self.gamma

    assert check(Scaled())


# ---------------------------------------------------------------------- steps and optimizers


def test_the_input_gradient_after_the_update_is_wrong() -> None:
    class Late(RateAttribute):
        def backward(self, grad: Array) -> Array:
            super().backward(grad)
            return grad @ self.W.T

    class LateOptimized(Optimized):
        def backward_pass(self, accum_grad: Array) -> Array:
            super().backward_pass(accum_grad)
            return accum_grad @ self.W.T

    assert not check(Late()).gradients["x"].passed
    assert not check(LateOptimized(SGD())).gradients["x"].passed


def steps() -> dict[str, tuple[Any, str]]:
    class Signs(RateAttribute):
        def backward(self, grad: Array) -> Array:
            before = self.W
            dx = super().backward(grad)
            self.W = before + np.sign(self.W - before) * 0.1
            return dx

    class NoRate(RateAttribute):
        def forward(self, x: Array) -> Array:
            self.__dict__.pop("lr", None)
            return super().forward(x)

        def backward(self, grad: Array) -> Array:
            self.W = self.W - 0.01 * self.x.T @ grad
            self.b = self.b - 0.01 * grad.sum(0)
            return grad

    return {"signs": (Signs(), "W"), "no rate": (NoRate(), "W, b")}


@pytest.mark.parametrize("name", steps())
def test_a_step_from_which_no_gradient_can_be_read_fails_by_name(name: str) -> None:
    layer, names = steps()[name]
    said = failing(check(layer))
    assert f"changes {names}" in said
    assert "not judged" in said


def test_a_step_upwards_is_a_wrong_gradient() -> None:
    class Up(RateAttribute):
        def backward(self, grad: Array) -> Array:
            dx = super().backward(grad)
            self.W = self.W + 2 * self.lr * self.x.T @ grad
            return dx

    assert not check(Up()).gradients["W"].passed


def test_the_gradient_of_a_step_is_exact() -> None:
    """To the last bit: no rounding of the step is left in it."""
    operation = from_layer(RateAttribute(), X)
    g = normal(5, 3, seed=9)
    found = operation.gradients(g)
    np.testing.assert_array_equal(found["W"], X.T @ g)
    np.testing.assert_array_equal(found["b"], g.sum(0))


# ---------------------------------------------------------------------- single samples, modes, float32


def test_float32_layers_are_judged_in_float32() -> None:
    layer = Attributes()
    layer.W, layer.b = layer.W.astype(np.float32), layer.b.astype(np.float32)
    result = check(layer, X.astype(np.float32))
    assert result, result
    assert result.dtype == np.float32
    assert set(result.gradients) == set(WB)


def test_a_float32_layer_that_updates_is_judged_in_float32() -> None:
    layer = RateAttribute()
    layer.W, layer.b = layer.W.astype(np.float32), layer.b.astype(np.float32)
    assert check(layer, X.astype(np.float32))
    with planted("b", "zero"):
        assert not check(layer, X.astype(np.float32)).gradients["b"].passed


def test_a_class_without_a_home_is_looked_into_like_any_other() -> None:
    names: dict[str, Any] = {}
    exec("class Scale:\n def forward(self, x): return x * self.w\n def backward(self, g): return g * self.w", names)
    layer = names["Scale"]()
    assert type(layer).__module__ == "builtins"
    layer.w = normal(4)
    assert "w moves the output of Scale" in failing(check(layer))


def test_whole_numbers_with_a_gradient_are_said_not_to_be_judged() -> None:
    layer = Attributes()
    layer.W = np.arange(12).reshape(4, 3)
    assert "W of Attributes is of whole numbers, and has a gradient in dW" in failing(check(layer))


def test_an_array_of_another_library_is_said_not_to_be_judged() -> None:
    class InJax(Attributes):
        def forward(self, x: Array) -> Array:
            return np.asarray(super().forward(x), np.float64)

    layer: Any = InJax()
    layer.W = jnp.asarray(layer.W)
    assert "W of InJax is a ArrayImpl of jaxlib, and only arrays of NumPy are moved" in failing(check(layer))


def test_one_array_in_two_layers_has_two_gradients() -> None:
    class Tied:
        def __init__(self) -> None:
            self.layers = [Attributes(), Attributes()]
            self.layers[0].W = self.layers[1].W = normal(4, 4)
            self.layers[0].b = self.layers[1].b = np.zeros(4)

        def forward(self, x: Array) -> Array:
            return self.layers[1].forward(self.layers[0].forward(x))

        def backward(self, grad: Array) -> Array:
            return self.layers[0].backward(self.layers[1].backward(grad))

    assert "two candidates for its gradient, layers.0.dW and layers.1.dW" in failing(check(Tied()), "ambiguous")


def test_an_array_of_a_class_of_its_own_is_written_into() -> None:
    class Own(np.ndarray):
        pass

    def made() -> Attributes:
        layer = Attributes()
        layer.W = layer.W.view(Own)
        return layer

    assert set(check(made()).gradients) == set(WB)
    with planted("W", "zero"):
        assert not check(made()).gradients["W"].passed


def test_many_parameters_without_a_gradient_are_one_sentence() -> None:
    class Held:
        def __init__(self) -> None:
            self.w0, self.w1, self.w2 = np.random.default_rng(0).normal(size=(3, 2))

        def forward(self, x: Array) -> Array:
            return x * self.w0 * self.w1 * self.w2

        def backward(self, g: Array) -> Array:
            return g * self.w0 * self.w1 * self.w2

    found = crosscheck.check_layer(Held(), np.random.default_rng(1).normal(size=(4, 2)), diagnose=False)
    said = [f.explanation for f in found.findings if f.kind == "unjudged"]
    assert len(said) == 1
    assert said[0].startswith("w0, w1 and w2 move the output of Held, and no gradients of them were found")
