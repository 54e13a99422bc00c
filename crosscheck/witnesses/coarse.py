"""Code that computes in float32 inside, whatever it is given: JAX as it comes, a kernel, a float32 buffer.

Its answers are those of a function with steps as wide as float32's digits. Between two points nearer than that it knows
no difference; where it does, it rounds. Fourth differences of the answers say so, whatever the derivative,

    N(h) = Σ_j (-1)^j binom(4, j) g(p + (j - 2) h) = O(h⁴) + √70 · rounding                                       (1)

of float64 code are its rounding in float64 at any small h, smaller steps or larger. Of code that is float32 inside
they are float32's rounding at steps that float32 sees, 3 · 2^-22 of every number, and no more than float64's at steps
that it does not see, 2^-44: a ratio of 2^29 instead of 1, and the line is drawn half of the way. What is of no rounding
falls as h⁴ does, by 2^8 from 3 · 2^-22 to 3 · 2^-24, and is no sign of anything.

A kink between the points shows the same: max(a, b) of two numbers that are 10⁻⁹ apart is one of them here and the other
there, and beside 2^-44 it is not seen. Then (1) of the reference, which is float64, is as large; what it has beyond its
own rounding is the function's, and no sign of anything either. What has no such kink in an output that has some is
asked by itself (of a gradient a mistake may have kinks of its own).

Nothing here asks whether a gradient is right, and a mistake has no part in (1): a float64 code with a small mistake is
not taken for a float32 one. An answer that *is* float32 for float64 inputs needs no such question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from crosscheck.floats import DOUBLE, SINGLE, UNIT, root_mean_square
from crosscheck.operation import OUTPUT, Array, Arrays, Operation
from crosscheck.witnesses.longdouble import FOURTH, NOISE, answers, kept_apart, quiet
from crosscheck.witnesses.noise import DRAWS, one_ulp_off
from crosscheck.witnesses.nudges import nudged

# Three, and not a power of two alone: float32 has 1 + 2^-21.
SEEN, NEARER, UNSEEN = 3 * 2.0**-22, 3 * 2.0**-24, 2.0**-44
HALF = float(np.sqrt(UNIT[SINGLE] / UNIT[DOUBLE]))  # of the way from 1 to 2^29
FALL = 2.0**4  # between h⁴'s 2^8 and rounding's 1


def by_dtype(found: Mapping[str, Array]) -> frozenset[str]:
    """Those of the answers to float64 inputs that are float32."""
    return frozenset(k for k, a in found.items() if a.dtype == SINGLE)


def by_steps(
    operation: Operation,
    v: Array,
    names: tuple[str, ...],
    truth: Callable[[Arrays, Array], Arrays] | None = None,
    known: Mapping[str, float] | None = None,
) -> frozenset[str]:
    """Those of the gradients (and of the output, `OUTPUT`) that show float32's steps near the operation's point.

    `truth`: the reference's answers at other inputs and another cotangent; `known`: how far its rounding can be off.
    """
    with quiet(), kept_apart(operation.forward, operation.backward):
        here = partial(own_answers, operation, names)
        seen, nearer, unseen = (fourths(here, operation.inputs, v, names, size) for size in (SEEN, NEARER, UNSEEN))
    both = seen.keys() & nearer.keys() & unseen.keys()
    found = frozenset(k for k in both if shows_single(seen[k], nearer[k], unseen[k]))
    if truth is None or not found:
        return found
    try:
        with quiet():
            true = fourths(truth, operation.inputs, v, tuple(found), SEEN)
    except Exception:  # the reference may refuse a point that is not its own
        return found
    kinked = {k for k, s in true.items() if s.rounding > (known or {}).get(k, 0.0)}

    def beside_kinks(k: str) -> bool:
        smooth = np.abs(true[k].fourth) <= NOISE * (known or {}).get(k, 0.0)
        return (
            k == OUTPUT
            and bool(smooth.any())
            and shows_single(*(runs[k].only(smooth) for runs in (seen, nearer, unseen)))
        )

    return frozenset(
        k for k in found if k not in kinked or seen[k].rounding > HALF * true[k].rounding or beside_kinks(k)
    )


class Shown(NamedTuple):
    """What (1) shows, and the answer itself."""

    fourth: Array
    answer: Array

    @property
    def rounding(self) -> float:
        """Root mean square of the rounding that (1) shows."""
        return root_mean_square(self.fourth) / NOISE

    @property
    def once(self) -> float:
        """That of one rounding of the answer at float64."""
        return UNIT[DOUBLE] * root_mean_square(self.answer)

    def only(self, where: Array) -> Shown:
        return Shown(self.fourth[where], self.answer[where])


def shows_single(seen: Shown, nearer: Shown, unseen: Shown) -> bool:
    """Whether that is float32's rounding. Of one or two summands float64 may show none at all: it has one at least."""
    fine = max(unseen.rounding, unseen.once)
    return seen.rounding > HALF * fine and seen.rounding <= FALL * nearer.rounding


def own_answers(operation: Operation, names: tuple[str, ...], inputs: Arrays, v: Array) -> Arrays:
    """What the code under check says."""
    return answers(operation.at(inputs), v, names).values


def fourths(
    said: Callable[[Arrays, Array], Arrays], inputs: Arrays, v: Array, names: tuple[str, ...], size: float
) -> dict[str, Shown]:
    """What (1) shows at steps of `size`, by name."""
    runs = []
    for j in range(-2, 3):
        runs.append(said({k: nudged(a, j * size, 2) for k, a in inputs.items()}, nudged(v, j * size, 2)))
    told = [k for k in names if all(k in run and run[k].shape == runs[0][k].shape for run in runs)]
    shown = {k: np.tensordot(np.array(FOURTH, float), np.stack([run[k] for run in runs]), 1) for k in told}
    return {k: Shown(a, runs[2][k]) for k, a in shown.items()}


def in_single(operation: Operation) -> Operation:
    """The operation at the float32 numbers next to its inputs, which code that casts them would otherwise be alone in
    seeing. An array that float32 has no numbers for stays as it is."""
    return replace(operation, inputs={k: near_single(a) for k, a in operation.inputs.items()})


def near_single(a: Array) -> Array:
    if a.dtype != DOUBLE:
        return a
    with np.errstate(over="ignore", under="ignore"):
        near = a.astype(SINGLE).astype(DOUBLE)
    return near if np.array_equal(np.isfinite(near), np.isfinite(a)) and np.array_equal(near == 0, a == 0) else a


def shaken(operation: Operation, y: Array) -> Array:
    """How far a float32 output may be from the exact one, as `noise` measures it of a float64 one: two of its
    roundings, or what it does when every input moves by one ulp of float32."""
    rng = np.random.default_rng(0)
    size = 2 * UNIT[SINGLE] * np.abs(np.asarray(y, np.float64))
    for _ in range(DRAWS):
        moved: Arrays = {k: shaken_input(a, rng) for k, a in operation.inputs.items() if k in operation.wrt}
        try:
            with np.errstate(all="ignore"):
                size = np.fmax(size, np.abs(np.asarray(operation.output(moved), np.float64) - y))
        except Exception:  # the code may refuse a point that is not its own
            continue
    return size


def shaken_input(a: Array, rng: np.random.Generator) -> Array:
    return np.asarray(one_ulp_off(a.astype(SINGLE), rng), a.dtype)


def words(names: frozenset[str]) -> str:
    """What is computed so."""
    gradients = [k for k in names if k != OUTPUT]
    parts = ["the forward"] if OUTPUT in names else []
    parts += [f"the gradient of {', '.join(sorted(gradients))}"] if gradients else []
    return " and ".join(parts)
