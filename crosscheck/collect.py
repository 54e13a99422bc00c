"""Collecting the evidence: every witness on every gradient of one operation at one setting.

In order: the forward, autodiff with its bounds, the side effects (which give the hand-derived gradients), the witnesses
that move the inputs, the exact points, and, where only entries on kinks are open, the test for a convention.

A float32 derivation is collected twice by the same steps: as a formula, on float64 copies, and as arithmetic.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from crosscheck import draws
from crosscheck.deadline import Deadline, noted
from crosscheck.effects.audit import Audit, audit, begun
from crosscheck.effects.calls import Calls, Site
from crosscheck.effects.chance import NOTHING, of_chance
from crosscheck.effects.visits import BACKWARD, visited
from crosscheck.evidence.collected import Evidence, GradientEvidence, Reference
from crosscheck.evidence.decision import COMPARED, RESOLUTION, decide
from crosscheck.evidence.estimate import AUTODIFF, AUTODIFF_SINGLE, DIFFERENCE, HAND, HAND_SINGLE, Estimate
from crosscheck.evidence.exact_run import ExactRun
from crosscheck.evidence.finding import Finding
from crosscheck.evidence.pair import Pair, compare
from crosscheck.exact.points import Points
from crosscheck.exact.run import exact_run
from crosscheck.floats import DOUBLE, SINGLE, UNIT
from crosscheck.manner import accuracy_in_words
from crosscheck.operation import OUTPUT, Array, Arrays, Operation
from crosscheck.rounding import quantile
from crosscheck.witnesses.autodiff import Autodiff, autodiff, output_shape, plain_gradients
from crosscheck.witnesses.coarse import by_dtype, by_steps, in_single, shaken, words
from crosscheck.witnesses.contradiction import seen_noise, standing
from crosscheck.witnesses.foreign import Foreign
from crosscheck.witnesses.further import Looked, look, stirred
from crosscheck.witnesses.hand import Asked, Said, as_designed, assumed, hand_estimates
from crosscheck.witnesses.kinks import ILLEGITIMATE, LEGITIMATE, Ruling, is_convention
from crosscheck.witnesses.moving import moving_witnesses

Estimates = dict[str, dict[str, Estimate]]  # by gradient and witness

# Without a reference nothing is a standard deviation; t is that of so many runs all the same.
RUNS = 32
# A float32 check runs the code at both precisions; with more entries than this it leaves the exact points out.
LARGE_SINGLE = 2**20
# A float64 reference rounds 2^-29 times as much as in float32, one that is in float32 as much: half of the way.
COARSE = float(np.sqrt(UNIT[SINGLE] / UNIT[DOUBLE]))


@dataclass(frozen=True)
class Setting:
    """Where an operation is judged.

    Args:
        operation: as it was given.
        formula: the same on float64 copies; itself where it is float64 already.
        output: the operation's y.
        cotangent: float64; with float32's digits where the operation is float32.
        auto: what the reference says, with the rounding of float64; None without a reference.
        took: the seconds of one forward, for what is announced; nothing is decided by it.
        inside: the answers, by name, that the code computes in float32 inside, whatever it is given (`coarse`).
        noise: how far the output may be off by that; None where it is not.
    """

    operation: Operation
    formula: Operation
    seed: int
    output: Array
    cotangent: Array
    auto: Autodiff | None
    took: float = 0.0
    inside: frozenset[str] = frozenset()
    noise: Array | None = None

    @property
    def single(self) -> bool:
        return self.operation.dtype == SINGLE

    @property
    def arithmetic(self) -> np.dtype:
        """The format in which the arithmetic is judged beside the formula; DOUBLE where that is the formula's own."""
        return self.operation.format

    @property
    def comparisons(self) -> int:
        """How many numbers the check compares at the most: every output and gradient, by every pair of witnesses."""
        entries = self.output.size + sum(self.operation.inputs[k].size for k in self.operation.wrt)
        return entries * len(COMPARED)

    def truth(self, inputs: Arrays, v: Array) -> Arrays:
        """The reference's output and gradients anywhere, without a word about rounding."""
        assert self.formula.reference is not None
        y, gradients = plain_gradients(self.formula.reference, inputs, self.formula.wrt, v)
        return {**gradients, OUTPUT: y}

    @property
    def t(self) -> float:
        """The quantile of the whole check (`rounding.allowance`)."""
        return quantile(self.auto.roundings.copies if self.auto is not None else RUNS, self.comparisons)


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
    if not inside:
        inside = in_time("float32 inside", lambda: found_inside(setting, right, said, estimates), inside)
        if inside:
            again = {"grad_output": grad_output, "seed": seed, "differences": differences, "exact": exact}
            return collect(in_single(given), **again, further=further, deadline=deadline, inside=inside)
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
    at which a convention could excuse them."""
    if setting.auto is None or setting.auto.roundings.decides:
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


# ---------------------------------------------------------------------- the point


def setting_of(
    given: Operation,
    operation: Operation,
    grad_output: Any,
    seed: int,
    deadline: Deadline,
    inside: frozenset[str] = frozenset(),
) -> tuple[Setting, Calls]:
    """The point, with what the reference says there, if in time; and the first calls of the code as it was `given`, for
    the audit to go on with.

    Nothing is compiled before the code has worked once.
    """
    started = time.perf_counter()
    with noted(lambda: "calling forward at the point of the check"):
        y = np.array(given.output())  # the code may write its next output into the same array
    took = time.perf_counter() - started
    v = arriving(y, grad_output, np.random.default_rng(seed))
    single = operation.dtype == SINGLE
    if operation.format != DOUBLE:  # the cotangent is one that the code can be given
        v = v.astype(operation.format).astype(DOUBLE)
    elif inside:
        v = v.astype(SINGLE).astype(DOUBLE)
    formula = operation.widened() if single else operation
    with noted(lambda: "calling forward and backward at the point of the check, for the first time"):
        first = begun(given, v.astype(operation.dtype))
    auto = None
    if operation.reference is not None:
        auto = deadline.unless_late("the reference", lambda: asked(operation, formula, y, v, seed), None)
    noise = shaken(formula, formula.output()) if OUTPUT in inside else None
    return Setting(operation, formula, seed, y, v, auto, took, inside, noise), first


def found_inside(setting: Setting, hand: Arrays, said: Mapping[str, Said], estimates: Estimates) -> frozenset[str]:
    """What the code computes in float32 inside: looked for where nobody knows how it rounds, or rounding as the
    reference does leaves a difference. Code that says how far it rounds is held to its word."""
    if setting.operation.own_bounds is not None:
        return frozenset()
    y = setting.formula.output() if setting.single else setting.output
    found = by_dtype({**hand, OUTPUT: y})
    if setting.auto is not None:
        truths = {**{k: estimates[k][AUTODIFF] for k in hand}, OUTPUT: setting.auto.output}
        # What spoke in longdouble was seen to be finer.
        open_ones = {k: s for k, s in said.items() if s.how != "longdouble"}
        pairs = {k: compare(s.estimate, truths[k], setting.t) for k, s in open_ones.items()}
        if not any(s.how in ("recorded", "measured") or pairs[k].disagree.any() for k, s in open_ones.items()):
            return found
    found |= by_steps(setting.formula, setting.cotangent, (OUTPUT, *hand))
    # Of a function that is only known to float32 (its constants are rounded to it) no derivative is known better.
    return found | hand.keys() if OUTPUT in found else found


def asked(operation: Operation, formula: Operation, y: Array, v: Array, seed: int) -> Autodiff:
    """What the reference says at the point."""
    assert operation.reference is not None
    check_reference_shape(operation, y)
    return autodiff(operation.reference, formula.inputs, operation.wrt, v, DOUBLE, seed=seed)


def arriving(y: Array, given: Any, rng: np.random.Generator) -> Array:
    """The gradient that arrives: given, or random with both signs, no zeros, and never ones."""
    if given is None:
        return draws.cotangent(y.shape, rng)
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


# ---------------------------------------------------------------------- hand-derived and autodiff


def as_formula(setting: Setting, hand: Arrays) -> tuple[Pair | None, Estimates, dict[str, Said]]:
    """Hand-derived and autodiff estimates of every gradient at float64, and the forwards compared."""
    auto = setting.auto
    if auto is None:
        return None, hand_alone(setting, hand), {}
    estimates: Estimates = {name: {} for name in setting.operation.wrt}
    formula, v = setting.formula, setting.cotangent
    y = formula.output() if setting.single else setting.output
    answers = {**hand, OUTPUT: y}
    truths = {**{k: auto.gradients[k] for k in hand}, OUTPUT: auto.output}
    own = None if formula.own_bounds is None else formula.own_bounds(formula.inputs, v)
    known = of_coarse_reference(setting, truths) if setting.inside else {}
    asked = Asked(formula, v, setting.truth, setting.t, setting.comparisons, setting.seed, setting.inside, known)
    said = hand_estimates(HAND, answers, truths, own or {}, asked)
    for name in hand:
        estimates[name] = {AUTODIFF: truths[name], HAND: as_designed(said[name].estimate, name, formula)}
    return compare(said[OUTPUT].estimate, auto.output, setting.t), estimates, said


def of_coarse_reference(setting: Setting, truths: Mapping[str, Estimate]) -> dict[str, Array]:
    """The rounding in float32 of a reference, by name, where that is not 2^29 times its rounding in float64: it is in
    float32 itself already; or float64 does not round float32's numbers there (a bias's gradient is a sum of them)."""
    operation, v = setting.formula, setting.cotangent
    assert operation.reference is not None
    single = autodiff(
        operation.reference, operation.inputs, operation.wrt, v, SINGLE, seed=setting.seed, both_modes=False
    )
    found: dict[str, Array] = {}
    for k, truth in truths.items():
        sigma = (single.output if k == OUTPUT else single.gradients[k]).sigma
        assert sigma is not None
        assert truth.sigma is not None
        scaled = UNIT[SINGLE] / UNIT[DOUBLE] * truth.sigma
        if np.any(truth.sigma * COARSE > sigma):
            found[k] = sigma
        elif np.any(sigma > scaled):
            found[k] = np.where(np.isfinite(sigma), np.fmax(sigma, scaled), scaled)
    return found


def hand_alone(setting: Setting, hand: Arrays) -> Estimates:
    """The hand-derived estimates where there is nobody to compare their rounding with."""
    estimates: Estimates = {name: {} for name in setting.operation.wrt}
    for name, gradient in hand.items():
        unit = UNIT[SINGLE if name in setting.inside else DOUBLE]
        own = 4 * unit * np.abs(np.nan_to_num(gradient, posinf=0.0, neginf=0.0))  # no excuse for NaN
        slack = setting.operation.manner.slack(name, gradient)
        alone = Estimate(HAND, gradient.astype(np.float64), own if slack is None else own + slack)
        estimates[name][HAND] = as_designed(alone, name, setting.operation)
    return estimates


def as_arithmetic(setting: Setting, audited: Audit, hand: Arrays) -> tuple[Pair | None, Estimates]:
    """The same of the answers of a float32 derivation (or of float16, of bfloat16), with the rounding of that format.

    To first order that is the rounding of float64, 2^29 times as large (2^42, 2^45). What is not of first order (a
    decision within rounding, digits that cancel) is asked for only where this does not do.
    """
    assert setting.auto is not None
    answered, unit = {**audited.gradients, OUTPUT: audited.output}, UNIT[setting.arithmetic]
    if setting.operation.arithmetic is not None:
        with noted(lambda: f"calling forward and backward at {setting.arithmetic}"), np.errstate(all="ignore"):
            answered = setting.operation.arithmetic.answers(setting.operation.inputs, setting.cotangent)
    single = {k: g for k, g in answered.items() if k in hand and g.shape == hand[k].shape}

    def compared(auto: Autodiff) -> tuple[Pair | None, Estimates]:
        truths = {
            k: replace(auto.gradients[k], witness=AUTODIFF_SINGLE, notes={**auto.gradients[k].notes, "unit": unit})
            for k in single
        }
        truths[OUTPUT] = auto.output
        operation = setting.operation
        own = None if operation.own_bounds is None else operation.own_bounds(operation.inputs, setting.cotangent)
        answers = {**single, OUTPUT: answered[OUTPUT]}
        bounds = {k: by_design(operation, k, truths[k], (own or {}).get(k)) for k in answers}
        mine = {k: assumed(HAND_SINGLE, a, truths[k], bounds[k]) for k, a in answers.items()}
        # A half that is beyond its largest number, or has no digit left, computes no other function.
        own_function = None if operation.arithmetic else compare(mine[OUTPUT], truths[OUTPUT], setting.t)
        return own_function, {k: {HAND_SINGLE: mine[k], AUTODIFF_SINGLE: truths[k]} for k in single}

    forward, found = compared(with_roundings_times(setting.auto, unit / UNIT[DOUBLE]))
    pairs = [compare(both[HAND_SINGLE], both[AUTODIFF_SINGLE], setting.t) for both in found.values()]
    if not any(pair.disagree.any() for pair in [*([] if forward is None else [forward]), *pairs]):
        return forward, found
    operation = setting.operation
    assert operation.reference is not None
    inputs, v = setting.formula.inputs, setting.cotangent
    return compared(
        autodiff(operation.reference, inputs, operation.wrt, v, setting.arithmetic, seed=setting.seed, both_modes=False)
    )


def unjudged_arithmetic(setting: Setting) -> Iterator[Finding]:
    """Where nobody says what rounding costs in the format that the code was given in."""
    if setting.operation.arithmetic is not None and setting.auto is None:
        sentence = f"judged as a formula, at float64; nobody knows what its arithmetic costs at {setting.arithmetic}"
        yield Finding("arithmetic", f"{sentence}: give reference=", False)


def by_design(operation: Operation, name: str, truth: Estimate, own: Array | None) -> Array | None:
    """How far an answer may be off beside rounding: what its algorithm says itself, and what its caller does."""
    slack = operation.manner.slack(name, truth.value)
    return own if slack is None else slack if own is None else own + slack


def with_roundings_times(auto: Autodiff, ratio: float) -> Autodiff:
    """The same values with `ratio` times the rounding."""

    def larger(e: Estimate) -> Estimate:
        return replace(e, sigma=None if e.sigma is None else ratio * e.sigma)

    return auto._replace(output=larger(auto.output), gradients={k: larger(g) for k, g in auto.gradients.items()})


def of_reference(auto: Autodiff) -> Reference:
    found = auto.roundings
    return Reference(auto.adjoint, found.estimated, found.equations, found.compiled, found.copies, found.interpreted)


# ---------------------------------------------------------------------- witnesses that move the inputs, and kinks


# Seconds of calls that are said beforehand.
LONG_CHECK = 2.0


def moved(setting: Setting, hand: Arrays, deadline: Deadline) -> Estimates:
    """The witnesses that move the inputs, on every gradient that the hand-derived code gave."""

    def announce(usual: int, most: int) -> None:
        took = usual * setting.took
        if took > LONG_CHECK:
            deadline.announce(
                f"{setting.operation.name}: {deadline.doing}: about {usual:,} calls of forward, "
                f"{setting.took:.2g} s each, {took:,.0f} s in all; {most:,} calls at the most"
            )

    found: Estimates = {}
    for k in hand:
        noise = noise_by_design(setting, k)
        moving = partial(moving_witnesses, setting.formula, k, setting.cotangent, noise, announce=announce)
        found[k] = {e.witness: e for e in deadline.unless_late(f"differences of the forward in {k}", moving, [])}
    return found


def noise_by_design(setting: Setting, name: str) -> Array | None:
    """How far the outputs may be off, where that is more than moving the inputs shows; None where it is not."""
    slack = setting.formula.manner.slack(OUTPUT, setting.output)
    if slack is None:
        return setting.noise
    own = seen_noise(setting.formula, name, setting.cotangent) if setting.noise is None else setting.noise
    return np.fmax(own, slack)


def confirm(setting: Setting, estimates: Estimates) -> None:
    """A difference that contradicts the others grossly is asked at the finest step too (`contradiction`).

    Where it does not stand, it accuses nobody: with a reference it is not confirmed, without one it is silent.
    """
    auto, formula, v = setting.auto, setting.formula, setting.cotangent
    # Far out a floor is the identity for all that floats can say: there the derivative is right and the difference not.
    steps = auto is not None and auto.roundings.steps
    for name, found in estimates.items():
        difference = found.get(DIFFERENCE)
        if difference is None or HAND not in found:
            continue
        notes = difference.notes
        against = compare(found[HAND], difference, setting.t).disagree
        if auto is None:
            size = np.fmax(np.abs(found[HAND].value), np.abs(difference.value))
            against &= np.abs(found[HAND].value - difference.value) > RESOLUTION * size
        else:
            against &= compare(found[AUTODIFF], difference, setting.t).disagree & notes["confirmed"]
            against &= compare(found[HAND], found[AUTODIFF], setting.t).agree
        if not against.any():
            continue
        if steps:
            found[DIFFERENCE] = replace(difference, notes={**notes, "confirmed": notes["confirmed"] & ~against})
            continue
        noise = seen_noise(formula, name, v)
        if auto is not None:  # which has no word for an input whose last place is a whole turn
            noise = np.fmax(np.reshape(noise, auto.output.value.shape), output_noise(setting, auto))
        more = noise_by_design(setting, name)
        noise = noise if more is None else np.fmax(noise, more)
        differing = np.where(against, difference.value, np.nan)
        fails = against & ~standing(formula, name, v, found[HAND].value, differing, np.nan_to_num(noise, nan=np.inf))
        if auto is not None:
            found[DIFFERENCE] = replace(difference, notes={**notes, "confirmed": notes["confirmed"] & ~fails})
        elif fails.any():
            notes = {**notes, "undecided": notes["undecided"] + int(fails.sum())}
            found[DIFFERENCE] = replace(difference, decided=difference.speaks() & ~fails, notes=notes)


def output_noise(setting: Setting, auto: Autodiff) -> Array:
    assert auto.output.sigma is not None
    with np.errstate(invalid="ignore"):
        return setting.t * auto.output.sigma + UNIT[DOUBLE] * np.abs(auto.output.value)


def with_conventions(setting: Setting, evidence: Evidence) -> Evidence:
    """Where all that is open or wrong in a gradient lies on kinks: whether it is a legitimate convention, or none."""
    decided = decide(evidence).gradients
    settled = {}
    for name, gradient in evidence.gradients.items():
        verdict = decided[name]
        open_entries = verdict.mismatched | verdict.undecided
        difference = gradient.estimates.get(DIFFERENCE)
        if difference is None or not open_entries.any() or verdict.exact == "different" or gradient.elsewhere:
            continue
        if (open_entries & ~difference.notes["kink"]).any():
            continue
        ruling = ruled(setting, name, gradient, open_entries)
        if ruling.answer == LEGITIMATE:
            settled[name] = replace(gradient, conventions=int(open_entries.sum()))
        elif ruling.answer == ILLEGITIMATE:
            settled[name] = replace(gradient, illegitimate=refuted(ruling))
    return replace(evidence, gradients={**evidence.gradients, **settled}) if settled else evidence


def refuted(ruling: Ruling) -> str:
    return (
        f"it is no derivative of any side of the kinks: moved in one direction, it gives {ruling.along:.4g}, where the "
        f"slopes beside them lie between {ruling.low:.4g} and {ruling.high:.4g} (as when each of several equal maxima "
        "gets the whole gradient)"
    )


def ruled(setting: Setting, name: str, gradient: GradientEvidence, where: Array) -> Ruling:
    auto, y = setting.auto, np.asarray(setting.output, np.float64)
    noise = UNIT[DOUBLE] * np.abs(y)
    if auto is not None and auto.output.sigma is not None:
        noise = np.maximum(noise, setting.t * auto.output.sigma)
    more = noise_by_design(setting, name)
    noise = noise if more is None else np.fmax(noise, more)
    value = gradient.estimates[HAND].value
    return is_convention(setting.formula, name, setting.cotangent, value, noise, where)
