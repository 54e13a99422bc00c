"""The judge: collects the witnesses of an operation's gradients, compares them, and gives a verdict.

In order: the forward, autodiff with its bounds, the side effects (which give the hand-derived gradients), the exact
points, the witnesses that move the inputs, the verdict, and, only where it is not "agree", the search for the reason.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from crosscheck.diagnosis import Diagnosis, diagnose_all
from crosscheck.effects.audit import Audit, audit
from crosscheck.evidence.estimate import (
    AUTODIFF,
    AUTODIFF_SINGLE,
    COMPLEX_STEP,
    DIFFERENCE,
    HAND,
    HAND_SINGLE,
    Estimate,
    Pair,
    compare,
)
from crosscheck.evidence.power import power_of
from crosscheck.evidence.result import Finding, GradientResult, Result
from crosscheck.evidence.verdict import verdict_on
from crosscheck.exact.outcome import ExactRun
from crosscheck.exact.points import Points
from crosscheck.exact.run import exact_run
from crosscheck.operation import OUTPUT, Arrays, Operation
from crosscheck.witnesses.autodiff import Autodiff, autodiff, output_shape
from crosscheck.witnesses.kinks import is_convention
from crosscheck.witnesses.mixing import normwise, persists
from crosscheck.witnesses.moving import moving_witnesses

Array = np.ndarray
Estimates = dict[str, dict[str, Estimate]]

SINGLE = np.dtype(np.float32)
DOUBLE = np.dtype(np.float64)
UNIT = 2.0**-53
# Without a reference, two answers that should be equal may differ by this many roundings of the largest entry.
REPEATED = 2.0**10
# An engine's own bound is taken this many times: it is probable (√n), as are the walk's, which are taken 4 times.
SAFETY = 4.0
# A float32 check runs the code at both precisions; with more entries than this it leaves the exact points out.
LARGE_SINGLE = 2**20


def judge(
    operation: Operation,
    *,
    grad_output: Any = None,
    seed: int = 0,
    differences: bool = True,
    exact: bool = True,
    diagnose: bool = True,
) -> Result:
    """Every witness on every gradient of `operation`, compared.

    `differences=False` leaves out the witnesses that move the inputs: for points where they would only say "kink".
    `exact=False` leaves out the exact points, `diagnose=False` the search for a reason.
    """
    with warnings.catch_warnings():
        # A judged forward is visited far from where it is used; that it overflows there is no news.
        warnings.simplefilter("ignore", RuntimeWarning)
        return Judgement(operation, grad_output, seed).run(differences, exact, diagnose)


class Judgement:
    """One check, step by step; each step adds to the estimates or to the findings."""

    def __init__(self, operation: Operation, grad_output: Any, seed: int) -> None:
        self.operation, self.seed = operation, seed
        self.y = operation.output()
        self.v = cotangent(self.y, grad_output, np.random.default_rng(seed))
        # A float32 derivation is judged twice: as a formula on float64 copies, and as arithmetic; one autodiff serves
        # both.
        self.single = operation.dtype == SINGLE
        if self.single:
            self.v = self.v.astype(SINGLE).astype(DOUBLE)
        self.formula = operation.widened() if self.single else operation
        self.findings: list[Finding] = []
        self.estimates: Estimates = {name: {} for name in operation.wrt}
        self.hand: Arrays = {}
        self.auto: Autodiff | None = None
        self.forward_pair: Pair | None = None
        self.exact = ExactRun(False, "it was not asked for")

    def run(self, differences: bool, exact: bool, diagnose: bool) -> Result:
        operation, formula, auto = self.operation, self.formula, None
        self.findings += output_findings(self.y)
        if operation.reference is not None:
            check_reference_shape(operation, self.y)
            dtype = SINGLE if self.single else DOUBLE
            auto = autodiff(operation.reference, formula.inputs, operation.wrt, self.v, dtype)
            self.auto = auto.in_double() if self.single else auto
        if exact and self.single and sum(a.size for a in formula.inputs.values()) > LARGE_SINGLE:
            exact, self.exact = False, ExactRun(False, "float32 at this size: its formula is judged here at float64")
        points = Points(formula, seed=self.seed) if exact else None
        audited = self.side_effects(points)
        first = formula.gradients(self.v) if self.single else audited.gradients
        self.hand = self.of_right_shape(formula, first)
        self.compare_with_reference()
        if points is not None and len(self.hand) == len(operation.wrt):
            self.exact = self.exact_points(points, audited)
        if differences:
            noise = None
            if self.auto is not None:
                noise = 2 * self.auto.output.bound
                if self.forward_pair is not None:  # as far as they agree, the forwards' distance is rounding, too
                    apart = np.where(self.forward_pair.disagree, 0.0, self.forward_pair.difference)
                    noise = np.maximum(noise, np.where(np.isfinite(apart), 2 * apart, 0.0))
            for name in self.hand:
                self.estimates[name] |= {e.witness: e for e in moving_witnesses(formula, name, self.v, noise)}
        if self.single and auto is not None:
            self.arithmetic(auto, audited)
        gradients = {name: self.verdict(name) for name in operation.wrt}
        result = Result(
            operation.name,
            operation.dtype,
            self.seed,
            gradients,
            self.forward_pair,
            self.findings,
            statement=self.exact.statement if self.exact.applies else "",
            not_exact="" if self.exact.applies else self.exact.reason,
        )
        odd = [name for name, g in gradients.items() if g.odd_one_out == AUTODIFF]
        if odd:
            sentence = (
                f"the reference's own gradient of {', '.join(odd)} is the odd one out: a derivative in it is wrong"
            )
            self.findings.append(Finding("reference", sentence, True))
        if diagnose and not result.passed:
            self.explain(gradients)
        return result

    # ------------------------------------------------------------------ side effects, and the first answers

    def side_effects(self, points: Points | None) -> Audit:
        """The calls that show side effects, at the point of the check and at another one."""
        operation = self.operation
        v = self.v.astype(operation.dtype)
        rng = np.random.default_rng([self.seed, 1])
        point = points.drawn[0] if points is not None and points.drawn and not self.single else None
        if point is not None:
            other, w, truth = point.inputs, point.cotangent, point.gradients
        else:
            other = {k: elsewhere(a, rng) for k, a in operation.inputs.items()}
            w, truth = (v * rng.choice([-0.75, 0.5, 1.25], v.shape)).astype(v.dtype), None
        found = audit(operation, v, other, w, self.close, truth, vjp=self.true_gradients)
        self.findings += found.findings
        return found

    def close(self, name: str, p: Array, q: Array) -> bool:
        """Whether two answers that should be equal are, within rounding; they may be scaled by 2."""
        if p.shape != q.shape:
            return False
        unit = 2.0**-24 if self.single else UNIT
        size = float(np.max(np.abs(q[np.isfinite(q)]), initial=0.0))
        allowed = np.asarray(REPEATED * unit * size)
        if self.auto is not None:
            bound = self.auto.gradients[name].bound
            if bound.shape == p.shape:
                allowed = np.maximum(4 * bound * unit / UNIT, 2 * unit * size)
        with np.errstate(all="ignore"):
            equal = (p == q) | (np.isnan(p) & np.isnan(q))
            return bool((equal | (np.abs(p.astype(np.float64) - q) <= allowed)).all())

    def true_gradients(self, inputs: Arrays, v: Array) -> Arrays:
        """The reference's gradients anywhere; the hand-derived ones' own where there is no reference."""
        if self.operation.reference is None:
            return self.operation.at(inputs).gradients(v)
        found = autodiff(self.operation.reference, inputs, self.operation.wrt, v, DOUBLE)
        return {k: g.value for k, g in found.gradients.items()}

    def of_right_shape(self, operation: Operation, returned: Arrays) -> Arrays:
        """The gradients of the right shape; a finding for each of a wrong one."""
        right = {}
        for name in operation.wrt:
            wanted, got = operation.inputs[name].shape, returned[name].shape
            if wanted == got:
                right[name] = np.asarray(returned[name], np.float64)
            else:
                sentence = f"the gradient of {name} has shape {got}; {name} has shape {wanted}"
                if not any(f.kind == "shape" and name in f.explanation for f in self.findings):
                    self.findings.append(Finding("shape", sentence, True))
        return right

    # ------------------------------------------------------------------ autodiff

    def compare_with_reference(self) -> None:
        """Hand-derived and autodiff estimates of every gradient, and the forwards against each other."""
        if self.auto is None:
            for name, gradient in self.hand.items():
                own = 4 * UNIT * np.abs(np.nan_to_num(gradient, posinf=0.0, neginf=0.0))  # no excuse for NaN
                self.estimates[name][HAND] = Estimate(HAND, gradient, own)
            return
        self.forward_pair = against_reference(
            self.formula,
            self.v,
            self.auto,
            self.formula.output() if self.single else self.y,
            self.hand,
            (HAND, AUTODIFF),
            DOUBLE,
            self.estimates,
        )
        self.findings += forward_findings(self.forward_pair) + reference_findings(self.auto)

    def arithmetic(self, auto: Autodiff, audited: Audit) -> None:
        """A float32 derivation as arithmetic: its float32 results against the reference, with bounds for float32."""
        single = {k: g for k, g in audited.gradients.items() if k in self.hand and g.shape == self.hand[k].shape}
        names = (HAND_SINGLE, AUTODIFF_SINGLE)
        pair = against_reference(self.operation, self.v, auto, audited.output, single, names, SINGLE, self.estimates)
        self.findings += forward_findings(pair)

    # ------------------------------------------------------------------ exact points

    def exact_points(self, points: Points, audited: Audit) -> ExactRun:
        """The exact run; it uses the answers that the audit already had at the first point."""
        hand = None
        if not self.single and audited.output_at_other is not None and audited.gradients_at_other:
            hand = (audited.output_at_other, audited.gradients_at_other)
        found = exact_run(self.formula, seed=self.seed, points=points, hand=hand)
        if found.applies and found.forward == "different":
            self.findings.append(
                Finding("forward", "the forward differs from the reference's at a point where nothing rounds", True)
            )
        elif found.applies and found.forward == "equal" and self.operation.reference is not None:
            wrong = [name for name, d in found.difference.items() if not d.agrees]
            if wrong:
                sentence = f"the reference's gradient of {', '.join(wrong)} is not the exact difference of the forward"
                self.findings.append(Finding("reference", sentence, True))
        return found

    # ------------------------------------------------------------------ verdicts

    def verdict(self, name: str) -> GradientResult:
        shape = self.operation.inputs[name].shape
        result = verdict_on(name, shape, self.estimates[name], wrong_shape=name not in self.hand)
        if name not in self.hand:
            return result
        if self.exact.applies and name in self.exact.outcomes:
            result.exact = self.exact.outcomes[name]
            if result.exact == "different":
                off = self.exact.hand_gradients[name] != self.exact.gradients[name]
                if not result.mismatched.any():  # the mask is of this point; where nothing shows here, of the exact one
                    result.remarks.append(f"right at this point, wrong at {int(off.sum())} entries at an exact one")
                    result.mismatched = off
                result.verdict = "disagree"
                result.odd_one_out = result.odd_one_out or HAND
        elif self.exact.applies:
            result.exact = "equal but for ties"
        self.settle_at_kinks(name, result)
        pair = result.judged_by
        if pair is not None and pair.difference.shape == shape:
            result.power = power_of(self.truth(name).value, pair, result.exact == "equal")
        return result

    def settle_at_kinks(self, name: str, result: GradientResult) -> None:
        """Where only entries at a kink differ or are undecided: a legitimate convention, or not."""
        open_entries = result.mismatched | result.undecided
        difference = self.estimates[name].get(DIFFERENCE)
        if difference is None or not open_entries.any() or result.exact == "different":
            return
        if (open_entries & ~difference.notes["kink"]).any():
            return
        noise = np.zeros(self.y.shape) if self.auto is None else 2 * self.auto.output.bound
        noise = np.maximum(noise, UNIT * np.abs(np.asarray(self.y, np.float64)))
        if is_convention(self.formula, name, self.v, self.hand[name], noise):
            count = int(open_entries.sum())
            result.verdict, result.odd_one_out = "agree", None
            result.mismatched, result.undecided = np.zeros_like(open_entries), np.zeros_like(open_entries)
            who = "differs from the reference" if self.auto is not None else "takes one of several derivatives"
            sentence = f"at {count} entries on a kink the gradient of {name} {who} by a legitimate convention"
            self.findings.append(Finding("convention", sentence, False))

    def truth(self, name: str) -> Estimate:
        """The witness that a gradient is judged by."""
        found = self.estimates[name]
        return next(found[w] for w in (AUTODIFF, COMPLEX_STEP, DIFFERENCE, HAND) if w in found)

    # ------------------------------------------------------------------ reasons

    def explain(self, gradients: dict[str, GradientResult]) -> None:
        """Name the mistake behind every wrong gradient."""
        here = {k: g for k, g in gradients.items() if self.wrong_here(g) and g.odd_one_out != AUTODIFF}
        if here:
            truth = {k: self.truth(k) for k in here}
            bound = {k: t.bound + self.estimates[k][HAND].bound for k, t in truth.items()}
            self.diagnose(self.formula, self.v, here, self.hand, {k: t.value for k, t in truth.items()}, bound)
        elsewhere_wrong = {k: g for k, g in gradients.items() if g.exact == "different" and k not in here}
        if elsewhere_wrong:
            point = self.formula.at(self.exact.inputs)
            bound = {k: 4 * UNIT * np.abs(self.exact.gradients[k]) for k in elsewhere_wrong}
            hand = self.exact.hand_gradients
            self.diagnose(point, self.exact.cotangent, elsewhere_wrong, hand, self.exact.gradients, bound)
        for name, gradient in gradients.items():
            pair = gradient.pairs.get((HAND_SINGLE, AUTODIFF_SINGLE))
            if pair is not None and pair.disagree.any() and name not in here and not gradient.diagnoses:
                sentence = "the formula is right; computed at float32 it loses more digits than its operations cost"
                gradient.diagnoses = [Diagnosis("precision", sentence, {"entries": int(pair.disagree.sum())})]
            if name not in self.hand:
                gradient.diagnoses = [Diagnosis(f.kind, f.explanation, {}) for f in self.findings if f.kind == "shape"]

    def wrong_here(self, gradient: GradientResult) -> bool:
        """Whether a gradient is wrong as a formula at the point of the check."""
        pairs = [gradient.pairs.get((HAND, w)) for w in (AUTODIFF, COMPLEX_STEP, DIFFERENCE)]
        return gradient.verdict == "disagree" and any(p is not None and p.disagree.any() for p in pairs)

    def diagnose(
        self,
        operation: Operation,
        v: Array,
        gradients: dict[str, GradientResult],
        hand: Arrays,
        truth: Arrays,
        bound: Arrays,
    ) -> None:
        plain = replace(operation, moving_forward=None)
        found = diagnose_all(plain, v, {k: hand[k] for k in gradients}, truth, bound, seed=self.seed)
        for name, gradient in gradients.items():
            gradient.diagnoses = found.diagnoses[name]
        self.findings += [Finding(remark.kind, remark.explanation, False) for remark in found.remarks]


# ---------------------------------------------------------------------- steps


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


def elsewhere(a: Array, rng: np.random.Generator) -> Array:
    """Another array of the same kind and size: the values moved, none left where it was; integers stay."""
    if a.dtype.kind != "f":
        return a
    return (a * np.exp(0.2 * rng.normal(size=a.shape)) + 1e-3 * rng.normal(size=a.shape)).astype(a.dtype)


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


def against_reference(
    operation: Operation,
    v: Array,
    auto: Autodiff,
    y: Array,
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
    output = like(auto.output, first, y)
    for name, gradient in hand.items():
        truth = auto.gradients[name]
        truth.witness = second
        estimates[name] |= {second: truth, first: like(truth, first, gradient)}
    compared = {name: (estimates[name][first], estimates[name][second]) for name in hand}
    compared[OUTPUT] = (output, auto.output)
    own = None if operation.own_bounds is None else operation.own_bounds(operation.inputs, v)
    for name, bound in (own or {}).items():
        if name in compared:
            compared[name][0].bound = np.maximum(compared[name][0].bound, SAFETY * bound)
    differing = [name for name, pair in compared.items() if compare(*pair).disagree.any()]
    if differing:
        stays = persists(operation, v, dtype)
        for name in differing:
            if name in stays:
                normwise(compared[name], stays[name])
    return compare(output, auto.output)


def output_findings(y: Array) -> list[Finding]:
    lost = ~np.isfinite(y)
    if not lost.any():
        return []
    at = tuple(int(i) for i in np.argwhere(lost)[0])
    sentence = f"the forward gives {y[at]} at {int(lost.sum())} of {y.size} outputs (the first at {at})"
    return [Finding("not-finite", sentence, False)]


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
