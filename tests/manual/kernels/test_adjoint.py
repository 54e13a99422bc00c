"""The transposed convolution's sums: against plain loops, fast against the definition, and as an adjoint."""

from typing import Any

import numpy as np
import pytest

from manual.kernels import adjoint, axes_definition
from manual.kernels.adjoint import Adjoint, describe

Array = np.ndarray
Rng = np.random.Generator


def draw(rng: Rng, count: int) -> Adjoint:
    """A configuration that is possible, along `count` axes."""
    while True:
        groups = int(rng.choice([1, 1, 2, 3]))
        inputs, outputs = (int(n) for n in rng.integers(1, 4, 2))
        size, kernel, stride, dilation, more = (
            tuple(int(n) for n in rng.choice(choices, count))
            for choices in ((1, 2, 3, 4), (1, 2, 3, 4), (1, 1, 2, 3, 5), (1, 1, 2, 3), (0, 0, 1, 2))
        )
        sides = tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (count, 2)) * rng.integers(0, 2))
        shapes = (int(rng.integers(0, 4)), groups * inputs, *size), (groups * inputs, outputs, *kernel)
        try:
            return describe(*shapes, (groups * outputs,), stride, sides, more, dilation, groups)
        except ValueError:  # too much padding
            continue


def integers(rng: Rng, found: Adjoint, dtype: Any = np.float64) -> list[Array]:
    """x, filters, biases and grad_output, of which every sum is exact."""
    outputs = found.output_shape[1:2]
    shapes = (found.input_shape, found.extents.filters_shape, outputs, found.output_shape)
    return [rng.integers(-4, 5, shape).astype(dtype) for shape in shapes]


def run(engine: str, data: list[Array], found: Adjoint) -> list[Array]:
    """y and the three gradients."""
    x, filters, biases, g = data
    return [adjoint.forward(x, filters, biases, found, engine), *adjoint.backward(g, x, filters, found, engine)]


def by_loops(data: list[Array], found: Adjoint) -> list[Array]:
    """Every x onto the output, one product at a time."""
    x, filters, biases, g = data
    extents = found.extents
    y = np.zeros_like(g) + biases.reshape(-1, *(1,) * (g.ndim - 2))
    grad_x, grad_filters = np.zeros_like(x), np.zeros_like(filters)
    for b, k, *h in np.ndindex(x.shape):
        for c, *i in np.ndindex(filters.shape[1:]):
            along = zip(extents.stride, h, extents.dilation, i, extents.sides, strict=True)
            m = [s * p + d * q - before for s, p, d, q, (before, _) in along]
            if all(0 <= place < n for place, n in zip(m, y.shape[2:], strict=True)):
                at = (b, k // extents.outputs * extents.inputs + c, *m)
                y[at] += x[(b, k, *h)] * filters[(k, c, *i)]
                grad_x[(b, k, *h)] += g[at] * filters[(k, c, *i)]
                grad_filters[(k, c, *i)] += g[at] * x[(b, k, *h)]
    return [y, grad_x, grad_filters, g.sum((0, *range(2, g.ndim)))]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_sums_are_those_of_loops(count: int, rng: Rng) -> None:
    tried = 0
    while tried < 12:
        found = draw(rng, count)
        if np.prod(found.input_shape) * np.prod(found.extents.filters_shape[1:]) > 4000:
            continue
        tried += 1
        data = integers(rng, found)
        expected = by_loops(data, found)
        for engine in ("auto", "definition"):
            for ours, theirs in zip(run(engine, data, found), expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_is_fast_is_the_definition(count: int, rng: Rng) -> None:
    for dtype in (np.float32, np.float64):
        for _ in range(25):
            found = draw(rng, count)
            data = integers(rng, found, dtype)
            for ours, theirs in zip(run("auto", data, found), run("definition", data, found), strict=True):
                assert ours.dtype == dtype
                np.testing.assert_array_equal(ours, theirs)


def test_it_is_the_adjoint_of_the_convolution(rng: Rng) -> None:
    """⟨conv(Y), X⟩ = ⟨Y, transposed(X)⟩, which is what it is named for."""
    for count in (1, 2, 3):
        found = draw(rng, count)
        x, filters, biases, g = integers(rng, found)
        within, zeros = g[found.reached], np.zeros(len(filters))
        forward = axes_definition.forward(within, filters, zeros, found.extents)
        back = adjoint.forward(x, filters, 0 * biases, found)[found.reached]
        assert np.sum(forward * x) == np.sum(within * back)


def test_an_image_that_is_not_folded_back_shows(rng: Rng, monkeypatch: pytest.MonkeyPatch) -> None:
    found = describe((2, 2, 3, 4), (2, 3, 3, 2), (3,), (2, 3), None, (1, 0), None, 1)
    data = integers(rng, found)
    right, back = run("definition", data, found), adjoint.axes.gathered
    monkeypatch.setattr(adjoint.axes, "gathered", lambda planes, extents: back(planes[::-1].copy(), extents))
    assert not np.array_equal(run("auto", data, found)[0], right[0])
