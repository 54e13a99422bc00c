"""The audit: one loop over the table of probes.

An ordinary check calls the code once, with arrays that it owns, and sees no side effects. Here two points A and B are
visited with arrays that the code could spoil, and what it did to them is looked at. Two forwards and three backwards
when all is well (and the truth at B is known; else one more backward there):

    1  forward at A    are the arguments unchanged, byte for byte?
    2  backward at A   in the same arrays; the answer is copied at once, and the copy is judged
    3  both at B       written into the same array objects: memory of identities shows
    4  backward at A   read-only, every second element of a larger array, cotangent -2v:
                       must be -2 times answer 2

Only when 4 differs are further calls made, one change at a time, to name the cause. A batch of zero is tried last: a
few small calls, one of them to find the axis that counts samples. The changes and what is expected of each stand in
`probes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crosscheck.effects.arrays import Array, Arrays
from crosscheck.effects.calls import Calls, Site
from crosscheck.effects.probes import PROBES, Probe
from crosscheck.effects.visits import BACKWARD, BACKWARD_B, FORWARD, FORWARD_B, OUTPUT, visited
from crosscheck.evidence.finding import Finding

if TYPE_CHECKING:
    from crosscheck.operation import Operation, Truth


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
    other: Site,
    allowed: Mapping[str, Array | float],
    truth: Truth | None = None,
    first: Calls | None = None,
) -> Audit:
    """Call the operation at two points in ways that show its side effects.

    Args:
        operation: at point A.
        v: the cotangent at A, in the dtype that the code expects.
        other: point B, of the same shapes and dtypes, with other values, and its true gradients if they are known.
        allowed: for each gradient how far two answers at A may be apart by rounding, entry by entry or one number; a
            gradient that is not in it may be `comparison.REPEATED` roundings of its largest entry apart.
        truth: (inputs, cotangent) -> true gradients, if there is somebody to ask; asked only on suspicion. With it and
            B's true gradients, a cache that was filled once and for all shows too, and a formula that is wrong
            everywhere is not called stale.
        first: the first two calls at A, where they have been made (`begun`).

    Returns:
        An `Audit`. An exception of the user's code on plain arrays at A passes through; one on read-only, strided or
        empty arrays is a finding.
    """
    calls = first or begun(operation, v)
    calls.go_on(operation, other, allowed, truth)
    look(calls, AFTERWARDS)
    found = Audit(
        sorted(calls.findings.values(), key=lambda f: not f.fails),
        visited(calls, BACKWARD).values,
        visited(calls, FORWARD).values[OUTPUT],
    )
    y, gradients = calls.answer(FORWARD_B), calls.answer(BACKWARD_B)
    if y is not None and gradients is not None:
        found.output_at_other, found.gradients_at_other = y.values[OUTPUT], gradients.values
    return found


def begun(operation: Operation, v: Array) -> Calls:
    """The first two calls, at A: forward and backward as everybody makes them."""
    calls = Calls(operation, v)
    look(calls, AT_FIRST)
    return calls


# What the first two calls show by themselves, before the arrays hold anything else; and the others.
AT_FIRST = tuple(probe for probe in PROBES if probe.change in (FORWARD, BACKWARD))
AFTERWARDS = tuple(probe for probe in PROBES if probe not in AT_FIRST)


def look(calls: Calls, probes: Sequence[Probe[Any]]) -> None:
    """Go through these: make each change that is worth it, and add a finding for every unmet expectation."""
    for probe in probes:
        answer = calls.answer(probe.change)
        if answer is not None:
            for sentence in probe.expectation(calls, answer):
                calls.add(probe.kind, sentence, probe.fails)
