"""Further points: what a mistake hides at one point it shows at another.

A pool that assigns where it must add is right wherever no entry wins two windows; code that takes its dtype from the
first entry is right where that is negative. So a check visits points beside the caller's own: other values from the
same ranges in other places, negated, larger, smaller. What is not differentiated is never changed, an array of one sign
keeps it. Numbers between 0 and 1 may be probabilities, beyond which a loss clips and its derivative need not: of these
the odds are four times as large, and lines that add up to one are others that do.

Only gross mistakes are looked for here: entries that are off by more than rounding allows and by more than
`RESOLUTION` of themselves and of the terms that were added up to them. A point that the code refuses, where something
is not finite, or where the two forwards are not the same function, is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from crosscheck.draws import adds_up, resampled
from crosscheck.evidence.collected import Elsewhere
from crosscheck.evidence.decision import RESOLUTION
from crosscheck.evidence.estimate import HAND
from crosscheck.evidence.pair import compare
from crosscheck.floats import DOUBLE, UNIT
from crosscheck.operation import OUTPUT, Array, Arrays, Operation
from crosscheck.traces.iteration import iterates
from crosscheck.witnesses.autodiff import autodiff, plain_gradients
from crosscheck.witnesses.coarse import in_single
from crosscheck.witnesses.contradiction import seen_noise, still_along
from crosscheck.witnesses.differences import along_direction
from crosscheck.witnesses.foreign import Foreign
from crosscheck.witnesses.hand import Asked, hand_estimates
from crosscheck.witnesses.on_sets import Lies, in_words, points_on, sets_of

CHANGES: dict[str, Callable[[Array], Array]] = {
    "other values in other places": lambda a: a,
    "such values negated": lambda a: a if (a >= 0).all() or (a <= 0).all() else -a,
    "such values four times as large": lambda a: 4 * a,
    "such values a quarter as large": lambda a: a / 4,
}


OTHER_RANGES = frozenset(["such values four times as large", "such values a quarter as large"])


def further_points(formula: Operation, seed: int) -> Iterator[tuple[str, Operation]]:
    """The points, with what was done to the caller's own. None has a zero, or two equal numbers on purpose: at a kink a
    derivative is a convention. What is only so good by design (a solver that converges for such numbers) is that in its
    own range, and what iterates stays in the range in which it converges."""
    changes = list(CHANGES.items())[: 1 if formula.manner.accuracy else None]
    known = formula.reference
    same_range = known is not None and not isinstance(known, Foreign) and iterates(known, formula.inputs)
    for number, (name, change) in enumerate(changes):
        if same_range and name in OTHER_RANGES:
            continue
        rng = np.random.default_rng([seed, 5, number])
        inputs = {k: changed(a, change, rng) if k in formula.drawn else a for k, a in formula.inputs.items()}
        if any((inputs[k] != formula.inputs[k]).any() for k in formula.wrt):
            yield name, formula.at(inputs)


def changed(a: Array, change: Callable[[Array], Array], rng: np.random.Generator) -> Array:
    """Other values for one input."""
    drawn = resampled(a, rng)
    if a.dtype.kind != "f" or not a.any() or (a < 0).any() or (a > 1).any():
        return np.asarray(change(drawn))
    axis = adds_up(a)
    if axis is None and (a == 1).any():
        return np.asarray(change(drawn))
    odds = change(drawn / (1 - drawn)) if axis is None else change(drawn)
    kept = odds / (1 + odds) if axis is None else odds / odds.sum(axis=axis, keepdims=True)
    return np.asarray(kept, a.dtype)


Judged = dict[str, tuple[Array, Array | None, Array | None]]  # wrong where, the truth, and how far off it may be


class Looked(NamedTuple):
    """What was seen at the further points.

    Args:
        wrong: a point at which a gradient is wrong, one for each gradient at most.
        compared: how many points were.
        moving: the inputs whose gradient was not zero everywhere at one of them.
    """

    wrong: dict[str, Elsewhere]
    compared: int
    moving: frozenset[str]


def look(
    formula: Operation,
    v: Array,
    t: float,
    comparisons: int,
    seed: int,
    single: frozenset[str] = frozenset(),
    known: frozenset[str] = frozenset(),
) -> Looked:
    """Visit the further points; `single` are the answers that are computed in float32 inside, `known` the gradients of
    which nothing more is asked than whether they are zero."""
    found: dict[str, Elsewhere] = {}
    moving: set[str] = set()
    compared = 0
    ask = Asking(v, t, comparisons, seed, single)
    for name, there in further_points(formula, seed):
        hand, judged = ask(there, lambda k: k not in found and k not in known)
        if judged is None:
            continue
        compared += 1
        moving |= {k for k in there.wrt if np.any(hand[k] != 0)}
        for k, (wrong, truth, allowed) in judged.items():
            if wrong.any() and k not in found:
                found[k] = Elsewhere(k, name, wrong, there.inputs, v, hand, truth, allowed)
    sets = sets_of(formula) if found else {}
    for k in right_on(formula, sets, frozenset(found), ask) if sets else ():
        found[k] = replace(found[k], on_set=in_words(sets))
    return Looked(found, compared, frozenset(moving))


class Asking(NamedTuple):
    """What is asked at every point: (the hand-derived gradients, what is said of those that `whom` lets through), and
    None for the latter where the code refuses the point or something is not finite."""

    v: Array
    t: float
    comparisons: int
    seed: int
    single: frozenset[str]

    def __call__(self, there: Operation, whom: Callable[[str], bool]) -> tuple[Arrays, Judged | None]:
        there = in_single(there) if self.single else there
        try:
            with np.errstate(all="ignore"):
                y, hand = there.output(), there.gradients(self.v)
        except Exception:  # the point is ours: that the code refuses it is no fault
            return {}, None
        if y.shape != self.v.shape or not np.isfinite(y).all():
            return hand, None
        if any(hand[k].shape != there.inputs[k].shape for k in there.wrt):
            return hand, None
        asked = {k: g for k, g in hand.items() if whom(k)}
        if not asked:
            return hand, {}
        if there.reference is None:
            return hand, along_one_direction(there, asked, self.v, self.seed)
        return hand, against_reference(there, y, asked, *self)


def right_on(formula: Operation, sets: dict[str, Lies], names: frozenset[str], ask: Asking) -> frozenset[str]:
    """Of gradients that are wrong at a further point, those that are right at all points on the sets that the inputs
    lie on."""
    right, compared = names, 0
    for there in points_on(formula, sets, ask.seed, len(CHANGES)):
        _, judged = ask(there, right.__contains__)
        if judged is not None:
            compared += 1
            right = frozenset(k for k in right if k in judged and not judged[k][0].any())
    return right if compared else frozenset()


STIRRING = (1.0, -1.0, 8.0, -0.125)


def stirred(formula: Operation, v: Array, still: frozenset[str], seed: int) -> frozenset[str]:
    """Of gradients that were zero wherever one looked, those that are right and not zero somewhere else.

    Here the values of all inputs are mixed, so that what always lost (a maximum, a clip) may win. The code may not be
    meant for such points: nobody is accused at them.
    """
    known = [a[np.isfinite(a) & (a != 0)].astype(np.float64) for k, a in formula.inputs.items() if k in formula.wrt]
    pool = np.concatenate([a.ravel() for a in known]) if known else np.zeros(0)
    found: set[str] = set()
    for number, factor in enumerate(STIRRING):
        if not pool.size or found == still:
            break
        rng = np.random.default_rng([seed, 7, number])
        drawn = {
            k: np.asarray(factor * rng.choice(pool, a.shape) * rng.uniform(0.75, 1.25, a.shape), a.dtype)
            for k, a in formula.inputs.items()
            if k in formula.drawn
        }
        there = formula.at({**formula.inputs, **drawn})
        try:
            with np.errstate(all="ignore"):
                y, hand = there.output(), there.gradients(v)
            if y.shape != v.shape or not np.isfinite(y).all():
                continue
            if there.reference is None:
                judged = along_one_direction(there, hand, v, seed)
                right = {k for k, (wrong, _, _) in judged.items() if not wrong.any()}
            else:
                output, truth = plain_gradients(there.reference, there.inputs, there.wrt, v)
                same = np.isfinite(output).all() and not gross(y, output, np.abs(output)).any()
                right = {k for k in there.wrt if same and not gross(hand[k], truth[k], np.abs(truth[k])).any()}
        except Exception:  # the point is ours, and nothing hangs on it
            continue
        found |= {k for k in still & right if np.any(hand[k] != 0)}
    return frozenset(found)


def against_reference(
    there: Operation,
    y: Array,
    hand: Arrays,
    v: Array,
    t: float,
    comparisons: int,
    seed: int,
    single: frozenset[str] = frozenset(),
) -> Judged:
    """Where each gradient is wrong; nothing where the two forwards are not the same function.

    Rounding is asked for only where something is off by more than the resolution.
    """
    assert there.reference is not None
    output, truth = plain_gradients(there.reference, there.inputs, there.wrt, v)
    if not np.isfinite(output).all() or (gross(y, output, np.abs(output)) & beyond(there, y, output)).any():
        return {}
    suspects = {k for k in hand if gross(hand[k], truth[k], np.abs(truth[k])).any()}
    judged: Judged = {k: (np.zeros(g.shape, bool), None, None) for k, g in hand.items() if k not in suspects}
    if not suspects:
        return judged
    reference = there.reference

    def anywhere(inputs: Arrays, v: Array) -> Arrays:
        return plain_gradients(reference, inputs, there.wrt, v)[1]

    auto = autodiff(reference, there.inputs, there.wrt, v, DOUBLE, seed=seed, both_modes=False)
    truths = {k: auto.gradients[k] for k in suspects}
    asked = Asked(there, v, anywhere, t, comparisons, seed, single)
    said = hand_estimates(HAND, {k: hand[k] for k in suspects}, truths, {}, asked)
    for k, found in truths.items():
        pair = compare(said[k].estimate, found, t)
        size = np.abs(truth[k]) if found.terms is None else np.maximum(np.abs(truth[k]), found.terms)
        # Where the reference itself is NaN the point is beyond what it is made for, and perhaps the code, too; and of
        # what is less than a rounding of the largest entry either may have lost all (a denominator that overflows).
        known = np.isfinite(truth[k])
        largest = float(np.max(np.abs(truth[k]), initial=0.0, where=known))
        with np.errstate(invalid="ignore"):
            seen = known & ~(np.abs(hand[k] - truth[k]) <= UNIT[DOUBLE] * largest)
        # Where nothing flows (behind a floor) a NaN is 0 / 0: the caller chose no point at which something is that.
        seen &= ~(np.isnan(hand[k]) & (truth[k] == 0))
        wrong = pair.disagree & gross(hand[k], truth[k], size) & seen
        wrong &= not (wrong.any() and sides_with_the_code(there, k, hand[k], truth[k], wrong, v, seed))
        judged[k] = wrong, truth[k], pair.bounds
    return judged


def sides_with_the_code(
    there: Operation, name: str, hand: Array, truth: Array, where: Array, v: Array, seed: int
) -> bool:
    """Whether a difference along these entries is what the code says and not what the reference does: it may lose all
    its digits at a point that nobody chose (a trigamma at 1e158)."""
    if name in there.manner.on:
        return False  # only directions in its set are moved
    x = there.inputs[name]
    d = np.where(where, np.random.default_rng([seed, 8]).choice([-1.0, 1.0], x.shape) * np.abs(x), 0.0)
    with np.errstate(all="ignore"):
        along = along_direction(lambda z: there.moved({name: z}), x, d, v, None)
        said, known = (float(np.sum(a * d, where=where)) for a in (hand, truth))
        slack = float(along.bound[0]) + RESOLUTION * float(np.sum(np.abs(hand * d), where=where))
    if along.kink[0] or not np.isfinite([said, slack]).all():
        return False
    value = float(along.value[0])
    return abs(value - said) <= slack < abs(value - known)


def beyond(there: Operation, y: Array, output: Array) -> Array | bool:
    """Where an output is off by more than its forward is by design."""
    slack = there.manner.slack(OUTPUT, output)
    return True if slack is None else ~(np.abs(y - output) <= slack)


def along_one_direction(there: Operation, hand: Arrays, v: Array, seed: int) -> Judged:
    """Without a reference: ⟨g, d⟩ against the difference along a random direction, which does not say which entry."""
    judged: Judged = {}
    for k in hand:
        x = there.inputs[k]
        d = np.random.default_rng([seed, 6]).choice([-1.0, 1.0], x.shape) * np.maximum(np.abs(x), 2.0**-20)
        along = along_direction(lambda z, k=k: there.moved({k: z}), x, d, v, None)
        terms = hand[k] * d
        if not along.kink[0] and np.isfinite(terms).all():
            off = abs(float(along.value[0]) - float(terms.sum()))
            slack = there.manner.slack(k, hand[k])
            by_design = 0.0 if slack is None else float(np.sum(slack * np.abs(d)))
            wrong = off > float(along.bound[0]) + RESOLUTION * float(np.abs(terms).sum()) + by_design
            if wrong:  # of a fine ripple no larger step sees the slope
                weighted = float(np.sum(np.abs(v) * seen_noise(there, k, v)))
                line = lambda t, k=k, x=x, d=d: there.moved({k: x + t * d})  # noqa: E731
                wrong = still_along(line, v, float(terms.sum()), float(along.value[0]), weighted, 1.0)
            judged[k] = np.full(x.shape, wrong), None, None
    return judged


def gross(value: Array, truth: Array, size: Array) -> Array:
    """Where `value` is off by more than the resolution."""
    with np.errstate(invalid="ignore"):
        return ~(np.abs(value - truth) <= RESOLUTION * size)
