"""The finite-difference witness: the definition of the derivative, applied to the forward pass, with its own error.

For one entry x_i and a step h, all outputs are differenced first and contracted with the cotangent v afterwards, so
that outputs which do not depend on the entry contribute no noise:

    D(h) = Σ_o v_o (f_o(x + h) - f_o(x - h)) / 2h                      the difference             (1)
    S(h) = Σ_o |v_o| |f_o(x + h) - 2 f_o(x) + f_o(x - h)| / h          the jump in slope          (2)
    N(h) = Σ_o |v_o| n_o / h                                           noise, n_o the error of f_o (3)

Where f is smooth S(h) falls with h (by 1/2 or, where f'' = 0, by 1/8); at a kink inside the step it does not, or it
drops to nothing at once. So three halvings tell a smooth point from a kink without any epsilon, and only then is
Richardson's extrapolation believed:

    R(h) = (4 D(h/2) - D(h)) / 3,  truncation ≤ |R - D(h/2)|           (C. Ridders, Adv. Eng. Software 4 (1982) 75)

Where a kink is met the step shrinks until the kink is outside; where it never is, the entry sits on the kink and
the difference says so instead of giving a number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from crosscheck.evidence.estimate import DIFFERENCE, Estimate

Array = np.ndarray
Function = Callable[[Array], Any]

# Steps are scale · 2^-level. The last level still leaves 26 of 53 bits to the difference.
LEVELS = (6, 10, 14, 18, 22, 26)
# S above this many times its own noise is seen; below, the second difference is rounding.
SEEN = 4.0
# A step is good enough when its bound is below this share of the gradient's own size: two thirds of a difference's
# best.
ENOUGH = 2.0**-20
# A difference decides an entry where its bound is below this share of the entry's natural scale. It is a threshold of
# usefulness, not of agreement: it can only make the witness silent, never make two numbers agree.
USEFUL = 2.0**-10


class Contaminated(Exception):
    """An output moved that belongs to no entry of its group: the pattern behind the groups is wrong."""


class Samples(NamedTuple):
    """(1), (2), (3) for every entry of a group at one step; and the second difference's own noise."""

    slope: Array
    jump: Array
    noise: Array
    jump_noise: Array


@dataclass
class Group:
    """Entries that are moved in one evaluation, and the derivatives that are read off it.

    `entries` are flat indices into x; `owner[o]` says into which of the `members` derivatives output o is summed, -1
    for none. Usually a member is an entry (no output depends on two of them); a single entry with one member per
    output gives a column of the Jacobian. `owner` None: one entry, one member, all outputs.
    """

    entries: Array
    owner: Array | None = None
    members: int = 1


class Differences:
    """All differences of one function with respect to one array.

    Args:
        func: x (any shape) -> y (any shape); never sees the caller's own array.
        x: where to differentiate, float64 (or float32, for code that only runs there).
        cotangent: v, the shape of y.
        noise: n_o, the shape of y: how far a computed f_o may be from the exact one. None: measured.
    """

    def __init__(self, func: Function, x: Array, cotangent: Array, noise: Array | None = None) -> None:
        self.func = func
        self.x = np.array(x, copy=True)
        self.flat = self.x.ravel()
        self.evaluations = 0
        self.y = self.evaluate(self.x)
        self.v = np.asarray(cotangent, np.float64).ravel()
        if self.v.shape != self.y.shape:
            raise ValueError(f"cotangent has {self.v.size} entries, the output has {self.y.size}")
        self.n = measured_noise(func, self.x, self.y) if noise is None else np.asarray(noise, np.float64).ravel()
        magnitude = np.abs(self.flat)
        finite = magnitude[np.isfinite(magnitude)].astype(np.float64)
        self.rms = float(np.sqrt(np.mean(finite**2))) if finite.size else 0.0
        size = np.maximum(magnitude.astype(np.float64), 1e-3 * self.rms)
        self.scale = np.where(size > 0, 2.0 ** np.floor(np.log2(np.where(size > 0, size, 1.0))), 1.0)
        self.far = 8.0 * (float(np.max(finite, initial=0.0)) + 1.0)

    def evaluate(self, x: Array) -> Array:
        self.evaluations += 1
        with np.errstate(all="ignore"):
            return np.asarray(self.func(x), np.float64).ravel()

    def moved(self, entries: Array, step: Array | float) -> tuple[Array, Array]:
        """y at x + step on the entries, and the step as stored."""
        z = self.flat.copy()
        z[entries] = z[entries] + step
        return self.evaluate(z.reshape(self.x.shape)), z[entries].astype(np.float64) - self.flat[entries]

    def dependent(self, group: Group) -> Array:
        """Which outputs depend on the group at all: those that a large move changes."""
        if self.y.size == 1:
            return np.ones(1, bool)
        try:
            return (self.moved(group.entries, self.far)[0] != self.y) | (
                self.moved(group.entries, -self.far)[0] != self.y
            )
        except Exception:  # user code may refuse so large an input: then assume that everything depends
            return np.ones(self.y.shape, bool)

    def sample(self, group: Group, step: Array, dependent: Array) -> Samples:
        """(1), (2), (3) at one step per entry of the group."""
        plus, up = self.moved(group.entries, step)
        minus, down = self.moved(group.entries, -step)
        with np.errstate(all="ignore"):
            first, second = plus - minus, plus - 2.0 * self.y + minus
            if group.owner is not None and ((first != 0) & (group.owner < 0)).any():
                raise Contaminated
            counts = dependent | (first != 0)
            av = np.abs(self.v)
            width = up - down  # the steps as stored; x + h rounds
            return Samples(
                self.contract(group, np.where(counts, self.v * first, 0.0)) / width,
                self.contract(group, av * np.abs(second)) / (width / 2),
                self.contract(group, np.where(counts, 2.0 * av * self.n, 0.0)) / width,
                self.contract(group, np.where(second != 0, 4.0 * av * self.n, 0.0)) / (width / 2),
            )

    def contract(self, group: Group, terms: Array) -> Array:
        """Sum the outputs' terms into the entries that own them."""
        if group.owner is None:
            return np.array([terms.sum()])
        owned = group.owner >= 0
        return np.bincount(group.owner[owned], terms[owned], minlength=group.members)

    def differentiate(self, groups: Iterable[Group]) -> Estimate:
        """Every entry's derivative with its bound; see the module's docstring."""
        value = np.zeros(self.flat.shape)
        bound = np.full(self.flat.shape, np.inf)
        kink = np.zeros(self.flat.shape, bool)
        crossed = np.zeros(self.flat.shape, bool)
        start, since, largest = 0, 0, 0.0
        for group in groups:
            found = self.differentiate_group(group, LEVELS[start:], ENOUGH * largest)
            largest = max(largest, float(np.max(np.abs(found.value), initial=0.0)))
            value[group.entries], bound[group.entries] = found.value, found.bound
            kink[group.entries], crossed[group.entries] = found.kink, found.crossed
            # Neighbours like similar steps: begin where the last group ended, and look back up now and then.
            start, since = start + found.level, since + 1
            if since % 16 == 0 and start > 0:
                start -= 1
        natural = np.maximum(np.abs(value), rms_of(value[~kink]))
        if self.rms > 0:
            natural = np.maximum(natural, float(np.sum(np.abs(self.v * np.nan_to_num(self.y)))) / self.rms)
        shape = self.x.shape
        decided = ~kink & (bound <= USEFUL * natural)
        return Estimate(
            DIFFERENCE,
            value.reshape(shape),
            bound.reshape(shape),
            decided=decided.reshape(shape),
            notes={
                "kinks": int(kink.sum()),
                "crossed": int((crossed & ~kink).sum()),
                "undecided": int((~decided & ~kink).sum()),
                "kink": kink.reshape(shape),
                "evaluations": self.evaluations,
            },
        )

    def differentiate_group(self, group: Group, levels: tuple[int, ...], enough: float = 0.0) -> GroupResult:
        """Down the levels until noise, or a bound of `enough` (or of that share of the value), ends it."""
        n = group.members
        value, bound = np.zeros(n), np.full(n, np.inf)
        done, suspicious = np.zeros(n, bool), np.zeros(n, bool)
        dependent = self.dependent(group)
        chosen = 0
        for place, level in enumerate(levels):
            h = self.scale[group.entries] * 2.0**-level
            a, b = (self.sample(group, h / k, dependent) for k in (1, 2))
            flat = (a.jump <= SEEN * a.jump_noise) & (b.jump <= SEEN * b.jump_noise)
            linear_error = np.abs(b.slope - a.slope) + b.noise + b.jump / 2
            good, best, error = flat, b.slope, linear_error
            if not np.all(done | flat):
                c = self.sample(group, h / 4, dependent)
                smooth = regular(a.jump, b.jump) & regular(b.jump, c.jump)
                coarse, fine = (4 * b.slope - a.slope) / 3, (4 * c.slope - b.slope) / 3
                extrapolated = (16 * fine - coarse) / 15
                smooth_error = np.abs(extrapolated - fine) + 4 * c.noise
                good = flat | smooth
                best = np.where(flat, b.slope, extrapolated)
                error = np.where(flat, linear_error, smooth_error)
            good &= np.isfinite(best) & np.isfinite(error)
            better = good & ~done & (error < bound)
            value, bound = np.where(better, best, value), np.where(better, error, bound)
            # Below the noise a smaller step gains nothing: stop there, or where this level was no better than the last.
            enough_here = np.maximum(enough, ENOUGH * np.abs(best))
            done |= good & ((error <= 8 * b.noise) | (error <= enough_here) | (~better & np.isfinite(bound)))
            suspicious |= ~good & ~done
            chosen = place if better.any() else chosen
            if done.all():
                break
        bound = bound + np.abs(value) * 2.0**-52
        return GroupResult(value, bound, ~np.isfinite(bound), suspicious, chosen)


class GroupResult(NamedTuple):
    """What differences say of one group of entries that are moved together."""

    value: Array
    bound: Array
    kink: Array
    crossed: Array
    level: int


def regular(larger: Array, smaller: Array) -> Array:
    """Whether S fell with the step as it does for a smooth function: by 1/2, or by 1/8 where f'' = 0."""
    with np.errstate(all="ignore"):
        ratio = smaller / larger
    return (larger == 0) | ((ratio > 0.4) & (ratio < 0.6)) | ((ratio > 0.1) & (ratio < 0.15))


def rms_of(a: Array) -> float:
    a = a[np.isfinite(a)]
    return float(np.sqrt(np.mean(a**2))) if a.size else 0.0


def measured_noise(func: Function, x: Array, y: Array) -> Array:
    """n_o without a reference: how far the outputs move when every input moves by one ulp, at least one rounding."""
    rng = np.random.default_rng(0)
    unit = float(np.finfo(x.dtype).eps) / 2
    noise = unit * np.abs(y)
    for _ in range(4):
        ulp = (1 + 2 * unit * rng.choice([-1.0, 1.0], x.shape)).astype(x.dtype)
        with np.errstate(all="ignore"):
            noise = np.maximum(noise, np.abs(np.asarray(func(x * ulp), np.float64).ravel() - y))
    return np.maximum(noise, seen_from_longdouble(func, x, y))


LONG = np.dtype(np.longdouble)
LONG_ENTRIES = 2**12  # longdouble has no fast matrix product
LONG_SECONDS = 0.25


def seen_from_longdouble(func: Function, x: Array, y: Array) -> Array:
    """How far float64 is from longdouble near x, where the code takes both; 0 where it does not.

    A last bit moved in x shows nothing of digits that cancel inside: log(1 + exp(-30)) is a staircase of steps of u.
    """
    worst = np.zeros(y.shape)
    if x.dtype != np.float64 or np.finfo(LONG).nmant <= 52 or max(x.size, y.size) > LONG_ENTRIES:
        return worst
    rng = np.random.default_rng(0)
    started = time.perf_counter()
    for _ in range(4):
        near = x * (1 + 2.0**-8 * rng.uniform(-1.0, 1.0, x.shape))
        try:
            with np.errstate(all="ignore"):
                plain, long = np.asarray(func(near)).ravel(), np.asarray(func(near.astype(LONG))).ravel()
                if long.dtype != LONG or long.shape != y.shape:
                    break
                worst = np.fmax(worst, np.abs(plain - long).astype(np.float64))
        except Exception:  # code may know nothing of longdouble, or refuse a point that is not its own
            break
        if time.perf_counter() - started > LONG_SECONDS:
            break
    return 2.0 * np.where(np.isfinite(worst), worst, 0.0)


def along_direction(func: Function, x: Array, direction: Array, v: Array, noise: Array | None) -> GroupResult:
    """The derivative of v · func along a direction: one entry, t, of func(x + t · direction)."""
    line = Differences(lambda t: func(x + t * direction), np.zeros(()), v, noise)
    return line.differentiate_group(Group(np.array([0])), LEVELS)


def one_by_one(size: int) -> Iterator[Group]:
    for i in range(size):
        yield Group(np.array([i]))


# ---------------------------------------------------------------------- the lecture's names


def checked(func: Function, x: Array, h: float | None) -> tuple[Array, Array]:
    x = np.array(x, copy=True)
    if x.dtype.kind in "biu":
        x = x.astype(np.float64)
    if x.dtype.kind != "f":
        raise TypeError(f"x has dtype {x.dtype}; finite differences need real floating-point numbers")
    if not np.isfinite(x).all():
        raise ValueError("x contains NaN or infinity; a difference there says nothing")
    if h is not None and not (np.isfinite(h) and h > 0):
        raise ValueError(f"h is {h!r}; a step must be a positive finite number")
    return x, np.asarray(func(x.copy()))


def central(func: Function, x: Array, h: float) -> Array:
    """The Jacobian (y.size, x.size) by central differences with one given step."""
    columns = []
    for i in range(x.size):
        plus, minus = x.copy(), x.copy()
        plus.flat[i] += h
        minus.flat[i] -= h
        width = float(plus.flat[i]) - float(minus.flat[i])
        if width == 0:
            raise ValueError(f"h is {h!r}; at x[{i}] = {x.flat[i]!r} that step is lost in rounding")
        difference = np.asarray(func(plus), np.float64) - np.asarray(func(minus), np.float64)
        columns.append(difference.ravel() / width)
    return np.stack(columns, axis=-1) if columns else np.zeros((np.asarray(func(x)).size, 0))


def finite_difference_gradient(func: Callable[[Array], float], x: Array, h: float | None = None) -> Array:
    """The gradient of a scalar function by central differences, every entry.

    Args:
        func: x -> a scalar (or an array with one entry); called with copies of x only.
        x: any shape, real floating point (integers are taken as float64).
        h: the step. None: chosen for every entry, with Richardson's extrapolation, as in `Differences`.

    Returns:
        ∂func/∂x, the shape of x, float64. At a kink of func, where no derivative exists, the entry is NaN when the
        step is chosen, and the mean of the two slopes when h is given.

    Raises:
        ValueError: func is not scalar, x is not finite, or h is not a positive step.
        TypeError: x is not real.
    """
    x, y = checked(func, x, h)
    if y.size != 1:
        raise ValueError(f"func returned shape {y.shape}; a gradient needs a scalar: use finite_difference_jacobian")
    return finite_difference_jacobian(func, x, h).reshape(x.shape)


def finite_difference_jacobian(func: Function, x: Array, h: float | None = None) -> Array:
    """The Jacobian of a function by central differences, every entry.

    Args:
        func: x -> array of any shape; called with copies of x only.
        x: any shape, real floating point (integers are taken as float64).
        h: the step. None: chosen for every entry of x and every output.

    Returns:
        J[o..., i...] = ∂func(x)[o...]/∂x[i...], shape y.shape + x.shape, float64; NaN at kinks when the step is chosen.

    Raises:
        ValueError: x is not finite or h is not a positive step.
        TypeError: x is not real.
    """
    x, y = checked(func, x, h)
    shape = y.shape + x.shape
    if h is not None:
        return central(func, x, h).reshape(shape)
    if y.size == 0 or x.size == 0:
        return np.zeros(shape)
    differences = Differences(func, x, np.ones(y.shape))
    every_output = np.arange(y.size)
    columns = []
    for i in range(x.size):
        found = differences.differentiate_group(Group(np.array([i]), every_output, y.size), LEVELS)
        columns.append(np.where(found.kink, np.nan, found.value))
    return np.stack(columns, axis=-1).reshape(shape)
