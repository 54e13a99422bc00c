"""One node test through a layer here: its outputs against ONNX's, all its gradients against autodiff.

ONNX's output is the work of code that computes in the format of the output and of whose rounding nothing is known but
that it is of this kind: it may be as far from the exact one as the judge allows such a code (`Autodiff.allowed`), which
follows from random roundings of the twin. Nothing is guessed, and what is only moved must be equal.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from crosscheck.doors.layers import from_layer
from crosscheck.draws import cotangent
from crosscheck.evidence.result import Result
from crosscheck.floats import UNIT
from crosscheck.judge import judge
from crosscheck.operation import OUTPUT, Operation
from crosscheck.traces.programs import keep_compilations
from crosscheck.witnesses.autodiff import autodiff
from manual import Layer
from tests.onnx.adapters import ADAPTERS
from tests.onnx.calls import Call, NotHere
from tests.onnx.nodes import Node, nodes

Array = np.ndarray

PASSED, FAILED, NOT_HERE = "passed", "failed", "not applicable"


@dataclass(frozen=True)
class Outcome:
    """What became of a node test.

    Args:
        node: the test.
        outcome: passed, failed or not applicable.
        why: the reason, where it is not passed.
        gradients: which gradients were judged, and the judge's verdict on all of them.
        note: what is to be said of it.
        share: the largest difference from ONNX's output as a share of what is allowed.
    """

    node: Node
    outcome: str
    why: str = ""
    gradients: str = ""
    note: str = ""
    share: float = 0.0


def outcome(node: Node, seed: int = 0) -> Outcome:
    """A node test, forward and all gradients."""
    if node.operator not in ADAPTERS:
        return Outcome(node, NOT_HERE, "no layer here")
    try:
        call = ADAPTERS[node.operator](node)
    except NotHere as reason:
        return Outcome(node, NOT_HERE, str(reason))
    layer = call.layer()
    operation = from_layer(layer, call.x)
    if not operation.wrt:
        raise AssertionError(f"{node.name}: nothing to differentiate")
    wrong, share = compared(node, call, layer, operation, seed)
    result = judge(operation, seed=seed, differences=False, exact=False, diagnose=False, progress=False)
    still = [name for name in operation.wrt if moves_nothing(name, result, operation, seed)]
    moving = [name for name in operation.wrt if name not in still]
    verdict = (
        "agree" if moving and all(result.gradients[name].verdict == "agree" for name in moving) else result.verdict
    )
    said = f"{verdict} ({', '.join(moving)})" + (f", 0 everywhere ({', '.join(still)})" if still else "")
    if wrong or verdict != "agree" or result.verdict == "disagree":
        return Outcome(node, FAILED, wrong or f"gradients: {result.verdict}", said, call.note, share)
    return Outcome(node, PASSED, "", said, call.note, share)


def moves_nothing(name: str, result: Result, operation: Operation, seed: int) -> bool:
    """Whether an array moves no output at all, by hand and by autodiff, as where everybody may ask one place alone: a
    gradient of zeros, of which the judge decides nothing.
    """
    if result.gradients[name].verdict != "undecided":
        return False
    assert operation.reference is not None
    v = cotangent(np.shape(operation.output()), np.random.default_rng(seed))
    hand = operation.gradients(v.astype(operation.dtype))[name]
    auto = autodiff(operation.reference, operation.inputs, operation.wrt, v, operation.dtype, both_modes=False)
    return not np.any(hand) and not np.any(auto.gradients[name].value)


def of_name(name: str) -> Outcome:
    """The node test of this name, in a process of its own."""
    keep_compilations()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return outcome(next(node for node in nodes() if node.name == name))


def compared(node: Node, call: Call, layer: Layer, operation: Operation, seed: int) -> tuple[str, float]:
    """What is wrong with the outputs, "" where nothing is, and the largest share of what is allowed."""
    wide = layer.astype(np.float64)
    shares = [off(call, np.asarray(node.outputs[0]), wide, operation, seed)]
    for place, other in call.also.items():
        made = other.layer()
        its_own = from_layer(made, other.x)
        shares.append(off(other, np.asarray(node.outputs[place]), made.astype(np.float64), its_own, seed))
    for place, found in call.further.items():
        theirs = np.asarray(node.outputs[place])
        shares.append(beyond(np.asarray(found(wide, doubled(call.x))), theirs, np.zeros(theirs.shape)))
    share = max(shares)
    return ("" if share <= 1 else f"an output is {share:.3g} times as far off as allowed"), share


def off(call: Call, expected: Array, wide: Layer, operation: Operation, seed: int) -> float:
    """How far an output is off, as a share of what is allowed."""
    y = wide.forward(doubled(call.x))
    allowed = allowance(operation, np.asarray(y), expected.dtype, seed) + call.stated
    return beyond(np.asarray(call.read(y)), expected, np.asarray(call.read(allowed)))


def doubled(array: Array) -> Array:
    """Numbers in float64, indices as they are."""
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def beyond(ours: Array, theirs: Array, allowed: Array) -> float:
    """The largest difference as a share of what is allowed."""
    if ours.shape != theirs.shape:
        return np.inf
    theirs = theirs.astype(np.float64)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(same, 0.0, np.abs(ours - theirs) / allowed)
    return float(np.max(np.where(np.isnan(share), np.inf, share), initial=0.0))


def allowance(operation: Operation, y: Array, dtype: Any, seed: int) -> Array:
    """How far code that computes in this format may be from the exact output, entry by entry."""
    if dtype not in UNIT:
        return np.zeros(y.shape)
    assert operation.reference is not None
    v = cotangent(y.shape, np.random.default_rng(seed))
    found = autodiff(operation.reference, operation.inputs, operation.wrt, v, np.dtype(dtype), both_modes=False)
    # Formats beside float32 and float64 are what ONNX's code converts its result to.
    if dtype in (np.float32, np.float64):
        return found.allowed(OUTPUT)
    smallest = float(ml_dtypes.finfo(dtype).smallest_subnormal)
    return found.allowed(OUTPUT) + UNIT[np.dtype(dtype)] * np.abs(y) + smallest
