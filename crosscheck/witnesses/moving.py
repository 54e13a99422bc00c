"""The witnesses that need only the forward: finite differences of every entry, random directions, the complex step.

Entries that no output shares are differenced together (`groups`). Where even that is out of reach, signed random
directions stand in: they compare ⟨g, d⟩ instead of every entry, and the report says with what probability a mistake
escapes.

What is out of reach does not hang on the clock: it is counted beforehand, in forwards and in numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from crosscheck.evidence.estimate import DIRECTIONS, Estimate
from crosscheck.operation import Operation
from crosscheck.traces.once import calls_of, length_of
from crosscheck.witnesses.analytic import CHECK_EVALUATIONS
from crosscheck.witnesses.complex_step import MOVED_RUNS, complex_step
from crosscheck.witnesses.differences import (
    MOST,
    SETUP,
    TYPICAL,
    Contaminated,
    Differences,
    Group,
    along_direction,
    one_by_one,
)
from crosscheck.witnesses.groups import Plan, find_plan, probes
from crosscheck.witnesses.noise import like
from crosscheck.witnesses.orders import orders_of, scale_at, size_of

Array = np.ndarray

# Differences of every entry are taken where they need at most this many forwards, at the usual dozen for a group: of a
# forward in Python loops that takes 10 ms, five minutes.
FORWARDS = 2**15
# And at most this many numbers read and written, all forwards together: at 10⁹ a second, half a minute.
NUMBERS = 2**35
# Where a reference has spoken, differences are a third opinion: eight seconds for all inputs together.
NUMBERS_BESIDE = 2**33
# A call of NumPy costs as much as so many numbers, 1 µs; a forward makes about one for every equation of the reference.
CALL = 1000
DIRECTION_COUNT = 20
FEWEST_DIRECTIONS = 2
# Directions that ask whether single entries tell the whole: along random signs ties part in one way each.
JOINT = 3
# The complex step, a third opinion, is asked where it costs at most this many evaluations, 1 + MOVED_RUNS times;
# beside a reference that has spoken, of a forward in Python loops, where these cost no more than `NUMBERS_BESIDE`.
COMPLEX_GROUPS = 256


def affordable(operation: Operation, name: str, outputs: int) -> int:
    """How many groups of one input may be differenced."""
    return min(FORWARDS, calls_within(operation, name, outputs)) // TYPICAL


def calls_within(operation: Operation, name: str, outputs: int) -> int:
    """How many forwards of one input take no more numbers than may be read and written."""
    each = operation.inputs[name].size + outputs + CALL * length_of(operation.reference)
    numbers = NUMBERS if operation.reference is None else NUMBERS_BESIDE // len(operation.wrt)
    return numbers // max(1, each)


def complex_groups(operation: Operation) -> int:
    """Up to how many groups of entries the complex step is asked about."""
    if operation.reference is None:
        return COMPLEX_GROUPS
    calls = NUMBERS_BESIDE // (len(operation.wrt) * CALL * max(1, calls_of(operation.reference)))
    return min(COMPLEX_GROUPS, calls // (1 + MOVED_RUNS))


def direction_count(operation: Operation, name: str, outputs: int) -> int:
    """How many directions stand in for the entries: fewer where the forward is long, and each may take two levels."""
    count = calls_within(operation, name, outputs) // (1 + 2 * TYPICAL)
    return min(DIRECTION_COUNT, max(FEWEST_DIRECTIONS, count))


def evaluations_planned(operation: Operation, name: str, outputs: int, groups: int | None = None) -> tuple[int, int]:
    """How many forwards the moving witnesses of one input take, as a rule and at the most.

    `groups`: how many there are, where that is known (`find_plan`); else as many as entries.
    """
    x = operation.inputs[name]
    planning = probes(x.shape) if worth_planning(operation, name, outputs) else 0
    count = min(x.size if groups is None else groups, x.size)
    once = SETUP + planning
    line = 1 + MOST
    if count > affordable(operation, name, outputs):
        directions = direction_count(operation, name, outputs)
        return once + directions * (1 + TYPICAL), once + directions * line
    complex_steps = (1 + MOVED_RUNS) * count + (CHECK_EVALUATIONS if operation.moving_forward is None else 0)
    complex_steps = complex_steps if count <= complex_groups(operation) else 0
    return once + (1 + count) * TYPICAL + 1 + complex_steps, once + count * MOST + line + complex_steps


def worth_planning(operation: Operation, name: str, outputs: int) -> bool:
    """Whether looking for groups can cost less than it saves, and is itself affordable."""
    x = operation.inputs[name]
    return 2 * probes(x.shape) < x.size and probes(x.shape) <= affordable(operation, name, outputs) * TYPICAL


def plan_for(operation: Operation, name: str, outputs: int) -> Plan | None:
    """The grouping of the entries of one input, or None where looking for one costs more than it saves."""
    if not worth_planning(operation, name, outputs):
        return None
    x = operation.inputs[name]
    try:
        plan = find_plan(lambda z: operation.moved({name: z}), x, np.random.default_rng(0))
    except Exception:  # the code may refuse numbers that are not its own: positions in an image, probabilities
        return None
    return plan if plan.evaluations < x.size else None


def moving_witnesses(
    operation: Operation,
    name: str,
    v: Array,
    noise: Array | None = None,
    deadline: float | None = None,
    announce: Callable[[int, int], None] | None = None,
) -> list[Estimate]:
    """What the forward itself says of one input's gradient: differences of every entry or, where those are too many,
    random directions; and the complex step where it is cheap and the code takes complex numbers.

    `noise`: of the outputs; None: measured from the forward. `deadline`, a reading of `time.perf_counter`: what is not
    done by then is left undecided, and nothing else changes. `announce` is told how many forwards it will take, as a
    rule and at the most, once that is known.
    """
    x, manner = operation.inputs[name], operation.manner
    witness = Differences(lambda z: operation.moved({name: z}), x, v, noise)
    noise, outputs = witness.n, witness.y.size  # measured once, and of the same point along every direction
    if manner.directions is not None:
        return [directions(operation, name, v, noise, deadline, manner.directions)]
    if manner.entries is not None and manner.entries < x.size:
        drawn = sampled(witness, manner.entries, deadline)
        return [drawn, directions(operation, name, v, noise, deadline, FEWEST_DIRECTIONS)]
    most = affordable(operation, name, outputs)
    plan = plan_for(operation, name, outputs)
    if announce is not None:
        announce(*evaluations_planned(operation, name, outputs, None if plan is None else plan.evaluations))
    if plan is not None and plan.evaluations <= most:
        try:
            estimate = witness.differentiate(plan.groups(), deadline)
            if reproduces(operation, name, v, noise, estimate):
                third = [] if late(deadline) else complex_steps(operation, name, v, plan)
                return [planned(estimate, operation, outputs, name, plan.evaluations), *third]
        except Contaminated:
            pass  # an output moved that the pattern did not foresee: difference every entry alone
    if x.size <= most:
        estimate = witness.differentiate(one_by_one(x.size), deadline)
        third = [] if late(deadline) else complex_steps(operation, name, v, None)
        return [planned(estimate, operation, outputs, name, x.size), *third]
    return [directions(operation, name, v, noise, deadline)]


def sampled(witness: Differences, count: int, deadline: float | None) -> Estimate:
    """Differences of so many entries, drawn at random; of the others it says nothing."""
    places = np.sort(np.random.default_rng(8).choice(witness.x.size, count, replace=False))
    estimate = witness.differentiate((Group(np.array([i])) for i in places), deadline)
    unseen = int(estimate.notes["undecided"]) - (witness.x.size - count)
    return replace(estimate, notes={**estimate.notes, "sampled": count, "undecided": unseen})


def late(deadline: float | None) -> bool:
    return deadline is not None and time.perf_counter() > deadline


def planned(estimate: Estimate, operation: Operation, outputs: int, name: str, groups: int) -> Estimate:
    usual, most = evaluations_planned(operation, name, outputs, groups)
    return Estimate(
        **{**estimate.__dict__, "notes": {**estimate.notes, "groups": groups, "planned": usual, "at most": most}}
    )


def complex_steps(operation: Operation, name: str, v: Array, plan: Plan | None) -> list[Estimate]:
    size = operation.inputs[name].size
    count = size if plan is None else plan.evaluations
    if count > complex_groups(operation):
        return []
    estimate = complex_step(operation, name, v, lambda: one_by_one(size) if plan is None else plan.groups())
    return [] if estimate is None else [estimate]


def reproduces(operation: Operation, name: str, v: Array, noise: Array | None, estimate: Estimate) -> bool:
    """Whether the grouped differences give the derivative along one dense random direction."""
    if not np.isfinite(estimate.bound).all():
        return True  # a kink on the way, or not all was done: the direction says nothing
    x = operation.inputs[name]
    direction = random_direction(x, np.random.default_rng(1))
    along = along_direction(lambda z: operation.moved({name: z}), x, direction, v, noise)
    if along.kink[0]:
        return True
    allowed = along.bound[0] + float(np.sum(estimate.bound * np.abs(direction)))
    return abs(along.value[0] - float(np.sum(estimate.value * direction))) <= allowed


def is_linear(operation: Operation, name: str, v: Array, noise: Array | None, estimate: Estimate) -> bool:
    """Whether the differences of single entries add up to the derivative along directions that move all of them.

    Where they do not, the point is a kink that no single entry shows: the median of three equal numbers does not follow
    any one of them, and follows all three. Entries on kinks of their own stand still.
    """
    x, told = operation.inputs[name], estimate.speaks() & ~estimate.notes["kink"]
    for seed in range(JOINT):
        direction = np.where(told, random_direction(x, np.random.default_rng([6, seed])), 0.0)
        along = along_direction(lambda z: operation.moved({name: z}), x, direction, v, noise)
        summed = float(np.sum(np.where(told, estimate.value, 0.0) * direction))
        allowed = along.bound[0] + float(np.sum(np.where(told, estimate.bound, 0.0) * np.abs(direction)))
        if along.kink[0] or abs(along.value[0] - summed) > allowed:
            return False
    return True


def random_direction(x: Array, rng: np.random.Generator) -> Array:
    """Random signs, every entry moved in proportion to the array's typical size (one of another order of magnitude in
    proportion to that), none left out."""
    size = size_of(x)
    return like(x, rng.choice([-1.0, 1.0], x.shape) * scale_at(orders_of(x, size), size), np.float64)


def directions(
    operation: Operation,
    name: str,
    v: Array,
    noise: Array | None = None,
    deadline: float | None = None,
    count: int | None = None,
) -> Estimate:
    """⟨g, d⟩ along signed random directions, as an estimate with one entry per direction.

    A wrong gradient g + e escapes one direction only if |⟨e, d⟩| is below the bound; with random signs a fixed e that
    is not itself below it does so with probability at most 1/2 (a single wrong entry: never), independently for each
    direction. `count`: how many, where that was asked for; None: as many as can be afforded.
    """
    x = operation.inputs[name]
    rng = np.random.default_rng(2)
    values, bounds, kinks, used = [], [], [], []
    for _ in range(count or direction_count(operation, name, int(np.size(v)))):
        if late(deadline):
            break
        d = random_direction(x, rng)
        along = along_direction(lambda z: operation.moved({name: z}), x, d, v, noise)
        values.append(along.value[0])
        bounds.append(along.bound[0])
        kinks.append(bool(along.kink[0]))
        used.append(d)
    usual, most = evaluations_planned(operation, name, int(np.size(v)))
    return Estimate(
        DIRECTIONS,
        np.array(values),
        np.array(bounds),
        decided=~np.array(kinks, bool),
        notes={
            "directions": used,
            "miss": 2.0 ** -sum(not k for k in kinks),
            "kinks": sum(kinks),
            "asked": count is not None,
            "planned": usual,
            "at most": most,
        },
    )
