"""A gradient that is right but was computed with fewer digits than it has."""

from __future__ import annotations

import numpy as np

from crosscheck.diagnosis.points import Array, Point, judged_at
from crosscheck.diagnosis.problem import Problem
from crosscheck.evidence.reason import Diagnosis
from crosscheck.floats import DOUBLE, SINGLE, UNIT

# float64's unit roundoff over float32's: what a bound for one is worth for the other.
COARSER = UNIT[SINGLE] / UNIT[DOUBLE]
# The unit roundoff of formats with fewer digits, which NumPy knows or not.
HALF_UNIT, BRAIN_UNIT = 2.0**-11, 2.0**-8
# An error of a few roundings of the largest entry, and one of the many that a sum of a few thousand terms makes.
FEW, MANY = 8, 64
# One rounding errs by up to a unit, and by a quarter of one at the median of many entries; a few may be luckier by
# this much. What errs by less at the median was not computed in float32.
LUCK = 2.0**-4
# Rounding errs everywhere: at more than this share of the entries, or it is something else.
SPREAD = 0.3
# A balance of signs further off than this many standard deviations has a probability below 10^-3.
DEVIATIONS = 3.3
# Beside the point by a share of the numbers that is 2^8 units of float32, every rounding is another one; what a formula
# with a small term too many is off by moves by that share, and by a few times as much where it is curved.
BESIDE, ANEW = 2.0**-16, 2.0**-3


def lost_precision(problem: Problem, name: str) -> Diagnosis | None:
    """float32 (or float16) by the format of the numbers, or float32 by the size and spread of the errors."""
    point = problem.judged
    wrong, truth, bound = point.wrong[name], point.truth[name], point.bound[name]
    error = np.abs(wrong - truth)
    top = np.abs(truth).max(initial=0.0)
    if top == 0:
        return None
    typical = relative_error(point, name)
    evidence = {
        "largest relative error": float(error.max() / top),
        "typical relative error": typical,
    }

    def found(format_name: str) -> Diagnosis:
        return Diagnosis(
            "precision",
            f"the gradient of {name} is right to the digits of {format_name} only: it is computed in that",
            {**evidence, "format": format_name},
        )

    with np.errstate(over="ignore"):
        for format_name, unit, stored in (
            ("bfloat16", BRAIN_UNIT, brain(wrong)),  # float16 holds these numbers, too
            ("float16", HALF_UNIT, wrong.astype(np.float16).astype(np.float64)),
        ):
            if np.array_equal(stored, wrong) and wrong.size > 3 and error.max() <= FEW * unit * top:
                return found(format_name)
    # Half of what the float32 bound allows is hardly ever used up; a real mistake of this size is
    # not spread so evenly.
    allowed = np.maximum(COARSER * bound, 4 * UNIT[SINGLE] * np.abs(truth))
    spread_out = (error > bound).mean() > SPREAD and LUCK * UNIT[SINGLE] / 4 < typical < FEW * UNIT[SINGLE]
    # A term of little weight looks like it at one point and not at another.
    spread_out = spread_out and all(
        LUCK * UNIT[SINGLE] / 4 < relative_error(p, name) < MANY * UNIT[SINGLE] for p in problem.others
    )
    small = error.max() < 64 * UNIT[SINGLE] * top and typical > 0
    errors = [np.ravel(p.wrong[name] - p.truth[name]) for p in (point, *problem.others) if p.is_wrong(name)]
    evenly = spread_out and small and both_signs(np.concatenate(errors))
    if (error <= allowed).all() and evenly and rounds_anew(problem, name):
        return found("float32")
    return None


def rounds_anew(problem: Problem, name: str) -> bool:
    """Whether the error is another one beside the point, as rounding is: that of an ε of 1e-7 in the code stays."""
    point, rng = problem.judged, np.random.default_rng(12)
    moved = {
        k: a * (1 + BESIDE * rng.uniform(-1, 1, a.shape)) if k in problem.operation.drawn else a
        for k, a in point.inputs.items()
    }
    beside = judged_at(problem.operation, moved, point.v, (name,), problem.tape) if problem.tape is not None else None
    if beside is None:
        return True
    here, there = (p.wrong[name] - p.truth[name] for p in (point, beside))
    return bool(np.linalg.norm(there - here) > ANEW * np.linalg.norm(here))


def relative_error(point: Point, name: str) -> float:
    """The median over the entries that are not zero."""
    wrong, truth = point.wrong[name], point.truth[name]
    there = truth != 0
    return float(np.median(np.abs(wrong - truth)[there] / np.abs(truth[there]))) if there.any() else 0.0


def both_signs(errors: Array) -> bool:
    """Rounding errs to both sides: an imbalance that chance hardly makes is something else."""
    up, down = int((errors > 0).sum()), int((errors < 0).sum())
    return abs(up - down) <= DEVIATIONS * np.sqrt(up + down)


def brain(a: Array) -> Array:
    """The nearest values that have bfloat16's 8 bits, towards zero."""
    bits = a.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(np.float64)
