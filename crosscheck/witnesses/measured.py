"""How the hand-written code rounds, measured where longdouble says nothing: by the spread of its residuals.

At m points x_i near the judged one, the residual against the truth is

    r_i = (hand - truth)(x_i) = mistake(x_i) + ε_i                                                               (1)

A mistake hardly changes on so short a way; rounding is drawn anew at every point. So the spread about the mean,

    S² = Σ_i (r_i - r̄)² / k,     k = m - 1,                                                                      (2)

knows nothing of a constant offset, of a factor only as much as the truth moves, and estimates the variance of ε, which
is that of the hand-written code and the truth together; the truth's is not subtracted, since a difference of estimates
has no degrees of freedom and can be negative. An answer is a float64 number, whose last rounding may repeat: its
variance, ulp²/12, is added. The judged point is not among the x_i: what is wrong there alone must not widen its own
allowance.

How far is near? Rounding is drawn anew only by what moves the numbers that are rounded. (2x + 4096) - 4096 gives
multiples of 2^-40, and an x that moves by a few of its own 2^-53 gives the same one at every point: no spread, and an
error of 2^-41. An FFT adds small entries to large ones in the same way. So the points are as far away as they may be:
u^⅓ of every number, since what is coarser than that keeps less than a third of its digits and is no float64
arithmetic any more; and nearer where on that way the truth is no longer itself (`MOVED`: it is ill-conditioned) or the
code refuses. A mistake then adds no more than `MOVED` of itself to S, whatever its size: less than itself still at the
quantile of k = 5 degrees of freedom.

One kind of rounding is not stirred by that: an entry that is small because something cancelled is coarse by itself
while others are not (x/2 · (1 + erf(x/√2)) at -8 is a few units of 2^-53, the same few within u^⅓ of x). From afar,
at points `AFAR` of every number away (`far_rounding`), a mistake is not the same any more, but it is still one: it
pulls all residuals to its side. Rounding does not. So there S counts where

    |r̄| ≤ t_k S / √m                                                                                            (6)

cannot tell the mean from zero, and where the truth keeps its sign and its size: to half of itself. Otherwise nothing
is said. A mistake that moves like the truth has twelve residuals of one sign and is outside of (6). And of an entry
smaller than u of the largest in its array nothing is known: code that adds and subtracts at that scale in float64
rounds it away altogether (1 + erf(x/√2) is 0 below -8.3), and then every residual is minus the truth.

S² of one entry has k degrees of freedom, too few for a far quantile. Entries are pooled whose S/c is alike, c being
the truth's σ or the answer's last rounding. Which they are must not be read off the S that are to be averaged, or the
smallest S would be pooled with the smallest. So entries are taken in the order of c, at least eight together and all
within a factor 2: rounding is entrywise (S ∝ c), or that of an algorithm that mixes entries (S the same for all), or
between the two, and each time it is alike where c is alike. What does not fit is taken out: were an entry alike, and
its errors normal,

    P(S² > (1 + 2√(x/k) + 2x/k) S̄²) ≤ e^-x,     P(S² < e^(-1-2x/k) S̄²) ≤ e^-x,     x = log(n/δ)                 (3)

(the first by Laurent and Massart, the second by Chernoff), so neither happens to any of n alike entries but with
probability δ. Those above are pooled among themselves, by the same rule; those below, too, where they are at least
eight. Fewer stay: errors that take a few values only are not normal, and repeat in all m runs now and then.

An entry's own S is never undercut: what differs from its neighbours by less than (3) sees is still allowed what it
showed.

Rounding errors are correlated: one sum read by all entries moves them all. S̄² of g entries with covariance Σ (of
r/c) has the variance 2 tr Σ² / (k g²), hence by Satterthwaite's rule

    ν = k (tr Σ)² / tr Σ²        degrees of freedom, between k and k·g,                                            (4)

    tr Σ² ≈ k² / ((k-1)(k+2)) · (tr C² - (tr C)²/k),     (tr Σ)² ≈ (tr C)² - 2/k tr Σ²,                            (5)

both unbiased for normal errors, with C the empirical covariance; tr C² is had from the (m, m) products of the runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from crosscheck.floats import DOUBLE, UNIT, root_mean_square
from crosscheck.operation import Array, Arrays, Operation, Truth
from crosscheck.witnesses.longdouble import quiet
from crosscheck.witnesses.nudges import nudged

MEMBERS = 8  # with six runs up to 40 degrees of freedom: a quantile within a quarter of the normal one's
STRAY = 1e-6  # δ of (3)
SIZES = tuple(2.0**-n for n in (18, 26, 34, 42, 50))  # what an input moves by, of itself: from u^⅓ to four eps
MOVED = 2.0**-10  # the truth may move by this share of its root mean square: a third of t_5 at 10⁶ comparisons is 2^9
FEWEST = 3  # runs: (5) divides by k - 1
AFAR = 2.0**-7
FAR_RUNS = 12
FAR_STRAY = 1e-4  # of the entries that are asked from afar, rounding may look like a mistake by chance


@dataclass(frozen=True)
class Spread:
    """The standard deviation of a gradient's rounding at every entry, and the degrees of freedom of each."""

    sigma: Array
    freedom: Array


def measured_rounding(
    operation: Operation,
    cotangent: Array,
    truth: Truth,
    sigma: Mapping[str, Array],
    *,
    runs: int = 6,
    seed: int = 0,
    strict: bool = False,
) -> dict[str, Spread]:
    """How the hand-written gradients round at the operation's point, by name.

    Args:
        truth: (inputs, cotangent) -> the true gradients, at any point near.
        sigma: the standard deviation of the truth's own rounding at every entry.
        strict: nothing is said where the truth is not itself on any way, however short: there a mistake scatters, too.

    Where the code or the truth raises at a point, or is not finite where it is at the judged one, the opposite point
    is tried, then others, as many again, and then nearer ones. A gradient with fewer than three is left out: nothing
    is known of it.
    """
    with quiet():
        hand = operation.gradients(cotangent)
        names = [k for k in operation.wrt if hand[k].shape == np.shape(sigma[k])]
        residuals: dict[str, list[Array]] = {k: [] for k in names}
        first = itself(operation, cotangent, truth, names, seed)
        if first is None and strict:
            return {}
        for size in SIZES[-1:] if first is None else SIZES[first:]:
            few = {k: hand[k] for k in names if len(residuals[k]) < FEWEST}
            if few:
                residuals |= residuals_within(operation, cotangent, truth, few, size, runs, seed)
        return {k: spread(np.stack(r), hand[k], sigma[k]) for k, r in residuals.items() if len(r) >= FEWEST}


def itself(operation: Operation, cotangent: Array, truth: Truth, names: list[str], seed: int) -> int | None:
    """Which of `SIZES` is the first on whose way the truth hardly moves; None if it does on all of them."""
    here = truth(operation.inputs, cotangent)
    for number, size in enumerate(SIZES):
        try:
            there = truth(*beside(operation, cotangent, size, 2 * seed))
        except Exception:  # the truth may refuse a point that is not its own
            continue
        if all(root_mean_square(there[k] - here[k]) <= MOVED * root_mean_square(here[k]) for k in names):
            return number
    return None


def residuals_within(
    operation: Operation, cotangent: Array, truth: Truth, hand: Arrays, size: float, runs: int, seed: int
) -> dict[str, list[Array]]:
    """(1) of each of the gradients `hand` at as many points, up to twice as many draws; none moves by more than
    `size`."""
    residuals: dict[str, list[Array]] = {k: [] for k in hand}
    for draw in range(2 * runs * seed, 2 * runs * (seed + 1)):
        missing = [k for k in hand if len(residuals[k]) < runs]
        for sign in (1, -1):  # at the edge of a domain, the one or the other is inside
            found = residuals_near(operation, cotangent, truth, sign * size, draw) if missing else {}
            heard = [k for k in missing if k in found and np.isfinite(found[k][np.isfinite(hand[k])]).all()]
            for k in heard:
                residuals[k].append(found[k])
            missing = [k for k in missing if k not in heard]
    return residuals


def far_rounding(
    operation: Operation, cotangent: Array, truth: Truth, names: Sequence[str], *, seed: int = 0
) -> dict[str, Spread]:
    """The standard deviation by (2), with (6): zero where nothing is said."""
    sides: dict[str, list[tuple[Array, Array]]] = {k: [] for k in names}
    with quiet():
        for draw in range(FAR_RUNS * seed, FAR_RUNS * (seed + 1)):
            found = both_near(operation, cotangent, truth, AFAR, draw)
            for k in sides.keys() & found.keys():
                sides[k].append(found[k])
        return {k: from_afar(*(np.stack(a) for a in zip(*s, strict=True))) for k, s in sides.items() if len(s) > FEWEST}


def from_afar(hand: Array, true: Array) -> Spread:
    """(6) of one gradient: both (m, *shape)."""
    m = len(hand)
    r, freedom = hand - true, np.full(hand.shape[1:], m - 1.0)
    deviation = r.std(0, ddof=1)
    certain = np.abs(r.mean(0)) > float(-stdtrit(m - 1, FAR_STRAY / 2)) * deviation / math.sqrt(m)
    size = np.abs(true.mean(0))
    itself = true.std(0) <= size / 2
    sigma = np.where(itself & ~certain & np.isfinite(deviation), deviation, 0.0)
    least = UNIT[DOUBLE] * np.max(size, initial=0.0, where=np.isfinite(size))
    return Spread(np.where(size < least, np.maximum(sigma, least), sigma), freedom)


def residuals_near(operation: Operation, cotangent: Array, truth: Truth, size: float, draw: int) -> Arrays:
    """(1) at one point."""
    sides = both_near(operation, cotangent, truth, size, draw)
    return {k: np.asarray(hand - true, np.float64) for k, (hand, true) in sides.items()}


def both_near(
    operation: Operation, cotangent: Array, truth: Truth, size: float, draw: int
) -> dict[str, tuple[Array, Array]]:
    """The hand-written gradients and the true ones at one point; those whose shape is right."""
    inputs, v = beside(operation, cotangent, size, draw)
    try:
        hand, true = operation.at(inputs).gradients(v), truth(inputs, v)
    except Exception:  # the code may refuse a point that is not its own
        return {}
    return {k: (hand[k], true[k]) for k in hand if hand[k].shape == np.shape(true[k])}


def beside(operation: Operation, cotangent: Array, size: float, draw: int) -> tuple[Arrays, Array]:
    """Every input and the cotangent moved by up to `size` of itself, ties and zeros kept; every draw another way.

    Integers, and what has only few bits, would stay on a coarse grid: so the size is another one, too, for each draw.
    """
    size *= 1 - float(np.random.default_rng([draw, 7]).uniform(0.0, 0.25))

    def moved(a: Array) -> Array:
        eps = float(np.finfo(a.dtype).eps) if a.dtype.kind == "f" else 0.0
        return nudged(a, np.sign(size) * max(abs(size), 4 * eps), draw)

    return {k: moved(a) for k, a in operation.inputs.items()}, moved(cotangent)


def spread(residuals: Array, hand: Array, sigma: Array) -> Spread:
    """(2) to (5) of one gradient: residuals (m, *shape). Entries that are not finite have no allowance."""
    return pooled(residuals - residuals.mean(0), len(residuals) - 1, hand, sigma)


def known_mean(errors: Array, hand: Array, sigma: Array) -> Spread:
    """The same of draws (k, *shape) of the rounding error itself, whose mean is 0."""
    return pooled(errors, len(errors), hand, sigma)


def pooled(errors: Array, k: int, hand: Array, sigma: Array) -> Spread:
    """(2) to (5) of errors about their mean, with k degrees of freedom."""
    shape = hand.shape
    nothing = (hand == 0) & (sigma == 0) & (errors == 0).all(0)  # what is no number's rounding is alike with none
    finite = (np.isfinite(hand) & np.isfinite(sigma) & np.isfinite(errors).all(0) & ~nothing).ravel()
    r = errors.reshape(len(errors), -1)[:, finite]
    rounding = np.spacing(np.abs(hand.ravel()[finite]).astype(np.float64)) / math.sqrt(12)
    c = scales(sigma.ravel()[finite], rounding)
    z = r / c
    squares = (z**2).sum(0) / k + (rounding / c) ** 2
    out, freedom = np.zeros(hand.size), np.full(hand.size, float(k))
    places = np.flatnonzero(finite)
    x = math.log(max(len(places), 1) / STRAY)
    for block in blocks(c):
        for alike in pools(squares, block, x, k):
            out[places[alike]] = np.sqrt(np.maximum(squares[alike].mean(), squares[alike])) * c[alike]
            freedom[places[alike]] = degrees(z[:, alike], k)
    return Spread(out.reshape(shape), freedom.reshape(shape))


def scales(sigma: Array, rounding: Array) -> Array:
    """c: the truth's σ or the answer's last rounding; where both are nothing, what is largest in the array."""
    c = np.maximum(sigma, rounding)
    some = c > np.finfo(np.float64).tiny
    return np.where(some, c, c[some].max() if some.any() else 1.0)


def blocks(c: Array) -> Iterator[Array]:
    """The entries in the order of c: at least `MEMBERS` together, and all within a factor 2 of the first."""
    order = np.argsort(c, kind="stable")
    ordered, start = c[order], 0
    while start < len(c):
        end = max(start + MEMBERS, int(np.searchsorted(ordered, 2 * ordered[start], "right")))
        end = len(c) if len(c) - end < MEMBERS else end
        yield order[start:end]
        start = end


def pools(squares: Array, block: Array, x: float, k: int) -> Iterator[Array]:
    """The entries of a block by what fits together, by (3)."""
    todo = [block]
    while todo:
        block = todo.pop()
        mean = squares[block].mean()
        ratio = squares[block] / mean if mean > 0 else np.ones(len(block))
        above = ratio > 1 + 2 * math.sqrt(x / k) + 2 * x / k
        below = ratio < math.exp(-1 - 2 * x / k)
        if np.count_nonzero(below) < MEMBERS:
            below[:] = False
        if above.any() or below.any():
            todo.extend(part for part in (block[above], block[below], block[~above & ~below]) if len(part))
        else:
            yield block


def degrees(z: Array, k: int | None = None) -> float:
    """ν of (4) for residuals (m, g) about their mean in units of c; k is m - 1 where that mean is their own."""
    k, g = len(z) - 1 if k is None else k, z.shape[1]
    trace = float((z**2).sum()) / k
    if trace == 0:
        return float(k * g)
    of_square = k**2 / ((k - 1) * (k + 2)) * (float(((z @ z.T) ** 2).sum()) / k**2 - trace**2 / k)
    independent = g if of_square <= 0 else trace**2 / of_square - 2 / k
    return k * min(max(independent, 1.0), g)
