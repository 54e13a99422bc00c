"""The truth about a program: its output and gradients to fifty digits, and what float64 could have lost.

mpmath runs the same program, forwards and backwards, with fifty digits more than its values have decades between them,
then with twice as many, until two runs tell the same. What only shrinks with the digits, in three runs, is a zero.

`rounding` says how far a gradient may be off that is computed in the program's own arithmetic: the error that the
hand-written code really has, and how far the truth moves when every value that was rounded is rounded otherwise, at
random, by up to an ulp or by as much as it was off. A value that the arithmetic got exactly is left alone, so that
integers stay integers and ties stay ties. What is rounded within a step, in a loop, no draw reaches: there
mpmath runs the same program with the bits of the program's numbers, rounding all towards zero, and all away from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import mpmath
import numpy as np
from mpmath.libmp import NoConvergence

from tests.programs.backends import NUMPY, exact
from tests.programs.program import Change, Moment, Program, exact_reverse, exact_run, functions, run

Array = Any

DIGITS = 50
MOST_DIGITS = 1600  # 1e±150 squared and squared again, beside 1
SAME = mpmath.mpf(10) ** -20  # of each entry, between two runs
DRAWS = 4
# mpmath: singular; out of a domain; a root that is complex in truth; eigenvalues or a series that do not converge.
CANNOT_SAY = (ArithmeticError, ValueError, TypeError, RuntimeError, NoConvergence)
BELOW_FLOATS = mpmath.ldexp(1, -1200)  # float64 ends at 2^-1074: for it, this is zero


class NoTruth(ArithmeticError):
    """mpmath cannot say: a matrix that is singular in truth, or two runs that differ up to the most digits."""


@dataclass(frozen=True)
class Truth:
    values: dict[str, Array]
    gradients: dict[str, Array]
    digits: int

    @property
    def output(self) -> Array:
        return list(self.values.values())[-1]


def settled(runs: list[Array]) -> Array | None:
    """What the runs, each with twice the digits of the one before, say together; None where they do not yet."""
    found = np.array(runs[-1])
    for index in np.ndindex(found.shape):
        a, b = runs[-2][index], runs[-1][index]
        if max(abs(a), abs(b)) < BELOW_FLOATS:
            found[index] = mpmath.mpf(0)
            continue
        if abs(a - b) <= SAME * abs(b):
            continue
        if len(runs) < 3 or abs(b) > SAME * max(abs(r[index]) for r in runs[:-1]):
            return None
        found[index] = mpmath.mpf(0)
    return found


def decades(program: Program) -> int:
    """Between the largest and the smallest of the program's values."""
    with np.errstate(all="ignore"):
        sizes = np.concatenate([np.abs(np.ravel(v)) for v in run(NUMPY, program, program.inputs).values()])
    sizes = sizes[sizes > 0]
    return int(np.log10(sizes.max()) - np.log10(sizes.min())) if sizes.size else 0


def once(program: Program, digits: int, change: Change | None) -> tuple[dict[str, Array], dict[str, Array]]:
    with mpmath.workdps(digits):
        try:
            values = exact_run(program)
            return values, exact_reverse(program, values, change)
        except CANNOT_SAY as error:
            raise NoTruth(str(error)) from error


def truth(program: Program, change: Change | None = None) -> Truth:
    """The values and gradients of a program; with `change`, the gradients of a planted mistake, as exactly."""
    digits = DIGITS + decades(program)
    runs = [once(program, digits, change)]
    while digits < MOST_DIGITS:
        digits *= 2
        runs.append(once(program, digits, change))
        with mpmath.workdps(digits):
            output = settled([values[program.output] for values, _ in runs])
            gradients = {k: settled([g[k] for _, g in runs]) for k in program.inputs}
        known = {k: g for k, g in gradients.items() if g is not None}
        if output is not None and len(known) == len(gradients):
            return Truth(runs[-1][0], known, digits)
    raise NoTruth(f"no two runs agree, up to {digits} digits")


def relative(difference: Array, size: Array) -> Array:
    """|difference| / |size|, with 0/0 = 0."""

    def ratio(d: Any, s: Any) -> float:
        return 0.0 if d == 0 else float(abs(d) / abs(s)) if s != 0 else np.inf

    with np.errstate(over="ignore"):
        return np.asarray(np.frompyfunc(ratio, 2, 1)(difference, size), dtype=np.float64)


@dataclass(frozen=True)
class Rounding:
    """What is lost at worst, of an entry and of the largest entry of its gradient.

    Args:
        error: of the hand-written gradients, relative to each entry.
        of_largest: the same relative to the largest entry.
        spread: how far the truth moves with other roundings, relative to each entry.
    """

    error: dict[str, np.ndarray]
    of_largest: float
    spread: dict[str, np.ndarray]

    def at(self, name: str, index: tuple[int, ...]) -> float:
        """What is lost of one entry."""
        return float(max(self.error[name][index], self.spread[name][index]))

    @property
    def worst(self) -> float:
        """The largest error or spread of any entry."""
        return max(float(np.max(x, initial=0.0)) for x in (*self.error.values(), *self.spread.values()))


def errors(program: Program, known: Truth) -> tuple[dict[str, np.ndarray], float]:
    """The hand-written gradients' errors, relative to each entry, and the largest relative to its array."""
    _, backward, _ = functions(program)
    found, worst = {}, 0.0
    with mpmath.workdps(known.digits):
        for name, g in backward(program.grad_output, **program.inputs).items():
            off = exact(exact(g) - known.gradients[name])
            found[name] = relative(off, known.gradients[name])
            largest = max(abs(v) for v in known.gradients[name].flat)
            worst = max(worst, float(np.max(relative(off, np.full(off.shape, largest, dtype=object)))))
    return found, worst


def rounding(program: Program, known: Truth, seed: int = 0) -> Rounding:
    found, of_largest = errors(program, known)
    spread = {k: np.zeros(g.shape) for k, g in found.items()}
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        computed = run(NUMPY, program, program.inputs)
    unit = float(np.finfo(program.grad_output.dtype).eps)
    bits = 1 - int(np.log2(unit))
    others = [lambda: once_more(program, known, computed, unit, rng)] * DRAWS
    others += [partial(rounded, program, bits, direction) for direction in "du"]
    with mpmath.workdps(known.digits):
        for other in others:
            try:
                moved = other()
            except CANNOT_SAY:  # rounding leads out of the program's domain
                return Rounding(found, of_largest, {k: np.full(g.shape, np.inf) for k, g in found.items()})
            for name, g in moved.items():
                difference = relative(g - known.gradients[name], known.gradients[name])
                spread[name] = np.maximum(spread[name], difference)
    return Rounding(found, of_largest, spread)


def rounded(program: Program, bits: int, direction: str) -> dict[str, Array]:
    """The gradients with numbers of so many bits, every operation within every step rounded "d"own or "u"p in size."""
    state = mpmath.mp._prec_rounding  # what every function of mpmath's reads; no name for it is public
    with mpmath.workprec(bits):
        usual, state[1] = state[1], direction
        try:
            return exact_reverse(program, exact_run(program))
        finally:
            state[1] = usual


def once_more(
    program: Program, known: Truth, computed: dict[str, Array], unit: float, rng: np.random.Generator
) -> dict[str, Array]:
    """The gradients after other roundings, forwards and backwards."""

    def otherwise(value: Array, size: Array) -> Array:
        draws = np.asarray(rng.uniform(-1, 1, np.shape(value)), dtype=object)
        return value + size * draws

    def after(name: str, value: Array) -> Array:
        off = abs(exact(computed[name]) - known.values[name])
        size = np.where(off == 0, off, np.maximum(off, unit * abs(known.values[name])))
        return exact(otherwise(value, size))

    def change(name: str, slot: int, sent: Array, moment: Moment) -> Array:
        whole = all(abs(v) < 2**20 and v == int(v) for v in np.ravel(sent) if mpmath.isfinite(v))
        return sent if whole else otherwise(sent, unit * abs(sent))

    return exact_reverse(program, exact_run(program, after), change)
