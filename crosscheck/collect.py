"""Collecting the evidence: every witness on every gradient of one operation at one setting.

In order: the forward, autodiff with its bounds, the side effects (which give the hand-derived gradients), the witnesses
that move the inputs, the exact points, and, where only entries on kinks are open, the test for a convention.

A float32 derivation is collected twice by the same steps: as a formula, on float64 copies, and as arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from crosscheck.effects.audit import Audit, audit
from crosscheck.effects.calls import Point
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

# An engine's own bound is taken this many times: it is probable (√n), as are the walk's, which are taken 4 times.
SAFETY = 4.0
# A float32 check runs the code at both precisions; with more entries than this it leaves the exact points out.
LARGE_SINGLE = 2**20


@dataclass(frozen=True)
class Setting:
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
    setting = setting_of(operation, grad_output, seed)
    points, why_not = exact_points(setting) if exact else (None, "it was not asked for")
    audited = side_effects(setting, points)
    hand = setting.formula.gradients(setting.cotangent) if setting.single else audited.gradients
    right = {k: g for k, g in hand.items() if g.shape == operation.inputs[k].shape}
    forward, estimates = as_formula(setting, right)
    forward_single = None
    if differences:
        add(estimates, moved(setting, right, forward))
    if setting.single and setting.auto is not None:
        forward_single, single = as_arithmetic(setting, audited, right)
        add(estimates, single)
    run = ExactRun(False, why_not)
    if points is not None and len(right) == len(operation.wrt):
        run = exact_run(setting.formula, seed=seed, points=points, hand=answers_at_exact_point(setting, audited))
    auto = setting.auto_double
    evidence = Evidence(
        setting.output,
        setting.cotangent,
        {k: GradientEvidence(operation.inputs[k].shape, hand[k].shape, estimates[k]) for k in operation.wrt},
        forward,
        forward_single,
        tuple(audited.findings),
        None if auto is None else Reference(adjoint_share(auto), auto.weak),
        run,
    )
    return with_conventions(setting, evidence)


def add(estimates: Estimates, more: Mapping[str, Mapping[str, Estimate]]) -> None:
    for name, found in more.items():
        estimates[name] |= found


# ---------------------------------------------------------------------- the point


def setting_of(operation: Operation, grad_output: Any, seed: int) -> Setting:
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
    return Setting(operation, formula, seed, y, v, auto)


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


def exact_points(setting: Setting) -> tuple[Points | None, str]:
    """Points where nothing rounds, or why there are none to be drawn."""
    if setting.single and sum(a.size for a in setting.formula.inputs.values()) > LARGE_SINGLE:
        return None, "float32 at this size: its formula is judged here at float64"
    return Points(setting.formula, seed=setting.seed), "a gradient has another shape than its input"


def side_effects(setting: Setting, points: Points | None) -> Audit:
    """The calls that show side effects, at the point of the check and at another one: an exact one where there is."""
    operation = setting.operation
    v = setting.cotangent.astype(operation.dtype)
    first = points.drawn[0] if points is not None and points.drawn and not setting.single else None
    if first is not None:
        other = Point(first.inputs, first.cotangent, first.gradients)
    else:
        rng = np.random.default_rng([setting.seed, 1])
        inputs = {k: elsewhere(a, rng) for k, a in operation.inputs.items()}
        other = Point(inputs, (v * rng.choice([-0.75, 0.5, 1.25], v.shape)).astype(v.dtype))
    # A bound says how far one answer is from the truth: two answers at the dtype of the code, taken twice.
    known = {} if setting.auto_double is None else setting.auto_double.gradients
    unit = UNIT[operation.dtype] / UNIT[DOUBLE]
    allowed = {k: 4 * g.bound * unit for k, g in known.items()}
    return audit(operation, v, other, allowed, partial(true_gradients, operation))


def true_gradients(operation: Operation, inputs: Arrays, v: Array) -> Arrays:
    """The reference's gradients anywhere; the hand-derived ones' own where there is no reference."""
    if operation.reference is None:
        return operation.at(inputs).gradients(v)
    found = autodiff(operation.reference, inputs, operation.wrt, v, DOUBLE)
    return {k: g.value for k, g in found.gradients.items()}


def elsewhere(a: Array, rng: np.random.Generator) -> Array:
    """Another array of the same kind and size: the values moved, none left where it was; integers stay."""
    if a.dtype.kind != "f":
        return a
    return (a * np.exp(0.2 * rng.normal(size=a.shape)) + 1e-3 * rng.normal(size=a.shape)).astype(a.dtype)


def answers_at_exact_point(setting: Setting, audited: Audit) -> tuple[Array, Arrays] | None:
    """What the side effects' calls gave at the first exact point, where they were made there."""
    if setting.single or audited.output_at_other is None or not audited.gradients_at_other:
        return None
    return audited.output_at_other, audited.gradients_at_other


# ---------------------------------------------------------------------- hand-derived and autodiff


def as_formula(setting: Setting, hand: Arrays) -> tuple[Pair | None, Estimates]:
    """Hand-derived and autodiff estimates of every gradient at float64, and the forwards compared."""
    estimates: Estimates = {name: {} for name in setting.operation.wrt}
    auto = setting.auto_double
    if auto is None:
        for name, gradient in hand.items():
            own = 4 * UNIT[DOUBLE] * np.abs(np.nan_to_num(gradient, posinf=0.0, neginf=0.0))  # no excuse for NaN
            estimates[name][HAND] = Estimate(HAND, gradient.astype(np.float64), own)
        return None, estimates
    y = setting.formula.output() if setting.single else setting.output
    pair, found = against_reference(setting.formula, setting.cotangent, auto, y, hand, (HAND, AUTODIFF), DOUBLE)
    add(estimates, found)
    return pair, estimates


def as_arithmetic(setting: Setting, audited: Audit, hand: Arrays) -> tuple[Pair, Estimates]:
    """The same of a float32 derivation's float32 answers, with bounds for float32."""
    assert setting.auto is not None
    single = {k: g for k, g in audited.gradients.items() if k in hand and g.shape == hand[k].shape}
    names = (HAND_SINGLE, AUTODIFF_SINGLE)
    return against_reference(setting.operation, setting.cotangent, setting.auto, audited.output, single, names, SINGLE)


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


def moved(setting: Setting, hand: Arrays, forward: Pair | None) -> Estimates:
    """The witnesses that move the inputs, on every gradient that the hand-derived code gave."""
    noise = None
    if setting.auto_double is not None:
        noise = 2 * setting.auto_double.output.bound
        if forward is not None:  # as far as they agree, the forwards' distance is rounding, too
            apart = np.where(forward.disagree, 0.0, forward.difference)
            noise = np.maximum(noise, np.where(np.isfinite(apart), 2 * apart, 0.0))
    return {k: {e.witness: e for e in moving_witnesses(setting.formula, k, setting.cotangent, noise)} for k in hand}


def with_conventions(setting: Setting, evidence: Evidence) -> Evidence:
    """Where all that is open or wrong in a gradient lies on kinks: whether it is a legitimate convention."""
    decided = decide(evidence).gradients
    settled = {}
    for name, gradient in evidence.gradients.items():
        verdict = decided[name]
        open_entries = verdict.mismatched | verdict.undecided
        difference = gradient.estimates.get(DIFFERENCE)
        if difference is None or not open_entries.any() or verdict.exact == "different":
            continue
        if not (open_entries & ~difference.notes["kink"]).any() and legitimate(setting, name, gradient):
            settled[name] = replace(gradient, conventions=int(open_entries.sum()))
    return replace(evidence, gradients={**evidence.gradients, **settled}) if settled else evidence


def legitimate(setting: Setting, name: str, gradient: GradientEvidence) -> bool:
    auto, y = setting.auto_double, np.asarray(setting.output, np.float64)
    noise = np.zeros(y.shape) if auto is None else 2 * auto.output.bound
    noise = np.maximum(noise, UNIT[DOUBLE] * np.abs(y))
    return is_convention(setting.formula, name, setting.cotangent, gradient.estimates[HAND].value, noise)
