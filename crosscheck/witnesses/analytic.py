"""Whether a plain forward is analytic at a point, so that the complex step may speak of it.

Code that takes complex numbers need not continue its function: |z|, conj z, Re z and a cast give a complex answer whose
imaginary part is another derivative. An analytic f has no derivative by z̄. With the four roots of one, ω = iᵏ, and a
direction d of the size of x,

    D = 1/4h Σ ω̄ f(x + hωd) = f'(x) d + O(h⁴)         D̄ = 1/4h Σ ω f(x + hωd) = ∂f/∂z̄ d + O(h²)               (1)

and D̄ falls to a quarter when h is halved, or is rounding, of the size N = 8 u max|f| / h; a derivative by z̄ stays. So
the forward is taken for analytic where in every output

    |D̄(h/2)| ≤ max(|D̄(h)| / 2, N)         |Im f(x + iεd)/ε - Re D(h/2)| ≤ |D(h) - D(h/2)| + N                    (2)

the second with the step ε that the witness takes: code that ignores small imaginary parts is noticed, too. And on the
real axis it must be the same function: f(x + 0i) and f(x) agree to half of the digits, since another branch of the code
may round differently. What rounds more than N says makes the witness silent, never wrong; what a kink within h of x
does, too.

All entries move at once, and one that hardly moves the outputs may have a derivative by z̄ that (2) does not see: up to

    |4 D̄(h/2) - D̄(h)| / 3 + 2N        in every output, over the entry's own |d|                                     (3)

which the witness adds to its bound (x / (1 + |x|) of an entry of 10⁻¹⁰ beside others of 10¹⁰).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crosscheck.floats import DOUBLE, UNIT, root_mean_square
from crosscheck.witnesses.noise import like

Array = np.ndarray
Complex = Callable[[Array], Array | None]  # the forward at complex values of one input; None where it refuses them

RADIUS = 2.0**-12
ROOTS = (1, 1j, -1, -1j)
CHECK_EVALUATIONS = 3 + 2 * len(ROOTS)
ROUNDING = UNIT[DOUBLE]


def sizes(x: Array) -> Array:
    """How far every entry is moved at the least: half of itself, a zero half of what the others are."""
    typical = root_mean_square(x) or 1.0
    return np.where(x == 0, typical, np.abs(x)) / 2


def unseen(forward: Complex, x: Array, y: Array, step: float) -> Array | None:
    """(3) times |d|, the shape of y: what derivative by z̄ the code may have at x, where the real forward is y.

    None where it has one that shows, by (2).
    """
    rng = np.random.default_rng(11)
    d = sizes(x) * rng.choice([-1.0, 1.0], x.shape) * rng.uniform(1.0, 2.0, x.shape)

    def at(offset: complex) -> Array | None:
        return forward(like(x, x + offset * d, np.complex128))

    real, tiny = at(0j), at(1j * step)
    wide, narrow = (by_z_and_conjugate(at, h) for h in (RADIUS, RADIUS / 2))
    if real is None or tiny is None or wide is None or narrow is None or real.shape != y.shape:
        return None
    size = float(np.max(np.abs(y), initial=0.0))
    noise = 8 * ROUNDING * size / (RADIUS / 2)
    (d_wide, bar_wide), (d_narrow, bar_narrow) = wide, narrow
    same = np.abs(real - y) <= ROUNDING**0.5 * size
    falls = np.abs(bar_narrow) <= np.maximum(np.abs(bar_wide) / 2, noise)
    follows = np.abs(np.imag(tiny) / step - np.real(d_narrow)) <= np.abs(d_wide - d_narrow) + noise
    if not (same & falls & follows).all():
        return None
    return np.abs(4 * bar_narrow - bar_wide) / 3 + 2 * noise


def by_z_and_conjugate(at: Callable[[complex], Array | None], h: float) -> tuple[Array, Array] | None:
    """(1): the derivatives along d by z and by its conjugate."""
    values = [at(h * root) for root in ROOTS]
    known = [v for v in values if v is not None]
    if len(known) < len(ROOTS):
        return None
    d = sum(np.conj(root) * v for root, v in zip(ROOTS, known, strict=True)) / (4 * h)
    bar = sum(root * v for root, v in zip(ROOTS, known, strict=True)) / (4 * h)
    return np.asarray(d), np.asarray(bar)
