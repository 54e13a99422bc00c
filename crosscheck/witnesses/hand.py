"""What the hand-derived code says, and how it rounds: a formula and its arithmetic are two questions.

Nobody knows how a hand-written code rounds. First it is taken to round like the reference, a few times as coarsely
(`autodiff.ASSUMED`); where that is enough to agree, and little enough for the agreement to tell something, nothing more
is asked. Where it is not, a difference is either a mistake or rounding, and the code is asked itself:

    longdouble      The code run in longdouble at the judged point (`longdouble`) is the formula, all but without
                    rounding. It is compared instead of the float64 answer, and how far the two are apart is the code's
                    own rounding there: `lost`. It has a rounding of its own, which is the code's and not the
                    reference's: what it lost in float64, 2^-11 times (`of_formula`).
    recorded        What differs is asked for its own program (`own`), whose roundings are drawn like the reference's.
                    It knows what no other way does: that 1 + tanh(a) is coarse where it gives 0 at every point near,
                    and that tan(10^137) is not, however far it moves there. It costs a compilation.
    measured        Where both are silent, the spread of the residuals at points near (`measured`): a mistake stays
                    where it is, rounding scatters. What does not agree even so is asked once more from further away.
    assumed         Where all are silent: the first answer stands.

Code that computes in float32 inside is asked nothing of this: it rounds like the reference would in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import numpy as np

from crosscheck.evidence.decision import tells
from crosscheck.evidence.estimate import Estimate
from crosscheck.evidence.pair import compare
from crosscheck.floats import DOUBLE, SINGLE, UNIT
from crosscheck.operation import OUTPUT, Array, Arrays, Operation, Truth
from crosscheck.rounding import quantile
from crosscheck.witnesses.autodiff import ASSUMED
from crosscheck.witnesses.averaged import mean_residual
from crosscheck.witnesses.longdouble import RATIO, LongRun, long_run
from crosscheck.witnesses.measured import Spread, far_rounding, known_mean, measured_rounding
from crosscheck.witnesses.own import program_rounding

# Roundings of its own size that an answer is granted where nothing else is known of it.
FEW = 4
# Entries up to which a gradient's rounding is asked for so closely: beyond, the points beside would take more than a
# GiB.
MANY = 2**20


@dataclass(frozen=True)
class Said:
    """The hand-derived estimate of one gradient (or of the output), how its rounding was had, and how far the float64
    answer is from the formula where that is known."""

    estimate: Estimate
    how: str = "assumed"
    lost: Array | None = None


@dataclass(frozen=True)
class Asked:
    """Whom to ask about an operation at a point.

    Args:
        operation: at float64.
        cotangent: of its output.
        truth: the reference's output and gradients anywhere.
        t, comparisons: of the whole check.
        seed: of the points of the measurement.
        single: the answers that are computed in float32 inside (`coarse`).
        single_sigma: the standard deviation of the reference's rounding in float32, of a reference that computes in
            float32 itself: 2^29 times that of float64 would be that of float32 twice.
    """

    operation: Operation
    cotangent: Array
    truth: Truth
    t: float
    comparisons: int
    seed: int
    single: frozenset[str] = frozenset()
    single_sigma: Mapping[str, Array] = field(default_factory=dict)


def hand_estimates(
    witness: str,
    answers: Mapping[str, Array],
    truths: Mapping[str, Estimate],
    bounds: Mapping[str, Array],
    asked: Asked,
) -> dict[str, Said]:
    """The hand-derived estimate beside each of `truths`, named `witness`.

    Args:
        answers: the float64 answers, by name; the output's under `OUTPUT`.
        bounds: by name, how far the algorithm of the code may be off where it says so itself.
    """
    slack = {k: s for k, t in truths.items() if (s := asked.operation.manner.slack(k, t.value)) is not None}
    bounds = {**bounds, **{k: s + bounds.get(k, 0.0) for k, s in slack.items()}}
    said = {
        k: Said(in_float32(witness, a, truths[k], slack.get(k, 0.0), asked.single_sigma.get(k)), "float32")
        if k in asked.single
        else Said(assumed(witness, a, truths[k], bounds.get(k)))
        for k, a in answers.items()
    }
    pairs = {k: compare(s.estimate, truths[k], asked.t) for k, s in said.items()}
    differing = [
        k
        for k, pair in pairs.items()
        if k not in asked.single
        and (pair.disagree.any() or (k not in bounds and (pair.agree & ~tells(pair, truths[k])).any()))
    ]
    said |= seen_in_float32(said, truths, asked)
    if not differing:
        return said
    found = long_run(asked.operation, asked.cotangent)
    for k in differing:
        wide = in_longdouble(found, k)
        if wide is not None and wide.shape == answers[k].shape:
            formula = of_formula(witness, wide, truths[k], found.seen[k], asked)
            if k in slack:  # in longdouble, too
                said[k] = Said(replace(formula, bound=formula.bound + slack[k]), "longdouble")
                continue
            with np.errstate(invalid="ignore", over="ignore"):
                said[k] = Said(formula, "longdouble", np.asarray(np.abs(wide - answers[k]), np.float64))
    accused = [k for k in differing if compare(said[k].estimate, truths[k], asked.t).disagree.any()]
    accused = [k for k in accused if answers[k].size <= MANY]
    said |= recorded(said, accused, asked)
    silent = [k for k in accused if said[k].how != "longdouble"]
    for measure in (near, afar):
        silent = [k for k in silent if compare(said[k].estimate, truths[k], asked.t).disagree.any()]
        # A code whose program has spoken is not excused by points beside that have nothing to do with this one.
        known = [k for k in silent if said[k].how == "recorded"]
        unknown = [k for k in silent if k not in known]
        strictly = partial(measure, strict=True)
        seen = measured(measure, unknown, truths, asked) | measured(strictly, known, truths, asked)
        for k, sigma in seen.items():
            old = said[k].estimate
            assert old.sigma is not None
            said[k] = Said(replace(old, sigma=np.maximum(old.sigma, sigma)), "measured")
    return said


def recorded(said: Mapping[str, Said], names: list[str], asked: Asked) -> dict[str, Said]:
    """The estimates of these gradients with the rounding of the code's own program, where it is to be had. A longdouble
    answer has 2^-11 of it, unless the code keeps to a coarser format."""
    if not names:
        return {}
    own = program_rounding(asked.operation, asked.cotangent, asked.comparisons, asked.t, asked.seed)
    found: dict[str, Said] = {}
    for k in names:
        old, sigma = said[k].estimate, own.sigma.get(k)
        if sigma is not None and old.sigma is not None and sigma.shape == old.sigma.shape:
            share = RATIO if said[k].how == "longdouble" and not own.coarse else 1.0
            how = "recorded" if said[k].how == "assumed" else said[k].how
            found[k] = replace(said[k], estimate=replace(old, sigma=np.maximum(old.sigma, share * sigma)), how=how)
    return found


def as_designed(estimate: Estimate, name: str, operation: Operation) -> Estimate:
    """The estimate with the accuracy that its caller gave it, for whoever asks what an agreement tells."""
    share = operation.manner.accuracy.get(name, 0.0)
    return replace(estimate, notes={**estimate.notes, "accuracy": share}) if share else estimate


def assumed(witness: str, answer: Array, truth: Estimate, bound: Array | None) -> Estimate:
    sigma, once = borrowed(truth, answer, UNIT[DOUBLE])
    return Estimate(witness, np.asarray(answer, np.float64), once if bound is None else once + bound, ASSUMED * sigma)


def borrowed(truth: Estimate, answer: Array, unit: float) -> tuple[Array, Array]:
    """The reference's rounding; and where the reference has none that is known (its derivative divides by the
    difference of two equal eigenvalues), a few of the answer itself, as of code that stands alone: others may know it.
    """
    assert truth.sigma is not None
    known = np.isfinite(truth.sigma)
    size = np.abs(np.nan_to_num(np.asarray(answer, np.float64), posinf=0.0, neginf=0.0))  # no excuse for NaN
    size = size if size.shape == known.shape else np.zeros(known.shape)
    return np.where(known, truth.sigma, 0.0), np.where(known, 0.0, FEW * unit * size)


def in_float32(
    witness: str, answer: Array, truth: Estimate, slack: Array | float = 0.0, known: Array | None = None
) -> Estimate:
    """The answer of code that computes in float32: the rounding of float64, to first order, 2^29 times as large, or
    what is `known` of it; and one of its own, where the reference has nothing to round."""
    sigma, few = borrowed(truth, answer, UNIT[SINGLE])
    sigma = UNIT[SINGLE] / UNIT[DOUBLE] * sigma if known is None else known
    with np.errstate(invalid="ignore"):
        once = np.where(np.isfinite(answer), UNIT[SINGLE] * np.abs(np.asarray(answer, np.float64)), 0.0)
    once = np.maximum(once, few) + slack
    return Estimate(witness, np.asarray(answer, np.float64), once, ASSUMED * sigma)


def seen_in_float32(said: Mapping[str, Said], truths: Mapping[str, Estimate], asked: Asked) -> dict[str, Said]:
    """Where what is assumed of float32 is too much to tell something: the mean of the code's residuals about the truth
    at points around, of which rounding leaves less than of one, and a mistake does not.

    It may settle entries as right; where it would accuse, the first answer stands.
    """
    by_design = asked.operation.manner.accuracy.keys()
    vague = [k for k in asked.single & said.keys() - by_design if untold(said[k].estimate, truths[k], asked)]
    better: dict[str, Said] = {}
    for k, (mean, spread) in around(averaged, vague, truths, asked).items():
        first = said[k].estimate
        assert first.sigma is not None
        sigma = at_the_quantile(spread, asked)
        value = np.asarray(truths[k].value + mean, np.float64)
        second = Estimate(first.witness, value, np.zeros(value.shape), sigma)
        known = compare(second, truths[k], asked.t).agree & compare(first, truths[k], asked.t).agree
        firm = known & (sigma < first.sigma)
        better[k] = Said(
            replace(
                first,
                value=np.where(firm, value, first.value),
                bound=np.where(firm, 0.0, first.bound),
                sigma=np.where(firm, sigma, first.sigma),
            ),
            "float32",
        )
    return better


def untold(estimate: Estimate, truth: Estimate, asked: Asked) -> bool:
    pair = compare(estimate, truth, asked.t)
    return bool((pair.agree & ~tells(pair, truth)).any())


def in_longdouble(found: LongRun, name: str) -> Array | None:
    return found.output if name == OUTPUT else found.gradients.get(name)


def of_formula(witness: str, wide: Array, truth: Estimate, seen: Array, asked: Asked) -> Estimate:
    """The longdouble answer as an estimate: rounded once to float64, and what longdouble itself loses.

    As long as the code loses no more than the reference, that is 2^-11 of what is assumed of a float64 code. Arithmetic
    that is poorer has been `seen` to be, a few times, and is pooled over the entries that are alike (`measured`):

        σ² = (2^-11 · ASSUMED σ_reference)² + S² (t of its degrees of freedom / t of the check)²
    """
    assert truth.sigma is not None
    value = np.asarray(wide, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        once = np.where(np.isfinite(value), UNIT[DOUBLE] * np.abs(value), 0.0)
        lost = at_the_quantile(known_mean(seen, value, truth.sigma), asked)
        sigma, _ = borrowed(truth, value, UNIT[DOUBLE])
        return Estimate(witness, value, once, np.hypot(ASSUMED * RATIO * sigma, lost))


def at_the_quantile(spread: Spread, asked: Asked) -> Array:
    """A measured standard deviation as if it had as many degrees of freedom as the quantile of the check."""
    quantiles = {f: quantile(f, asked.comparisons) for f in np.unique(spread.freedom)}
    wider = np.vectorize(quantiles.get, otypes=[float])(spread.freedom) if spread.freedom.size else spread.freedom
    return spread.sigma * wider / asked.t


Seen = TypeVar("Seen")
Measure = Callable[..., dict[str, Spread]]


def near(operation: Operation, asked: Asked, sigmas: Mapping[str, Array], *, strict: bool = False) -> dict[str, Spread]:
    return measured_rounding(operation, asked.cotangent, asked.truth, sigmas, seed=asked.seed, strict=strict)


def afar(operation: Operation, asked: Asked, sigmas: Mapping[str, Array], *, strict: bool = False) -> dict[str, Spread]:
    """It has a condition of its own that is as strict."""
    return far_rounding(operation, asked.cotangent, asked.truth, tuple(sigmas), seed=asked.seed)


def averaged(operation: Operation, asked: Asked, sigmas: Mapping[str, Array]) -> dict[str, tuple[Array, Spread]]:
    return mean_residual(operation, asked.cotangent, asked.truth, sigmas, seed=asked.seed)


def measured(measure: Measure, names: list[str], truths: Mapping[str, Estimate], asked: Asked) -> dict[str, Array]:
    """The standard deviations that the points beside show."""
    return {k: at_the_quantile(spread, asked) for k, spread in around(measure, names, truths, asked).items()}


def around(
    measure: Callable[[Operation, Asked, Mapping[str, Array]], dict[str, Seen]],
    names: list[str],
    truths: Mapping[str, Estimate],
    asked: Asked,
) -> dict[str, Seen]:
    """What the points beside show, by name."""
    if not names:
        return {}
    operation = asked.operation

    def answers(grad_output: Array, inputs: Arrays) -> Arrays:
        here = operation.at(inputs)
        found = here.gradients(grad_output) if any(k != OUTPUT for k in names) else {}
        return {**found, OUTPUT: here.output()} if OUTPUT in names else found

    everything = replace(operation, backward=answers, wrt=tuple(names))
    sigmas = {k: sigma for k in names if (sigma := truths[k].sigma) is not None}
    return measure(everything, asked, sigmas)
