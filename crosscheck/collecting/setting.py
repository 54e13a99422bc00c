"""Where an operation is judged: the point, what code and reference say there first, the noise of the output."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosscheck import draws
from crosscheck.deadline import Deadline, noted
from crosscheck.effects.audit import begun
from crosscheck.effects.calls import Calls
from crosscheck.evidence.decision import COMPARED
from crosscheck.evidence.estimate import Estimate
from crosscheck.floats import DOUBLE, SINGLE, UNIT
from crosscheck.operation import OUTPUT, Array, Arrays, Operation
from crosscheck.rounding import quantile
from crosscheck.witnesses.autodiff import Autodiff, autodiff, output_shape, plain_gradients
from crosscheck.witnesses.coarse import shaken
from crosscheck.witnesses.contradiction import seen_noise

Estimates = dict[str, dict[str, Estimate]]  # by gradient and witness

# Without a reference nothing is a standard deviation; t is that of so many runs all the same.
RUNS = 32


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
    def guarded(self) -> bool:
        """Whether Python decided something in the code that was recorded."""
        return bool(getattr(self.formula.reference, "guarded", False))

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
        y = given.output()
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


def noise_by_design(setting: Setting, name: str) -> Array | None:
    """How far the outputs may be off, where that is more than moving the inputs shows; None where it is not."""
    slack = setting.formula.manner.slack(OUTPUT, setting.output)
    if slack is None:
        return setting.noise
    own = seen_noise(setting.formula, name, setting.cotangent) if setting.noise is None else setting.noise
    return np.fmax(own, slack)


def output_noise(setting: Setting) -> Array:
    """How far rounding may move each output: its last place, and what the reference knows of, where there is one."""
    auto, last = setting.auto, UNIT[DOUBLE] * np.abs(np.asarray(setting.output, np.float64))
    if auto is None or auto.output.sigma is None:
        return last
    with np.errstate(invalid="ignore"):
        return setting.t * auto.output.sigma + last
