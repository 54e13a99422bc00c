"""Every witness on every gradient of one operation at one setting.

In order: the forward, autodiff with its bounds, the side effects (which give the hand-derived gradients), the witnesses
that move the inputs, the exact points, and, where only entries on kinks are open, the test for a convention.

A float32 derivation is collected twice by the same steps: as a formula, on float64 copies, and as arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from crosscheck.collecting.arithmetic import (
    as_arithmetic,
    as_formula,
    found_inside,
    hand_alone,
    of_reference,
    seen_inside,
    unjudged_arithmetic,
)
from crosscheck.collecting.conventions import with_conventions
from crosscheck.collecting.moved import confirm, moved
from crosscheck.collecting.setting import Estimates, Setting, setting_of
from crosscheck.deadline import Deadline
from crosscheck.effects.audit import Audit, audit
from crosscheck.effects.calls import Calls, Site
from crosscheck.effects.chance import NOTHING, of_chance
from crosscheck.effects.visits import BACKWARD, visited
from crosscheck.evidence.collected import Evidence, GradientEvidence
from crosscheck.evidence.estimate import AUTODIFF, HAND, Estimate
from crosscheck.evidence.exact_run import ExactRun
from crosscheck.evidence.finding import Finding
from crosscheck.evidence.pair import Pair, compare
from crosscheck.exact.points import Points
from crosscheck.exact.run import exact_run
from crosscheck.floats import DOUBLE, SINGLE, UNIT
from crosscheck.manner import accuracy_in_words
from crosscheck.operation import Array, Arrays, Operation
from crosscheck.witnesses.autodiff import plain_gradients
from crosscheck.witnesses.coarse import in_single, words
from crosscheck.witnesses.foreign import Foreign
from crosscheck.witnesses.further import Looked, look, stirred

# A float32 check runs the code at both precisions; with more entries than this it leaves the exact points out.
LARGE_SINGLE = 2**20


def collect(
    operation: Operation,
    *,
    grad_output: Any = None,
    seed: int = 0,
    differences: bool = True,
    exact: bool = True,
    further: bool = True,
    deadline: Deadline | None = None,
    inside: frozenset[str] = frozenset(),
) -> Evidence:
    """Everything that can be had on an operation's gradients (see `judge.judge` for the arguments).

    What a deadline ends is left out whole; one forward and one backward are always made. `further`: whether points
    beside the caller's own are visited. `inside`: what is known to be computed in float32 inside; where that is found
    on the way, all is collected again by float32's rules.
    """
    deadline = deadline or Deadline()
    in_time = deadline.unless_late
    given, operation = operation, watched(operation, deadline)
    setting, first = setting_of(given, operation, grad_output, seed, deadline, inside)
    points, why_not = None, not_exact(operation, inside) if exact else "it was not asked for"
    if exact and not why_not:
        points, why_not = in_time("the drawing of exact points", lambda: exact_points(setting), (None, OUT_OF_TIME))
    audited = in_time("side effects", partial(side_effects, setting, first, points), None)
    audited = audited or unaudited(setting, first)
    del first  # and the arrays that were handed out
    chance = of_chance(setting.output, audited.output)
    if chance is not None:
        return of_random(setting, audited, chance)
    hand = audited.gradients
    if setting.single:
        hand = in_time("the formula at float64", lambda: setting.formula.gradients(setting.cotangent), hand)
    right = {k: g for k, g in hand.items() if g.shape == operation.inputs[k].shape}
    unasked = None, hand_alone(setting, right), {}
    forward, estimates, said = in_time("the comparison with the reference", lambda: as_formula(setting, right), unasked)
    again: dict[str, Any] = {"grad_output": grad_output, "seed": seed, "differences": differences, "exact": exact}
    again |= {"further": further, "deadline": deadline}
    if not inside:
        inside = in_time("float32 inside", lambda: found_inside(setting, right, said, estimates), inside)
        if inside:
            return collect(in_single(given), **again, inside=inside)
    forward_single = None
    if differences:
        add(estimates, moved(setting, right, deadline))
        in_time("a second look at differences", lambda: confirm(setting, estimates), None)
    if setting.arithmetic != DOUBLE and setting.auto is not None:
        unheard: tuple[Pair | None, Estimates] = None, {}
        forward_single, single = in_time(
            f"{setting.arithmetic} arithmetic", lambda: as_arithmetic(setting, audited, right), unheard
        )
        add(estimates, single)
    run = ExactRun(False, why_not)
    if points is not None and len(right) == len(operation.wrt):
        known = answers_at_exact_point(setting, audited)
        run = in_time(
            "exact points",
            lambda: exact_run(setting.formula, seed=seed, points=points, hand=known),
            ExactRun(False, OUT_OF_TIME),
        )
    if not inside and any(not d.agrees for d in run.difference.values()):
        # Of a forward in float32 no small difference is exact.
        inside = in_time("float32 inside", lambda: seen_inside(setting, right), inside)
        if inside:
            return collect(in_single(given), **again, inside=inside)
    looked = Looked({}, 0, frozenset())
    if further and (differences or setting.auto is not None):
        looked = in_time(
            "further points",
            lambda: look(
                setting.formula,
                setting.cotangent,
                setting.t,
                setting.comparisons,
                seed,
                setting.inside,
                settled(setting, estimates),
            ),
            looked,
        )
    still = frozenset(k for k in right if vacuous(setting, k, hand[k], run, looked) and setting.cotangent.any())
    if still and looked.compared:
        moving = in_time(
            "points of other ranges", lambda: stirred(setting.formula, setting.cotangent, still, seed), frozenset()
        )
        looked = looked._replace(moving=looked.moving | moving)
    auto = setting.auto
    gradients = {
        k: GradientEvidence(
            operation.inputs[k].shape,
            hand[k].shape,
            estimates[k],
            elsewhere=looked.wrong.get(k),
            vacuous=vacuous(setting, k, hand[k], run, looked),
            how=said[k].how if k in said else "",
            lost=said[k].lost if k in said else None,
        )
        for k in operation.wrt
    }
    evidence = Evidence(
        setting.output,
        setting.cotangent,
        gradients,
        forward,
        forward_single,
        (*audited.findings, *unjudged_arithmetic(setting)),
        None if auto is None else of_reference(auto),
        run,
        setting.t,
        looked.compared,
        single_inside=words(setting.inside),
        accuracy=accuracy_in_words(operation.manner),
        on=operation.manner.on,
    )
    evidence = in_time("conventions at kinks", lambda: with_conventions(setting, evidence), evidence)
    if not deadline.left_out:
        return evidence
    excusable = differences and (auto is None or auto.roundings.decides)
    return replace(evidence, left_out=tuple(deadline.left_out), excusable=excusable)


OUT_OF_TIME = "the budget ended"


def watched(operation: Operation, deadline: Deadline) -> Operation:
    """The same, called as long as there is time."""

    def watching(function: Any) -> Any:
        return None if function is None else deadline.watching(function, "forward")

    widen = operation.widen
    return replace(
        operation,
        forward=deadline.watching(operation.forward, "forward"),
        backward=deadline.watching(operation.backward, "backward"),
        moving_forward=watching(operation.moving_forward),
        widen=None if widen is None else lambda: watched(widen(), deadline),
    )


def not_exact(operation: Operation, inside: frozenset[str]) -> str:
    """Why no exact points are drawn; "" where they are."""
    if inside:
        return "its code computes in float32 inside"
    if isinstance(operation.reference, Foreign):
        return "its reference is no program of JAX"
    if operation.manner.on:
        return "an input stays on a set, which has no points of few digits"
    return "its accuracy is limited by design" if operation.manner.accuracy else ""


def of_random(setting: Setting, audited: Audit, chance: Finding) -> Evidence:
    """What there is to say where the forward is random: that, and of no gradient anything."""
    alone = hand_alone(
        setting, {k: g for k, g in audited.gradients.items() if g.shape == setting.operation.inputs[k].shape}
    )
    gradients = {
        k: GradientEvidence(setting.operation.inputs[k].shape, g.shape, alone[k], vacuous=NOTHING)
        for k, g in audited.gradients.items()
    }
    return Evidence(setting.output, setting.cotangent, gradients, effects=(chance,), t=setting.t)


def unaudited(setting: Setting, first: Calls) -> Audit:
    """The hand-derived gradients alone."""
    return Audit([], visited(first, BACKWARD).values, setting.output)


def settled(setting: Setting, estimates: Estimates) -> frozenset[str]:
    """The gradients that are wrong at this point whatever further ones show: the reference says so, and has no kinks
    at which a convention could excuse them, nor Python's own decisions in the code that was recorded."""
    if setting.auto is None or setting.auto.roundings.decides or setting.guarded:
        return frozenset()
    pairs = {
        k: compare(found[HAND], found[AUTODIFF], setting.t)
        for k, found in estimates.items()
        if HAND in found and AUTODIFF in found
    }
    return frozenset(k for k, pair in pairs.items() if pair.disagree.any())


def vacuous(setting: Setting, name: str, hand: Array, run: ExactRun, looked: Looked) -> str:
    """Why agreeing shows nothing of a gradient; "" where it shows something."""
    if not hand.size or not setting.output.size:
        return f"{name if not hand.size else 'the output'} has no entries: nothing was checked"
    if run.applies and np.any(run.gradients.get(name, 0.0)):
        return ""
    if not setting.cotangent.any():
        return "the cotangent is zero everywhere: nothing was checked"
    pathless = setting.auto is not None and name in setting.auto.pathless
    if pathless or np.any(hand != 0) or name in looked.moving:
        return ""
    points = "this point" if not looked.compared else f"this point and at {looked.compared} others"
    return f"the gradient is zero everywhere at {points}: nothing was shown of it; give another point"


def add(estimates: Estimates, more: Mapping[str, Mapping[str, Estimate]]) -> None:
    for name, found in more.items():
        estimates[name] |= found


# ---------------------------------------------------------------------- exact points, side effects


def exact_points(setting: Setting) -> tuple[Points | None, str]:
    """Points where nothing rounds, or why there are none to be drawn."""
    if setting.single and sum(a.size for a in setting.formula.inputs.values()) > LARGE_SINGLE:
        return None, "float32 at this size: its formula is judged here at float64"
    return Points(setting.formula, seed=setting.seed), "a gradient has another shape than its input"


def side_effects(setting: Setting, first: Calls, points: Points | None) -> Audit:
    """The calls that show side effects, at the point of the check and at another one: an exact one where there is."""
    operation = setting.operation
    v = setting.cotangent.astype(operation.dtype)
    drawn = points.drawn[0] if points is not None and points.drawn and not setting.single else None
    if drawn is not None:
        other = Site(drawn.inputs, drawn.cotangent, drawn.gradients)
    else:
        rng = np.random.default_rng([setting.seed, 1])
        # No round numbers: two sums of them may be equal by chance, and look like one answer kept.
        inputs = {k: another(a, rng) if k in operation.drawn else a for k, a in operation.inputs.items()}
        other = Site(inputs, (v * rng.uniform(0.5, 1.5, v.shape) * rng.choice([-1.0, 1.0], v.shape)).astype(v.dtype))
    unit = UNIT[SINGLE if setting.inside else operation.dtype] / UNIT[DOUBLE]
    auto = setting.auto
    known = {} if auto is None else {k: (auto.allowed(k) * unit, auto.gradients[k].value) for k in operation.wrt}
    # Two answers of one code, each as far from the truth as another's.
    slack = operation.manner.slack
    allowed = {k: 2 * (a if (more := slack(k, true)) is None else a + more) for k, (a, true) in known.items()}
    return audit(operation, v, other, allowed, partial(true_gradients, operation), first)


def true_gradients(operation: Operation, inputs: Arrays, v: Array) -> Arrays:
    """The reference's gradients anywhere; the hand-derived ones' own where there is no reference."""
    if operation.reference is None:
        return operation.at(inputs).gradients(v)
    return plain_gradients(operation.reference, inputs, operation.wrt, v)[1]


def another(a: Array, rng: np.random.Generator) -> Array:
    """Another array of the same kind and size: every value moved, none across zero; zeros stay unless there are only
    zeros."""
    moved = a * np.exp(0.2 * rng.normal(size=a.shape))
    return np.asarray(moved if a.any() else rng.normal(size=a.shape), a.dtype)


def answers_at_exact_point(setting: Setting, audited: Audit) -> tuple[Array, Arrays] | None:
    """What the side effects' calls gave at the first exact point, where they were made there."""
    if setting.single or audited.output_at_other is None or not audited.gradients_at_other:
        return None
    return audited.output_at_other, audited.gradients_at_other
