"""A gradient that is the true one times an array of the forward, or divided by it; or by its root, square, exponential.

A standard deviation where a variance was meant, a factor that was to be multiplied in and was not, or was twice, the
gradient of the determinant for that of its logarithm: each is the true gradient times something that the forward knows.
Whether it was left out or taken twice, the gradient does not say; the name says what it is multiplied with. One array
of the forward may also stand where another should: the true gradient times the one over the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from crosscheck.diagnosis.activations import elementwise, is_mask, slope
from crosscheck.diagnosis.candidates import Candidate, evaluate
from crosscheck.diagnosis.expressions import HERE, Call, Expression, read
from crosscheck.diagnosis.labels import label, value_name
from crosscheck.diagnosis.paths import Edges, single
from crosscheck.diagnosis.points import Array, Point, true, value
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.sites import sites_of
from crosscheck.diagnosis.tolerances import TOLD_ALIKE
from crosscheck.traces.tape import Edge

POWERS: tuple[tuple[str, Callable[..., Array]], ...] = (
    ("", np.positive),
    ("the square root of ", np.sqrt),
    ("the square of ", np.square),
    ("the exponential of ", np.exp),
)
# Pairs of arrays are tried up to this many arrays of the gradient's shape.
MOST_ARRAYS = 24


def times_arrays(problem: Problem, name: str) -> Iterator[Candidate]:
    """The true gradient times a value of the forward, its root, square, exponential; or a derivative."""
    points = problem.points(name)
    if not points:
        return
    found, whole = list(arrays(problem, name)), true(name)
    for kind, text, factor in factors(points[0], found, points[0].wrong[name], points[0].truth[name]):
        yield Candidate(kind, f"is the true one {text}", result=Call(np.multiply, (whole, factor)))


def paths_times_arrays(problem: Problem, name: str) -> Iterator[Candidate]:
    """What one path brings times such an array."""
    points = problem.points(name)
    if problem.tape is None or not points:
        return
    found = list(arrays(problem, name))
    for group, rest, brought in paths_of(problem, points[0], name):
        for kind, text, factor in factors(points[0], found, rest, brought, exact=True):
            result = Call(with_path, (HERE, name, group.edges, factor))
            yield Candidate(kind, f"has what comes through {group.text} {text}", result=result, effort=1)


def with_path(point: Point, name: str, edges: tuple[Edge, ...], factor: Array) -> Array:
    """The true gradient with what comes through some edges times a factor."""
    without = evaluate(Candidate("", "", scales=tuple((e, 0.0) for e in edges)), point, name)
    assert without is not None
    return without + factor * (point.truth[name] - without)


def factors(
    point: Point, found: list[tuple[str, Expression]], wrong: Array, right: Array, exact: bool = False
) -> Iterator[tuple[str, str, Expression]]:
    """What `right` is to be multiplied with to be `wrong` at one point (but for a number, unless `exact`)."""
    if not right.any():
        return
    values = [(who, array, read(array, point)) for who, array in found]
    for who, array, value_here in values:
        for word, power in POWERS:
            factor = array if power is np.positive else Call(power, (array,))
            here = power(value_here)
            if fits(right * here, wrong, exact):
                yield "wrong-factor", f"times {word}{who}", factor
            if fits(right / here, wrong, exact):
                yield "wrong-factor", f"divided by {word}{who}", Call(np.divide, (1.0, factor))


def ratios(
    point: Point, found: list[tuple[str, Expression]], wrong: Array, right: Array, exact: bool = False
) -> Iterator[tuple[str, Expression]]:
    """The same with one array in the place of another."""
    few = [(who, array, read(array, point)) for who, array in found[:MOST_ARRAYS]]
    if not right.any():
        return
    for a, top, top_here in few:
        for b, bottom, bottom_here in few:
            ratio = top_here / bottom_here
            if a != b and not is_mask_of(ratio) and fits(right * ratio, wrong, exact):
                yield f"reads {a} where {b} is needed", Call(np.divide, (top, bottom))


def is_mask_of(ratio: Array) -> bool:
    """Whether one array is a multiple of the other wherever it is not zero, as padding is: then nothing was read for
    it, but entries were lost."""
    kept = ratio[ratio != 0]
    if kept.size == ratio.size or not kept.size:
        return False
    return bool(np.ptp(kept) <= TOLD_ALIKE * np.abs(kept).max())


def other_arrays(problem: Problem, name: str) -> Iterator[Candidate]:
    """The true gradient, or what one path brings, with one array of the forward in the place of another."""
    points = problem.points(name)
    if problem.tape is None or not points:
        return
    found, whole = list(arrays(problem, name)), true(name)
    for text, ratio in ratios(points[0], found, points[0].wrong[name], points[0].truth[name]):
        yield Candidate("wrong-operand", text, result=Call(np.multiply, (whole, ratio)))
    for group, rest, brought in paths_of(problem, points[0], name):
        for text, ratio in ratios(points[0], found, rest, brought, exact=True):
            result = Call(with_path, (HERE, name, group.edges, ratio))
            text = f"{text} on the path through {group.text}"
            yield Candidate("wrong-operand", text, result=result, effort=1)


def paths_of(problem: Problem, point: Point, name: str) -> Iterator[tuple[Edges, Array, Array]]:
    """Every path with what is wrong in it, if the rest is right, and what it should bring."""
    assert problem.tape is not None
    for group in single(problem.tape):
        cut = Candidate("", "", scales=tuple((e, 0.0) for e in group.edges))
        problem.budget.spend(problem.work(cut, point, name))
        without = evaluate(cut, point, name)
        if without is not None and without.shape == point.wrong[name].shape:
            yield group, point.wrong[name] - without, point.truth[name] - without


def fits(a: Array, b: Array, exact: bool) -> bool:
    """At a glance: most do not, and are not worth a record."""
    if a.shape != b.shape or not np.isfinite(a).all():
        return False
    if exact:
        return bool(np.abs(a - b).max(initial=0.0) <= 1e-6 * np.abs(b).max(initial=0.0))
    return parallel(a, b)


def parallel(a: Array, b: Array) -> bool:
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
