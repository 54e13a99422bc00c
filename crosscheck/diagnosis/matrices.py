"""Mistakes in square matrices: a triangle, the diagonal, half of a symmetric matrix; and in their factorizations.

A = L Lᵀ      Ā = L⁻ᵀ Φ(Lᵀ L̄) L⁻¹,   Φ the lower triangle with half the diagonal; then its symmetric part
A = Q R       Ā = (Q̄ + Q copy(R R̄ᵀ - Q̄ᵀ Q)) R⁻ᵀ,   copy: the lower triangle mirrored
X = A⁻¹ B     B̄ = A⁻ᵀ X̄,   Ā = -B̄ Xᵀ
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from crosscheck.diagnosis.candidates import Candidate, Part
from crosscheck.diagnosis.expressions import HERE, Arriving, Call
from crosscheck.diagnosis.labels import label, value_name
from crosscheck.diagnosis.points import Array, value
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.pulling import pulled
from crosscheck.diagnosis.steps import at_step, live_steps
from crosscheck.diagnosis.tolerances import TOLD_ALIKE
from crosscheck.diagnosis.transforms import Transform
from crosscheck.traces.tape import Step, Tape


def transposed(a: Array) -> Array:
    return np.swapaxes(a, -1, -2)


def diagonal(a: Array) -> Array:
    return a * np.eye(a.shape[-1])


def weighted(a: Array, lower: float, middle: float, upper: float) -> Array:
    return lower * np.tril(a, -1) + middle * diagonal(a) + upper * np.triu(a, 1)


def symmetric(a: Array, share: float, less: float) -> Array:
    """share · (A + Aᵀ) less some of the diagonal."""
    return share * (a + transposed(a)) - less * diagonal(a)


def squares(shape: Sequence[int], names: Sequence[str]) -> Iterator[Transform]:
    """What is done to a square matrix, or to each of a stack of them."""
    if len(shape) < 2 or shape[-1] != shape[-2] or shape[-1] < 2:
        return
    for text, lower, middle, upper in (
        ("of the lower triangle only", 1, 1, 0),
        ("of the upper triangle only", 0, 1, 1),
        ("of the lower triangle without the diagonal", 1, 0, 0),
        ("of the upper triangle without the diagonal", 0, 0, 1),
        ("with the upper triangle taken twice and the lower left out", 0, 1, 2),
        ("with the lower triangle taken twice and the upper left out", 2, 1, 0),
        ("of the lower triangle, its diagonal halved", 1, 0.5, 0),
    ):
        yield Transform("triangle", text, weighted, (lower, middle, upper))
    for text, lower, middle in (
        ("on its diagonal only", 0, 1),
        ("without its diagonal", 1, 0),
        ("with its diagonal halved", 1, 0.5),
        ("with its diagonal doubled", 1, 2),
    ):
        yield Transform("diagonal", text, weighted, (lower, middle, lower))
    yield Transform("half-symmetric", "with its entries off the diagonal twice", weighted, (2, 1, 2))
    yield Transform("half-symmetric", "with its entries off the diagonal halved", weighted, (0.5, 1, 0.5))
    yield Transform("half-symmetric", "made symmetric (half the sum with its transpose)", symmetric, (0.5, 0.0))
    yield Transform("half-symmetric", "plus its transpose", symmetric, (1.0, 0.0))
    yield Transform("half-symmetric", "plus its transpose, the diagonal once", symmetric, (1.0, 1.0))


def matrix_mistakes(problem: Problem, name: str) -> Iterator[Candidate]:
    """A square matrix whose gradient on the way is a triangle, a diagonal, transposed; mistakes in factorizations."""
    for tape, k, step in live_steps(problem):
        if step.name == "add" and len(step.active) == 2:
            yield from of_symmetric_part(tape, k, step)
    for tape, k, step in live_steps(problem):
        if step.name == "cholesky":
            yield from of_cholesky(tape, k)
        if step.name == "qr":
            yield from of_qr(tape, k)
        if step.name in ("custom_linear_solve", "triangular_solve"):
            yield from of_solve(problem, tape, k, step)
        written, *others = step.writes
        shape = tape.avals[written].shape
        if others or written == tape.output or len(shape) < 2 or shape[-1] != shape[-2]:
            continue
        rows = [*squares(shape, ()), Transform("transposed", "transposed", transposed)]
        for t in rows:
            text = f"is that of a pass in which what comes back to the result of {label(tape, k)} is {t.text}"
            gives = tuple((i, Call(pulled, (HERE, k, i, t.of(Arriving(k))))) for i in step.active)
            yield at_step(tape, t.kind, text, k, gives=gives)


def of_symmetric_part(tape: Tape, k: int, step: Step) -> Iterator[Candidate]:
    """A + Aᵀ whose second path is left out and whose first counts twice: the symmetric part is not taken."""
    made = {w: s for s in tape.steps for w in s.writes}
    for i in (0, 1):
        other = made.get(step.reads[1 - i])
        if other is not None and other.name == "transpose" and other.reads[0] == step.reads[i]:
            for kept, lost, text in ((i, 1 - i, "as it comes"), (1 - i, i, "transposed")):
                sentence = f"leaves out the symmetric part in {label(tape, k)}: what comes back is taken {text}"
                yield Candidate("half-symmetric", sentence, scales=(((k, kept), 2.0), ((k, lost), 0.0)))


# ---------------------------------------------------------------------- Cholesky


def cholesky_pull(g: Array, low: Array, phi: str, swapped: bool) -> Array:
    low = np.tril(low)  # what stands above is not part of it
    inside = transposed(low) @ np.tril(g)
    middle = {"": 0.5, "whole diagonal": 1.0, "no diagonal": 0.0, "all": 1.0}[phi]
    inside = weighted(inside, 1.0, middle, 1.0 if phi == "all" else 0.0)
    inverse = np.linalg.inv(low)
    if swapped:
        return inverse @ inside @ transposed(inverse)
    return transposed(inverse) @ inside @ inverse


def of_cholesky(tape: Tape, k: int) -> Iterator[Candidate]:
    what, low = label(tape, k), value(tape.steps[k].writes[0])
    for kind, text, phi, swapped in (
        ("diagonal", "does not halve the diagonal of Lᵀ L̄", "whole diagonal", False),
        ("diagonal", "leaves out the diagonal of Lᵀ L̄", "no diagonal", False),
        ("triangle", "takes all of Lᵀ L̄ and not its lower triangle", "all", False),
        ("transposed", "multiplies by L⁻¹ and L⁻ᵀ transposed, in each other's place", "", True),
    ):
        given = Call(cholesky_pull, (Arriving(k), low, phi, swapped))
        yield at_step(tape, kind, f"{text} in the backward of {what}", k, gives=((0, given),))


# ---------------------------------------------------------------------- QR

QR_ROWS = (
    ("sign", "adds Q̄ᵀ Q where it is to be subtracted", "plus", "lower"),
    ("sign", "has the wrong sign on the path through R", "minus", "lower"),
    ("triangle", "copies the upper triangle of R R̄ᵀ - Q̄ᵀ Q, not the lower", "", "upper"),
    ("triangle", "does not copy the lower triangle of R R̄ᵀ - Q̄ᵀ Q to the upper", "", "none"),
    ("triangle", "leaves out the upper triangle of R R̄ᵀ - Q̄ᵀ Q, which mirrors the lower", "", "only"),
    ("diagonal", "counts the diagonal of R R̄ᵀ - Q̄ᵀ Q twice", "", "twice"),
    ("diagonal", "leaves out the diagonal of R R̄ᵀ - Q̄ᵀ Q", "", "no diagonal"),
    ("transposed", "takes R R̄ᵀ - Q̄ᵀ Q transposed", "transposed", "lower"),
)


def qr_pull(gq: Array, gr: Array, q: Array, r: Array, sign: str, copy: str) -> Array:
    m = (-1 if sign == "minus" else 1) * r @ transposed(np.triu(gr))
    m = m + (1 if sign == "plus" else -1) * transposed(gq) @ q
    if sign == "transposed":
        m = transposed(m)
    low, up = np.tril(m, -1), np.triu(m, 1)
    copied = {
        "lower": low + transposed(low) + diagonal(m),
        "upper": up + transposed(up) + diagonal(m),
        "none": m,
        "only": low + diagonal(m),
        "twice": low + transposed(low) + 2 * diagonal(m),
        "no diagonal": low + transposed(low),
    }[copy]
    return (gq + q @ copied) @ transposed(np.linalg.inv(r))


def of_qr(tape: Tape, k: int) -> Iterator[Candidate]:
    q, r = (value(place) for place in tape.steps[k].writes[:2])
    for kind, text, sign, copy in QR_ROWS:
        given = Call(qr_pull, (Arriving(k, 0), Arriving(k, 1), q, r, sign, copy))
        yield at_step(tape, kind, f"{text} in the backward of {label(tape, k)}", k, gives=((0, given),))


# ---------------------------------------------------------------------- solving

SOLVE_ROWS = (
    ("transposed", "solves with the matrix not transposed", "plain", "x"),
    ("missing-terms", "takes what arrives for the solution of the transposed system", "none", "x"),
    ("wrong-operand", "reads the right-hand side for the solution", "right", "b"),
    ("sign", "has the wrong sign on the path through the matrix", "right", "-x"),
    ("transposed", "gives the matrix its gradient transposed", "right", "xᵀ"),
    ("wrong-operand", "reads what arrives in the matrix's gradient, where the solved one is needed", "half", "x"),
)


def solve_pull(g: Array, a: Array, x: Array, b: Array, solved: str, read: str, rows: bool, of_matrix: bool) -> Array:
    """One of the two gradients, by a row of the table; `rows` where X and B stand transposed."""
    if rows:
        g, x, b = transposed(g), transposed(x), transposed(b)
    systems = {"plain": a, "none": np.eye(a.shape[-1])}
    back = np.linalg.solve(systems.get(solved, transposed(a)), g)
    if not of_matrix:
        return transposed(back) if rows else back
    if solved == "half":
        back = g
    given = -back @ transposed(b if read == "b" else x)
    return transposed(given) if read == "xᵀ" else -given if read == "-x" else given


def of_solve(problem: Problem, tape: Tape, k: int, step: Step) -> Iterator[Candidate]:
    """The mistakes in X = A⁻¹ B, where A and B are found among the values."""
    x, b = step.writes[0], step.reads[-1]
    shape = tape.avals[x].shape
    if len(step.writes) > 1 or len(shape) < 2 or shape != tape.avals[b].shape:
        return
    for a, aval in enumerate(tape.avals):
        first = k if a in step.reads else next((j for j, s in enumerate(tape.steps) if a in s.reads and s.active), k)
        if not tape.moves[a] or a not in tape.steps[first].reads or first > k or len(aval.shape) < 2:
            continue
        for rows in (False, True):
            if aval.shape[-1] != aval.shape[-2] or aval.shape[-1] != shape[-1 if rows else -2]:
                continue
            if solves(problem, a, x, b, rows):
                yield from of_system(tape, k, first, (a, x, b), rows)
                return


def of_system(tape: Tape, k: int, first: int, places: tuple[int, int, int], rows: bool) -> Iterator[Candidate]:
    step, (a, x, b) = tape.steps[k], places
    right, matrix = len(step.reads) - 1, tape.steps[first].reads.index(a)
    for kind, text, solved, read in SOLVE_ROWS:
        arrays = (Arriving(k), value(a), value(x), value(b), solved, read, rows)
        gives = {i: Call(np.zeros_like, (value(step.reads[i]),)) for i in step.active}
        if right in step.active:
            gives[right] = Call(solve_pull, (*arrays, False))
        given = Call(solve_pull, (*arrays, True))
        parts = (Part(k, "", gives=tuple((gives | {matrix: given}).items())),)
        if first != k:
            parts = Part(k, "", gives=tuple(gives.items())), Part(first, "", gives=((matrix, given),))
        sentence = f"{text} in the backward of {label(tape, k)} with {value_name(tape, a)}"
        yield Candidate(kind, sentence, parts=parts)


def solves(problem: Problem, a: int, x: int, b: int, rows: bool) -> bool:
    matrix, left, right = (problem.given.value(place) for place in (a, x, b))
    if rows:
        left, right = transposed(left), transposed(right)
    return np.allclose(matrix @ left, right, rtol=TOLD_ALIKE, atol=TOLD_ALIKE)
