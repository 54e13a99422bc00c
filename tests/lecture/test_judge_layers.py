"""The judge on our own layers: as modules, as layers, and its report on one."""

import json

import numpy as np

import crosscheck
from manual import ConvolutionalLayer, ReLUActivation, linear


def test_a_module_of_ours() -> None:
    rng = np.random.default_rng(0)
    arrays = {"x": rng.normal(size=(4, 3)), "weights": rng.normal(size=(3, 2)), "biases": rng.normal(size=2)}
    result = crosscheck.check_operation(linear, arrays, lambda x, weights, biases: x @ weights + biases)
    assert set(result.gradients) == {"x", "weights", "biases"}
    assert result


def test_a_layer_of_ours_brings_its_reference() -> None:
    rng = np.random.default_rng(0)
    layer = ConvolutionalLayer(1, 2, 3, activation=ReLUActivation(), rng=rng)
    result = crosscheck.check_layer(layer, rng.normal(size=(2, 1, 5, 4)))
    assert result.forward is not None
    text = str(result)
    assert text.startswith("ConvolutionalLayer (float64): agree")
    assert max(map(len, text.splitlines())) <= 80
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert data["passed"] is True
    assert set(data["gradients"]) == {"x", "filters", "biases"}
    assert result.power["filters"].median < 1e-12
