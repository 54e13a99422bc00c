"""Side effects: what a backward pass does besides returning gradients.

An ordinary check calls the code once, with arrays that it owns, and sees none of this. Here two points A and B are
visited with arrays that the code could spoil, and what it did to them is looked at. Two forwards and three backwards
when all is well:

    1  forward at A    are the arguments unchanged, byte for byte?
    2  backward at A   in the same arrays; the answer is copied at once, and the copy is judged
    3  both at B       written into the same array objects: memory of identities shows
    4  backward at A   read-only, every second element of a larger array, cotangent -2v:
                       must be -2 times answer 2

Only when 4 differs are further calls made, one change at a time, to name the cause. A batch of zero is tried at the
end on two small calls.

Written arguments, answers that differ between identical calls, and stale answers are wrong whatever the numbers say.
The rest is told, and fails only where a returned value is wrong by it. A layer's gradients may be views of its own
state; that is no finding until they change under the caller's hands.

Each kind of side effect has a file: `effects_memory` (arguments, aliasing, dtypes), `effects_state` (caches and
accumulation), `effects_layout` (read-only, strided, nonlinear), `effects_batch` (zero samples).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from crosscheck.effects.arrays import Array, Arrays, copied, fresh, locked, refill, same_bytes, strided, touches
from crosscheck.effects.batch import empty_batch
from crosscheck.effects.calls import STATE, Calls, Close, Gradients, listed
from crosscheck.effects.layout import linear, not_contiguous, read_only
from crosscheck.effects.memory import dtype_of, shared, written
from crosscheck.effects.state import remembered, repeated, unsteady
from crosscheck.evidence.finding import Finding
from crosscheck.operation import Operation


@dataclass
class Audit:
    """What was found, and the answers that were had on the way.

    Args:
        findings: in the order of importance: those that fail first.
        gradients: the first answer ever, at A, copied before anything else could touch it.
        output: y at A.
        gradients_at_other, output_at_other: the same at B; empty and None if the code refused B.
    """

    findings: list[Finding]
    gradients: Arrays
    output: Array
    gradients_at_other: Arrays = field(default_factory=dict)
    output_at_other: Array | None = None


def audit(
    operation: Operation,
    v: Array,
    other_inputs: Arrays,
    w: Array,
    close: Close,
    truth_at_other: Arrays | None = None,
    *,
    vjp: Gradients | None = None,
) -> Audit:
    """Call the operation at two points in ways that show its side effects.

    Args:
        operation: at point A.
        v: the cotangent at A, in the dtype that the code expects.
        other_inputs, w: point B, of the same shapes and dtypes, with other values.
        close: close(name, p, q): whether two answers at A for one input are equal within rounding.
        truth_at_other: the true gradients at B, if known.
        vjp: (inputs, cotangent) -> true gradients, if known; asked only on suspicion. With both, a
            cache that was filled once and for all shows too, and a formula that is wrong everywhere is not called
            stale.

    Returns:
        An `Audit`. An exception of the user's code on plain arrays at A passes through; one on read-only, strided or
        empty arrays is a finding.
    """
    return steps(Calls(operation, v, other_inputs, w, close, truth_at_other, vjp))


def steps(calls: Calls) -> Audit:
    """The four steps, in order, and the batch of zero."""
    buffers = {k: fresh(x) for k, x in calls.a.items()}
    y = np.asarray(calls.forward(buffers))
    output = y.copy()
    written(calls, buffers, calls.a, "forward")
    dtype_of(calls, "the output", y, calls.operation.dtype)

    refill(buffers, calls.a)
    cotangent = fresh(calls.v)
    raw = calls.backward(cotangent, buffers)
    first = copied(raw)
    written(calls, buffers, calls.a, "backward", cotangent, calls.v)
    shared(calls, raw, buffers, cotangent)
    for k in calls.operation.wrt:
        dtype_of(calls, f"the gradient of {k}", np.asarray(raw[k]), calls.a[k].dtype)
    if not same_bytes(y, output):
        calls.add("aliased", "backward overwrites the array that forward returned")

    y_other, other = elsewhere(calls, buffers)
    if y_other is not None and not same_bytes(y, output) and not touches(y, buffers.values()):
        calls.add("aliased", "a call of forward overwrites the array that the last one returned")
    repeated(calls, first, other)
    again(calls, first)
    changed = [k for k in first if not same_bytes(np.asarray(raw[k]), first[k])]
    changed = [k for k in changed if not touches(np.asarray(raw[k]), [*buffers.values(), cotangent])]
    if changed and not calls.found("accumulates"):
        calls.add(
            "aliased",
            f"the array returned as the gradient of {listed(changed)} is overwritten by the next call: copy it",
        )
    if other is not None:
        remembered(calls, first, other)
    if not calls.found(*STATE):
        empty_batch(calls, output)
    found = sorted(calls.findings.values(), key=lambda f: not f.fails)
    return Audit(found, first, output, other or {}, y_other)


def elsewhere(calls: Calls, buffers: Arrays) -> tuple[Array | None, Arrays | None]:
    """Step 3: output and gradients at B, in the arrays that held A."""
    try:
        refill(buffers, calls.b)
        y = np.asarray(calls.forward(buffers)).copy()
        written(calls, buffers, calls.b, "forward")
        refill(buffers, calls.b)
        cotangent = fresh(calls.w)
        other = copied(calls.backward(cotangent, buffers))
        written(calls, buffers, calls.b, "backward", cotangent, calls.w)
    except Exception:
        # B is the judge's choice, and the code may refuse it; what it refuses at A as well passes through.
        calls.plain()
        return None, None
    return y, other


def again(calls: Calls, first: Arrays) -> None:
    """Step 4: A once more, read-only, strided, times -2."""
    inputs = {k: locked(strided(x)) for k, x in calls.a.items()}
    try:
        answer = copied(calls.backward(locked(strided(-2 * calls.v)), inputs))
    except Exception:
        answer = None
    if answer is None or calls.unequal(answer, first, -2.0):
        isolate(calls, first)


def isolate(calls: Calls, first: Arrays) -> None:
    """One change at a time, until one of them explains why step 4 differed."""
    unsteady(calls, first)
    if calls.found(*STATE):
        return
    explained = [read_only(calls, first), not_contiguous(calls, first), linear(calls, first)]
    if not any(explained):
        calls.add("nondeterministic", "one of several equal calls gave another answer", fails=True)
