"""The complementary error function, which NumPy does not have, to a few units in the last place.

    erfc(x) = exp(-x²) · p(v) / (1 + 2x),   v = (x - q) / (x + q),   x ≥ 0     (1)

p is what is left when the exponential and the tail are taken out: it is smooth in v from -1 (x = 0) to 1 (x = ∞), and
`COEFFICIENTS` are its Chebyshev coefficients. They fall so fast that the same polynomial in powers of v, by Horner's
rule, loses nothing to them (2.0 units in the last place at most in float64 and 2.6 in float32, by Clenshaw's recurrence
2.1 and 2.7) and takes two thirds of the operations. Below 0, erfc(x) = 2 - erfc(-x). x² is computed as
h² + (x - h)(x + h) with h of half the digits, so that h² is exact: the error of x² would be that of the exponent.

Letters: x the argument, h its leading digits; v where it lies; p the polynomial; q where v is 0.

Source: M. Shepherd and J. Laframboise, *Chebyshev approximation of (1 + 2x)exp(x²)erfc x in 0 ≤ x < ∞*, Math. Comp. 36
(1981) 249-253. A test computes the coefficients again.
"""

import numpy as np
from numpy.polynomial.chebyshev import cheb2poly

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
FAR = 32.0  # from here on erfc and exp(-x²) are 0 in both precisions, and what exp(-x²) is made of would overflow
LEADING = {4: np.float32(2.0**12), 8: np.float64(2.0**27)}  # h is x rounded to a multiple of its scale over that


SHORT = 14  # coefficients for float32: the rest comes to less than 2⁻²⁹ of p
POWERS, POWERS_OF_FLOAT32 = cheb2poly(COEFFICIENTS), cheb2poly(COEFFICIENTS[:SHORT])  # of v, from the constant


def erfc(x: Array) -> Array:
    """1 - erf(x), elementwise; float32, float64 or complex128, of which the real part chooses the branch."""
    return in_blocks(erfc_of_block, x)


def erfc_of_block(x: Array) -> Array:
    """The same, of as many numbers as stay in a cache."""
    return erfc_and_falling(x)[0]


def erfc_and_falling(x: Array) -> tuple[Array, Array]:
    """erfc(x), and exp(-x²), which is a factor of it."""
    twice = 2 * (np.real(x) < 0).astype(np.real(x).dtype)
    size = np.empty_like(x)
    if x.dtype.kind == "f":
        np.clip(x, -FAR, FAR, out=size)
        np.abs(size, out=size)
    else:
        size[...] = np.where(np.abs(np.real(x)) > FAR, FAR, x * (1 - twice))
    v, sums = np.empty_like(x), np.empty_like(x)
    np.subtract(size, CENTRE, out=v)
    v /= np.add(size, CENTRE, out=sums)
    powers = POWERS_OF_FLOAT32 if x.dtype == np.float32 else POWERS
    np.multiply(v, x.dtype.type(powers[-1]), out=sums)
    for power in powers[-2:0:-1]:
        sums += x.dtype.type(power)
        sums *= v
    sums += x.dtype.type(powers[0])
    exponential = falling(size)
    size += size
    size += 1
    sums /= size
    sums *= exponential  # (1)
    np.subtract(1, twice, out=np.real(v))  # the sign
    sums *= np.real(v)
    sums += twice
    return sums, exponential


def falling(x: Array) -> Array:
    """exp(-x²)."""
    real = np.real(x)
    split = np.multiply(LEADING[real.dtype.itemsize], real, out=np.empty_like(real))
    leading = np.subtract(split, real, out=np.empty_like(real))
    np.subtract(split, leading, out=leading)
    rest, both = np.subtract(leading, x, out=np.empty_like(x)), np.add(leading, x, out=np.empty_like(x))
    rest *= both  # h² - x²
    np.exp(rest, out=rest)
    leading *= leading
    np.negative(leading, out=leading)
    np.exp(leading, out=leading)
    rest *= leading
    return rest


def distribution(x: Array) -> Array:
    """Φ(x), the probability that a standard normal number is below x."""
    return erfc(x * x.dtype.type(-np.sqrt(0.5))) * x.dtype.type(0.5)


def distribution_and_density(x: Array) -> tuple[Array, Array]:
    """Φ(x) and φ(x) = Φ'(x) = exp(-x²/2) / √(2π), which share an exponential."""
    tail, exponential = erfc_and_falling(np.multiply(x, x.dtype.type(-np.sqrt(0.5)), out=np.empty_like(x)))
    tail *= x.dtype.type(0.5)
    exponential *= x.dtype.type(1 / np.sqrt(2 * np.pi))
    return tail, exponential


def density(x: Array) -> Array:
    """φ(x)."""
    return in_blocks(lambda x: distribution_and_density(x)[1], x)
