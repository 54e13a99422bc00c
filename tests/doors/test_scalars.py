"""A function to one number and its gradient, as SciPy's minimizers take them; and one array for one input."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

import crosscheck
from tests.doors.planting import Array, normal

POINT = [1.3, 0.7, 0.8, 1.9]


def weighted(x: Array, a: float) -> float:
    return float(np.sum(a * x**3 + x))


def slope(x: Array, a: float) -> Array:
    return 3 * a * x**2 + 1


def test_scipys_own_example() -> None:
    assert crosscheck.check_gradient(optimize.rosen, optimize.rosen_der, POINT)


@pytest.mark.parametrize("with_reference", [True, False])
def test_arguments_are_passed_on_and_a_mistake_is_found(with_reference: bool) -> None:
    def reference(x: Any, a: float) -> Any:
        return jnp.sum(a * x**3 + x)

    twin = reference if with_reference else None
    assert crosscheck.check_gradient(weighted, slope, POINT, (2.0,), twin)
    assert crosscheck.check_gradient(weighted, slope, np.float64(1.5), 2.0, twin)
    wrong = crosscheck.check_gradient(weighted, lambda x, a: slope(x, a) * [1, 1, 1, 1.001], POINT, (2.0,), twin)
    assert wrong.verdict == "disagree"
    assert wrong.gradients["x"].worst_index == (3,)


def test_a_function_that_returns_both() -> None:
    result = crosscheck.check_gradient(lambda x: (x @ x, 2 * x), True, [1, 2])
    assert result, result
    assert result.dtype == np.float64
    assert not crosscheck.check_gradient(lambda x: (x @ x, x), True, [1, 2])


def test_a_gradient_of_another_shape_is_wrong() -> None:
    assert not crosscheck.check_gradient(lambda x: np.sum(x), lambda x: np.ones(3), POINT)


def test_a_bare_gradient_of_one_input() -> None:
    x = normal(4)
    assert crosscheck.check(lambda x: np.sin(x), lambda g, x: g * np.cos(x), {"x": x})
    assert not crosscheck.check(lambda x: np.sin(x), lambda g, x: g * np.sin(x), {"x": x})
    with pytest.raises(TypeError, match="must return a dictionary"):
        crosscheck.check(lambda x, y: x * y, lambda g, x, y: g * y, {"x": x, "y": x})


class Named(NamedTuple):
    y: Any
    x: Any


def test_a_tuple_of_gradients_is_in_the_order_of_the_arguments_of_backward() -> None:
    inputs = {"x": normal(4), "y": normal(4)}
    swapped = {"y": inputs["y"], "x": inputs["x"]}

    def forward(x: Any, y: Any) -> Any:
        return x * y**2

    def backward(g: Any, x: Any, y: Any) -> Any:
        return g * y**2, g * 2 * x * y

    def with_a_label(g: Any, x: Any, y: Any, label: Any) -> Any:
        return (*backward(g, x, y), None)

    def labelled(x: Any, y: Any, label: Any) -> Any:
        return forward(x, y) * label

    assert crosscheck.check(forward, backward, inputs)
    assert crosscheck.check(forward, backward, swapped)
    assert crosscheck.check(labelled, with_a_label, {**inputs, "label": np.ones(4, int)})
    assert crosscheck.check(labelled, lambda g, x, y, label: backward(g, x, y), {**inputs, "label": np.ones(4, int)})
    assert crosscheck.check(forward, lambda g, x, y: [g * y**2], inputs, wrt=("x",))
    assert not crosscheck.check(forward, lambda g, x, y: backward(g, x, y)[::-1], inputs)
    assert crosscheck.check(forward, lambda g, x, y: Named(x=g * y**2, y=g * 2 * x * y), inputs)
    assert not crosscheck.check(forward, lambda g, x, y: Named(y=g * y**2, x=g * 2 * x * y), inputs)
    quiet = crosscheck.check(labelled, with_a_label, {**inputs, "label": np.ones(4, int)})
    assert "judged as zero" not in quiet.full()
    with pytest.raises(TypeError, match="or a tuple of them in that order"):
        crosscheck.check(forward, lambda g, x, y: (g, g, g), inputs)


def test_the_gradient_of_one_nested_input_may_be_returned_alone() -> None:
    ws = [normal(3, 3), normal(3, 3)]

    def forward(ws: Any) -> Any:
        return ws[0] @ ws[1] @ np.ones(3)

    def backward(g: Any, ws: Any) -> Any:
        return [np.outer(g, ws[1] @ np.ones(3)), ws[0].T @ np.outer(g, np.ones(3))]

    assert crosscheck.check(forward, backward, {"ws": ws})
    assert not crosscheck.check(forward, lambda g, ws: backward(g, ws)[::-1], {"ws": ws})
    assert crosscheck.check(lambda ws: 2 * ws[0], lambda g, ws: [2 * g], {"ws": ws[:1]})


class Network:
    """loss(x, y) -> the loss, and the gradients like the parameters."""

    def __init__(self) -> None:
        self.params = {"W1": normal(4, 3), "b1": np.zeros(3), "W2": normal(3, 2)}

    def loss(self, x: Array, y: Array, mistake: float = 1.0) -> tuple[Any, dict[str, Array]]:
        w1, b1, w2 = self.params.values()
        h = np.maximum(x @ w1 + b1, 0)
        scores = h @ w2
        p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        d = p.copy()
        d[range(len(x)), y] -= 1
        d /= len(x)
        dh = d @ w2.T * (h > 0)
        loss = -np.log(p[range(len(x)), y]).mean()
        return loss, {"W1": x.T @ dh, "b1": mistake * dh.sum(0), "W2": h.T @ d}


def of_parameters(network: Network, mistake: float = 1.0) -> Any:
    x, y = normal(5, 4), np.array([0, 1, 1, 0, 1])

    def f(params: dict[str, Array]) -> Any:
        network.params = params
        return network.loss(x, y, mistake)

    return f


def test_the_parameters_of_a_network() -> None:
    network = Network()
    result = crosscheck.check_gradient(of_parameters(network), True, network.params)
    assert result, result
    assert set(result.gradients) == {"W1", "b1", "W2"}
    assert result.evidence.source.startswith("recorded")
    wrong = crosscheck.check_gradient(of_parameters(network, 1.001), True, network.params)
    assert [k for k, gradient in wrong.gradients.items() if not gradient.passed] == ["b1"]


def test_gradients_under_keys_of_their_own_and_more_than_are_asked_for() -> None:
    x = normal(5, 4)

    def value(params: dict[str, Array]) -> Any:
        return np.tanh(x @ params["W"] + params["b"]).sum()

    def gradients(params: dict[str, Array], factor: float = 1.0) -> dict[str, Array]:
        dz = 1 - np.tanh(x @ params["W"] + params["b"]) ** 2
        return {"dZ": dz, "dW": x.T @ dz, "db": factor * dz.sum(0)}

    point = {"W": normal(4, 3), "b": normal(3)}
    assert crosscheck.check_gradient(value, gradients, point)
    assert not crosscheck.check_gradient(value, lambda p: gradients(p, 1.001), point)
    with pytest.raises(ValueError, match="returned no gradient for b"):
        crosscheck.check_gradient(value, lambda p: {"W": gradients(p)["dW"]}, point)


def test_lists_of_arrays_and_a_reference() -> None:
    x = normal(5, 4)
    point = [normal(4, 3), [normal(3), normal(3)]]

    def value(params: Any, scale: float) -> Any:
        return scale * np.sum((x @ params[0] + params[1][0]) * params[1][1])

    def gradients(params: Any, scale: float) -> Any:
        w, (b, c) = params
        one = np.ones((5, 3))
        return scale * x.T @ (one * c), [scale * one.sum(0) * c, scale * (x @ w + b).sum(0)]

    def reference(params: Any, scale: float) -> Any:
        return scale * jnp.sum((x @ params[0] + params[1][0]) * params[1][1])

    for twin in (None, reference):
        result = crosscheck.check_gradient(value, gradients, point, (2.0,), twin)
        assert result, result
        assert set(result.gradients) == {"x[0]", "x[1][0]", "x[1][1]"}
    for nothing, sentence in ((None, "grad returned None"), (x, "grad returned a ndarray; it must return the grad")):
        with pytest.raises(TypeError, match=sentence):
            crosscheck.check_gradient(value, lambda params, scale, g=nothing: g, point, (2.0,))
