"""Functions of several steps that are known by name: softmax, the sigmoid, GELU, SiLU; and what is taken for their
derivative.

A value y of the forward that is softmax(x) of another, entry by entry at every point, has a backward of its own,
whatever steps it is made of:

    softmax   x̄ = y ⊙ (ȳ - Σ ȳ ⊙ y)          log softmax   x̄ = ȳ - exp(y) Σ ȳ

A mistake in it is given to one reader of x in place of everything that comes back from y.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from crosscheck.diagnosis.candidates import Candidate, Part
from crosscheck.diagnosis.expressions import Arriving, Call
from crosscheck.diagnosis.labels import in_every_turn, label
from crosscheck.diagnosis.points import Array, value
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.sites import blocks, sites_of
from crosscheck.diagnosis.tolerances import TOLD_ALIKE
from crosscheck.traces.tape import Tape


def softmax(x: Array, axis: int) -> Array:
    return special.softmax(x, axis)


def log_softmax(x: Array, axis: int) -> Array:
    return special.log_softmax(x, axis)


# ---------------------------------------------------------------------- elementwise: values and derivatives

Elementwise = Callable[[Array], Array]


def normal(x: Array) -> Array:
    return special.ndtr(x)


def density(x: Array) -> Array:
    return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


SCALE, CUBE = np.sqrt(2 / np.pi), 0.044715


def inner(x: Array) -> Array:
    return np.tanh(SCALE * (x + CUBE * x**3))


def gelu_tanh_slope(x: Array) -> Array:
    t = inner(x)
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * SCALE * (1 + 3 * CUBE * x * x)


def silu_slope(x: Array, beta: float = 1.0) -> Array:
    s = special.expit(beta * x)
    return s + beta * x * s * (1 - s)


def sigmoid_slope(x: Array) -> Array:
    return special.expit(x) * special.expit(-x)


GELU = {
    "of the exact GELU": lambda x: normal(x) + x * density(x),
    "of the tanh approximation": gelu_tanh_slope,
    "of x σ(1.702 x)": lambda x: silu_slope(x, 1.702),
    "to be Φ(x), without x φ(x)": normal,
    "to be Φ(x) + φ(x)": lambda x: normal(x) + density(x),
    "to be x φ(x), without Φ(x)": lambda x: x * density(x),
}
SILU = {
    "to be σ(x)": special.expit,
    "to be σ(x) (1 - σ(x)), without its factor x": lambda x: special.expit(x) * special.expit(-x),
    "to be x σ(x) (1 - σ(x)), without σ(x)": lambda x: x * special.expit(x) * special.expit(-x),
    "to be σ(x) + σ(x) (1 - σ(x)), without its factor x": lambda x: special.expit(x) * (1 + special.expit(-x)),
}
SIGMOID = {
    "at its result instead of its operand": lambda x: sigmoid_slope(special.expit(x)),
    "to be x (1 - x) of its operand": lambda x: x * (1 - x),
    "to be 1 - σ(x)²": lambda x: 1 - special.expit(x) ** 2,
    "twice": lambda x: sigmoid_slope(x) ** 2,
}
# Each by name: the function, and what is taken for its derivative.
ELEMENTWISE: dict[str, tuple[Elementwise, dict[str, Elementwise]]] = {
    "the exact GELU": (lambda x: x * normal(x), GELU),
    "GELU by tanh": (lambda x: 0.5 * x * (1 + inner(x)), GELU),
    "SiLU": (lambda x: x * special.expit(x), SILU),
    "the sigmoid": (special.expit, SIGMOID),
}


def slope_of(name: str, text: str, x: Array) -> Array:
    return ELEMENTWISE[name][1][text](x)


# ---------------------------------------------------------------------- softmax


class KnownSlip(NamedTuple):
    """A mistake: a sentence, and (what arrives, y, axis, another axis) -> what goes back."""

    kind: str
    text: str
    function: Callable[[Array, Array, int, int], Array]


def total(a: Array, axis: int) -> Array:
    return a.sum(axis, keepdims=True)


SOFTMAX = (
    KnownSlip("missing-terms", "keeps only the diagonal of the Jacobian", lambda g, y, a, o: g * y * (1 - y)),
    KnownSlip("missing-terms", "leaves out the weights in the sum", lambda g, y, a, o: y * (g - total(g, a))),
    KnownSlip("missing-terms", "leaves out the factor y outside", lambda g, y, a, o: g - total(g * y, a)),
    KnownSlip("missing-terms", "leaves out the subtracted sum", lambda g, y, a, o: y * g),
    KnownSlip("sign", "adds the sum that is to be subtracted", lambda g, y, a, o: y * (g + total(g * y, a))),
    KnownSlip("scaled", "takes the mean for the sum", lambda g, y, a, o: y * (g - (g * y).mean(a, keepdims=True))),
    KnownSlip("summed", "sums over another axis", lambda g, y, a, o: y * (g - total(g * y, o))),
    KnownSlip("missing-terms", "passes on what arrives", lambda g, y, a, o: g),
)
LOG_SOFTMAX = (
    KnownSlip("missing-terms", "leaves out the probabilities before the sum", lambda g, y, a, o: g - total(g, a)),
    KnownSlip("missing-terms", "keeps only the diagonal of the Jacobian", lambda g, y, a, o: g * (1 - np.exp(y))),
    KnownSlip("missing-terms", "leaves out the sum", lambda g, y, a, o: g - np.exp(y) * g),
    KnownSlip("wrong-operand", "reads the logarithms for the probabilities", lambda g, y, a, o: g - y * total(g, a)),
    KnownSlip("sign", "adds what is to be subtracted", lambda g, y, a, o: g + np.exp(y) * total(g, a)),
    KnownSlip("summed", "sums over another axis", lambda g, y, a, o: g - np.exp(y) * total(g, o)),
    KnownSlip("missing-terms", "passes on what arrives", lambda g, y, a, o: g),
)
ALONG_AN_AXIS = {"softmax": (softmax, SOFTMAX), "log-softmax": (log_softmax, LOG_SOFTMAX)}


def given_back(name: str, row: int, g: Array, y: Array, axis: int, other: int) -> Array:
    return ALONG_AN_AXIS[name][1][row].function(g, y, axis, other)


# ---------------------------------------------------------------------- on the tape


def through(tape: Tape, x: int, y: int, given: Call) -> tuple[Part, ...] | None:
    """Parts that give something to one reader of x in place of all that comes back from y."""
    last = maker(tape, y)
    first = next((k for k, step in enumerate(tape.steps) if x in step.reads and step.active), None)
    if first is None or last is None or first > last:
        return None
    i = tape.steps[first].reads.index(x)
    if first == last:
        return (Part(last, "", gives=((i, given),)),)
    nothing = tuple(
        (j, Call(np.zeros, (tape.avals[tape.steps[last].reads[j]].shape,))) for j in tape.steps[last].active
    )
    return Part(last, "", gives=nothing), Part(first, "", gives=((i, given),))


def maker(tape: Tape, place: int) -> int | None:
    return next((k for k, step in enumerate(tape.steps) if place in step.writes and len(step.writes) == 1), None)


def pairs(problem: Problem) -> Iterator[tuple[int, int]]:
    """Two moving values of one shape, the second computed after the first."""
    tape = problem.tape
    assert tape is not None
    moving = [p for p, aval in enumerate(tape.avals) if tape.moves[p] and aval.shape and aval.dtype.kind == "f"]
    for y in moving:
        if maker(tape, y) is None:
            continue
        for x in moving:
            if x < y and tape.avals[x].shape == tape.avals[y].shape:
                yield x, y


def same_everywhere(problem: Problem, function: Callable[[Array], Array], x: int, y: int) -> bool:
    return all(
        np.allclose(function(p.value(x)), p.value(y), rtol=TOLD_ALIKE, atol=TOLD_ALIKE)
        for p in (problem.given, *problem.others)
    )


def known_functions(problem: Problem, name: str) -> Iterator[Candidate]:
    """Softmax and log-softmax along any axis, GELU and SiLU; the derivative of a whole line or function left out."""
    tape = problem.tape
    if tape is None:
        return
    for x, y in pairs(problem):
        what = made_by(tape, y)
        for known, (function, derivatives) in ELEMENTWISE.items():
            if same_everywhere(problem, function, x, y):
                for text in derivatives:
                    slope = Call(slope_of, (known, text, value(x)))
                    given = Call(np.multiply, (Arriving(int(maker(tape, y) or 0)), slope))
                    yield from whole(tape, x, y, given, "wrong-derivative", f"takes the derivative of {known} {text}")
        for known, (function, rows) in ALONG_AN_AXIS.items():
            for axis in range(len(tape.avals[x].shape)):
                if tape.avals[x].shape[axis] > 1 and same_everywhere(problem, on_axis(function, axis), x, y):
                    yield from of_rows(tape, x, y, known, rows, axis, what)
    for block in blocks(tape):
        x, y = block.entry, block.exit
        k = maker(tape, y)
        if k is None or tape.avals[x].shape != tape.avals[y].shape or tape.avals[x].dtype != tape.avals[y].dtype:
            continue
        text = f"leaves out the derivative of {block.words} that ends in {label(tape, k)}"
        yield from whole(tape, x, y, Call(np.positive, (Arriving(k),)), "missing-terms", text)


def on_axis(function: Callable[[Array, int], Array], axis: int) -> Callable[[Array], Array]:
    return lambda x: function(x, axis)


def made_by(tape: Tape, y: int) -> str:
    k = maker(tape, y)
    return "" if k is None else label(tape, k)


def of_rows(
    tape: Tape, x: int, y: int, known: str, rows: tuple[KnownSlip, ...], axis: int, what: str
) -> Iterator[Candidate]:
    others = [a for a in range(len(tape.avals[x].shape)) if a != axis and tape.avals[x].shape[a] > 1]
    for n, row in enumerate(rows):
        for other in others if row.kind == "summed" else (axis,):
            arriving = Arriving(int(maker(tape, y) or 0))
            given = Call(given_back, (known, n, arriving, value(y), axis, other))
            text = row.text + (f" (axis {other} for axis {axis})" if row.kind == "summed" else "")
            yield from whole(tape, x, y, given, row.kind, f"{text} in the backward of the {known}")


def whole(tape: Tape, x: int, y: int, given: Call, kind: str, text: str) -> Iterator[Candidate]:
    parts: Any = through(tape, x, y, given)
    if parts is None:
        return
    turns = sites_of(tape)[parts[0].step].turns
    yield Candidate(kind, text if turns == 1 else in_every_turn(text), parts=parts)
