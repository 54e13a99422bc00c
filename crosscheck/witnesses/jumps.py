"""Kinks that rounding hides from differences: where the reference's own gradient jumps beside the point.

A difference of |a| + 10⁹ at a = 0 is noise, and the slope that JAX takes there, 1, is one convention of several. So
where a gradient is said to be wrong and no difference shows a kink, the reference is asked at nearby points, x + εs and
x + εs/2 with random signs s and ε = u^¼ of each entry's scale (`orders`), the least that 1/√u beside it does not
swallow; then with ε = √u and u^¾, for which a smooth change that drowns a small jump is none. Where its gradient
changes by d(ε) from that at x,

    d(ε/2) > gap/4   and   |d(ε) - d(ε/2)| < d(ε/2)/4                                                               (1)

is a jump: it does not shrink with ε, as the change of a smooth gradient does, and it is as large as the gap that is to
be explained. The reference may have many such points beside x; of `SHAKES`, each with its mirror image, the largest
counts.

A difference, on the other hand, cannot come nearer than its smallest step, and takes what is nearer for a kink here:
max(a, b) at a = 0 beside b = 10⁻⁸⁰, relu at 10⁻¹³ of 1. The reference can (`off_kinks`): all its inputs are moved by no
more than rounding,

    x (1 + 8u s),   and a zero by 2^-511 s, the least of which a product is no underflow,                           (2)

a number by as little as u, a zero by up to 2⁶ times as much, as pieces of unlike slopes are met, and in one order
after another, as `kinks` draws them. Where its gradient stays what it is in all of them, whatever the decisions within
rounding there (`Estimate.excuse`), x lies inside of one smooth piece, and there is no convention; unless a decision has
not seen the move (`swallowed`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crosscheck.evidence.estimate import Estimate
from crosscheck.floats import DOUBLE, UNIT
from crosscheck.operation import Array, Arrays
from crosscheck.witnesses.autodiff import ASSUMED
from crosscheck.witnesses.nearby import APART, ORDERED
from crosscheck.witnesses.orders import ORDER, orders_of, scale_at, size_of

SHAKES = 4
POWERS = (0.25, 0.5, 0.75)  # of u, the ε
LEAST = 2.0**-511  # √ of the smallest normal number
DIGITS = 3  # from 8u down to u


def jumps(truth: Callable[[Arrays], Arrays], inputs: Arrays, name: str, gap: Array) -> Array:
    """Where the gradient of one input jumps beside the point by a quarter of `gap` or more.

    Args:
        truth: the reference's gradients, by name, at other inputs of the same shapes.
        gap: how far apart two answers are that one of them may be a convention; the input's shape.
    """
    x = np.asarray(inputs[name], np.float64)
    size = size_of(x)
    # A step of u^¼ is to be no more than the entry, as one of √u is.
    wide, fine = (scale_at(orders_of(x, size, digits), size, digits) for digits in (ORDER / 2, ORDER))
    here = truth(inputs)[name]
    rng = np.random.default_rng(7)
    found, small = np.zeros(x.shape, bool), quarter(gap, here)
    signs = np.zeros(x.shape)
    for shake in range(SHAKES * len(POWERS)):
        signs = -signs if shake % 2 else rng.choice([-1.0, 1.0], x.shape) * rng.uniform(0.5, 1.0, x.shape)
        power = POWERS[shake // SHAKES]
        reach = (wide if power < 0.5 else fine) * UNIT[DOUBLE] ** power
        with np.errstate(all="ignore"):
            try:
                outer, inner = (truth({**inputs, name: x + t * reach * signs})[name] - here for t in (1.0, 0.5))
            except Exception:  # the reference may refuse a point that is not its own
                return np.zeros(x.shape, bool)
            found |= (np.abs(inner) > small) & (np.abs(outer - inner) < np.abs(inner) / 4)
    return found


def quarter(gap: Array, here: Array) -> Array:
    """How much a change has to be that explains the gap: a quarter of it; or of the gradient, which a smooth one does
    not lose beside the point, and of a thousand equal maxima each one does that does not win."""
    return np.where(here == 0, gap, np.minimum(gap, np.abs(here))) / 4


def off_kinks(
    says: Callable[[Arrays], Estimate],
    truth: Callable[[Arrays], Array],
    inputs: Arrays,
    wrt: tuple[str, ...],
    here: Array,
    gap: Array,
    where: Array,
) -> Array:
    """Which entries of `where` lie on no kink of the reference: beside them its gradient is `here` to a quarter of
    the gap and of itself.

    Args:
        says, truth: the reference's gradient of one input at other inputs; the first with its `excuse`.
        wrt: the inputs that are moved.
        here: the gradient at the point, the shape of the input; `gap`: as for `jumps`.
    """
    rng = np.random.default_rng(8)
    left = where.copy()
    small = quarter(gap, here)
    for draw in range(ORDERED):
        if not left.any():
            break
        moved = {**inputs, **{k: by_rounding(inputs[k], rng) for k in wrt}}
        with np.errstate(all="ignore"):
            try:
                found = says(moved) if draw < SHAKES else None
                value = truth(moved) if found is None else found.value
            except Exception:  # the reference may refuse a point that is not its own
                return np.zeros(where.shape, bool)
            excuse = 0.0 if found is None or found.excuse is None else found.excuse
            left &= np.abs(value - here) + excuse <= small
    return left


def by_rounding(x: Array, rng: np.random.Generator) -> Array:
    """(2)."""
    up = rng.random(x.shape) < rng.random()
    signs, apart = np.where(up, 1.0, -1.0), rng.random(x.shape)
    with np.errstate(over="ignore"):
        moved = x * (1 + ASSUMED * UNIT[DOUBLE] * signs * 2.0 ** -(DIGITS * apart))
    return np.where(x == 0, LEAST * signs * 2.0 ** (APART * apart), moved)
