"""The judge: collects the witnesses of an operation's gradients, compares them, and gives a verdict.

Three doors lead to one `Operation` and from there to one `judge`: `check` for plain functions, `check_operation` for
a forward and backward pair with saved values, `check_layer` for a layer or a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from crosscheck.autodiff import Autodiff, autodiff, output_shape
from crosscheck.estimate import (
    AUTODIFF,
    AUTODIFF_SINGLE,
    HAND,
    HAND_SINGLE,
    Estimate,
    Pair,
    compare,
)
from crosscheck.forward_witnesses import moving_witnesses
from crosscheck.operation import Operation, from_functions, from_layer, from_module
from crosscheck.persistence import OUTPUT, normwise, persists
from crosscheck.result import Finding, Result
from crosscheck.verdict import verdict_on

Array = np.ndarray
SINGLE = np.dtype(np.float32)
DOUBLE = np.dtype(np.float64)


def check(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Mapping[str, Any],
    reference: Callable[..., Any] | None = None,
    *,
    grad_output: Any = None,
    wrt: tuple[str, ...] | None = None,
    seed: int = 0,
) -> Result:
    """Check a hand-derived backward pass given as plain functions.

    Args:
        forward: `forward(**inputs) -> y`, NumPy.
        backward: `backward(grad_output, **inputs) -> {name: gradient}`, NumPy.
        inputs: arrays by name, float64 or float32; integer arrays are passed on and not differentiated.
        reference: `reference(**inputs) -> y`, the same forward in jax.numpy. None: finite differences judge alone.
        grad_output: the cotangent, of y's shape. None: drawn at random (never ones).
        wrt: the inputs to differentiate; None: every floating one.
        seed: of the random cotangent.

    Returns:
        A `Result`, true if every gradient agrees.

    Raises:
        TypeError, ValueError: the inputs or what the functions returned have the wrong type or shape; the sentence says
            what. An exception from the user's own code passes through.
    """
    operation = from_functions(forward, backward, inputs, reference, wrt=wrt)
    return judge(operation, grad_output=grad_output, seed=seed)


def check_operation(
    operation: Any,
    inputs: Mapping[str, Any],
    reference: Callable[..., Any] | None = None,
    *,
    hyperparameters: Mapping[str, Any] | None = None,
    grad_output: Any = None,
    wrt: tuple[str, ...] | None = None,
    seed: int = 0,
) -> Result:
    """Check a pair `forward(*arrays, **hyper) -> (y, saved)`, `backward(grad_output, saved) -> gradients`.

    A module of `manual` qualifies, and so does any object with the two functions. `reference(**inputs, **hyper) -> y`.
    See `check` for the rest.
    """
    adapted = from_module(operation, inputs, reference, hyperparameters=hyperparameters, wrt=wrt)
    return judge(adapted, grad_output=grad_output, seed=seed)


def check_layer(
    layer: Any,
    x: Any,
    reference: Callable[..., Any] | None = None,
    *,
    grad_output: Any = None,
    seed: int = 0,
) -> Result:
    """Check a layer or a network: its input's gradient as `x`, its parameters' by their names.

    Args:
        layer: `forward(x)`, `backward(grad_output)`, and parameters and gradients by name or as flat vectors. The judge
            works on a deep copy.
        x: the input, in the layer's dtype.
        reference: `reference(x, **parameters) -> y` in jax.numpy, for a layer that is not ours.
        grad_output, seed: as in `check`.
    """
    return judge(from_layer(layer, x, reference), grad_output=grad_output, seed=seed)


# ---------------------------------------------------------------------- one engine


def judge(operation: Operation, *, grad_output: Any = None, seed: int = 0, differences: bool = True) -> Result:
    """Every witness on every gradient of `operation`, compared.

    `differences=False` leaves out the witnesses that move the inputs: for points where they would only say "kink".
    """
    y = operation.output()
    v = cotangent(y, grad_output, np.random.default_rng(seed))
    formula = operation.widened() if operation.dtype == SINGLE else operation
    hand, findings = hand_gradients(formula, v)
    estimates: dict[str, dict[str, Estimate]] = {name: {} for name in operation.wrt}
    forward_pair, noise = None, None
    if operation.reference is not None:
        check_reference_shape(operation, y)
        auto = autodiff(operation.reference, formula.inputs, operation.wrt, v, DOUBLE)
        noise = 2 * auto.output.bound
        forward_pair = against_reference(formula, v, auto, hand, (HAND, AUTODIFF), DOUBLE, estimates)
        findings += forward_findings(forward_pair) + reference_findings(auto)
    else:
        unit = float(np.finfo(np.float64).eps) / 2
        for name, gradient in hand.items():
            estimates[name][HAND] = Estimate(HAND, gradient, 4 * unit * np.abs(gradient))
    if differences:
        for name in hand:
            estimates[name] |= {e.witness: e for e in moving_witnesses(formula, name, v, noise)}
    if formula is not operation and operation.reference is not None:
        findings += arithmetic(operation, v, hand, estimates)
    gradients = {
        name: verdict_on(name, operation.inputs[name].shape, found, wrong_shape=name not in hand)
        for name, found in estimates.items()
    }
    return Result(operation.name, operation.dtype, seed, gradients, forward_pair, findings)


def against_reference(
    operation: Operation,
    v: Array,
    auto: Autodiff,
    hand: dict[str, Array],
    names: tuple[str, str],
    dtype: np.dtype,
    estimates: dict[str, dict[str, Estimate]],
) -> Pair:
    """Put the hand-derived and the autodiff estimates of every gradient into `estimates`; return the forwards'
    comparison.

    Where the two differ by more than the entrywise bound, the difference is tested for being the rounding of an
    algorithm that mixes entries (`persistence`).
    """
    first, second = names
    output = like(auto.output, first, operation.output())
    for name, gradient in hand.items():
        truth = auto.gradients[name]
        truth.witness = second
        estimates[name] |= {second: truth, first: like(truth, first, gradient)}
    compared = {name: (estimates[name][first], estimates[name][second]) for name in hand}
    compared[OUTPUT] = (output, auto.output)
    differing = [name for name, pair in compared.items() if compare(*pair).disagree.any()]
    if differing:
        stays = persists(operation, v, dtype)
        for name in differing:
            if name in stays:
                normwise(compared[name], stays[name])
    return compare(output, auto.output)


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


def like(estimate: Estimate, witness: str, value: Array) -> Estimate:
    """The hand-derived value with the bound of the same computation done by another: both are backward stable."""
    return Estimate(witness, np.asarray(value, np.float64), estimate.bound)


def hand_gradients(operation: Operation, v: Array) -> tuple[dict[str, Array], list[Finding]]:
    """The hand-derived gradients of the right shape, and a finding for each of a wrong one."""
    returned = operation.gradients(v.astype(operation.dtype))
    right, findings = {}, []
    for name in operation.wrt:
        wanted, got = operation.inputs[name].shape, returned[name].shape
        if wanted == got:
            right[name] = returned[name]
        else:
            findings.append(
                Finding("shape", f"the gradient of {name} has shape {got}; {name} has shape {wanted}", True)
            )
    return right, findings


def forward_findings(pair: Pair) -> list[Finding]:
    if not pair.disagree.any():
        return []
    return [
        Finding(
            "forward",
            f"the forward differs from the reference's at {int(pair.disagree.sum())} of {pair.disagree.size} outputs, "
            f"by up to {pair.error:.3g} (the worst at {pair.worst_index}): the gradients answer different questions",
            True,
        )
    ]


def reference_findings(auto: Autodiff) -> list[Finding]:
    """What forward mode says of the reference's own reverse mode, and how the bounds were had."""
    found = []
    if auto.weak:
        through = ", ".join(sorted(auto.weak))
        found.append(Finding("weak-bound", f"the bound is estimated, not derived, through {through}", False))
    if auto.adjoint is None:
        found.append(
            Finding("no-forward-mode", "the reference has no forward mode; the adjoint identity is not tested", False)
        )
        return found
    values = {k: g.value for k, g in auto.gradients.items()}
    bounds = {k: g.bound + (0.0 if g.excuse is None else g.excuse) for k, g in auto.gradients.items()}
    if auto.adjoint.disagreement(values, bounds) > 1:
        found.append(
            Finding(
                "reference",
                "the reference's reverse mode is not the adjoint of its forward mode: a derivative in it is wrong",
                True,
            )
        )
    return found


def arithmetic(
    operation: Operation, v: Array, formula: dict[str, Array], estimates: dict[str, dict[str, Estimate]]
) -> list[Finding]:
    """A float32 derivation as arithmetic: its float32 results against the reference, with bounds for float32."""
    assert operation.reference is not None
    single, findings = hand_gradients(operation, v)
    seen = v.astype(SINGLE).astype(np.float64)  # the cotangent that the float32 code saw
    auto = autodiff(operation.reference, operation.inputs, operation.wrt, seen, SINGLE)
    both = {name: single[name] for name in single if name in formula}
    pair = against_reference(operation, seen, auto, both, (HAND_SINGLE, AUTODIFF_SINGLE), SINGLE, estimates)
    return findings + forward_findings(pair)
