"""Mistakes in what arrives: the right backward pass, applied to another cotangent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

import numpy as np

from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.expressions import HERE, Call
from crosscheck.diagnosis.points import COTANGENT, OUTPUT, Array, Point
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.products import spreads_to
from crosscheck.diagnosis.tolerances import TOLD_ALIKE
from crosscheck.diagnosis.transforms import Transform, as_many, cuts, flips, kept, moved, orders, shifts, spreads

UPSTREAM = "ignores-upstream"


def averaged(v: Array) -> Array:
    return np.full_like(v, v.mean())


def kept_where(condition: Callable[[Array, int], Array], a: Array, v: Array) -> Array:
    return v * condition(a, 0)


EXPONENTIAL = Call(np.exp, (OUTPUT,))
ROWS = (
    (UPSTREAM, "replaced by ones", Call(np.ones_like, (COTANGENT,))),
    ("summed", "replaced by its mean", Call(averaged, (COTANGENT,))),
    (UPSTREAM, "replaced by its absolute value", Call(np.abs, (COTANGENT,))),
    (UPSTREAM, "replaced by its signs", Call(np.sign, (COTANGENT,))),
    (UPSTREAM, "squared", Call(np.square, (COTANGENT,))),
    ("wrong-mask", "where it is positive", Call(kept_where, (np.greater, COTANGENT, COTANGENT))),
    ("wrong-mask", "where it is negative", Call(kept_where, (np.less, COTANGENT, COTANGENT))),
    ("wrong-mask", "where the output is positive", Call(kept_where, (np.greater, OUTPUT, COTANGENT))),
    ("wrong-mask", "where the output is not positive", Call(kept_where, (np.less_equal, OUTPUT, COTANGENT))),
    (UPSTREAM, "replaced by the output", OUTPUT),
    ("wrong-operand", "multiplied by the output", Call(np.multiply, (COTANGENT, OUTPUT))),
    (
        "wrong-operand",
        "multiplied by the exponential of the output",
        Call(np.multiply, (COTANGENT, Call(np.exp, (OUTPUT,)))),
    ),
    ("wrong-operand", "divided by the output", Call(np.divide, (COTANGENT, OUTPUT))),
)


def other_cotangents(problem: Problem, name: str) -> Iterator[Candidate]:
    """The true gradient for ones, |v|, v², v masked, cut, flipped, permuted or shifted."""
    if problem.tape is None and name not in problem.given.jacobians:
        return
    is_ = "is the true one for the incoming gradient"
    for kind, text, cotangent in ROWS:
        if kind != "summed" or problem.given.v.ndim:  # a scalar is its own mean
            yield Candidate(kind, f"{is_} {text}", cotangent=cotangent)
    yield from written_to(problem)
    shape, axes = problem.given.v.shape, problem.output_axes
    for who, a in problem.given.inputs.items():
        if a.dtype.kind == "f" and a.ndim and spreads_to(a.shape, shape):
            product = Call(np.multiply, (COTANGENT, Call(Point.input, (HERE, who))))
            yield Candidate("wrong-operand", f"{is_} multiplied by {who}", cotangent=product)
    for t in as_many(shape, axes):
        yield Candidate(t.kind, f"leaves out {lost(t)}", cotangent=t.of(COTANGENT))
    leading = partial(cuts, first=("batch", "output channels", "axis 0"))
    for t in chain.from_iterable(f(shape, axes) for f in (leading, flips, orders, shifts, spreads)):
        yield Candidate(t.kind, f"{is_} {t.text}", cotangent=t.of(COTANGENT))


def shifted_and_cut(problem: Problem, name: str) -> Iterator[Candidate]:
    """The true gradient for the incoming gradient shifted and without its border, as of an image read elsewhere."""
    if problem.tape is None and name not in problem.given.jacobians:
        return
    shape, axes = problem.given.v.shape, problem.output_axes
    borders = [cut for cut in cuts(shape, axes) if cut.kind == "border" and "border" in cut.text]
    yield from unpadded(problem)
    for t in shifts(shape, axes) if borders else ():
        for cut in borders if t.function is not np.roll else ():
            text = f"is the true one for the incoming gradient {t.text}, {cut.text}"
            yield Candidate("shifted", text, cotangent=cut.of(t.of(COTANGENT)))


def unpadded(problem: Problem) -> Iterator[Candidate]:
    """Windows, one for each place of the output, that read an image where it would lie without its padding."""
    shape = problem.given.v.shape
    configs = {
        step.eqn.params["padding_config"]
        for step in (problem.tape.steps if problem.tape is not None else ())
        if step.name == "pad"
    }
    for config in sorted(configs):
        padded = [axis for axis, (low, high, _) in enumerate(config) if low > 0 and high >= 0]
        last = 0 if len(config) == len(shape) else len(shape) - len(config)  # the axes are those of the output, or last
        if not padded or any(not low + high < shape[axis + last] for axis, (low, high, _) in enumerate(config)):
            continue
        lows, axes = tuple(config[axis][0] for axis in padded), tuple(axis + last for axis in padded)
        cotangent = Call(moved, (COTANGENT, lows, axes))
        for axis, low in zip(axes, lows, strict=True):
            cotangent = Call(kept, (cotangent, (axis,), (low, -config[axis - last][1] or None)))
        text = "is that of reading the image without its padding (windows over the border left out)"
        yield Candidate("border", text, cotangent=cotangent)


def lost(t: Transform) -> str:
    """ "the incoming gradient's columns 3 and 4 (only as many columns as rows)"."""
    return t.text.replace("without its", "the incoming gradient's")


def written_to(problem: Problem) -> Iterator[Candidate]:
    """What the backward reads after it has written to it: the incoming gradient, or an input."""
    points = (problem.given, *problem.others)
    for who in ("", *problem.operation.inputs):
        if not all(who in point.left for point in points):
            continue
        array = Call(Point.written, (HERE, who))
        change = f"it was {how(problem, who)} in place"
        if who == "":
            text = f"is formed from the incoming gradient after {change}"
            yield Candidate("after-update", text, cotangent=array)
        elif problem.tape is not None:
            yield Candidate("after-update", f"is formed from {who} after {change}", inputs=((who, array),))


def how(problem: Problem, who: str) -> str:
    """ "multiplied by gamma", as far as one input explains what was written at every point."""
    points = (problem.given, *problem.others)
    for other in problem.operation.inputs:
        for word, function in (("multiplied by", np.multiply), ("divided by", np.divide), ("reduced by", np.subtract)):
            if all(becomes(p, who, function, other) for p in points):
                return f"{word} {other}"
    return "written to"


def becomes(point: Point, who: str, function: Callable[..., Array], other: str) -> bool:
    before, after, b = point.inputs[who] if who else point.v, point.left[who], point.inputs[other]
    return spreads_to(b.shape, before.shape) and np.allclose(after, function(before, b), rtol=TOLD_ALIKE)
