"""The judge: collects the witnesses of an operation's gradients, compares them, and gives a verdict.

Three doors lead to one `Operation` and from there to one `judge`: `check` for plain functions, `check_operation` for
a forward and backward pair with saved values, `check_layer` for a layer or a network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from crosscheck.autodiff import autodiff, output_shape
from crosscheck.differences import Differences, one_by_one
from crosscheck.estimate import AUTODIFF, DIFFERENCE, HAND, HAND_SINGLE, Estimate, Pair, compare
from crosscheck.operation import Operation, from_functions, from_layer, from_module
from crosscheck.result import Finding, GradientResult, Pairs, Result, Verdict

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


def judge(
    operation: Operation, *, grad_output: Any = None, seed: int = 0, differences: bool = True
) -> Result:
    """Every witness on every gradient of `operation`, compared.

    `differences=False` leaves the finite differences out: for points where they would only say "kink".
    """
    y = operation.output()
    v = cotangent(y, grad_output, np.random.default_rng(seed))
    formula = operation.widened() if operation.dtype == SINGLE else operation
    findings: list[Finding] = []

    wide_y = y if formula is operation else formula.output()
    hand, wrong_shape = hand_gradients(formula, v)
    findings += wrong_shape
    auto, forward_pair = None, None
    if operation.reference is not None:
        check_reference_shape(operation, y)
        auto = autodiff(operation.reference, formula.inputs, operation.wrt, v, DOUBLE)
        forward_pair = compare(like(auto.output, HAND, wide_y), auto.output)
        findings += forward_findings(operation, forward_pair)
        if auto.weak:
            findings.append(
                Finding(
                    "weak-bound",
                    f"the bound is estimated, not derived, through {', '.join(sorted(auto.weak))}",
                    False,
                )
            )
    estimates: dict[str, dict[str, Estimate]] = {name: {} for name in operation.wrt}
    for name, gradient in hand.items():
        if auto is not None:
            estimates[name][AUTODIFF] = auto.gradients[name]
            estimates[name][HAND] = like(auto.gradients[name], HAND, gradient)
        else:
            unit = np.finfo(np.float64).eps / 2
            estimates[name][HAND] = Estimate(HAND, gradient, 4 * unit * np.abs(gradient))
    if differences:
        noise = None if auto is None else 2 * auto.output.bound
        for name in hand:
            estimates[name][DIFFERENCE] = difference(formula, name, v, noise)
    if formula is not operation:
        arithmetic(operation, v, hand, estimates, findings)
    gradients = {
        name: verdict_on(name, operation.inputs[name].shape, found, name not in hand)
        for name, found in estimates.items()
    }
    return Result(operation.name, operation.dtype, seed, gradients, forward_pair, findings)


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
            findings.append(Finding("shape", f"the gradient of {name} has shape {got}; {name} has shape {wanted}", True))
    return right, findings


def forward_findings(operation: Operation, pair: Pair) -> list[Finding]:
    if not pair.disagree.any():
        return []
    at = pair.worst_index
    return [
        Finding(
            "forward",
            f"the forward differs from the reference's at {int(pair.disagree.sum())} of {pair.disagree.size} outputs, by up to "
            f"{pair.error:.3g} (at {at}): the gradients answer different questions",
            True,
        )
    ]


def difference(operation: Operation, name: str, v: Array, noise: Array | None) -> Estimate:
    """The finite-difference witness for one input."""
    x = operation.inputs[name]
    witness = Differences(lambda z: operation.output({name: z}), x, v, noise)
    return witness.differentiate(one_by_one(x.size))


def arithmetic(
    operation: Operation,
    v: Array,
    formula: dict[str, Array],
    estimates: dict[str, dict[str, Estimate]],
    findings: list[Finding],
) -> None:
    """A float32 derivation as arithmetic: its float32 results against the reference, with bounds for float32."""
    if operation.reference is None:
        return
    single, _ = hand_gradients(operation, v)
    rounded = v.astype(SINGLE).astype(np.float64)  # the cotangent that the float32 code saw
    auto = autodiff(operation.reference, operation.inputs, operation.wrt, rounded, SINGLE)
    for name in formula:
        judge32 = auto.gradients[name]
        estimates[name][HAND_SINGLE] = like(judge32, HAND_SINGLE, single[name])
        estimates[name][AUTODIFF + " (float32 bounds)"] = Estimate(
            AUTODIFF + " (float32 bounds)", judge32.value, judge32.bound, excuse=judge32.excuse
        )
    pair = compare(like(auto.output, HAND_SINGLE, operation.output()), auto.output)
    findings += forward_findings(operation, pair)


def verdict_on(
    name: str, shape: tuple[int, ...], estimates: dict[str, Estimate], wrong_shape: bool
) -> GradientResult:
    """Compare all witnesses of one gradient and decide.

    An entry is right if autodiff agrees with the hand-derived value, or, where autodiff is silent, if the finite difference
    does; wrong if the first that speaks disagrees; undecided if none speaks.
    """
    nothing = np.zeros(shape, bool)
    if wrong_shape:
        return GradientResult(name, shape, "disagree", estimates, Pairs(), ~nothing, nothing)
    pairs = Pairs()
    for a, b in (
        (HAND, AUTODIFF),
        (HAND, DIFFERENCE),
        (AUTODIFF, DIFFERENCE),
        (HAND_SINGLE, AUTODIFF + " (float32 bounds)"),
    ):
        if a in estimates and b in estimates:
            pairs[a, b] = compare(estimates[a], estimates[b])
    right, wrong = nothing.copy(), nothing.copy()
    for witness in (AUTODIFF, DIFFERENCE):
        if (HAND, witness) in pairs:
            pair = pairs[HAND, witness]
            undecided = ~right & ~wrong
            right |= undecided & pair.agree
            wrong |= undecided & pair.disagree
    undecided = ~right & ~wrong
    single = (HAND_SINGLE, AUTODIFF + " (float32 bounds)")
    if single in pairs:
        wrong = wrong | pairs[single].disagree
    verdict: Verdict = "disagree" if wrong.any() else "undecided" if undecided.any() else "agree"
    return GradientResult(
        name,
        shape,
        verdict,
        estimates,
        pairs,
        wrong,
        undecided & ~wrong,
        odd_one_out(pairs, wrong),
        remarks(estimates, pairs),
    )


def odd_one_out(pairs: Pairs, wrong: Array) -> str | None:
    """When two witnesses agree and one differs: the one that differs, the reference included."""
    if not wrong.any() or (HAND, AUTODIFF) not in pairs or (HAND, DIFFERENCE) not in pairs:
        return HAND if wrong.any() and (HAND, DIFFERENCE) in pairs else None
    by_hand, by_difference = pairs[HAND, AUTODIFF], pairs[HAND, DIFFERENCE]
    accused = by_hand.disagree
    if not accused.any():
        return HAND
    if (accused & pairs[AUTODIFF, DIFFERENCE].agree & by_difference.disagree).any():
        return HAND
    if (accused & by_difference.agree & pairs[AUTODIFF, DIFFERENCE].disagree).any():
        return AUTODIFF
    return None


def remarks(estimates: dict[str, Estimate], pairs: Pairs) -> list[str]:
    """What the report says about a gradient beside its numbers."""
    said = []
    if DIFFERENCE in estimates:
        notes = estimates[DIFFERENCE].notes
        size = math.prod(estimates[DIFFERENCE].value.shape)
        if notes["kinks"]:
            said.append(f"{notes['kinks']} of {size} entries sit on a kink of the forward: no difference there")
        if notes["crossed"]:
            said.append(f"{notes['crossed']} of {size} entries had a kink inside a larger step: a smaller one was taken")
        if notes["undecided"]:
            said.append(f"{notes['undecided']} of {size} entries are below the noise of a difference")
    if (AUTODIFF, DIFFERENCE) in pairs and (HAND, AUTODIFF) in pairs:
        both = pairs[AUTODIFF, DIFFERENCE].disagree & pairs[HAND, AUTODIFF].agree
        if both.any():
            said.append(f"at {int(both.sum())} entries the finite difference differs from two witnesses that agree")
    return said
