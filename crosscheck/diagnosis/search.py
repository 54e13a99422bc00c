"""One table of known mistakes, simplest first, and one loop over it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from crosscheck.diagnosis.activations import derivative_mistakes, mask_mistakes
from crosscheck.diagnosis.arguments import other_inputs
from crosscheck.diagnosis.cotangents import other_cotangents
from crosscheck.diagnosis.factors import SAME, Reading, in_words, readings
from crosscheck.diagnosis.operands import operand_mistakes, order_mistakes, passed_on, wrong_operands
from crosscheck.diagnosis.places import places
from crosscheck.diagnosis.precision import lost_precision
from crosscheck.diagnosis.problem import (
    Array,
    Arrays,
    Candidate,
    Point,
    Problem,
)
from crosscheck.diagnosis.resizing import agreeing, cut_down
from crosscheck.diagnosis.results import rearranged, summed_cotangents
from crosscheck.diagnosis.shapes import wrong_shape
from crosscheck.diagnosis.steps import everywhere
from crosscheck.diagnosis.terms import (
    contributions,
    cut_paths,
    cut_together,
    lost_contributions,
    weighted_paths,
)
from crosscheck.diagnosis.windowed import window_mistakes
from crosscheck.diagnosis.words import axis_names
from crosscheck.evidence.reason import Diagnosis
from crosscheck.floats import DOUBLE
from crosscheck.operation import Operation
from crosscheck.traces.tape import record
from crosscheck.witnesses.autodiff import autodiff

Generator = Callable[[Problem, str], Iterator[Candidate]]

# Families of mistakes, in the order in which they are believed: what happens to the result, to what
# arrives, to one step, to the inputs; then what only a search over paths finds. A family yields
# candidates of (kind, sentence, what it would give); the first family with a match names the
# mistake.
TABLE: tuple[Generator, ...] = (
    rearranged,
    summed_cotangents,
    other_cotangents,
    everywhere(window_mistakes),
    everywhere(mask_mistakes),
    everywhere(derivative_mistakes),
    everywhere(operand_mistakes),
    everywhere(order_mistakes),
    everywhere(passed_on),
    other_inputs,
    contributions,
    cut_paths,
    cut_together,
    weighted_paths,
    wrong_operands,
)

# A factor beside another mistake must be a product of at most two sizes; alone it may be of three,
# or of no name.
BESIDE = 2.3
# Values of the forward beyond which the search runs at a smaller point: a backward pass should take
# milliseconds.
LARGE = 300_000
# Other matches of the same family that are told as evidence.
MOST_ALIKE = 3


class Match(NamedTuple):
    """A candidate that reproduces the user's gradient at every point, and the factor it needs for that."""

    candidate: Candidate
    factor: float
    names: list[Reading]

    @property
    def cost(self) -> float:
        return self.names[0].cost if self.names else 0.0 if self.factor == 1.0 else 9.0

    def diagnosis(self, problem: Problem, name: str, alike: list[Match]) -> Diagnosis:
        text = f"the gradient of {name} {self.candidate.text}"
        evidence: dict[str, Any] = {}
        if self.factor != 1.0:
            reading, factor = self.names[0], self.factor
            if problem.judged is not problem.given:
                factor = problem.factor_where_judged(reading)
            text += f", and {in_words(factor, reading.text, 1e-9)}"
            evidence |= {"factor": factor, "name": reading.text}
        if alike:
            evidence["the same here"] = [m.candidate.text for m in alike[:MOST_ALIKE]]
        return Diagnosis(self.candidate.kind, text, evidence)


def diagnose(
    operation: Operation,
    name: str,
    cotangent: Any,
    wrong: Array,
    truth: Array,
    bound: Array,
    *,
    seed: int = 0,
    budget_s: float = 4.0,
) -> list[Diagnosis]:
    """Why one gradient is wrong, the best explanation first; [] if no known mistake reproduces it.

    Args:
        operation: what was judged, at the point where it was judged; its backward is run again at
            other points. name: the input whose gradient it is. cotangent: the gradient that
            arrived, of the output's shape. wrong: the hand-derived gradient. truth: autodiff's, or
            without a reference the finite difference's. bound: at each entry, how far a right
            gradient may be from `truth`. seed: of the points that are drawn. budget_s: after so
            many seconds the search ends with what it has.
    """
    return diagnose_all(
        operation,
        cotangent,
        {name: wrong},
        {name: truth},
        {name: bound},
        seed=seed,
        budget_s=budget_s,
    )[name]


def diagnose_all(
    operation: Operation,
    cotangent: Any,
    wrong: Mapping[str, Array],
    truth: Mapping[str, Array],
    bound: Mapping[str, Array],
    *,
    seed: int = 0,
    budget_s: float = 4.0,
) -> dict[str, list[Diagnosis]]:
    """Why several gradients of one operation are wrong; arguments as in `diagnose`, by name.

    A mistake that explains several of them is named first for each, with the same kind and
    `evidence["gradients"]` listing them all.
    """
    found: dict[str, list[Diagnosis]] = {name: [] for name in wrong}
    searched = []
    for name in wrong:
        found[name] += at_a_glance(operation, name, wrong[name], truth[name], bound[name])
        if not any(d.kind in ("shape", "not-finite", "zero") for d in found[name]):
            searched.append(name)
    if not searched:
        return found
    problem = posed(
        operation,
        np.asarray(cotangent, np.float64),
        *({k: np.asarray(a[k], np.float64) for k in searched} for a in (wrong, truth, bound)),
        seed=seed,
        budget_s=budget_s,
    )
    matches: dict[str, list[Match]] = {}
    for place, name in enumerate(searched):
        # What is left of the budget is shared among what is left to explain.
        left = problem.deadline - time.perf_counter()
        until = time.perf_counter() + left / (len(searched) - place)
        with np.errstate(all="ignore"):  # a candidate may divide by zero; then it does not match
            explained, matches[name] = explain(problem, name, matches, until)
        found[name] += explained
    with np.errstate(all="ignore"):
        causes = common_causes(problem, matches)
    for name, (match, names) in causes.items():
        cause = match.diagnosis(problem, name, [])
        cause.evidence["gradients"] = names
        # What was found for this gradient alone says the same of less.
        found[name] = [*(d for d in found[name] if d.kind == "dtype"), cause]
    same_factor(found, matches)
    return found


def posed(
    operation: Operation,
    v: Array,
    wrong: Arrays,
    truth: Arrays,
    bound: Arrays,
    *,
    seed: int,
    budget_s: float,
) -> Problem:
    """The problem as given; where the forward is large, cut down to a point at which everything is still wrong."""
    if operation.dtype != DOUBLE:
        operation = operation.widened()
    whole = (operation, v, wrong, truth, bound)
    small = smaller(operation, tuple(wrong), np.random.default_rng([seed, 5]))
    if small is None:
        return Problem(*whole, seed=seed, budget_s=budget_s)
    judged = Point(dict(operation.inputs), v, wrong, truth, bound)
    return Problem(*small, seed=seed, budget_s=budget_s, judged=judged)


def smaller(
    operation: Operation, names: tuple[str, ...], rng: np.random.Generator
) -> tuple[Operation, Array, Arrays, Arrays, Arrays] | None:
    """The operation, a cotangent, wrong gradients, truth and bounds at a smaller point; None if
    there is no need or none.
    """
    if operation.reference is None:
        return None
    tape = record(operation.reference, operation.inputs, operation.wrt)
    if sum(math.prod(aval.shape) for aval in tape.avals) <= LARGE:
        return None
    axes = {k: axis_names(k, a.shape, tape) for k, a in operation.inputs.items()}
    small = cut_down(axes, operation)
    if small is operation:
        return None
    shape = small.output().shape
    v = rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 2.0, shape)
    try:
        got = small.gradients(v)
        auto = autodiff(operation.reference, small.inputs, operation.wrt, v, DOUBLE)
    except Exception:  # sizes that the user did not choose: the backward or the reference may refuse
        return None
    wrong = {k: np.asarray(got[k], np.float64) for k in names}
    truth = {k: auto.gradients[k].value for k in names}
    bound = {k: auto.allowed(k) for k in names}
    point = Point(small.inputs, v, wrong, truth, bound)
    return (small, v, wrong, truth, bound) if all(point.is_wrong(k) for k in names) else None


def at_a_glance(operation: Operation, name: str, wrong: Array, truth: Array, bound: Array) -> list[Diagnosis]:
    """What needs no search: shape, dtype, not finite, all zero."""
    said = []
    wanted = operation.inputs[name].dtype
    if wrong.dtype != wanted and wrong.dtype.kind == "f" and wrong.dtype.itemsize < wanted.itemsize:
        said.append(
            Diagnosis(
                "dtype",
                f"the gradient of {name} is {wrong.dtype}; {name} is {wanted}",
                {"dtype": str(wrong.dtype), "expected": str(wanted)},
            )
        )
    if wrong.shape != truth.shape:
        top = np.abs(truth).max(initial=0.0)
        tolerance = float(bound.max(initial=0.0) / top) if top else 0.0
        said.insert(0, wrong_shape(name, wrong, truth, 4 * max(tolerance, 2.0**-46)))
    elif not np.isfinite(wrong).all():
        lost = ~np.isfinite(wrong)
        what = "NaN" if np.isnan(wrong).any() else "infinite"
        said.insert(
            0,
            Diagnosis(
                "not-finite",
                f"the gradient of {name} is {what} at {lost.sum()} of {lost.size} entries",
                {"entries": int(lost.sum()), "first": [int(i) for i in np.argwhere(lost)[0]]},
            ),
        )
    elif wrong.size and not wrong.any():
        said.insert(0, Diagnosis("zero", f"the gradient of {name} is zero everywhere", {}))
    return said


def explain(
    problem: Problem, name: str, known: Mapping[str, list[Match]], until: float
) -> tuple[list[Diagnosis], list[Match]]:
    """The loop over the table, for one gradient."""
    points = problem.points(name)
    if not points:
        return [], []
    factor = proportional(problem, name, points)
    if factor is not None:
        return [factor], []
    precision = lost_precision(problem, name)
    if precision is not None:
        return [precision], []
    # What explained another gradient is tried first: one cause, several wrong gradients.
    earlier = {m.candidate.key: m.candidate for found in known.values() for m in found[:1]}
    families: list[Iterator[Candidate]] = [iter(c for c in earlier.values() if c.key)]
    families += [family(problem, name) for family in TABLE]
    for family in families:
        matches = []
        for candidate in family:
            if problem.late or time.perf_counter() > until:
                break
            match = fit(problem, name, points, candidate)
            if match is not None:
                matches.append(match)
        if matches:
            matches.sort(key=lambda m: m.cost)
            return [matches[0].diagnosis(problem, name, matches[1:])], matches
    lost = None if problem.late else lost_contributions(problem, name)
    if lost is not None:
        kind, text, evidence = lost
        return [Diagnosis(kind, f"the gradient of {name} {text}", evidence)], []
    place = places(problem, name)
    return [place] if place else [], []


def proportional(problem: Problem, name: str, points: list[Point]) -> Diagnosis | None:
    """The truth times one number, the same at every point."""
    factor = None
    for point in points:
        truth, wrong = point.truth[name], point.wrong[name]
        square = float(np.sum(truth * truth))
        if square == 0:
            return None
        fitted = float(np.sum(truth * wrong)) / square
        if fitted == 0 or not point.same(fitted * truth, name):
            return None
        if factor is None:
            factor = fitted
        elif abs(fitted - factor) > accuracy(point, name) * abs(factor):
            return None
    # A factor that rounds to one is no explanation: the wrong entries are few or small among large
    # ones.
    if factor is None or abs(factor - 1) <= 64 * max(points[0].relative_bound(name), 2.0**-50):
        return None
    if abs(factor + 1) <= accuracy(points[0], name):
        return Diagnosis("sign", f"the gradient of {name} has the wrong sign", {"factor": -1.0})
    if points[0].truth[name].size == 1 and len(points) < 2:
        named = readings(factor, problem.sizes(), same=accuracy(points[0], name))
        if not named:
            return None
    return scaled(problem, name, factor, accuracy(points[0], name))


def accuracy(point: Point, name: str) -> float:
    """How far a factor that was fitted to this gradient may be off."""
    return max(SAME, 8 * point.relative_bound(name))


def scaled(problem: Problem, name: str, factor: float, same: float) -> Diagnosis:
    named = readings(factor, problem.sizes(), same=same)
    cheapest = [r for r in named if r.cost <= named[0].cost + 1.5]
    confirmed = agreeing(problem, name, factor, cheapest) if cheapest else []
    if problem.judged is not problem.given:
        truth, wrong = problem.judged.truth[name], problem.judged.wrong[name]
        factor = float(np.sum(truth * wrong)) / float(np.sum(truth * truth))
        confirmed = [r for r in confirmed if abs(problem.factor_where_judged(r) - factor) <= same * abs(factor)]
    evidence: dict[str, Any] = {"factor": factor, "name": None}
    if confirmed:
        evidence["name"] = confirmed[0].text
        also = [r.text for r in confirmed[1:] if r.cost <= confirmed[0].cost + 0.3]
        if also:
            evidence["also"] = also[:MOST_ALIKE]
    elif cheapest and problem.judged is problem.given:
        # Refuted at other sizes: a constant in the code that happens to be this.
        evidence["here the same as"] = cheapest[0].text
    text = f"the gradient of {name} is {in_words(factor, evidence['name'], same)}"
    return Diagnosis("scaled", text, evidence)


def fit(problem: Problem, name: str, points: list[Point], candidate: Candidate) -> Match | None:
    """Does the candidate reproduce the gradient at every point, with one factor that has a name?"""
    factor: float | None = None
    for point in points:
        array = candidate.at(point, name)
        if array is None or array.shape != point.wrong[name].shape or not np.isfinite(array).all():
            return None
        if point.is_truth(array, name):
            return None  # a mistake that makes no difference here explains none
        if factor is None:
            factor = fitted_factor(array, point, name)
            if factor is None:
                return None
        elif not point.same(factor * array, name):
            return None
    if factor is None:
        return None
    if factor == 1.0:
        return Match(candidate, 1.0, [])
    named = readings(factor, problem.sizes(), BESIDE, accuracy(points[0], name))
    return Match(candidate, factor, named) if named else None


def fitted_factor(array: Array, point: Point, name: str) -> float | None:
    """1 where the candidate is the gradient; else the number that makes it so; None if none does."""
    if point.same(array, name):
        return 1.0
    square = float(np.sum(array * array))
    if square == 0:
        return None
    factor = float(np.sum(array * point.wrong[name])) / square
    return factor if factor != 0 and point.same(factor * array, name) else None


def same_factor(found: Mapping[str, list[Diagnosis]], matches: Mapping[str, list[Match]]) -> None:
    """Gradients that are wrong by one factor are wrong by one cause: each says which they are."""
    by_factor: dict[tuple[str, float], list[str]] = {}
    plain = [(n, d[0]) for n, d in found.items() if n in matches and d and d[0].kind in ("sign", "scaled")]
    for name, diagnosis in plain:
        if not matches[name]:
            by_factor.setdefault((diagnosis.kind, round(diagnosis.evidence["factor"], 9)), []).append(name)
    for names in by_factor.values():
        for name in names if len(names) > 1 else ():
            found[name][0].evidence["gradients"] = names


def common_causes(problem: Problem, matches: Mapping[str, list[Match]]) -> dict[str, tuple[Match, list[str]]]:
    """For each gradient the candidate that explains it and the most others, where that is more than one."""
    keys: dict[Any, dict[str, Match]] = {}
    for name, found in matches.items():
        for match in found:
            if match.candidate.key:
                keys.setdefault(match.candidate.key, {})[name] = match
    for key, by_name in keys.items():
        candidate = next(iter(by_name.values())).candidate
        for name in matches:
            if name not in by_name and not problem.late and key:
                match = fit(problem, name, problem.points(name), candidate)
                if match is not None:
                    by_name[name] = match
    best: dict[str, tuple[Match, list[str]]] = {}
    for by_name in keys.values():
        if len(by_name) < 2:
            continue
        for name, match in by_name.items():
            if name not in best or len(by_name) > len(best[name][1]):
                best[name] = match, list(by_name)
    return best
