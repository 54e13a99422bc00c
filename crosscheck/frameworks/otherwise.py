"""The other ways to call a derivative: under `jit`, through one output at a time, with a cotangent in another layout.

The judge calls a rule in one way only. A framework has several, and a rule may be right in the one and wrong in the
other: a bwd that looks at which cotangents are symbolic zeros, a `needs_input_grad` that forgets an input, a `vmap`
rule of its own. Each way gives gradients at the judged point. They are held against what the judged ones were held
against, by the same allowance; a way that raises has refused aloud, which is said and fails nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from crosscheck.evidence.decision import decide
from crosscheck.evidence.estimate import AUTODIFF, HAND, Estimate
from crosscheck.evidence.finding import Finding
from crosscheck.evidence.pair import Pair, compare
from crosscheck.evidence.result import Result
from crosscheck.operation import Array, Arrays, Operation, describe
from crosscheck.witnesses.autodiff import ASSUMED
from crosscheck.witnesses.coarse import in_single


class Spoilt(Exception):
    """What a way raises that has seen something wrong which is no gradient; its sentence is the finding."""


@dataclass(frozen=True)
class OtherCall:
    """One way to call a derivative.

    Args:
        kind: of the finding, for programs.
        words: how it is called, as "the gradient of x is another one ..." goes on.
        gradients: (inputs, cotangent) -> gradients by name, of those that it gives.
        fails: whether another gradient fails the check.
    """

    kind: str
    words: str
    gradients: Callable[[Arrays, Array], Mapping[str, Array]]
    fails: bool = True


def asked_otherwise(result: Result, operation: Operation, ways: tuple[OtherCall, ...]) -> Result:
    """The result, with a finding for every way in which a gradient is another one."""
    evidence = result.evidence
    known = {k: g.estimates[HAND] for k, g in evidence.gradients.items() if HAND in g.estimates}
    point = operation.widened()
    inputs = (in_single(point) if evidence.single_inside else point).inputs
    said: list[Finding] = []
    for way in ways:
        try:
            with np.errstate(all="ignore"):
                found = way.gradients({k: a.copy() for k, a in inputs.items()}, evidence.cotangent.copy())
        except Spoilt as seen:
            said.append(Finding(way.kind, str(seen), way.fails))
            continue
        except Exception as error:  # refused aloud: no wrong gradient
            said.append(Finding(way.kind, f"{way.words}, it raises {describe(error)}", False))
            continue
        for name, hand in known.items():
            if name in found:
                said += differing(way, name, np.asarray(found[name]), hand, result)
    return with_findings(result, said)


def with_findings(result: Result, said: list[Finding]) -> Result:
    """The result, decided again with these findings."""
    if not said:
        return result
    effects = (*sorted(said, key=lambda f: not f.fails), *result.evidence.effects)
    evidence = replace(result.evidence, effects=effects)
    return replace(result, evidence=evidence, decision=decide(evidence))


def differing(way: OtherCall, name: str, value: Array, hand: Estimate, result: Result) -> list[Finding]:
    """A finding where this way's gradient is neither the judged one nor, where that was right, the truth."""
    if value.shape != hand.value.shape:
        sentence = f"{way.words}, the gradient of {name} has shape {value.shape}; {name} has shape {hand.value.shape}"
        return [Finding(way.kind, sentence, way.fails)]
    truth = result.evidence.gradients[name].estimates.get(AUTODIFF)
    other = replace(hand, value=np.asarray(value, np.float64), excuse=None)
    if truth is not None and truth.sigma is not None:
        least = ASSUMED * truth.sigma
        other = replace(other, sigma=least if other.sigma is None else np.maximum(other.sigma, least))
    pair = compare(other, replace(hand, sigma=other.sigma), result.evidence.t)
    wrong = pair.disagree
    if truth is not None:  # of two answers within the allowance each may be at another end
        wrong = wrong & ~compare(other, truth, result.evidence.t).agree
    return [Finding(way.kind, in_words(way, name, pair, wrong), way.fails)] if wrong.any() else []


def in_words(way: OtherCall, name: str, pair: Pair, wrong: Array) -> str:
    worst = np.unravel_index(int(np.argmax(np.where(wrong, pair.difference, -1.0))), wrong.shape)
    at = f" (the worst at {tuple(int(i) for i in worst)})" if wrong.ndim else ""
    return (
        f"{way.words}, the gradient of {name} is another one: at {int(wrong.sum())} of {wrong.size} entries, by up to "
        f"{float(pair.difference[worst]):.3g}{at}"
    )


def farther(first: Array, second: Array, known: Array | None) -> Array:
    """Of two answers that should be one, that which is farther from what is known."""
    if known is None or first.shape != known.shape or np.isnan(first).any():
        return first
    return (
        second
        if np.isnan(second).any() or abs(second - known).max(initial=0) > abs(first - known).max(initial=0)
        else first
    )
