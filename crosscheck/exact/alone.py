"""The exact run without a reference: float64 against longdouble, and the operation's own exact difference as truth."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from crosscheck.evidence.exact_run import ExactDifference, ExactRun, Outcome
from crosscheck.exact.differences import DIRECTION, Exactly
from crosscheck.exact.points import LADDER, LARGEST_SCALE, all_finite, smallness
from crosscheck.exact.words import statement
from crosscheck.floats import DOUBLE, LONG
from crosscheck.operation import Operation, describe, wide
from crosscheck.witnesses.longdouble import in_long

Array = np.ndarray
Arrays = dict[str, Array]

LONGDOUBLE_LIMIT = 2**14  # entries: longdouble has no fast matrix product


def without_reference(formula: Operation, seed: int, evaluations: int) -> ExactRun:
    """The operation against its own exact difference, at a point where float64 and longdouble give the same.

    That both precisions agree to the last bit shows that neither rounds there (or that both are constant there).
    """
    if np.finfo(LONG).nmant <= np.finfo(DOUBLE).nmant:
        return ExactRun(False, "there is no reference, and longdouble is no wider than double here")
    if sum(formula.inputs[k].size for k in formula.wrt) > LONGDOUBLE_LIMIT:
        return ExactRun(False, "there is no reference, and the operation is too large for longdouble")
    try:
        found = agreeing_point(formula, np.random.default_rng(seed))
    except Exception as error:  # most code knows nothing of longdouble, which is no fault
        return ExactRun(False, f"there is no reference, and the operation refuses longdouble: {describe(error)}")
    if found is None:
        return ExactRun(False, "there is no reference, and float64 and longdouble differ at every point drawn")
    inputs, v, output, gradients, q, rung, scale = found
    here = formula.at(inputs)
    long = formula.at({k: in_long(a) for k, a in inputs.items()})
    choices = 2 ** (rung.cotangent + 1)
    difference: dict[str, ExactDifference] = {}
    outcomes: dict[str, Outcome] = {}
    for name in sorted(formula.wrt, key=lambda k: inputs[k].size):
        witness = Exactly(here, name, v, output, scale, long)
        compared = witness.compare(gradients[name], [q[name] + n for n in (12, 6, 2)], evaluations)
        evaluations -= witness.evaluations
        if compared is None:
            continue
        # Entries on which no difference speaks could be anything: then only a mistake at the others is known.
        if compared.checked.all() or compared.directions or not compared.agrees:
            difference[name] = compared
            verdict: Outcome = "equal" if compared.agrees else "different"
            outcomes[name] = verdict
            if compared.directions:
                choices = min(choices, len(DIRECTION) ** compared.directions)
    if not outcomes:
        return ExactRun(False, "there is no reference, and no exact difference could be taken")
    truth = {k: d.value if d.checked.all() and not d.directions else gradients[k] for k, d in difference.items()}
    run = ExactRun(
        True,
        inputs=inputs,
        cotangent=v,
        output=output,
        gradients=truth,
        hand_output=output,
        hand_gradients=gradients,
        outcomes=outcomes,
        degree=dict.fromkeys(formula.wrt, 0),
        points=1,
        choices=choices,
        difference=difference,
    )
    return replace(run, statement=statement(run))


def agreeing_point(formula: Operation, rng: np.random.Generator) -> Any:
    """A point where output and gradients are the same in float64 and longdouble, or None."""
    lengths = {n for k in formula.wrt for n in formula.inputs[k].shape}
    odd = math.prod(n // (n & -n) for n in lengths if n > 0)
    first = formula.wrt[0]
    # Means divide by axis lengths, or by windows of 3 or 5.
    for scale in sorted({1, 225, odd if odd <= LARGEST_SCALE else 1}):
        for rung in LADDER:
            inputs = {k: wide(a) for k, a in formula.inputs.items()}
            q = dict.fromkeys(formula.wrt, 0)
            for k in formula.drawn:
                shape, size = inputs[k].shape, inputs[k].size
                offset = rung.offsets == "all" or (rung.offsets == "first" and k == first)
                q[k] = size.bit_length() if offset else 0
                a = rng.integers(-rung.magnitude, rung.magnitude + 1, shape).astype(np.float64)
                if offset:
                    a = a + (1.0 + rng.permutation(size).reshape(shape)) * 2.0 ** -q[k]
                inputs[k] = np.asarray(a * scale)
            here = formula.at(inputs)
            long = formula.at({k: in_long(a) for k, a in inputs.items()})
            with np.errstate(all="ignore"):
                y = here.output()
                v = np.asarray(rng.integers(1, 2**rung.cotangent + 1, y.shape) * scale)
                v = v * rng.choice([-1.0, 1.0], y.shape) * 2.0 ** -smallness(rung, scale)
                gradients = here.gradients(v)
                in_longdouble = {"": long.output(), **long.gradients(v.astype(LONG))}
            narrow = {"": y, **gradients}
            if any(a.dtype != LONG for a in in_longdouble.values()):
                raise TypeError("it returns another dtype for longdouble inputs")
            same = all(np.array_equal(narrow[k], in_longdouble[k]) for k in narrow)
            # A function that saturates is exact where it is constant, which says nothing.
            telling = all(g.any() for g in gradients.values() if g.size)
            if same and telling and all_finite(*narrow.values()):
                return inputs, v, y, gradients, q, rung, scale
    return None
