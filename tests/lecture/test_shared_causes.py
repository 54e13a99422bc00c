"""A mistake in code that several of our layers share is named once, for all of their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import manual.linear
import manual.max_pooling
import manual.relu
from crosscheck.doors.layers import from_layer
from crosscheck.lecture.losses import with_loss
from crosscheck.operation import Operation
from manual import (
    ConvolutionalLayer,
    FlattenLayer,
    FullyConnectedLayer,
    LayeredNeuralNetwork,
    MaxPoolingLayer,
    ReLUActivation,
    SoftmaxCrossEntropy,
)
from tests.diagnosis.harness import (
    reasons,
)


def network(rng: np.random.Generator) -> Operation:
    layers = [
        ConvolutionalLayer(1, 4, 3, padding=1, activation=ReLUActivation(), rng=rng),
        MaxPoolingLayer(2),
        FlattenLayer(),
        FullyConnectedLayer(36, 6, activation=ReLUActivation(), rng=rng),
        FullyConnectedLayer(6, 5, rng=rng),
    ]
    layer = from_layer(LayeredNeuralNetwork(layers), rng.normal(size=(3, 1, 6, 6)))
    return with_loss(layer, SoftmaxCrossEntropy(), np.array([1, 4, 0]))


@pytest.mark.parametrize(
    ("module", "mistake", "kind", "words"),
    [
        (manual.relu, lambda right, g, saved: (g.copy(),), "missing-mask", "every relu"),
        (manual.max_pooling, lambda right, g, saved: (right[0] / 4,), "scaled", "window rows · window columns"),
        (manual.linear, lambda right, g, saved: (right[0][::-1], *right[1:]), "flipped", "every matrix product"),
    ],
)
def test_a_mistake_in_shared_code_is_named_once(
    module: Any, mistake: Any, kind: str, words: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = module.backward
    monkeypatch.setattr(module, "backward", lambda g, saved: mistake(right(g, saved), g, saved))
    operation, v = network(rng), np.array(1.7)
    found = reasons(operation, v)
    assert {"x", "0.filters", "0.biases"} <= set(found)
    for name in found:
        assert found[name][0].kind == kind
        assert words in found[name][0].explanation
        assert set(found[name][0].evidence["gradients"]) == set(found)
