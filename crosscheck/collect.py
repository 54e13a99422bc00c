"""Collecting the evidence: every witness on every gradient of one operation at one point.

In order: the forward, autodiff with its bounds, the side effects (which give the hand-derived gradients), the witnesses
that move the inputs, the exact points, and, where only entries on kinks are open, the test for a convention.

A float32 derivation is collected twice by the same steps: as a formula, on float64 copies, and as arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crosscheck.effects.audit import Audit, audit
from crosscheck.evidence.collected import Evidence, GradientEvidence, Reference
from crosscheck.evidence.decision import decide
from crosscheck.evidence.estimate import AUTODIFF, AUTODIFF_SINGLE, DIFFERENCE, HAND, HAND_SINGLE, Estimate
from crosscheck.evidence.exact_run import ExactRun
from crosscheck.evidence.pair import Pair, compare
from crosscheck.exact.points import Points
from crosscheck.exact.run import exact_run
from crosscheck.floats import DOUBLE, SINGLE, UNIT
from crosscheck.operation import OUTPUT, Array, Arrays, Operation
from crosscheck.witnesses.autodiff import Autodiff, autodiff, output_shape
from crosscheck.witnesses.kinks import is_convention
from crosscheck.witnesses.mixing import normwise, persists
from crosscheck.witnesses.moving import moving_witnesses

Estimates = dict[str, dict[str, Estimate]]  # by gradient and witness

# Without a reference, two answers that should be equal may differ by this many roundings of the largest entry.
REPEATED = 2.0**10
# An engine's own bound is taken this many times: it is probable (√n), as are the walk's, which are taken 4 times.
SAFETY = 4.0
# A float32 check runs the code at both precisions; with more entries than this it leaves the exact points out.
LARGE_SINGLE = 2**20


@dataclass(frozen=True)
class Point:
    """Where an operation is judged.

    Args:
        operation: as it was given.
        formula: the same on float64 copies; itself where it is float64 already.
        output: the operation's y.
        cotangent: float64; with float32's digits where the operation is float32.
        auto: what the reference says, with bounds for the operation's own precision; None without a reference.
    """

    operation: Operation
    formula: Operation
    seed: int
    output: Array
    cotangent: Array
    auto: Autodiff | None

    @property
    def single(self) -> bool:
        return self.operation.dtype == SINGLE

    @property
    def auto_double(self) -> Autodiff | None:
        """The same with the bounds of float64 arithmetic."""
        return self.auto.in_double() if self.auto is not None and self.single else self.auto


def collect(
    operation: Operation, *, grad_output: Any = None, seed: int = 0, differences: bool = True, exact: bool = True
) -> Evidence:
    """Everything that can be had on an operation's gradients (see `judge.judge` for the arguments)."""
    point = point_of(operation, grad_output, seed)
    points, why_not = exact_points(point) if exact else (None, "it was not asked for")
    audited = side_effects(point, points)
    hand = point.formula.gradients(point.cotangent) if point.single else audited.gradients
    right = {k: g for k, g in hand.items() if g.shape == operation.inputs[k].shape}
    forward, estimates = as_formula(point, right)
    forward_single = None
    if differences:
        add(estimates, moved(point, right, forward))
    if point.single and point.auto is not None:
        forward_single, single = as_arithmetic(point, audited, right)
        add(estimates, single)
    run = ExactRun(False, why_not)
    if points is not None and len(right) == len(operation.wrt):
        run = exact_run(point.formula, seed=seed, points=points, hand=answers_at_exact_point(point, audited))
    auto = point.auto_double
    evidence = Evidence(
        point.output,
        point.cotangent,
        {k: GradientEvidence(operation.inputs[k].shape, hand[k].shape, estimates[k]) for k in operation.wrt},
        forward,
        forward_single,
        tuple(audited.findings),
        None if auto is None else Reference(adjoint_share(auto), auto.weak),
        run,
    )
    return with_conventions(point, evidence)


def add(estimates: Estimates, more: Mapping[str, Mapping[str, Estimate]]) -> None:
    for name, found in more.items():
        estimates[name] |= found


# ---------------------------------------------------------------------- the point


def point_of(operation: Operation, grad_output: Any, seed: int) -> Point:
    y = operation.output()
    v = cotangent(y, grad_output, np.random.default_rng(seed))
    single = operation.dtype == SINGLE
    if single:
        v = v.astype(SINGLE).astype(DOUBLE)
    formula = operation.widened() if single else operation
    auto = None
    if operation.reference is not None:
        check_reference_shape(operation, y)
        auto = autodiff(operation.reference, formula.inputs, operation.wrt, v, SINGLE if single else DOUBLE)
    return Point(operation, formula, seed, y, v, auto)


def cotangent(y: Array, given: Any, rng: np.random.Generator) -> Array:
    """The gradient that arrives: given, or random with both signs, no zeros, and never ones."""
    if given is None:
        return rng.choice([-1.0, 1.0], y.shape) * rng.uniform(0.5, 2.0, y.shape)
    v = np.asarray(given)
    if v.shape != y.shape:
        raise ValueError(f"grad_output has shape {v.shape}; the forward's output has shape {y.shape}")
    if v.dtype.kind not in "fiu" or not np.isfinite(v).all():
        raise ValueError("grad_output must be finite real numbers")
    return v.astype(np.float64)


def check_reference_shape(operation: Operation, y: Array) -> None:
    assert operation.reference is not None
    shape, _ = output_shape(operation.reference, operation.inputs)
    if shape != y.shape:
        raise ValueError(
            f"the reference returns shape {shape} where forward returns shape {y.shape}: they are not the same function"
        )


# ---------------------------------------------------------------------- exact points, side effects


def exact_points(point: Point) -> tuple[Points | None, str]:
    """Points where nothing rounds, or why there are none to be drawn."""
    if point.single and sum(a.size for a in point.formula.inputs.values()) > LARGE_SINGLE:
        return None, "float32 at this size: its formula is judged here at float64"
    return Points(point.formula, seed=point.seed), "a gradient has another shape than its input"


def side_effects(point: Point, points: Points | None) -> Audit:
    """The calls that show side effects, at the point of the check and at another one: an exact one where there is."""
    operation = point.operation
    v = point.cotangent.astype(operation.dtype)
    first = points.drawn[0] if points is not None and points.drawn and not point.single else None
    if first is not None:
        other, w, truth = first.inputs, first.cotangent, first.gradients
    else:
        rng = np.random.default_rng([point.seed, 1])
        other = {k: elsewhere(a, rng) for k, a in operation.inputs.items()}
        w, truth = (v * rng.choice([-0.75, 0.5, 1.25], v.shape)).astype(v.dtype), None

    def close(name: str, p: Array, q: Array) -> bool:
        return close_enough(point, name, p, q)

    def vjp(inputs: Arrays, cotangent: Array) -> Arrays:
        if operation.reference is None:
            return operation.at(inputs).gradients(cotangent)
        found = autodiff(operation.reference, inputs, operation.wrt, cotangent, DOUBLE)
        return {k: g.value for k, g in found.gradients.items()}

    return audit(operation, v, other, w, close, truth, vjp=vjp)


def close_enough(point: Point, name: str, p: Array, q: Array) -> bool:
    """Whether two answers that should be equal are, within rounding; they may be scaled by 2."""
    if p.shape != q.shape:
        return False
    unit = UNIT[SINGLE if point.single else DOUBLE]
    size = float(np.max(np.abs(q[np.isfinite(q)]), initial=0.0))
    allowed = np.asarray(REPEATED * unit * size)
    auto = point.auto_double
    if auto is not None:
        bound = auto.gradients[name].bound
        if bound.shape == p.shape:
            allowed = np.maximum(4 * bound * unit / UNIT[DOUBLE], 2 * unit * size)
    with np.errstate(all="ignore"):
        equal = (p == q) | (np.isnan(p) & np.isnan(q))
        return bool((equal | (np.abs(p.astype(np.float64) - q) <= allowed)).all())


def elsewhere(a: Array, rng: np.random.Generator) -> Array:
    """Another array of the same kind and size: the values moved, none left where it was; integers stay."""
    if a.dtype.kind != "f":
        return a
    return (a * np.exp(0.2 * rng.normal(size=a.shape)) + 1e-3 * rng.normal(size=a.shape)).astype(a.dtype)


def answers_at_exact_point(point: Point, audited: Audit) -> tuple[Array, Arrays] | None:
    """What the side effects' calls gave at the first exact point, where they were made there."""
    if point.single or audited.output_at_other is None or not audited.gradients_at_other:
        return None
    return audited.output_at_other, audited.gradients_at_other


# ---------------------------------------------------------------------- hand-derived and autodiff


def as_formula(point: Point, hand: Arrays) -> tuple[Pair | None, Estimates]:
    """Hand-derived and autodiff estimates of every gradient at float64, and the forwards compared."""
    estimates: Estimates = {name: {} for name in point.operation.wrt}
    auto = point.auto_double
    if auto is None:
        for name, gradient in hand.items():
            own = 4 * UNIT[DOUBLE] * np.abs(np.nan_to_num(gradient, posinf=0.0, neginf=0.0))  # no excuse for NaN
            estimates[name][HAND] = Estimate(HAND, gradient.astype(np.float64), own)
        return None, estimates
    y = point.formula.output() if point.single else point.output
    pair, found = against_reference(point.formula, point.cotangent, auto, y, hand, (HAND, AUTODIFF), DOUBLE)
    add(estimates, found)
    return pair, estimates


def as_arithmetic(point: Point, audited: Audit, hand: Arrays) -> tuple[Pair, Estimates]:
    """The same of a float32 derivation's float32 answers, with bounds for float32."""
    assert point.auto is not None
    single = {k: g for k, g in audited.gradients.items() if k in hand and g.shape == hand[k].shape}
    names = (HAND_SINGLE, AUTODIFF_SINGLE)
    return against_reference(point.operation, point.cotangent, point.auto, audited.output, single, names, SINGLE)


def against_reference(
    operation: Operation,
    v: Array,
    auto: Autodiff,
    y: Array,
    hand: Arrays,
    names: tuple[str, str],
    dtype: np.dtype,
) -> tuple[Pair, Estimates]:
    """The two estimates of every gradient, under these names, and the forwards' comparison.

    Where the two differ by more than the entrywise bound, the difference is tested for being the rounding of an
    algorithm that mixes entries (`witnesses.mixing`).
    """
    first, second = names
    truths = {**{name: auto.gradients[name] for name in hand}, OUTPUT: auto.output}
    compared = {
        # The same computation done by another: both are backward stable, so one bound serves both.
        name: (
            Estimate(first, np.asarray(value, np.float64), truths[name].bound),
            replace(truths[name], witness=second),
        )
        for name, value in {**hand, OUTPUT: y}.items()
    }
    own = None if operation.own_bounds is None else operation.own_bounds(operation.inputs, v)
    for name, bound in (own or {}).items():
        if name in compared:
            mine, truth = compared[name]
            compared[name] = replace(mine, bound=np.maximum(mine.bound, SAFETY * bound)), truth
    differing = [name for name, pair in compared.items() if compare(*pair).disagree.any()]
    if differing:
        stays = persists(operation, v, dtype)
        for name in differing:
            if name in stays:
                compared[name] = normwise(*compared[name], stays[name])
    forward = compare(*compared.pop(OUTPUT))
    return forward, {name: {first: mine, second: truth} for name, (mine, truth) in compared.items()}


def adjoint_share(auto: Autodiff) -> float | None:
    """How far reverse mode is from the adjoint of forward mode, as a share of what rounding allows."""
    if auto.adjoint is None:
        return None
    values = {k: g.value for k, g in auto.gradients.items()}
    bounds = {k: g.bound + (0.0 if g.excuse is None else g.excuse) for k, g in auto.gradients.items()}
    return auto.adjoint.disagreement(values, bounds)


# ---------------------------------------------------------------------- witnesses that move the inputs, and kinks


def moved(point: Point, hand: Arrays, forward: Pair | None) -> Estimates:
    """The witnesses that move the inputs, on every gradient that the hand-derived code gave."""
    noise = None
    if point.auto_double is not None:
        noise = 2 * point.auto_double.output.bound
        if forward is not None:  # as far as they agree, the forwards' distance is rounding, too
            apart = np.where(forward.disagree, 0.0, forward.difference)
            noise = np.maximum(noise, np.where(np.isfinite(apart), 2 * apart, 0.0))
    return {k: {e.witness: e for e in moving_witnesses(point.formula, k, point.cotangent, noise)} for k in hand}


def with_conventions(point: Point, evidence: Evidence) -> Evidence:
    """Where all that is open or wrong in a gradient lies on kinks: whether it is a legitimate convention."""
    decided = decide(evidence).gradients
    settled = {}
    for name, gradient in evidence.gradients.items():
        verdict = decided[name]
        open_entries = verdict.mismatched | verdict.undecided
        difference = gradient.estimates.get(DIFFERENCE)
        if difference is None or not open_entries.any() or verdict.exact == "different":
            continue
        if not (open_entries & ~difference.notes["kink"]).any() and legitimate(point, name, gradient):
            settled[name] = replace(gradient, conventions=int(open_entries.sum()))
    return replace(evidence, gradients={**evidence.gradients, **settled}) if settled else evidence


def legitimate(point: Point, name: str, gradient: GradientEvidence) -> bool:
    auto, y = point.auto_double, np.asarray(point.output, np.float64)
    noise = np.zeros(y.shape) if auto is None else 2 * auto.output.bound
    noise = np.maximum(noise, UNIT[DOUBLE] * np.abs(y))
    return is_convention(point.formula, name, point.cotangent, gradient.estimates[HAND].value, noise)
