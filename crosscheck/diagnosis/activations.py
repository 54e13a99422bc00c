"""Mistakes in an elementwise function: a mask missing or taken from elsewhere, a derivative of something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

import jax
import numpy as np

from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.expressions import HERE, Call, Expression
from crosscheck.diagnosis.labels import label
from crosscheck.diagnosis.points import Array, Point, value
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.sites import sites_of
from crosscheck.diagnosis.steps import arrays_of_shape, at_step, live_steps
from crosscheck.diagnosis.tolerances import TOLD_ALIKE
from crosscheck.diagnosis.transforms import flips, moved, shifts, transposes
from crosscheck.diagnosis.words import plain_names
from crosscheck.traces.precision import double_precision
from crosscheck.traces.tape import CUSTOM, Step, Tape, pull_back

# Elementwise functions of one operand whose derivative is a step of the derivation.
FUNCTIONS = frozenset(["max", "min", "select_n", "clamp", "tanh", "logistic", "exp", "exp2", "log", "log1p", "expm1"])
FUNCTIONS |= {"integer_pow", "pow", "square", "sqrt", "rsqrt", "cbrt", "erf", "erfc", "abs", "sin", "cos", "tan"}
FUNCTIONS |= {"sinh", "cosh", "asinh", "atan"}


TINY = float(np.finfo(np.float64).tiny)


def elementwise(tape: Tape, step: Step) -> int | None:
    """The operand of an elementwise function of one moving operand; None for other steps."""
    if step.name not in FUNCTIONS | CUSTOM or len(step.active) != 1 or len(step.writes) != 1:
        return None
    i = step.active[0]
    same = tape.avals[step.reads[i]].shape == tape.avals[step.writes[0]].shape
    return i if same else None


def slope(point: Point, k: int, at: Array | None = None) -> Array:
    """The derivative of elementwise step k, entry by entry; `at` other values than its operand's."""
    assert point.tape is not None
    step = point.tape.steps[k]
    with double_precision():
        residuals = [point.values[r] for r in step.reads]
        if at is not None:
            residuals[step.active[0]] = np.asarray(at)
        ones = np.ones(point.tape.avals[step.writes[0]].shape)
        run = point.tape.programs.setdefault(
            ("slope", sites_of(point.tape)[k].key), jax.jit(lambda r, g: pull_back(step, r, [g], list(step.writes))[0])
        )
        return np.asarray(run(residuals, ones))


def is_mask(problem: Problem, k: int) -> bool:
    """Is the derivative of step k 0 or 1 everywhere, as that of ReLU is?"""
    return all(np.isin(slope(p, k), (0.0, 1.0)).all() for p in (problem.given, *problem.others))


def is_one(problem: Problem, k: int) -> bool:
    """Does step k pass on everything, at every point?"""
    return all((slope(p, k) == 1).all() for p in (problem.given, *problem.others))


def times(tape: Tape, kind: str, text: str, k: int, factor: Expression | None = None) -> Candidate:
    """Step k passes on what arrives times this, in place of its derivative; None: what arrives."""
    return at_step(tape, kind, text, k, slope=factor or Call(np.ones, (tape.avals[tape.steps[k].writes[0]].shape,)))


# ---------------------------------------------------------------------- masks

CONDITIONS = (("positive", np.greater), ("not positive", np.less_equal), ("not zero", np.not_equal))


def mask_where(condition: Callable[[Array, int], Array], a: Array) -> Array:
    return condition(a, 0).astype(np.float64)


def mask_mistakes(problem: Problem, name: str) -> Iterator[Candidate]:
    """ReLU and its kin: the mask missing, inverted, from another array, or moved."""
    for tape, k, step in live_steps(problem):
        i = elementwise(tape, step)
        if i is None or not is_mask(problem, k) or is_one(problem, k):
            continue
        what, mask = label(tape, k), Call(slope, (HERE, k))
        yield times(tape, "missing-mask", f"leaves out the mask of {what}", k)
        yield times(tape, "wrong-mask", f"inverts the mask of {what}", k, Call(np.subtract, (1, mask)))
        shape = tape.avals[step.reads[i]].shape
        for text, array in arrays_of_shape(tape, shape, k):
            for sign, condition in CONDITIONS:
                where = Call(mask_where, (condition, array))
                yield times(tape, "wrong-mask", f"masks {what} where {text} is {sign}", k, where)
        names, here = plain_names(len(shape)), slope(problem.given, k)
        for t in chain(flips(shape, names), transposes(shape, names), shifts(shape, names)):
            if t.function is moved and any(same_along(here, axis) for axis in t.arguments[1]):
                continue  # moving it there only lets zeros in: what is lost so is no mask's
            yield times(tape, "wrong-mask", f"uses the mask of {what} {t.text}", k, t.of(mask))


def same_along(a: Array, axis: int) -> bool:
    """Whether an array is equal in all places along an axis, as one that was spread out along it."""
    return bool((a == a.take([0], axis)).all())


# ---------------------------------------------------------------------- derivatives


def sigmoid(a: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * a))


# Derivatives that are taken for others: of the operand x and the result y.
DERIVATIVES: dict[str, Callable[[Array, Array], Array]] = {
    "its result y": lambda x, y: y,
    "1 - y": lambda x, y: 1 - y,
    "1 + y": lambda x, y: 1 + y,
    "y²": lambda x, y: y * y,
    "1 - y²": lambda x, y: 1 - y * y,
    "1 + y²": lambda x, y: 1 + y * y,
    "y (1 - y)": lambda x, y: y * (1 - y),
    "y (1 + y)": lambda x, y: y * (1 + y),
    "its operand x": lambda x, y: x,
    "1 - x": lambda x, y: 1 - x,
    "x²": lambda x, y: x * x,
    "1 - x²": lambda x, y: 1 - x * x,
    "x (1 - x)": lambda x, y: x * (1 - x),
    "1[x > 0]": lambda x, y: (x > 0).astype(np.float64),
    "tanh(x)": lambda x, y: np.tanh(x),
    "1 - tanh²(x)": lambda x, y: 1 - np.tanh(x) ** 2,
    "sigmoid(x)": lambda x, y: sigmoid(x),
    "sigmoid(-x)": lambda x, y: sigmoid(-x),
    "sigmoid(y)": lambda x, y: sigmoid(y),
    "1 - sigmoid(x)²": lambda x, y: 1 - sigmoid(x) ** 2,
    "sigmoid(x) sigmoid(-x)": lambda x, y: sigmoid(x) * sigmoid(-x),
    "exp(x)": lambda x, y: np.exp(x),
    "1 / x": lambda x, y: 1 / x,
    "1 / y": lambda x, y: 1 / y,
    "exp(x) / (1 + exp(x))²": lambda x, y: sigmoid(x) * sigmoid(-x),
}
FACTORS: dict[str, Callable[[Array, Array], Array]] = {
    "y": lambda x, y: y,
    "1 - y": lambda x, y: 1 - y,
    "1 + y": lambda x, y: 1 + y,
}
# Derivatives that are products of these, of the sigmoid and of tanh: one factor may be lacking.
PRODUCTS = (("y", "1 - y"), ("1 - y", "1 + y"))


def derivative(text: str, x: Array, y: Array) -> Array:
    """A row of the table above."""
    return DERIVATIVES[text](x, y)


def derivative_mistakes(problem: Problem, name: str) -> Iterator[Candidate]:
    """A smooth function's derivative left out, taken twice, at the wrong place, or of another function."""
    for tape, k, step in live_steps(problem):
        i = elementwise(tape, step)
        if i is None or is_mask(problem, k):
            continue
        what, right = label(tape, k), Call(slope, (HERE, k))
        x, y = value(step.reads[i]), value(step.writes[0])
        wrong, taken = "wrong-derivative", f"takes the derivative of {what}"
        negated = Call(slope, (HERE, k, Call(np.negative, (x,))))
        at_result = f"{taken} at its result instead of its operand"
        yield times(tape, "missing-terms", f"leaves out the derivative of {what}", k)
        yield times(tape, wrong, f"{taken} twice", k, Call(np.square, (right,)))
        yield times(tape, wrong, at_result, k, Call(slope, (HERE, k, y)))
        if not alike(-slope(problem.given, k, -problem.given.value(step.reads[i])), slope(problem.given, k)):
            yield times(tape, wrong, f"{taken} at its operand negated", k, negated)
        if not alike(np.abs(slope(problem.given, k)), -slope(problem.given, k)):
            yield times(
                tape, "sign", f"takes the absolute value of the derivative of {what}", k, Call(np.abs, (right,))
            )
        divides = f"divides by the derivative of {what} instead of multiplying by it"
        yield times(tape, wrong, divides, k, Call(np.divide, (1, right)))
        yield from other_derivatives(problem, tape, k, step.reads[i])


def other_derivatives(problem: Problem, tape: Tape, k: int, operand: int) -> Iterator[Candidate]:
    """The rows of the table; the sentence says what is lacking where a row is the right derivative but for a factor."""
    what, result = label(tape, k), tape.steps[k].writes[0]
    x, y, right = problem.given.value(operand), problem.given.value(result), slope(problem.given, k)
    made_of = next((p for p in PRODUCTS if alike(FACTORS[p[0]](x, y) * FACTORS[p[1]](x, y), right)), ())
    for text, function in DERIVATIVES.items():
        taken = function(x, y)
        if taken.size > 1 and np.ptp(taken) == 0:
            continue  # 1[x > 0] where x has one sign is no derivative but a path cut or kept
        lacking = [word for word in made_of if alike(taken * FACTORS[word](x, y), right)]
        row = Call(derivative, (text, value(operand), value(result)))
        if lacking:
            sentence = f"leaves out the factor {lacking[0]} of the derivative of {what}, y its result"
            yield times(tape, "missing-terms", sentence, k, row)
        else:
            yield times(tape, "wrong-derivative", f"takes the derivative of {what} to be {text}", k, row)


def alike(a: Array, b: Array) -> bool:
    # As `np.allclose`, at a fifth of its time: a long loop asks a hundred thousand times.
    return bool((np.abs(a - b) <= TOLD_ALIKE * np.abs(b) + TINY).all())
