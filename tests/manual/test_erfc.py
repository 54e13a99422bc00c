"""The complementary error function against mpmath, and its coefficients computed again."""

from typing import Any

import mpmath
import numpy as np
import pytest

from manual.machine.normal import CENTRE, COEFFICIENTS, density, distribution, erfc


def test_the_coefficients_are_those_of_the_smooth_part() -> None:
    with mpmath.workdps(40):
        count, centre = 64, mpmath.mpf(CENTRE)
        nodes = [mpmath.cos(mpmath.pi * (n + mpmath.mpf(0.5)) / count) for n in range(count)]

        def smooth(v: Any) -> Any:
            x = centre * (1 + v) / (1 - v)
            if x < 200:
                return (1 + 2 * x) * mpmath.exp(x * x) * mpmath.erfc(x)
            series = sum((-1) ** k * mpmath.fac2(2 * k - 1) / (2 * x * x) ** k for k in range(11))
            return (1 + 2 * x) / (x * mpmath.sqrt(mpmath.pi)) * series

        values = [smooth(v) for v in nodes]
        for k, coefficient in enumerate(COEFFICIENTS):
            angles = [mpmath.cos(mpmath.pi * k * (n + mpmath.mpf(0.5)) / count) for n in range(count)]
            true = sum(v * a for v, a in zip(values, angles, strict=True)) * (1 if k == 0 else 2) / count
            assert abs(true - coefficient) <= 2.0**-53 * max(1, abs(coefficient))  # as the number is held


@pytest.mark.parametrize(("dtype", "ends"), [(np.float64, (-8, 26)), (np.float32, (-4, 9))])
def test_it_is_right_to_a_few_units_in_the_last_place(dtype: type, ends: tuple[int, int]) -> None:
    x = np.linspace(*ends, 1000).astype(dtype)
    true = np.array([float(mpmath.erfc(float(v))) for v in x])
    np.testing.assert_allclose(erfc(x), true, rtol=16 * float(np.finfo(dtype).eps))
    assert erfc(x).dtype == dtype


def test_distribution_and_density_are_each_others(rng: np.random.Generator) -> None:
    x = rng.normal(scale=3, size=100)
    slope = np.imag(distribution(x + 1e-30j)) / 1e-30
    np.testing.assert_allclose(slope, density(x), rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_numbers_have_the_limits_and_nothing_overflows(dtype: type) -> None:
    x = np.array([9e3, 1e4, 3e7, 1e15, np.inf], dtype)
    with np.errstate(over="raise", invalid="raise"):
        np.testing.assert_array_equal(erfc(x), np.zeros(5, dtype))
        np.testing.assert_array_equal(erfc(-x), np.full(5, 2, dtype))
        np.testing.assert_array_equal(density(x), np.zeros(5, dtype))
    assert np.isnan(erfc(np.array([np.nan], dtype)))
