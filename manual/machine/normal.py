"""The complementary error function, which NumPy does not have, to a few units in the last place.

    erfc(x) = exp(-x²) · p(v) / (1 + 2x),   v = (x - q) / (x + q),   x ≥ 0     (1)

p is what is left when the exponential and the tail are taken out: it is smooth in v from -1 (x = 0) to 1 (x = ∞), and
`COEFFICIENTS` are its Chebyshev coefficients, summed from the smallest by Clenshaw's recurrence. Below 0,
erfc(x) = 2 - erfc(-x). x² is computed as h² + (x - h)(x + h) with h of half the digits, so that h² is exact: the error
of x² would be that of the exponent.

Letters: x the argument, h its leading digits; v where it lies; p the polynomial; q where v is 0.

Source: M. Shepherd and J. Laframboise, *Chebyshev approximation of (1 + 2x)exp(x²)erfc x in 0 ≤ x < ∞*, Math. Comp. 36
(1981) 249-253. A test computes the coefficients again.
"""

import numpy as np

from manual.machine.elementwise import in_blocks

Array = np.ndarray

CENTRE = 3.75  # q
COEFFICIENTS = (
    1.1775789345674017541, -0.0045900545806464773309, -0.084249133366517915584, 0.059209939998191890498,
    -0.026658668435305752277, 0.0090749976707052650939, -0.0024131635404176081909, 0.00049077583652580863229,
    -0.000069169733025012063671, 4.1390279860730101675e-6, 7.7403830661984906686e-7, -2.1886401049234395661e-7,
    1.0764999465670910377e-8, 4.5219598112182868979e-9, -7.7544002088313511065e-10, -6.3180883408866844944e-11,
    2.8687950109306698981e-11, 1.945586854577734723e-13, -9.6546967484334389059e-13, 3.2525481481487398415e-14,
    3.3478119482868053878e-14, -1.8645628804193131015e-15, -1.2507950530688647085e-15, 7.418235256624043463e-17,
    5.0681489047961113168e-17,
)  # fmt: skip
LEADING = {4: np.float32(2.0**12), 8: np.float64(2.0**27)}  # h is x rounded to a multiple of its scale over that


SHORT = 14  # coefficients for float32: the rest comes to less than 2⁻²⁹ of p


def erfc(x: Array) -> Array:
    """1 - erf(x), elementwise; float32, float64 or complex128, of which the real part chooses the branch."""
    return in_blocks(erfc_of_block, x)


def erfc_of_block(x: Array) -> Array:
    """The same, of as many numbers as stay in a cache."""
    negative = np.real(x) < 0
    sign = 1 - 2 * negative.view(np.int8)
    size = x * sign
    v = (size - x.dtype.type(CENTRE)) / (size + x.dtype.type(CENTRE))
    twice, last, before, next_one = 2 * v, np.zeros_like(v), np.zeros_like(v), np.empty_like(v)
    for coefficient in COEFFICIENTS[SHORT - 1 if x.dtype == np.float32 else None : 0 : -1]:
        np.multiply(twice, last, out=next_one)
        next_one -= before
        next_one += x.dtype.type(coefficient)
        last, before, next_one = next_one, last, before
    sums = x.dtype.type(COEFFICIENTS[0]) + v * last - before
    tail = falling(size) * (sums / (1 + 2 * size))  # (1)
    return tail * sign + 2 * negative.view(np.int8)


def falling(x: Array) -> Array:
    """exp(-x²)."""
    real = np.real(x)
    split = LEADING[real.dtype.itemsize] * real
    leading = split - (split - real)
    return np.exp(-(leading * leading)) * np.exp(-(x - leading) * (x + leading))


def distribution(x: Array) -> Array:
    """Φ(x), the probability that a standard normal number is below x."""
    return erfc(x * x.dtype.type(-np.sqrt(0.5))) * x.dtype.type(0.5)


def density(x: Array) -> Array:
    """φ(x) = Φ'(x) = exp(-x²/2) / √(2π)."""
    scaled = x.dtype.type(np.sqrt(0.5)), x.dtype.type(1 / np.sqrt(2 * np.pi))
    return in_blocks(lambda x: falling(x * scaled[0]) * scaled[1], x)
