"""Right code that takes no longdouble, and rounds where a few last bits stir nothing: not accused; a mistake is told.

Every code here is the gradient 2 ȳ x of x², by way of something that loses digits where nobody outside sees it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg

from crosscheck.doors.functions import from_functions
from crosscheck.evidence.decision import tells
from crosscheck.evidence.estimate import HAND, Estimate
from crosscheck.evidence.pair import Pair, compare
from crosscheck.floats import DOUBLE
from crosscheck.rounding import quantile
from crosscheck.witnesses.autodiff import autodiff, plain_gradients
from crosscheck.witnesses.hand import Asked, hand_estimates

pytestmark = pytest.mark.proof

Array = np.ndarray
Arrays = dict[str, Array]
Gradient = Callable[[Array, Array], Array]

N = 40
DRAWS = 4


def narrow(a: Array) -> Array:
    """The same numbers through LAPACK, which has no longdouble and multiplies them by something."""
    return np.linalg.solve(np.diag(np.linspace(1.0, 1.7, N)), np.linspace(1.0, 1.7, N) * a)


def ill(condition: float, x: Array) -> Array:
    """A matrix of that condition, which changes with x."""
    rng = np.random.default_rng(1)
    left, right = (np.linalg.qr(rng.normal(size=(N, N)))[0] for _ in range(2))
    return (left * (np.geomspace(1, 1 / condition, N) * (1 + x / 8))) @ right


def absorbed(offset: float) -> Gradient:
    return lambda g, x: narrow(g * ((2 * x + offset) - offset))


def absorbed_after(g: Array, x: Array) -> Array:
    return (narrow(2 * g * x) + 2.0**20) - 2.0**20


def through_float32(g: Array, x: Array) -> Array:
    return narrow(2 * g * x.astype(np.float32))


def into_float32(g: Array, x: Array) -> Array:
    buffer = np.zeros(N, np.float32)
    buffer += g * x
    return 2 * narrow(buffer.astype(np.float64))


def rounded(g: Array, x: Array) -> Array:
    return narrow(2 * g * np.round(x, 8))


def truncated(g: Array, x: Array) -> Array:
    return narrow(2 * g * (x * 2**30).astype(np.int64) / 2**30)


def printed(g: Array, x: Array) -> Array:
    return 2 * g * np.array([float(f"{a:.9g}") for a in x])


def by_math(g: Array, x: Array) -> Array:
    return 2 * g * np.array([math.log(math.exp(20 + a)) - 20 for a in x])


def by_rfft(g: Array, x: Array) -> Array:
    return narrow(np.fft.irfft(np.fft.rfft(2 * g * x), N))


def by_fft_in_one_with_large(g: Array, x: Array) -> Array:
    return narrow(np.fft.ifft(np.fft.fft(np.concatenate([2 * g * x, np.full(N, 1e7)]))).real[:N])


def by_shifted_fft(g: Array, x: Array) -> Array:
    """A mean of 10⁵ is added, transformed, and taken away."""
    spectrum = np.fft.rfft(x + 1e5)
    spectrum[0] -= 1e5 * N
    return narrow(2 * g * np.fft.irfft(spectrum, N))


def solved(condition: float) -> Gradient:
    return lambda g, x: 2 * g * np.linalg.solve(ill(condition, x), ill(condition, x) @ x)


def inverted(g: Array, x: Array) -> Array:
    a = ill(1e6, x)
    return np.linalg.inv(a) @ (a @ (2 * g * x))


def by_cholesky(g: Array, x: Array) -> Array:
    a = ill(1e3, x)
    factor = np.linalg.cholesky(a @ a.T)
    half = scipy.linalg.solve_triangular(factor, a @ (a.T @ x), lower=True)
    return 2 * g * scipy.linalg.solve_triangular(factor, half, lower=True, trans=1)


def by_eigenvectors(g: Array, x: Array) -> Array:
    vectors = np.linalg.eigh(ill(1e3, x) + ill(1e3, x).T)[1]
    return vectors @ (vectors.T @ (2 * g * x))


def sum_of_equal_terms(g: Array, x: Array) -> Array:
    """10⁵ equal terms one after another: they round the same way every time."""
    return narrow(2 * g * x * (np.cumsum(np.full(100_000, x[0]))[-1] / (100_000 * x[0])))


def sum_of_many_terms(g: Array, x: Array) -> Array:
    terms = np.resize(x, 100_000)
    return narrow(2 * g * x * (np.cumsum(terms)[-1] / math.fsum(terms)))


def iterated(g: Array, x: Array) -> Array:
    h = x.copy()
    for _ in range(2000):
        h = h * 0.999
    return narrow(2 * g * h / 0.999**2000)


def newton(g: Array, x: Array) -> Array:
    root = x * x
    for _ in range(12):
        root = 0.5 * (root + x * x / root)
    return narrow(2 * g * root)


def squared_and_rooted(g: Array, x: Array) -> Array:
    """Thirteen square roots, and as many squares: every last bit is worth 2^13."""
    h = x
    for _ in range(13):
        h = np.sqrt(h)
    for _ in range(13):
        h = h * h
    return narrow(2 * g * h)


def decades(g: Array, x: Array) -> Array:
    """The product in the transform of what falls off by eight decades: the small ones are lost in the large ones."""
    fall = np.geomspace(1, 1e-8, N)
    return narrow(np.fft.irfft(np.fft.rfft(2 * g * x * fall), N) / fall)


CODES: dict[str, Gradient] = {
    **{f"absorbed by {offset:g}": absorbed(offset) for offset in (1, 16, 300, 4096, 1e5, 2.0**24, 1e8, 1e9)},
    **{f"solved at {condition:g}": solved(condition) for condition in (10, 1e4, 1e8)},
    **{
        f.__name__: f
        for f in (absorbed_after, through_float32, into_float32, rounded, truncated, printed, by_math, by_rfft)
    },
    **{f.__name__: f for f in (by_fft_in_one_with_large, by_shifted_fft, inverted, by_cholesky, by_eigenvectors)},
    **{f.__name__: f for f in (sum_of_equal_terms, sum_of_many_terms, iterated, newton, squared_and_rooted, decades)},
}


def judged(gradient: Gradient, seed: int) -> tuple[str, Pair, Array]:
    """How it was asked, the comparison with the truth, and where an agreement tells."""
    rng = np.random.default_rng([seed, 17])
    x, v = rng.uniform(1, 2, N), rng.choice([-1.0, 1.0], N) * rng.uniform(0.5, 2, N)
    operation = from_functions(lambda x: x * x, lambda grad_output, x: {"x": gradient(grad_output, x)}, {"x": x})

    def squared(x: Array) -> Array:
        return x * x

    def truth(inputs: Arrays, v: Array) -> Arrays:
        return plain_gradients(squared, inputs, ("x",), v)[1]

    auto = autodiff(squared, operation.inputs, ("x",), v, DOUBLE, seed=seed)
    t = quantile(auto.roundings.copies, 2 * N)
    truths: dict[str, Estimate] = dict(auto.gradients)
    said = hand_estimates(HAND, operation.gradients(v), truths, {}, Asked(operation, v, truth, t, 2 * N, seed))["x"]
    pair = compare(said.estimate, truths["x"], t)
    return said.how, pair, tells(pair, truths["x"])


@pytest.mark.parametrize("name", CODES)
def test_right_code_is_not_accused(name: str) -> None:
    for seed in range(DRAWS):
        _, pair, told = judged(CODES[name], seed)
        assert pair.agree.all(), seed
        assert told.all(), seed


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("kind", ["entry", "factor", "moved"])
def test_a_mistake_of_a_thousandth_is_told(name: str, kind: str) -> None:
    def wrong(g: Array, x: Array) -> Array:
        found = CODES[name](g, x)
        if kind == "factor":
            return 1.001 * found
        if kind == "moved":
            return found + 1e-3 * np.roll(found, 1)
        return np.where(np.arange(N) == 7, 1.001 * found, found)

    for seed in range(DRAWS):
        _, pair, _ = judged(wrong, seed)
        assert pair.disagree[7], seed
        assert pair.disagree.all() == (kind != "entry"), seed
