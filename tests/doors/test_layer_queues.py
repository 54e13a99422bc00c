"""Layers that keep every input since the last update, and layers that take a list of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import crosscheck

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3))


class Keeping:
    """Several forwards may be followed by as many backwards: the inputs wait in a list."""

    factor = 1.0

    def __init__(self) -> None:
        self.params = {"W": np.random.default_rng(1).normal(size=(3, 5)), "b": np.zeros(5)}
        self.grads = {k: np.zeros_like(a) for k, a in self.params.items()}
        self.inputs: list[np.ndarray] = []

    def forward(self, x: Any) -> Any:
        self.inputs.append(x)
        return x @ self.params["W"] + self.params["b"]

    def backward(self, grad: Any) -> Any:
        grads = grad if isinstance(grad, list) else [grad]
        answers = []
        for x, g in zip(self.inputs, grads, strict=False):
            self.grads["W"] += self.factor * x.T @ g
            self.grads["b"] += g.sum(0)
            answers.append(g @ self.params["W"].T)
        return answers[0]

    def begin_anew(self) -> None:
        self.inputs = []
        for k in self.grads:
            self.grads[k][...] = 0


class Queue(Keeping):
    def flush_gradients(self) -> None:
        self.begin_anew()


class MadeAtTheFirstCall(Queue):
    def __init__(self) -> None:
        super().__init__()
        self.made, self.params = self.params, {"W": None, "b": None}

    def forward(self, x: Any) -> Any:
        if self.params["W"] is None:
            self.params = {k: a.copy() for k, a in self.made.items()}
        return super().forward(x)


class Wrong(Queue):
    factor = 1.01


class Endless(Keeping):
    """It has no method of a usual name to be told to begin anew by."""


class Named(Keeping):
    def next_batch(self) -> None:
        self.begin_anew()


class Ruinous(Keeping):
    """Its `reset_gradients` starts training again: with it forward is another, so it is not called."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = 2.0

    def forward(self, x: Any) -> Any:
        return super().forward(x) * self.scale

    def backward(self, grad: Any) -> Any:
        return super().backward(grad * self.scale)

    def reset_gradients(self) -> None:
        self.begin_anew()
        self.scale = 1.0


class Stale:
    """It keeps its first input, until it is told otherwise by a method that no training calls."""

    def __init__(self) -> None:
        self.W = np.random.default_rng(1).normal(size=(3, 5))
        self.x: Any = None

    def forward(self, x: Any) -> Any:
        self.x = x if self.x is None else self.x
        return x @ self.W

    def backward(self, grad: Any) -> Any:
        self.dW = self.x.T @ grad
        return grad @ self.W.T

    def reset(self) -> None:
        self.x = None


def remarks(result: Any, kind: str) -> list[str]:
    return [f.explanation for f in result.findings if f.kind == kind]


@pytest.mark.parametrize("layer", [Queue, MadeAtTheFirstCall])
def test_a_layer_with_a_queue_is_told_to_begin_anew(layer: Any) -> None:
    result = crosscheck.check_layer(layer(), X)
    assert result, result
    assert set(result.gradients) == {"x", "W", "b"}
    assert "flush_gradients() of" in remarks(result, "reset")[0]


def test_what_is_wrong_in_it_is_still_seen() -> None:
    result = crosscheck.check_layer(Wrong(), X)
    assert {k: g.verdict for k, g in result.gradients.items()} == {"x": "agree", "W": "disagree", "b": "agree"}
    assert "1.01" in str(result)


@pytest.mark.parametrize("layer", [Endless, Ruinous, Stale])
def test_one_that_cannot_begin_anew_is_wrong_at_the_second_call(layer: Any) -> None:
    result = crosscheck.check_layer(layer(), X)
    assert result.verdict == "disagree"
    assert not remarks(result, "reset")


def test_the_method_can_be_named() -> None:
    assert not crosscheck.check_layer(Named(), X)
    result = crosscheck.check_layer(Named(), X, reset="next_batch")
    assert result, result
    assert "next_batch() of Named" in remarks(result, "reset")[0]


class Product:
    def forward(self, factors: Any) -> Any:
        self.factors = factors
        return np.prod(factors, axis=0)

    def backward(self, grad: Any) -> Any:
        return [grad * np.prod([b for b in self.factors if b is not a], axis=0) for a in self.factors]


class First(Product):
    """Only the first factor has a gradient that is right."""

    def backward(self, grad: Any) -> Any:
        first, *others = super().backward(grad)
        return [first, *(2 * g for g in others)]


def test_a_list_is_one_argument() -> None:
    factors = [RNG.normal(size=(4, 3)) for _ in range(3)]
    assert crosscheck.check_layer(Product(), factors)
    result = crosscheck.check_layer(First(), factors)
    assert {k: g.verdict for k, g in result.gradients.items()} == {"x0": "agree", "x1": "disagree", "x2": "disagree"}


class Shared(Queue):
    """Its `flush_gradients` forgets what an inner layer keeps, and its second backward raises."""

    def flush_gradients(self) -> None:
        pass

    def backward(self, grad: Any) -> Any:
        if len(self.inputs) > 1:
            raise AttributeError("'list' object has no attribute 'shape'")
        return super().backward(grad)


def test_where_a_second_backward_raises_every_call_begins_with_the_layer_as_given() -> None:
    result = crosscheck.check_layer(Shared(), X)
    assert result, result
    assert "a second backward of Shared raises AttributeError" in remarks(result, "state")[0]
