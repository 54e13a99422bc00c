"""Mistakes in an elementwise function: a mask missing or taken from elsewhere, a derivative of something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

import jax
import numpy as np

from crosscheck.diagnosis.problem import Array, Candidate, Point, Problem
from crosscheck.diagnosis.steps import arrays_of_shape, instead, label, live_steps, operand
from crosscheck.diagnosis.transforms import flips, orders, shifts
from crosscheck.diagnosis.words import plain_names
from crosscheck.traces.precision import double_precision
from crosscheck.traces.tape import CUSTOM, Step, Tape, pull_back

# Elementwise functions of one operand whose derivative is a step of the derivation.
FUNCTIONS = frozenset(["max", "min", "select_n", "clamp", "tanh", "logistic", "exp", "exp2", "log", "log1p", "expm1"])
FUNCTIONS |= {"integer_pow", "pow", "square", "sqrt", "rsqrt", "cbrt", "erf", "erfc", "abs", "sin", "cos", "tan"}
FUNCTIONS |= {"sinh", "cosh", "asinh", "atan"}


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
            ("slope", k), jax.jit(lambda r, g: pull_back(step, r, [g], list(step.writes))[0])
        )
        return np.asarray(run(residuals, ones))


def is_mask(derivative: Array) -> bool:
    """Is the derivative 0 or 1 everywhere, as that of ReLU is?"""
    return bool(np.isin(derivative, (0.0, 1.0)).all())


def mask_mistakes(problem: Problem, name: str) -> Iterator[Candidate]:
    """ReLU and its kin: the mask missing, inverted, from another array, or moved."""
    for tape, k, step in live_steps(problem):
        i = elementwise(tape, step)
        if i is None or not all(is_mask(slope(p, k)) for p in (problem.given, *problem.others)):
            continue
        what = label(tape, k)

        def masked(kind: str, text: str, mask: Callable[[Point], Array | None], k: int = k, i: int = i) -> Candidate:
            def rule(point: Point, g: Array) -> dict[int, Array] | None:
                m = mask(point)
                return None if m is None else {i: g * m}

            return instead(problem, kind, text, k, rule)

        yield masked("missing-mask", f"leaves out the mask of {what}", lambda p, k=k: np.ones(()))
        yield masked("wrong-mask", f"inverts the mask of {what}", lambda p, k=k: 1 - slope(p, k))
        shape = tape.avals[step.reads[i]].shape
        for text, read in arrays_of_shape(tape, shape, k):
            for sign, condition in (
                ("positive", np.greater),
                ("not positive", np.less_equal),
                ("not zero", np.not_equal),
            ):
                yield masked(
                    "wrong-mask",
                    f"masks {what} where {text} is {sign}",
                    lambda p, read=read, c=condition: c(read(p), 0).astype(np.float64),
                )
        names = plain_names(len(shape))
        transposed = (t for t in orders(shape, names) if t.kind == "transposed")
        for t in chain(flips(shape, names), transposed, shifts(shape, names)):
            yield masked(
                "wrong-mask",
                f"uses the mask of {what} {t.text}",
                lambda p, k=k, t=t: t.apply(slope(p, k)),
            )


def sigmoid(a: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * a))


# Derivatives that are taken for others: of the operand x and the result y.
DERIVATIVES: tuple[tuple[str, Callable[[Array, Array], Array]], ...] = (
    ("its result y", lambda x, y: y),
    ("1 - y", lambda x, y: 1 - y),
    ("1 + y", lambda x, y: 1 + y),
    ("y²", lambda x, y: y * y),
    ("1 - y²", lambda x, y: 1 - y * y),
    ("1 + y²", lambda x, y: 1 + y * y),
    ("y (1 - y)", lambda x, y: y * (1 - y)),
    ("y (1 + y)", lambda x, y: y * (1 + y)),
    ("its operand x", lambda x, y: x),
    ("1 - x", lambda x, y: 1 - x),
    ("x²", lambda x, y: x * x),
    ("1 - x²", lambda x, y: 1 - x * x),
    ("x (1 - x)", lambda x, y: x * (1 - x)),
    ("1[x > 0]", lambda x, y: (x > 0).astype(np.float64)),
    ("tanh(x)", lambda x, y: np.tanh(x)),
    ("1 - tanh²(x)", lambda x, y: 1 - np.tanh(x) ** 2),
    ("sigmoid(x)", lambda x, y: sigmoid(x)),
    ("sigmoid(-x)", lambda x, y: sigmoid(-x)),
    ("sigmoid(y)", lambda x, y: sigmoid(y)),
    ("1 - sigmoid(x)²", lambda x, y: 1 - sigmoid(x) ** 2),
    ("sigmoid(x) sigmoid(-x)", lambda x, y: sigmoid(x) * sigmoid(-x)),
    ("exp(x)", lambda x, y: np.exp(x)),
    ("1 / x", lambda x, y: 1 / x),
    ("1 / y", lambda x, y: 1 / y),
    ("exp(x) / (1 + exp(x))²", lambda x, y: sigmoid(x) * sigmoid(-x)),
)


# What such a derivative may lack beside the right one.
FACTORS: tuple[tuple[str, Callable[[Array, Array], Array]], ...] = (
    ("y", lambda x, y: y),
    ("1 - y", lambda x, y: 1 - y),
    ("1 + y", lambda x, y: 1 + y),
)


def derivative_mistakes(problem: Problem, name: str) -> Iterator[Candidate]:
    """A smooth function's derivative left out, taken twice, at the wrong place, or of another function."""
    for tape, k, step in live_steps(problem):
        i = elementwise(tape, step)
        if i is None or all(is_mask(slope(p, k)) for p in (problem.given, *problem.others)):
            continue
        what = label(tape, k)

        def with_slope(kind: str, text: str, other: Callable[[Point], Array], k: int = k, i: int = i) -> Candidate:
            def rule(point: Point, g: Array) -> dict[int, Array]:
                return {i: g * other(point)}

            return instead(problem, kind, text, k, rule)

        def ends(p: Point, k: int = k, i: int = i) -> tuple[Array, Array]:
            assert p.tape is not None
            return operand(p, (k, i)), np.asarray(p.values[p.tape.steps[k].writes[0]])

        yield with_slope("missing-terms", f"leaves out the derivative of {what}", lambda p: np.ones(()))
        yield with_slope(
            "wrong-derivative",
            f"takes the derivative of {what} twice",
            lambda p, k=k: slope(p, k) ** 2,
        )
        yield with_slope(
            "wrong-derivative",
            f"takes the derivative of {what} at its result instead of its operand",
            lambda p, k=k, ends=ends: slope(p, k, ends(p)[1]),
        )
        yield with_slope(
            "wrong-derivative",
            f"takes the derivative of {what} at its operand negated",
            lambda p, k=k, ends=ends: slope(p, k, -ends(p)[0]),
        )
        yield with_slope(
            "sign",
            f"takes the absolute value of the derivative of {what}",
            lambda p, k=k: np.abs(slope(p, k)),
        )
        yield with_slope(
            "wrong-derivative",
            f"divides by the derivative of {what} instead of multiplying by it",
            lambda p, k=k: 1 / slope(p, k),
        )
        for text, function in DERIVATIVES:
            x, y = ends(problem.given)
            taken, right = function(x, y), slope(problem.given, k)
            if taken.size > 1 and np.ptp(taken) == 0:
                continue  # 1[x > 0] where x has one sign is no derivative but a path cut or kept
            lacking = [word for word, f in FACTORS if np.allclose(taken * f(x, y), right, rtol=1e-9, atol=1e-300)]
            yield with_slope(
                "missing-terms" if lacking else "wrong-derivative",
                f"leaves out the factor {lacking[0]} of the derivative of {what}, y its result"
                if lacking
                else f"takes the derivative of {what} to be {text}",
                lambda p, f=function, ends=ends: f(*ends(p)),
            )
