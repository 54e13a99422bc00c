"""The hand-derived gradients beside the reference's: as formulas at float64, and as arithmetic in their own format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from crosscheck.collecting.setting import Estimates, Setting
from crosscheck.deadline import noted
from crosscheck.effects.audit import Audit
from crosscheck.evidence.collected import Reference
from crosscheck.evidence.estimate import AUTODIFF, AUTODIFF_SINGLE, HAND, HAND_SINGLE, Estimate
from crosscheck.evidence.finding import Finding
from crosscheck.evidence.pair import Pair, compare
from crosscheck.floats import DOUBLE, SINGLE, UNIT, root_mean_square
from crosscheck.operation import OUTPUT, Array, Arrays, Operation
from crosscheck.witnesses.autodiff import Autodiff, autodiff
from crosscheck.witnesses.coarse import by_dtype, by_steps
from crosscheck.witnesses.hand import FEW, Asked, Said, as_designed, assumed, hand_estimates

# A float64 reference rounds 2^-29 times as much as in float32, one that is in float32 as much: half of the way.
COARSE = float(np.sqrt(UNIT[SINGLE] / UNIT[DOUBLE]))


def found_inside(setting: Setting, hand: Arrays, said: Mapping[str, Said], estimates: Estimates) -> frozenset[str]:
    """What the code computes in float32 inside: looked for where nobody knows how it rounds, or rounding as the
    reference does leaves a difference. Code that says how far it rounds is held to its word."""
    if setting.operation.own_bounds is not None:
        return frozenset()
    y = setting.formula.output() if setting.single else setting.output
    found, names = by_dtype({**hand, OUTPUT: y}), (OUTPUT, *hand)
    if setting.auto is not None:
        truths = {**{k: estimates[k][AUTODIFF] for k in hand}, OUTPUT: setting.auto.output}
        pairs = {k: compare(s.estimate, truths[k], setting.t) for k, s in said.items()}
        asked = {k: s.how in ("recorded", "measured") or pairs[k].disagree.any() for k, s in said.items()}
        if not any(asked.values()):
            return found
        # What spoke in longdouble was seen to be finer. The forward, of which kinks are asked, may be float32 then.
        if not any(asked[k] for k, s in said.items() if s.how != "longdouble"):
            names = (OUTPUT,)
    return seen_inside(setting, hand, names, found)


def seen_inside(
    setting: Setting, hand: Arrays, names: tuple[str, ...] = (OUTPUT,), found: frozenset[str] = frozenset()
) -> frozenset[str]:
    """What shows float32's steps among the answers of these names, and what is `found` already."""
    truth, known = (None, {}) if setting.auto is None else (setting.truth, rounding_of(setting))
    found |= by_steps(setting.formula, setting.cotangent, names, truth, known)
    # Of a function that is only known to float32 (its constants are rounded to it) no derivative is known better.
    return found | hand.keys() if OUTPUT in found else found


def rounding_of(setting: Setting) -> dict[str, float]:
    """How far the reference's own rounding can be off, by name."""
    assert setting.auto is not None
    told = {**setting.auto.gradients, OUTPUT: setting.auto.output}
    return {k: setting.t * root_mean_square(e.sigma) for k, e in told.items() if e.sigma is not None}


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
        own = FEW * unit * np.abs(np.nan_to_num(gradient, posinf=0.0, neginf=0.0))  # no excuse for NaN
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
