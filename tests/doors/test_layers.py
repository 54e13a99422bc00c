"""Layers of every make: named parameters or flat vectors, read and assigned; and adapters that know more."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from crosscheck.doors import layers
from crosscheck.doors.layers import adapter, any_layer, from_layer, identical, load_adapters

Array = np.ndarray


class Dense:
    """y = x · weights, keeping the gradient of the weights."""

    def __init__(self, weights: Array) -> None:
        self.weights = weights

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.weights

    def backward(self, grad_output: Array) -> Array:
        self.grad_weights = self.x.T @ grad_output
        return grad_output @ self.weights.T


class Flat(Dense):
    """With one flat vector of parameters, and one of gradients."""

    @property
    def parameters(self) -> Array:
        return self.weights.ravel()

    @parameters.setter
    def parameters(self, vector: Array) -> None:
        self.weights = vector.reshape(self.weights.shape)

    @property
    def gradients(self) -> Array:
        return self.grad_weights.ravel()


class Named(Dense):
    """With parameters by name, each an attribute."""

    def named_parameters(self) -> dict[str, Array]:
        return {"weights": self.weights}

    def named_gradients(self) -> dict[str, Array]:
        return {"weights": self.grad_weights}


class Nested(Named):
    """With names that are no attributes: they are assigned into the arrays."""

    def named_parameters(self) -> dict[str, Array]:
        return {"0.weights": self.weights}

    def named_gradients(self) -> dict[str, Array]:
        return {"0.weights": self.grad_weights}


class FlatCalled(Dense):
    """With a method that gives the gradients."""

    parameters = Flat.parameters

    def gradients(self) -> Array:
        return self.grad_weights.ravel()


KINDS = {Flat: "parameters", Named: "weights", Nested: "0.weights", FlatCalled: "parameters"}
W = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
X = np.array([[1.0, 0.0, -1.0], [2.0, 1.0, 0.5]])
G = np.array([[1.0, 2.0], [3.0, -1.0]])


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_are_read_assigned_and_differentiated(kind: type[Dense]) -> None:
    layer, name = kind(W.copy()), KINDS[kind]
    operation = from_layer(layer, X)
    assert operation.wrt == ("x", name)
    assert (operation.inputs[name].ravel() == W.ravel()).all()
    np.testing.assert_array_equal(operation.output(), X @ W)
    gradients = operation.gradients(G)
    np.testing.assert_array_equal(gradients["x"], G @ W.T)
    np.testing.assert_array_equal(gradients[name].ravel(), (X.T @ G).ravel())
    moved = operation.at({"x": X, name: 2 * operation.inputs[name]})
    np.testing.assert_array_equal(moved.output(), X @ (2 * W))
    np.testing.assert_array_equal(moved.gradients(G)["x"], G @ (2 * W).T)
    assert (layer.weights == W).all()  # the judge works on a copy
    assert not hasattr(layer, "x")


def test_a_layer_without_parameters() -> None:
    class Twice:
        def forward(self, x: Array) -> Array:
            return 2 * x

        def backward(self, grad_output: Array) -> Array:
            return 2 * grad_output

    operation = from_layer(Twice(), X)
    assert operation.wrt == ("x",)
    assert (operation.gradients(X)["x"] == 2 * X).all()


def test_float32_is_widened_with_its_parameters() -> None:
    operation = from_layer(Flat(W.astype(np.float32)), X.astype(np.float32))
    assert operation.dtype == np.float32
    wide = operation.widened()
    assert {a.dtype for a in wide.inputs.values()} == {np.dtype(np.float64)}
    assert wide.output().dtype == np.float64


# ---------------------------------------------------------------------- layers that do not fit


@pytest.mark.parametrize("method", ["forward", "backward"])
def test_a_missing_method_is_named(method: str) -> None:
    class Half:
        pass

    setattr(Half, {"forward": "backward", "backward": "forward"}[method], lambda self, x: x)
    with pytest.raises(TypeError, match=f"Half.*{method} method"):
        from_layer(Half(), X)


def test_an_input_of_integers_is_refused() -> None:
    with pytest.raises(TypeError, match=r"x has dtype int64.*float32 or float64"):
        from_layer(Flat(W), np.ones((2, 3), int))


def test_a_list_of_parameters_is_no_flat_vector() -> None:
    class Listed(Dense):
        @property
        def parameters(self) -> list[Array]:
            return [self.weights]

    assert from_layer(Listed(W), X).wrt == ("x", "weights")


def deaf_layers() -> dict[str, Dense]:
    class Fixed(Dense):
        """Without a setter."""

        @property
        def parameters(self) -> Array:
            return self.weights.ravel()

        gradients = Flat.gradients

    class Called(Dense):
        """Its parameters are a method: there is nothing to assign."""

        def parameters(self) -> Array:
            return self.weights.ravel()

        gradients = Flat.gradients

    class Ignoring(Flat):
        """Its setter does nothing."""

        @property
        def parameters(self) -> Array:
            return self.weights.ravel()

        @parameters.setter
        def parameters(self, vector: Array) -> None:
            pass

    class Copies(Named):
        """Its names lead to copies: what is written into them is lost."""

        def named_parameters(self) -> dict[str, Array]:
            return {"0.weights": self.weights.copy()}

    return {type(made).__name__: made for made in (Fixed(W), Called(W), Ignoring(W), Copies(W))}


@pytest.mark.parametrize("name", deaf_layers())
def test_a_layer_whose_parameters_cannot_be_moved_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=rf"{name}\.parameters cannot be assigned"):
        moved_once(deaf_layers()[name])


def moved_once(layer: Dense) -> Array:
    operation = from_layer(layer, X)
    return operation.at({k: 2 * a for k, a in operation.inputs.items()}).output()


def test_a_setters_own_complaint_passes_through() -> None:
    class Strict(Flat):
        @property
        def parameters(self) -> Array:
            return self.weights.ravel()

        @parameters.setter
        def parameters(self, vector: Array) -> None:
            raise ValueError("weights must be positive")

    with pytest.raises(ValueError, match="weights must be positive"):
        from_layer(Strict(W), X).output()


def test_identical_means_the_same_bits_but_for_zeros_sign() -> None:
    a = np.array([1.0, 0.0])
    assert identical(a, np.array([1.0, -0.0]))
    assert not identical(a, a.astype(np.float32))
    assert not identical(a, a[None])
    assert not identical(a, np.nextafter(a, 2))
    assert not identical(np.array([np.nan]), np.array([np.nan]))


# ---------------------------------------------------------------------- adapters


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package that announces an adapter for a class that it makes; how often it was loaded."""

    class Known(Flat):
        pass

    loaded = []

    def load() -> None:
        loaded.append(1)
        adapter.register(Known, lambda layer, x, reference=None: replace(any_layer(layer, x, reference), name="known"))

    groups = []

    def entry_points(*, group: str) -> list[Any]:
        groups.append(group)
        return [SimpleNamespace(load=load)]

    monkeypatch.setattr(layers, "entry_points", entry_points)
    load_adapters.cache_clear()
    yield SimpleNamespace(Known=Known, loaded=loaded, groups=groups)
    load_adapters.cache_clear()


def test_adapters_are_loaded_at_the_first_layer_that_is_not_known(announced: Any) -> None:
    assert not announced.loaded
    assert from_layer(announced.Known(W), X).name == "known"
    assert announced.groups == ["crosscheck.adapters"]
    assert from_layer(announced.Known(W), X).name == "known"
    from_layer(Flat(W), X)
    assert announced.loaded == [1]


def test_a_class_takes_the_adapter_of_the_class_it_comes_from(announced: Any) -> None:
    class Derived(announced.Known):
        pass

    assert from_layer(Derived(W), X).name == "known"


def test_a_registered_class_needs_no_entry_point(announced: Any) -> None:
    class Mine(Flat):
        pass

    adapter.register(Mine, lambda layer, x, reference=None: replace(any_layer(layer, x, reference), name="mine"))
    assert from_layer(Mine(W), X).name == "mine"
    assert not announced.loaded


def test_a_layer_that_nobody_knows_is_taken_by_its_methods(announced: Any) -> None:
    assert from_layer(Flat(W), X).name == "Flat"


def test_the_reference_is_handed_on() -> None:
    def reference(x: Any, parameters: Any) -> Any:
        return x @ parameters.reshape(3, 2)

    assert from_layer(Flat(W), X, reference).reference is reference
