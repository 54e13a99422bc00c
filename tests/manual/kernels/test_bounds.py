"""The error bounds at the ends of the number range, and the parts that they are made of."""

from typing import Any

import numpy as np
import pytest

from manual import kernels
from manual.kernels import ENGINES, bounds, transform, transform_bounds, winograd

Array = np.ndarray

# Exponents of ten of x, filters and grad_output, of what float64's range allows: products that underflow, stages whose
# underflow is multiplied by something large afterwards, and numbers of ordinary size.
SIZES = [(0, 0, 0), (-315, 300, 0), (-315, 300, -310), (300, -315, -300), (-320, -3, 2), (-160, -160, -160)]
OF_RANGE = {np.float64: 1.0, np.float32: 0.119}  # float32's range is that much shorter


def errors_and_bounds(name: str, dtype: Any, sizes: tuple[int, int, int], seed: int) -> list[tuple[Array, Array]]:
    """(|computed - exact|, bound) of y and the three gradients, where what was computed is finite."""
    rng = np.random.default_rng(seed)
    windows = {"pointwise": (4, 3, 1, 1), "dense": (4, 3, 9, 8), "depthwise": (3, 1, 3, 3), "banded": (3, 1, 3, 3)}
    outputs, inputs, rows, columns = of_filters = windows.get(name, (4, 3, 3, 3))
    shapes = ((2, 3, 9, 8), of_filters, (2, outputs, 10 - rows, 9 - columns))
    x, filters, g = (
        (rng.standard_normal(shape) * 10.0 ** (OF_RANGE[dtype] * size)).astype(dtype)
        for shape, size in zip(shapes, sizes, strict=True)
    )
    biases, engine, groups = np.zeros(outputs, dtype), ENGINES[name], 3 // inputs
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        y, saved = kernels.forward(x, filters, biases, groups=groups, engine=name)
        computed = [y, *kernels.backward(g, saved)]
        wide = [array.astype(np.longdouble) for array in (x, filters, biases, g)]
        exact_y, exact_saved = kernels.forward(*wide[:3], groups=groups, engine="definition")
        exact = [exact_y, *kernels.backward(wide[3], exact_saved)]
        limits = [
            engine.output_bound(x, filters, biases, saved.geometry, bounds.worst),
            *engine.gradient_bounds(g, x, filters, saved.geometry, bounds.worst),
        ]
        return [
            (np.abs(mine - truth)[np.isfinite(mine)], limit[np.isfinite(mine)])
            for mine, truth, limit in zip(computed, exact, limits, strict=True)
        ]


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_worst_bound_holds_with_underflow(name: str, dtype: Any, sizes: tuple[int, int, int]) -> None:
    for seed in range(5):
        for error, limit in errors_and_bounds(name, dtype, sizes, seed):
            assert (error <= limit).all()


def test_what_underflows_in_the_first_stage_is_multiplied_by_the_second() -> None:
    """With n·λ, as for a single sum, the bound of winograd4x4 would be passed thousands of times over."""
    rng = np.random.default_rng(0)
    x, filters = rng.standard_normal((1, 3, 8, 8)) * 1e-315, rng.standard_normal((4, 3, 3, 3)) * 1e300
    biases = np.zeros(4)
    y, saved = kernels.forward(x, filters, biases, engine="winograd4x4")
    exact, _ = kernels.forward(*(a.astype(np.longdouble) for a in (x, filters, biases)), engine="definition")
    sizes, _ = winograd.forward((4, 4), np.abs(x), np.abs(filters), biases, saved.geometry, sizes=True)
    short = bounds.bound(100, sizes, np.float64, bounds.worst)  # its N is 66
    error = np.abs(y - exact)
    assert (error / short).max() > 1000
    assert (error <= kernels.output_bound(saved)).all()


def test_lost_in_two_stages_by_hand() -> None:
    """α = 3, two terms; matrices of one row: n = 2 products with row sum 4 of numbers up to 5, l = 1 with 7 of 11."""
    tiny = bounds.smallest(np.float64)
    first, second = (np.array([[1.0, -3.0]]), np.array([2.0, 5.0])), (np.array([[0.0, -7.0]]), np.array([11.0]))
    lost = bounds.lost_in_two_stages(first, second, 2, np.array([[3.0]]), np.float64)
    assert lost == tiny * (3 * 2 * (2 * 77 + 1 * 20 + 1) + 1)


def test_numbers_that_are_not_finite_leave_the_bound_of_the_others_finite() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 2, 12, 12))
    x[0, 0, 0, 0] = np.inf
    with np.errstate(invalid="ignore"):
        _, saved = kernels.forward(x, rng.standard_normal((3, 2, 3, 3)), np.zeros(3), engine="winograd4x4")
        limit = kernels.output_bound(saved)
    assert np.isfinite(limit[..., 4:, 4:]).all()
    assert bounds.largest(np.array([1.0, np.inf, np.nan])) == 1
    assert bounds.largest(np.zeros(0)) == 0


# ---------------------------------------------------------------------- the parts of the transform's bound


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_entries_of_a_dft_are_off_by_what_is_counted(dtype: Any) -> None:
    """In a wider arithmetic where there is one; at every side that a tile may have."""
    if np.finfo(np.longdouble).eps == np.finfo(np.float64).eps:
        pytest.skip("long double is double here")
    pi = np.longdouble("3.14159265358979323846264338327950288")
    for n in range(2, 132, 2):
        places = np.outer(range(n), range(n)) % n
        angle = 2 * pi * places / n
        computed = transform.matrices((n, n), dtype, True).rows
        off = np.hypot(np.real(computed) - np.cos(angle), np.imag(computed) - np.sin(angle))
        assert off.max() <= transform_bounds.entries(dtype) * bounds.unit(dtype)


def test_two_errors_after_each_other_multiply() -> None:
    assert transform_bounds.after(0.5, 0.25) == 1.5 * 1.25 - 1
    assert transform_bounds.after(1e-20, 1e-20) == 2e-20
    assert transform_bounds.after(0.0, np.inf) == np.inf


def test_norms_neither_overflow_nor_vanish() -> None:
    for size in (1e-310, 1e-200, 1.0, 1e200, 1e307):
        one, two = transform_bounds.norms(np.full((2, 3, 4, 4), size))
        np.testing.assert_allclose(one, 16 * size, rtol=1e-12)
        np.testing.assert_allclose(two, 4 * size, rtol=1e-12)
    assert transform_bounds.norms(np.zeros((3, 3)))[1] == 0


def test_the_bound_counts_the_second_order() -> None:
    """The error of x's spectrum times that of the filters', which no multiple of the first order covers."""
    geometry = kernels.describe((1, 1, 9, 9), (1, 1, 3, 3), (1,), (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    e = transform_bounds.Epsilons(geometry, np.float64, lambda n, u: 0.0)
    x, w = (transform_bounds.Spectra(np.array([[2.0]]), np.array([[off]])) for off in (0.5, 0.25))
    assert abs(e.bound(x, w, "bk,ck->bc", 1, sums=1).item() - (2.5 * 2.25 - 4)) < 1e-5
