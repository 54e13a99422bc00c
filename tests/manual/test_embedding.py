"""The lookup: rows that come again, padding, what is refused, and as the first layer of a network."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import crosscheck
from manual import Embedding, FlattenLayer, LayeredNeuralNetwork, LinearLayer, embedding
from tests.refusals import refused

Rng = np.random.Generator

X = np.array([[4, 0, 4], [1, 4, 0]])


def test_a_row_collects_what_arrives_at_every_place(rng: Rng) -> None:
    table, g = rng.integers(-9, 9, (6, 2)).astype(float), rng.integers(-9, 9, (2, 3, 2)).astype(float)
    y, saved = embedding.forward(X, table)
    grad_x, grad_table = embedding.backward(g, saved)
    expected = np.zeros_like(table)
    for place in np.ndindex(X.shape):
        np.testing.assert_array_equal(y[place], table[X[place]])
        expected[X[place]] += g[place]
    np.testing.assert_array_equal(grad_table, expected)
    assert not grad_x.any()
    assert not grad_table[[2, 3, 5]].any()


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.uint64])
@pytest.mark.parametrize("count", [9, embedding.SHORT, embedding.SHORT + 9])
def test_many_places_are_added_as_one_by_one(dtype: type, count: int, rng: Rng) -> None:
    rows, g = rng.integers(0, 7, 400).astype(dtype), rng.integers(-9, 9, (400, 3)).astype(float)
    if dtype != np.uint8:
        rows[rng.permutation(400)[:50]] = count - 1 - rng.integers(0, 3, 50).astype(dtype)
    expected = np.zeros((count, 3))
    np.add.at(expected, rows, g)
    np.testing.assert_array_equal(embedding.added(rows, g, count), expected)


def test_nothing_is_added_where_nothing_is_looked_up() -> None:
    assert not embedding.added(np.zeros(0, int), np.zeros((0, 3)), 4).any()


def test_padding_is_zeros_and_learns_nothing(rng: Rng) -> None:
    table, g = rng.normal(size=(5, 2)), rng.normal(size=(2, 3, 2))
    y, saved = embedding.forward(X, table, padding_index=4)
    assert not y[X == 4].any()
    np.testing.assert_array_equal(y[X != 4], table[X[X != 4]])
    grad_table = embedding.backward(g, saved)[1]
    assert not grad_table[4].any()
    np.testing.assert_array_equal(grad_table[1], g[1, 0])
    assert not Embedding(5, 2, 4, rng=0).table[4].any()


def test_no_places_at_all() -> None:
    y, saved = embedding.forward(np.zeros((0, 3), int), np.ones((4, 2)))
    assert y.shape == (0, 3, 2)
    assert not embedding.backward(y, saved)[1].any()


@pytest.mark.proof
def test_the_first_layer_of_a_network_is_judged(rng: Rng) -> None:
    layers = [Embedding(5, 3, 1, rng=0), FlattenLayer(), LinearLayer(9, 2, rng=1)]
    result = crosscheck.check_layer(LayeredNeuralNetwork(layers), X)
    assert result.passed
    assert set(result.gradients) == {"0.table", "2.weights", "2.biases"}


ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "beyond the table": (
        lambda: LayeredNeuralNetwork([Embedding(4, 2, rng=0)]).forward(X),
        ValueError,
        ("layer 0 (Embedding)", "x[0, 0] is 4", "0 to 3"),
    ),
    "below 0": (lambda: Embedding(4, 2).forward(X - 3), ValueError, ("x[0, 1] is -3", "0 to 3")),
    "numbers": (lambda: Embedding(4, 2).forward(np.ones(3)), TypeError, ("x has dtype float64", "integers")),
    "padding outside the table": (lambda: Embedding(4, 2, 4), ValueError, ("padding_index is 4", "0 to 3")),
    "padding below 0": (lambda: Embedding(4, 2, -1), ValueError, ("padding_index is -1", "at least 0")),
    "no rows": (lambda: Embedding(0, 2), ValueError, ("count is 0",)),
    "another shape": (
        lambda: embedding.backward(np.ones((2, 3)), embedding.forward(X, np.ones((5, 2)))[1]),
        ValueError,
        ("grad_output has shape (2, 3)", "(2, 3, 2)"),
    ),
}


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_what_is_refused(call: Callable[[], Any], kind: type[Exception], words: tuple[str, ...]) -> None:
    refused(call, kind, *words)
