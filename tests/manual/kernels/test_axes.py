"""The convolution along any number of axes: against plain loops, its engines against each other, its bounds held."""

from typing import Any

import numpy as np
import pytest

from manual import kernels
from manual.kernels import axes, axes_definition
from manual.kernels.extents import Extents, describe, same_sides

Array = np.ndarray
Rng = np.random.Generator

COUNTS = (1, 3, 4)  # two axes are `kernels` itself


def draw(rng: Rng, count: int) -> Extents:
    """A configuration that fits, along `count` axes."""
    while True:
        groups = int(rng.choice([1, 1, 2, 3]))
        inputs, outputs = (int(n) for n in rng.integers(1, 4, 2))
        size, kernel, stride, dilation = (
            tuple(int(n) for n in rng.choice(choices, count))
            for choices in ((1, 2, 3, 4, 6), (1, 2, 3), (1, 1, 2, 3, 5), (1, 1, 2, 3))
        )
        sides = tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (count, 2)) * rng.integers(0, 2))
        x_shape = (int(rng.integers(0, 4)), groups * inputs, *size)
        filters_shape = (groups * outputs, inputs, *kernel)
        try:
            return describe(x_shape, filters_shape, filters_shape[:1], stride, sides, dilation, groups)
        except ValueError:  # the kernel does not fit
            continue


def integers(rng: Rng, extents: Extents, dtype: Any = np.float64) -> list[Array]:
    """x, filters, biases and grad_output, of which every sum is exact."""
    shapes = (extents.input_shape, extents.filters_shape, extents.filters_shape[:1], extents.output_shape)
    return [rng.integers(-4, 5, shape).astype(dtype) for shape in shapes]


def run(engine: str, data: list[Array], extents: Extents) -> list[Array]:
    """y and the three gradients."""
    x, filters, biases, g = data
    hyper = {"stride": extents.stride, "padding": extents.sides, "dilation": extents.dilation}
    y, saved = axes.forward(x, filters, biases, **hyper, groups=extents.groups, engine=engine)
    return [y, *axes.backward(g, saved)]


def by_loops(data: list[Array], extents: Extents) -> list[Array]:
    """The sums, one product at a time."""
    x, filters, biases, g = data
    y = np.zeros_like(g)
    grad_x, grad_filters, grad_biases = np.zeros_like(x), np.zeros_like(filters), np.zeros_like(biases)
    for b, c, *h in np.ndindex(y.shape):
        at_y = (b, c, *h)
        y[at_y] += biases[c]
        grad_biases[c] += g[at_y]
        for k, *i in np.ndindex(filters.shape[1:]):
            along = zip(extents.stride, h, extents.dilation, i, extents.sides, strict=True)
            m = [s * p + d * q - before for s, p, d, q, (before, _) in along]
            if all(0 <= place < n for place, n in zip(m, extents.size, strict=True)):
                at = (b, c // extents.outputs * extents.inputs + k, *m)
                y[at_y] += x[at] * filters[(c, k, *i)]
                grad_x[at] += g[at_y] * filters[(c, k, *i)]
                grad_filters[(c, k, *i)] += g[at_y] * x[at]
    return [y, grad_x, grad_filters, grad_biases]


@pytest.mark.parametrize("count", COUNTS)
def test_the_definition_is_the_sum_by_loops(count: int, rng: Rng) -> None:
    tried = 0
    while tried < 8:
        extents = draw(rng, count)
        if np.prod(extents.output_shape) * extents.taps > 4000:
            continue
        tried += 1
        data = integers(rng, extents)
        for ours, theirs in zip(run("definition", data, extents), by_loops(data, extents), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_fast_is_the_definition(count: int, dtype: Any, rng: Rng) -> None:
    for _ in range(40):
        extents = draw(rng, count)
        data = integers(rng, extents, dtype)
        for ours, theirs in zip(run("auto", data, extents), run("definition", data, extents), strict=True):
            assert ours.dtype == dtype
            np.testing.assert_array_equal(ours, theirs)


def test_along_two_axes_the_definitions_are_one(rng: Rng) -> None:
    extents = describe((2, 4, 5, 6), (6, 2, 2, 3), (6,), (2, 1), ((1, 0), (0, 2)), (1, 2), 2)
    data = integers(rng, extents)
    x, filters, biases, g = data
    ours = [axes_definition.forward(x, filters, biases, extents), *axes_definition.backward(g, x, filters, extents)]
    for mine, theirs in zip(ours, run("definition", data, extents), strict=True):
        np.testing.assert_array_equal(mine, theirs)


WIDE = {
    "by sums": ((2, 4, 3, 5, 6), (6, 4, 2, 3, 3), "gemm"),
    "by Winograd": ((1, 4, 4, 7, 9), (5, 4, 3, 3, 3), "winograd4x2"),
    "by the definition": ((2, 3, 9), (4, 3, 4), "definition"),
}


@pytest.mark.parametrize(("x_shape", "filters_shape", "engine"), WIDE.values(), ids=WIDE.keys())
def test_errors_stay_within_the_bounds(
    x_shape: tuple[int, ...], filters_shape: tuple[int, ...], engine: str, rng: Rng
) -> None:
    """At the numbers that float32 holds, float64 stands for the exact result."""
    extents = describe(x_shape, filters_shape, filters_shape[:1], None, (1,) * (len(x_shape) - 2), None, 1)
    shapes = (extents.input_shape, extents.filters_shape, extents.filters_shape[:1], extents.output_shape)
    data = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    exact = run("definition", [a.astype(np.float64) for a in data], extents)
    x, filters, biases, g = data
    y, saved = axes.forward(x, filters, biases, padding=extents.sides, engine=engine)
    assert axes.is_exact(saved) == (engine != "winograd4x2")
    limits = [axes.output_bound(saved), *axes.gradient_bounds(g, saved)]
    for found, right, bound in zip([y, *axes.backward(g, saved)], exact, limits, strict=True):
        assert bound.shape == right.shape
        assert (np.abs(found - right) <= bound).all()
        assert bound.max() < np.abs(right).max()  # and they say something


def test_same_is_what_two_axes_have() -> None:
    for size, kernel, stride, dilation in [((7, 4), (3, 2), (2, 3), (1, 2)), ((1, 6), (4, 5), (1, 1), (2, 1))]:
        assert same_sides(size, kernel, stride, dilation) == kernels.same_padding(size, kernel, stride, dilation)


def test_a_tap_that_is_forgotten_shows(rng: Rng, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison above sees a mistake along the axis that is sorted into channels."""
    extents = describe((2, 2, 4, 3, 5), (3, 2, 3, 2, 2), (3,), None, (1, 0, 0), None, 1)
    data = integers(rng, extents)
    right, every = run("definition", data, extents), axes.leading
    monkeypatch.setattr(axes, "leading", lambda extents: list(every(extents))[:-1])
    wrong = run("auto", data, extents)
    assert [np.array_equal(mine, theirs) for mine, theirs in zip(wrong, right, strict=True)] == [False] * 3 + [True]
