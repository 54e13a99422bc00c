"""The same operation at other sizes: where a name that is a coincidence of lengths does not hold.

Which axes must change together, nothing says; their lengths do, nearly always. An axis is made one entry shorter (or
longer) alone, and where the forward or the reference refuses that, or they become two different functions, together
with every axis of the same length.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.extend import core

from crosscheck.diagnosis.candidates import Candidate, evaluate
from crosscheck.diagnosis.points import Array, Arrays, Point
from crosscheck.diagnosis.problem import Problem, ways
from crosscheck.diagnosis.tolerances import CANDIDATE, LEAST
from crosscheck.operation import Operation
from crosscheck.traces.pointwise import at_point, is_recorded
from crosscheck.traces.precision import double_precision
from crosscheck.traces.tape import record
from crosscheck.traces.walk import inner_jaxpr
from crosscheck.witnesses.autodiff import plain_gradients, plain_output

AxisOf = tuple[str, int]  # of an input: its name and the number of the axis
# Forward and reference are one function where they agree to half the digits.
SAME_FUNCTION = 2.0**-26
# To what the axes of a large operation are cut.
FEW_ENTRIES = (7, 11, 13, 5, 17, 3, 19)
# An axis is not cut to one entry, at which sums and shifts are nothing.
SHORTEST = 2


def at_other_sizes(problem: Problem) -> Point | None:
    """A point at other sizes; None without a reference, or where no other sizes fit.

    Code may be made for its sizes (a rotation has three rows): where what is right becomes wrong by other ones, only
    the numbers of rows are changed.
    """
    operation = problem.operation
    if problem.tape is None or operation.reference is None:
        return None
    for rows_alone in (False, True):
        inputs = resized(operation, problem.given.inputs, rows_alone=rows_alone)
        if inputs is None:
            continue
        for way in ways():
            drawn = {k: way(a, problem.rng) if k in operation.drawn else a for k, a in inputs.items()}
            point = point_at(problem, operation.at(drawn))
            if point is not None:
                return point
    return None


def point_at(problem: Problem, operation: Operation) -> Point | None:
    assert operation.reference is not None
    try:
        v = problem.rng.choice([-1.0, 1.0], operation.output().shape) * problem.rng.uniform(
            0.5, 2.0, operation.output().shape
        )
        if not same_function(operation):
            return None
        wrong = operation.gradients(v)
        _, truth = plain_gradients(operation.reference, operation.inputs, operation.wrt, v)
        tape = record(operation.reference, operation.inputs, operation.wrt, whole_calls=problem.whole_calls)
    except Exception:  # numbers and sizes that the author of the code did not choose
        return None
    if not all(np.isfinite(a).all() for a in truth.values()):
        return None
    if not all(same(wrong[k], truth[k]) for k in operation.wrt if k not in problem.names):
        return None
    # As far off as rounding allows where the gradients were judged.
    relative = {k: CANDIDATE * max(problem.given.relative_bound(k), LEAST) for k in problem.names}
    bound = {k: np.full(truth[k].shape, r * np.abs(truth[k]).max(initial=0.0)) for k, r in relative.items()}
    got = {k: np.asarray(wrong[k], np.float64) for k in problem.names}
    point = Point(dict(operation.inputs), v, got, {k: truth[k] for k in problem.names}, bound, tape)
    point.sizes = problem.numbers(point)
    problem.leave(point, operation)
    return point


# ---------------------------------------------------------------------- sizes


def resized(operation: Operation, inputs: Arrays, *, rows_alone: bool = False) -> Arrays | None:
    """Every length changed that can be, or every number of rows; None if none can.

    What is not differentiated keeps all but the number of its rows: a row may be a target whose entries add up to one.
    """
    free = {k: range(a.ndim if k in operation.wrt and not rows_alone else min(a.ndim, 1)) for k, a in inputs.items()}
    found, left = inputs, [(k, axis) for k, a in inputs.items() for axis in free[k] if a.shape[axis] > 1]
    settled: set[AxisOf] = set()
    turn = 0
    for one in left:  # one shorter, the next longer: two lengths that differ by one do so no more
        if one in settled:
            continue
        length = inputs[one[0]].shape[one[1]]
        together = [axis for axis in left if axis not in settled and inputs[axis[0]].shape[axis[1]] == length]
        given = any(
            name not in operation.wrt for name, _ in together
        )  # labels, indices: a row for each of another array
        for axes in ([one],) if len(together) < 2 else (together, [one]) if given else ([one], together):
            by = -1 if turn % 2 == 0 else 1
            changed = next(fitting(operation, found, axes, (length + by, length - by)), None)
            if changed is not None:
                found, turn = changed, turn + 1
                settled |= set(axes)
                break
    return found if found is not inputs else None


def shrunk(operation: Operation) -> Operation:
    """The operation with its longest axes cut to a few entries, as far as that fits; itself where it does not at all.

    Axes of one length are cut together, or each alone where that does not fit; to different lengths, so that none is
    taken for another.
    """
    inputs = operation.inputs
    places = [(k, axis) for k, a in inputs.items() for axis in range(a.ndim)]
    lengths = sorted({inputs[k].shape[axis] for k, axis in places}, reverse=True)
    free = [size for size in FEW_ENTRIES if size not in lengths]
    for length in lengths:
        if not free or length <= free[0]:
            break
        together = [(k, axis) for k, axis in places if inputs[k].shape[axis] == length]
        for axes in (together, *([one] for one in together)):
            changed = next(fitting(operation, operation.inputs, axes, (free[0], free[-1])), None)
            if changed is not None:
                operation = operation.at(changed)
                free = [size for size in free if all(size not in a.shape for a in changed.values())]
                if axes is together or not free:
                    break
    return operation


def fitting(operation: Operation, inputs: Arrays, axes: list[AxisOf], sizes: tuple[int, int]) -> Iterator[Arrays]:
    """Inputs with these axes of another length, where forward and reference still are one function."""
    for size in sizes:
        if size < SHORTEST:
            continue
        changed = dict(inputs)
        for name, axis in axes:
            changed[name] = of_length(changed[name], axis, size)
        if same_function(operation.at(changed)):
            yield changed


def of_length(a: Array, axis: int, size: int) -> Array:
    """The first entries along an axis, from the beginning again where there are not enough.

    Whole numbers in order (the rows of a sparse matrix, segments) stay in order: the last comes again.
    """
    places = np.arange(size)
    in_order = a.dtype.kind in "iu" and a.ndim == 1 and bool((np.diff(a) >= 0).all())
    return np.take(a, np.minimum(places, len(a) - 1) if in_order else places % a.shape[axis], axis)


def same_function(operation: Operation) -> bool:
    """Do forward and reference work here, and agree?"""
    reference = operation.reference
    assert reference is not None
    try:
        with np.errstate(all="ignore"):
            y = operation.output()
        with double_precision():
            here = at_point(reference, operation.inputs)
            program, shape = jax.make_jaxpr(lambda d: here(**d), return_shape=True)(operation.inputs)
            if shape.shape != y.shape or not y.size or not np.isfinite(y).all() or leaves_a_remainder(program.jaxpr):
                return False
        if is_recorded(here):
            return True
        other = plain_output(reference, operation.inputs, operation.wrt, y.shape)
    except Exception:  # sizes that do not fit together
        return False
    return same(other, y)


def same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0) <= SAME_FUNCTION * np.abs(b).max(initial=0))


def leaves_a_remainder(jaxpr: core.Jaxpr) -> bool:
    """Whether a convolution's stride does not divide what its window moves over.

    The caller's sizes may do so. Of sizes of ours it is not asked: at some of them the compiler of JAX 0.10 ends the
    process (7 rows, 4 of the kernel, padding 1, stride 2).
    """
    for eqn in jaxpr.eqns:
        inner = inner_jaxpr(eqn)
        if inner is not None and leaves_a_remainder(inner[0]):
            return True
        if eqn.primitive.name == "conv_general_dilated" and any(remainders(eqn)):
            return True
    return False


def remainders(eqn: core.JaxprEqn) -> Iterator[int]:
    numbers, operands = eqn.params["dimension_numbers"], list[Any](eqn.invars)
    x, window = (operand.aval.shape for operand in operands)
    for axis, (stride, padding) in enumerate(zip(eqn.params["window_strides"], eqn.params["padding"], strict=True)):
        length = (x[numbers.lhs_spec[2 + axis]] - 1) * eqn.params["lhs_dilation"][axis] + 1 + sum(padding)
        extent = (window[numbers.rhs_spec[2 + axis]] - 1) * eqn.params["rhs_dilation"][axis] + 1
        yield (length - extent) % stride


# ---------------------------------------------------------------------- names


def holds(problem: Problem, name: str, candidate: Candidate, factor: float | None) -> bool | None:
    """Does the candidate give the user's gradient at other sizes, too? None where that cannot be asked.

    `factor` is what multiplies it there; None if no number is known for those sizes.
    """
    point = problem.elsewhere()
    if point is None or factor is None or not point.is_wrong(name) or not comparable(problem, point):
        return None
    try:
        array = evaluate(candidate, point, name)
    except Exception:  # an expression made for the sizes at hand
        return None
    if array is None:
        return None
    if point.same(factor * array, name):
        return True
    # Code that was written for these sizes holds a number of them: at others it is off by one factor, and only that.
    return None if factor == 1.0 and is_multiple(point, name, array) else False


def is_multiple(point: Point, name: str, array: Array) -> bool:
    square = float(np.sum(array * array))
    if square == 0 or array.shape != point.wrong[name].shape:
        return False
    number = float(np.sum(array * point.wrong[name])) / square
    return number != 0 and point.same(number * array, name)


def comparable(problem: Problem, point: Point) -> bool:
    """Is the forward made of the same steps there?"""
    here, there = (() if tape is None else tape.steps for tape in (problem.tape, point.tape))
    return [(s.name, s.reads) for s in here] == [(s.name, s.reads) for s in there]


def factor_there(point: Point, name: str) -> float | None:
    """The one number by which the gradient is off at other sizes; None if it is not one."""
    truth, wrong = point.truth[name], point.wrong[name]
    square = float(np.sum(truth * truth))
    if square == 0 or truth.shape != wrong.shape:
        return None
    factor = float(np.sum(truth * wrong)) / square
    return factor if point.same(factor * truth, name) else None
