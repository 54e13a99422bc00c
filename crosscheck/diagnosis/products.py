"""A gradient that is the true one times an array of the forward, or divided by it; or by its root, square, exponential.

A standard deviation where a variance was meant, a factor that was to be multiplied in and was not, or was twice, the
gradient of the determinant for that of its logarithm: each is the true gradient times something that the forward knows.
One array of the forward may also stand where another should: the true gradient times the one over the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from crosscheck.diagnosis.activations import elementwise, is_mask, slope
from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.expressions import HERE, Call, Expression, read
from crosscheck.diagnosis.labels import label, value_name
from crosscheck.diagnosis.points import Array, true, value
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.sites import sites_of

POWERS: tuple[tuple[str, Callable[..., Array]], ...] = (
    ("", np.positive),
    ("the square root of ", np.sqrt),
    ("the square of ", np.square),
    ("the exponential of ", np.exp),
)
# Pairs of arrays are tried up to this many arrays of the gradient's shape.
MOST_ARRAYS = 24


def times_arrays(problem: Problem, name: str) -> Iterator[Candidate]:
    """The true gradient times or divided by a value of the forward, its root, square, exponential; by a derivative."""
    found = list(arrays(problem, name))
    for who, array in found:
        for word, power in POWERS:
            factor = array if power is np.positive else Call(power, (array,))
            yield from both(problem, name, f"{word}{who}", factor)
    for (a, top), (b, bottom) in ((x, y) for x in found[:MOST_ARRAYS] for y in found[:MOST_ARRAYS] if x != y):
        ratio = Call(np.divide, (top, bottom))
        if plausible(problem, name, Call(np.multiply, (true(name), ratio))):
            text = f"reads {a} where {b} is needed"
            yield Candidate("wrong-operand", text, result=Call(np.multiply, (true(name), ratio)))


def both(problem: Problem, name: str, who: str, factor: Expression) -> Iterator[Candidate]:
    for text, function in (("times", np.multiply), ("divided by", np.divide)):
        result = Call(function, (true(name), factor))
        if plausible(problem, name, result):
            # Twice or not at all: which of the two is meant, the gradient does not say.
            kind = "missing-terms" if text == "divided by" else "wrong-operand"
            yield Candidate(kind, f"is the true one {text} {who}", result=result)


def plausible(problem: Problem, name: str, result: Expression) -> bool:
    """Does it fit at the first point, but for a factor? Most do not, and are not worth a record."""
    points = problem.points(name)
    if not points:
        return False
    array, wrong = read(result, points[0]), points[0].wrong[name]
    return array.shape == wrong.shape and np.isfinite(array).all() and proportional(array, wrong)


def proportional(a: Array, b: Array) -> bool:
    top = float(np.sum(a * a))
    if top == 0:
        return False
    factor = float(np.sum(a * b)) / top
    return bool(np.abs(factor * a - b).max(initial=0.0) <= 1e-6 * np.abs(b).max(initial=0.0))


def arrays(problem: Problem, name: str) -> Iterator[tuple[str, Expression]]:
    """What a gradient of this shape may have been multiplied with: values that spread to it, and derivatives."""
    tape, shape = problem.tape, problem.given.truth[name].shape
    if tape is None:
        for who, a in problem.given.inputs.items():
            if spreads_to(a.shape, shape):
                yield who, Call(type(problem.given).input, (HERE, who))
        return
    sites = sites_of(tape)
    made = {w: k for k, step in enumerate(tape.steps) for w in step.writes}
    seen = set()
    for place, aval in enumerate(tape.avals):
        turn = sites[made[place]] if place in made else None
        if turn is not None and turn.turn not in (0, turn.turns - 1):
            continue
        if tape.moves[place] and aval.dtype.kind == "f" and spreads_to(aval.shape, shape):
            who = value_name(tape, place)
            if who not in seen:
                seen.add(who)
                yield who, value(place)
    for k, step in enumerate(tape.steps):
        i = elementwise(tape, step)
        if i is None or sites[k].turn not in (0, sites[k].turns - 1) or is_mask(problem, k):
            continue
        if spreads_to(tape.avals[step.writes[0]].shape, shape):
            yield f"the derivative of {label(tape, k)}", Call(slope, (HERE, k))


def spreads_to(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, whole) == whole
    except ValueError:
        return False
