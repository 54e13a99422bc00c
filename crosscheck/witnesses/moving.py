"""The witnesses that need only the forward: finite differences of every entry, random directions, the complex step.

Entries that no output shares are differenced together (`locality`). Where even that is out of reach, signed random
directions stand in: they compare ⟨g, d⟩ instead of every entry, and the report says with what probability a mistake
escapes.
"""

from __future__ import annotations

import time
import warnings

import numpy as np

from crosscheck.evidence.estimate import COMPLEX_STEP, DIRECTIONS, Estimate
from crosscheck.operation import Operation
from crosscheck.witnesses.differences import (
    Contaminated,
    Differences,
    Group,
    along_direction,
    one_by_one,
)
from crosscheck.witnesses.groups import Plan, find_plan, probes

Array = np.ndarray

# A finite difference of every entry that would take longer than this gives way to random directions.
PATIENCE_S = 60.0
# One entry costs about this many forwards.
FORWARDS_PER_GROUP = 6
DIRECTION_COUNT = 20


def plan_for(operation: Operation, name: str) -> Plan | None:
    """The grouping of the entries of one input, or None where looking for one costs more than it saves."""
    x = operation.inputs[name]
    if x.size <= 2 * probes(x):
        return None
    plan = find_plan(lambda z: operation.moved({name: z}), x, np.random.default_rng(0))
    return plan if plan.evaluations < x.size else None


def moving_witnesses(operation: Operation, name: str, v: Array, noise: Array | None = None) -> list[Estimate]:
    """What the forward itself says of one input's gradient: differences of every entry or, where that takes too long,
    random directions; and the complex step where it is cheap and the code takes complex numbers.
    """
    x = operation.inputs[name]
    witness = Differences(lambda z: operation.moved({name: z}), x, v, noise)
    started = time.perf_counter()
    witness.evaluate(x)
    one_forward = max(time.perf_counter() - started, 1e-9)
    affordable = PATIENCE_S / one_forward / FORWARDS_PER_GROUP
    plan = plan_for(operation, name) if probes(x) < affordable * FORWARDS_PER_GROUP else None
    if plan is not None and plan.evaluations <= affordable:
        groups = list(plan.groups())
        try:
            estimate = witness.differentiate(groups)
            if reproduces(operation, name, v, noise, estimate):
                return [estimate, *complex_steps(operation, name, v, groups)]
        except Contaminated:
            pass  # an output moved that the pattern did not foresee: difference every entry alone
    if x.size <= affordable:
        alone = list(one_by_one(x.size))
        return [witness.differentiate(alone), *complex_steps(operation, name, v, alone)]
    return [directions(operation, name, v, noise)]


def complex_steps(operation: Operation, name: str, v: Array, groups: list[Group]) -> list[Estimate]:
    estimate = complex_step(operation, name, v, groups) if len(groups) <= COMPLEX_GROUPS else None
    return [] if estimate is None else [estimate]


def reproduces(operation: Operation, name: str, v: Array, noise: Array | None, estimate: Estimate) -> bool:
    """Whether the grouped differences give the derivative along one dense random direction."""
    x = operation.inputs[name]
    direction = random_direction(x, np.random.default_rng(1))
    along = along_direction(lambda z: operation.moved({name: z}), x, direction, v, noise)
    if along.kink[0] or not np.isfinite(estimate.bound).all():
        return True  # a kink on the way: the direction says nothing
    allowed = along.bound[0] + float(np.sum(estimate.bound * np.abs(direction)))
    return abs(along.value[0] - float(np.sum(estimate.value * direction))) <= allowed


def random_direction(x: Array, rng: np.random.Generator) -> Array:
    """Random signs, every entry moved in proportion to the array's typical size, none left out."""
    scale = float(np.sqrt(np.mean(x.astype(np.float64) ** 2))) or 1.0
    return rng.choice([-1.0, 1.0], x.shape) * 2.0 ** np.floor(np.log2(scale))


def directions(operation: Operation, name: str, v: Array, noise: Array | None) -> Estimate:
    """⟨g, d⟩ along signed random directions, as an estimate with one entry per direction.

    A wrong gradient g + e escapes one direction only if |⟨e, d⟩| is below the bound; with random signs a fixed e that
    is not itself below it does so with probability at most 1/2 (a single wrong entry: never), independently for each
    direction.
    """
    x = operation.inputs[name]
    rng = np.random.default_rng(2)
    values, bounds, kinks, used = [], [], [], []
    for _ in range(DIRECTION_COUNT):
        d = random_direction(x, rng)
        along = along_direction(lambda z: operation.moved({name: z}), x, d, v, noise)
        values.append(along.value[0])
        bounds.append(along.bound[0])
        kinks.append(bool(along.kink[0]))
        used.append(d)
    return Estimate(
        DIRECTIONS,
        np.array(values),
        np.array(bounds),
        decided=~np.array(kinks),
        notes={"directions": used, "miss": 2.0 ** -sum(not k for k in kinks), "kinks": sum(kinks)},
    )


# ---------------------------------------------------------------------- the complex step

# A third opinion, asked where it costs at most this many evaluations.
COMPLEX_GROUPS = 256
STEP = 2.0**-300  # nothing is subtracted, so the step may be far below rounding
# Rounding of the complex evaluation: the spread under one-ulp changes of the inputs, with a floor, times this factor.
# Over 24,000 healthy gradients that estimate needed at most 640.
COMPLEX_SAFETY = 1000.0


def complex_step(operation: Operation, name: str, v: Array, groups: list[Group]) -> Estimate | None:
    """Im f(x + ih)/h contracted with v: the derivative without subtraction, where the forward's code is analytic.

    None where the code does not take complex numbers or drops the imaginary part.
    """
    x = operation.inputs[name]

    def slopes(point: Array) -> tuple[Array, Array] | None:
        value, magnitude = np.zeros(x.size), np.zeros(x.size)
        for group in groups:
            z = point.astype(np.complex128)
            z.reshape(-1)[group.entries] += 1j * STEP
            y = complex_output(operation, {name: z})
            if y is None:
                return None
            terms = v.ravel() * (np.imag(y).ravel() / STEP)
            for out, t in ((value, terms), (magnitude, np.abs(terms))):
                if group.owner is None:
                    out[group.entries] = t.sum()
                else:
                    owned = group.owner >= 0
                    out[group.entries] = np.bincount(group.owner[owned], t[owned], minlength=group.members)
        return value, magnitude

    found = slopes(x)
    if found is None:
        return None
    value, magnitude = found
    unit = float(np.finfo(np.float64).eps) / 2
    rng = np.random.default_rng(3)
    spread = np.zeros(x.size)
    for _ in range(2):
        moved = slopes(x * (1 + 2 * unit * rng.choice([-1.0, 1.0], x.shape)))
        if moved is None:
            return None
        spread = np.maximum(spread, np.abs(moved[0] - value))
    floor = unit * np.maximum(magnitude, np.sqrt(np.mean(magnitude**2)) / 16 if x.size else 0.0)
    bound = COMPLEX_SAFETY * np.maximum(spread, floor)
    return Estimate(COMPLEX_STEP, value.reshape(x.shape), bound.reshape(x.shape))


def complex_output(operation: Operation, changed: dict[str, Array]) -> Array | None:
    """The forward at complex inputs, or None where the user's code refuses them or returns a real array."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            y = operation.moved(changed)
    except Exception:  # any refusal means: this witness cannot be called
        return None
    return y if y.dtype.kind == "c" and np.isfinite(y).all() else None
