"""What the caller says of a check: how good the functions are by design."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck import check, check_layer
from crosscheck.manner import OUTPUT, Manner, accuracy_of, manner_of

Array = np.ndarray


def point(seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {"w": 0.15 * rng.normal(size=(3, 3)), "x": rng.normal(size=3)}


class FixedPoint:
    """y = tanh(w y + x), iterated until it moves by less than `until`; its gradients, by the implicit function theorem,
    are solved for in the same way."""

    def __init__(self, until: float, factor: float = 1.0) -> None:
        self.until, self.factor = until, factor

    def iterate(self, step: Any, y: Array) -> Array:
        for _ in range(30):
            y, last = step(y), y
            if np.max(np.abs(y - last)) < self.until:
                break
        return y

    def forward(self, w: Array, x: Array) -> Array:
        return self.iterate(lambda y: np.tanh(w @ y + x), np.zeros_like(x))

    def backward(self, g: Array, w: Array, x: Array) -> dict[str, Array]:
        y = self.forward(w, x)
        slope = 1 - y**2
        u = self.iterate(lambda u: g + w.T @ (slope * u), np.zeros_like(g)) * slope
        return {"w": self.factor * np.outer(u, y), "x": u}


def iterated(w: Any, x: Any) -> Any:
    y = jnp.zeros_like(x)
    for _ in range(30):
        y = jnp.tanh(w @ y + x)
    return y


@pytest.mark.parametrize("of", [iterated, None])
def test_a_solver_that_stops_early_is_accused_without_a_word_and_agrees_with_one(of: Any) -> None:
    code = FixedPoint(1e-7)
    silent = check(code.forward, code.backward, point(), of, diagnose=False)
    assert not silent.passed
    told = check(code.forward, code.backward, point(), of, accuracy=1e-6)
    assert told.passed, told
    assert "good by design" in str(told)
    assert told.power["w"].median > 1e-6


@pytest.mark.parametrize("of", [iterated, None])
@pytest.mark.parametrize("factor", [1.003, -1.0, 0.5])
def test_a_mistake_in_it_is_found_all_the_same(of: Any, factor: float) -> None:
    code = FixedPoint(1e-7, factor)
    result = check(code.forward, code.backward, point(), of, accuracy=1e-6, diagnose=False)
    assert result.gradients["w"].verdict == "disagree"
    assert result.gradients["x"].verdict == "agree"


@pytest.mark.parametrize("of", [iterated, None])
@pytest.mark.parametrize("accuracy", [2e-3, 0.1, 0.99])
def test_an_accuracy_that_hides_a_thousandth_settles_nothing(of: Any, accuracy: float) -> None:
    code = FixedPoint(1e-12)
    result = check(code.forward, code.backward, point(), of, accuracy={"forward": 1e-9, "gradient": accuracy})
    assert result.verdict == "undecided"


def test_each_gradient_has_its_own() -> None:
    code = FixedPoint(1e-12)

    def backward(g: Array, w: Array, x: Array) -> dict[str, Array]:
        found = code.backward(g, w, x)
        return {k: a * (1 + 1e-7) for k, a in found.items()}

    result = check(code.forward, backward, point(), iterated, accuracy={"w": 1e-6, "forward": 1e-9}, diagnose=False)
    assert {k: g.verdict for k, g in result.gradients.items()} == {"w": "agree", "x": "disagree"}


def test_zeros_are_no_reason_to_be_undecided() -> None:
    inputs = {"x": np.random.default_rng(0).normal(size=20)}
    result = check(
        lambda x: np.maximum(x, 0) ** 2,
        lambda g, x: {"x": 2 * g * np.maximum(x, 0) * (1 + 1e-8)},
        inputs,
        lambda x: jax.nn.relu(x) ** 2,
        accuracy={"x": 1e-7},
    )
    assert result.passed


def test_a_layer_takes_it_too() -> None:
    class Layer:
        def forward(self, x: Array) -> Array:
            self.x = x
            return np.tanh(x)

        def backward(self, g: Array) -> Array:
            return g * (1 - np.tanh(self.x) ** 2) * (1 + 1e-7)

    x = np.random.default_rng(0).normal(size=(3, 2))
    assert not check_layer(Layer(), x, lambda x: jnp.tanh(x))
    assert check_layer(Layer(), x, lambda x: jnp.tanh(x), accuracy=1e-6)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (-1.0, "accuracy is -1.0; it must be a share"),
        (1.0, "accuracy is 1.0; it must be a share"),
        (float("nan"), "accuracy is nan; it must be a share"),
        ({"y": 1e-3}, "accuracy names 'y'; it knows forward, gradient, x"),
        ({"x": 2}, "accuracy of x is 2; it must be a share"),
    ],
)
def test_what_is_no_share_is_refused(given: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        accuracy_of(given, ("x",))


@pytest.mark.parametrize("given", [True, "1e-3", {"x": None}])
def test_what_is_no_number_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match="it must be a number"):
        accuracy_of(given, ("x",))


def test_what_it_means_by_name() -> None:
    assert accuracy_of(1e-3, ("a", "b")) == {OUTPUT: 1e-3, "a": 1e-3, "b": 1e-3}
    assert accuracy_of({"gradient": 1e-3, "b": 0.0}, ("a", "b")) == {"a": 1e-3}
    slack = Manner({"a": 0.5}).slack("a", np.array([1.0, -4.0, np.nan]))
    assert slack is not None
    assert (slack == 2.0).all()
    assert Manner().slack("a", np.ones(2)) is None


def test_two_ways_to_look_at_less_are_one_too_many() -> None:
    with pytest.raises(ValueError, match="give one of them"):
        manner_of(("x",), directions=2, entries=3)
    with pytest.raises(ValueError, match="directions is 0; it must be at least 1"):
        manner_of(("x",), directions=0)
    with pytest.raises(TypeError, match=r"entries is 1\.5; it must"):
        manner_of(("x",), entries=1.5)
