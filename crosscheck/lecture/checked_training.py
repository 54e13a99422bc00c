"""Cross-checked training: at every step that a training visits, JAX takes the same step from the same place.

    G = ∂L/∂P (P; batch),   P', S' = rule(P, G, S)                             (1)

P are our parameters before the step, S our optimizer's state. Ours comes from the hand-derived backward passes and
`manual.optimizers`, JAX's from `jax.vjp` of the reference and `reference.optimizers`. Because JAX starts again from
ours at every step, nothing accumulates: G, P' and S' are compared entry by entry within the bounds that running error
analysis derives for this one step (`rounding`). Let go, two right trainings drift apart from rounding alone; `drift`
shows how, and gives no verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from crosscheck.deadline import Deadline, checked_budget
from crosscheck.evidence.estimate import AUTODIFF, HAND
from crosscheck.evidence.pair import Pair, compare
from crosscheck.evidence.result import plain
from crosscheck.evidence.verdict import Verdict
from crosscheck.floats import UNIT
from crosscheck.lecture.adapters import described
from crosscheck.operation import wide
from crosscheck.rounding import roundings
from crosscheck.witnesses.autodiff import estimate
from crosscheck.witnesses.hand import assumed
from manual import Layer
from manual.optimizers import Optimizer
from manual.training import History, Step, fit
from reference import optimizers
from reference.network import carried
from reference.precision import double_precision

Array = np.ndarray
UpdateRule = Callable[..., tuple[Any, dict[str, Any]]]


class Checked(NamedTuple):
    """One step, judged."""

    number: int
    verdict: Verdict
    pairs: dict[str, Pair]  # "gradients", "parameters", and the optimizer's state by name

    @property
    def share(self) -> float:
        """The largest difference as a share of what its bound allows."""
        return max(pair.share for pair in self.pairs.values())


@dataclass
class CheckedTraining:
    """The outcome of a cross-checked training; true if every entry of every step agrees."""

    dtype: np.dtype
    places: list[tuple[str, int, int]]  # each parameter's name and where it stands in the flat vectors
    history: History = field(default_factory=History)
    shares: list[dict[str, float]] = field(default_factory=list)  # by step: the largest share of each quantity
    verdicts: list[Verdict] = field(default_factory=list)  # by step
    undecided: int = 0  # entries where a comparison within rounding of a tie could have gone the other way
    compared: int = 0  # entries
    first_wrong: Checked | None = None
    weak: frozenset[str] = frozenset()
    left_out: int = 0  # steps that were taken after the budget ended, and not judged

    @property
    def verdict(self) -> Verdict:
        if "disagree" in self.verdicts:
            return "disagree"
        return "undecided" if self.left_out or "undecided" in self.verdicts else "agree"

    def __bool__(self) -> bool:
        return bool(self.verdicts) and self.verdict == "agree"

    def add(self, step: Checked) -> None:
        self.verdicts.append(step.verdict)
        self.shares.append({name: pair.share for name, pair in step.pairs.items()})
        self.undecided += sum(int(pair.silent.sum()) for pair in step.pairs.values())
        self.compared += sum(pair.silent.size for pair in step.pairs.values())
        if step.verdict == "disagree" and self.first_wrong is None:
            self.first_wrong = step

    def place(self, index: int) -> str:
        """Which entry of which parameter stands at `index` of the flat vector."""
        for name, start, stop in self.places:
            if start <= index < stop:
                return f"entry {index - start} of {name}"
        raise IndexError(index)

    def worst(self) -> tuple[int, str, float]:
        """The step, the quantity and the share of its bound where two numbers differ most."""
        step = max(range(len(self.shares)), key=lambda i: max(self.shares[i].values()))
        name = max(self.shares[step], key=lambda key: self.shares[step][key])
        return step + 1, name, self.shares[step][name]

    def __str__(self) -> str:
        steps = len(self.verdicts)
        lines = [f"cross-checked training ({self.dtype}): {self.verdict}"]
        if steps:
            number, name, share = self.worst()
            lines.append(
                f"  {steps} steps, {self.compared} numbers compared with JAX's: {self.verdicts.count('agree')} steps "
                f"agree, {self.verdicts.count('disagree')} disagree, {self.verdicts.count('undecided')} undecided"
            )
            lines.append(f"  the largest difference used {share:.0%} of its bound: {name} at step {number}")
        if self.left_out:
            lines.append(f"  the budget ended; {self.left_out} later steps were not judged")
        if self.undecided:
            lines.append(f"  {self.undecided} numbers hang on a comparison within rounding of a tie")
        if self.weak:
            lines.append(f"  the rounding is estimated, not derived, through {', '.join(sorted(self.weak))}")
        if self.first_wrong is not None:
            for name, pair in self.first_wrong.pairs.items():
                if pair.disagree.any():
                    index = pair.worst_index
                    assert index is not None
                    lines.append(
                        f"  first wrong at step {self.first_wrong.number}: {int(pair.disagree.sum())} of "
                        f"{pair.disagree.size} {name}, the worst at {self.place(index[0])}: off by "
                        f"{pair.error_at_worst:.3g}, allowed {pair.bound:.3g}"
                    )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the arrays, in types that JSON knows."""
        return plain(
            {
                "dtype": str(self.dtype),
                "verdict": self.verdict,
                "passed": bool(self),
                "steps": len(self.verdicts),
                "compared": self.compared,
                "undecided": self.undecided,
                "left_out": self.left_out,
                "shares": self.shares,
                "text": str(self),
            }
        )


def cross_checked_fit(
    network: Layer,
    loss: Any,
    optimizer: Optimizer,
    images: Array,
    labels: Array,
    *,
    reference: Callable[..., Any] | None = None,
    rule: UpdateRule | None = None,
    after_step: Callable[[Step], None] | None = None,
    budget: float | None = None,
    **arguments: Any,
) -> CheckedTraining:
    """`manual.training.fit`, with every step judged.

    Args:
        network, loss, optimizer, images, labels, arguments: as in `fit`. The training is the same, bit for bit.
        reference: `reference(x, **parameters) -> y` in jax.numpy; our own layers bring theirs.
        rule: the optimizer's step in jax.numpy, as in `reference.optimizers`; ours have theirs.
        budget: seconds after which steps are taken and no longer judged, which leaves the training undecided unless one
            was wrong before. None: no limit.

    Raises:
        TypeError: a network or an optimizer that brings no reference, and none given. Otherwise as `fit`.
    """
    checker = StepChecker(network, loss, optimizer, reference, rule)
    result = CheckedTraining(network.dtype, checker.places)

    deadline = Deadline(checked_budget(budget))

    def watch(step: Step) -> None:
        if deadline.passed:
            result.left_out += 1
        else:
            result.add(checker.step(step))
        if after_step is not None:
            after_step(step)

    result.history = fit(network, loss, optimizer, images, labels, after_step=watch, **arguments)
    result.weak = frozenset(checker.weak)
    return result


class StepChecker:
    """JAX's side of a training, with bounds. One program is compiled for each size of batch."""

    def __init__(
        self,
        network: Layer,
        loss: Any,
        optimizer: Optimizer,
        reference: Callable[..., Any] | None,
        rule: UpdateRule | None,
    ) -> None:
        self.take_step = step_in_jax(network, loss, optimizer, reference, rule)
        self.optimizer, self.dtype = optimizer, network.dtype
        self.places = places(network)
        self.traces: dict[Any, core.ClosedJaxpr] = {}
        self.weak: set[str] = set()

    def step(self, step: Step) -> Checked:
        carried = {name: array for name, array in step.carried_on.items() if array.dtype.kind == "f"}
        ours = {"gradients": step.gradients, "parameters": step.updated, **step.updated_state, **carried}
        arguments = jax.tree.map(wide, arguments_of(self.optimizer, step))
        with double_precision():
            closed = self.trace(arguments)
            found = roundings(
                closed, jax.tree.leaves(arguments), unit=UNIT[self.dtype], copies=COPIES_A_STEP, seed=step.number
            )
        self.weak |= found.estimated
        pairs = {}
        # JAX's come in the order of a flattened (gradients, parameters, both kinds of state by sorted name).
        names = ["gradients", "parameters", *sorted(step.updated_state), *sorted(carried)]
        for name, out in zip(names, found.outputs, strict=True):
            theirs = estimate(AUTODIFF, out, untaken=0, coarse=found.coarsens)
            pairs[name] = compare(assumed(HAND, ours[name], theirs, None), theirs, found.t)
        verdict: Verdict = "agree"
        if any(pair.disagree.any() for pair in pairs.values()):
            verdict = "disagree"
        elif any(pair.silent.any() for pair in pairs.values()):
            verdict = "undecided"
        return Checked(step.number, verdict, pairs)

    def trace(self, arguments: Any) -> core.ClosedJaxpr:
        """The step for arrays of these shapes."""
        key = tuple(np.shape(a) for a in jax.tree.leaves(arguments))
        if key not in self.traces:
            self.traces[key] = jax.make_jaxpr(self.take_step)(*arguments)
        return self.traces[key]


# Every step is a check of its own, and there are hundreds: fewer random roundings each, and a larger quantile.
COPIES_A_STEP = 16


# ---------------------------------------------------------------------- the step in JAX


def step_in_jax(
    network: Layer,
    loss: Any,
    optimizer: Optimizer,
    reference: Callable[..., Any] | None = None,
    rule: UpdateRule | None = None,
) -> Callable[..., Any]:
    """The step (1) as a function of arrays: (x, target, parameters, state, step, hyperparameters, carried) ->
    (G, P', S', what the network carries on)."""
    forward = carrying(network) if reference is None else without_state(reference)
    if forward is None:
        raise TypeError(f"{type(network).__name__} brings no reference; give reference=, a forward in jax.numpy")
    if rule is None:
        rule = optimizers.RULES.get(type(optimizer).__name__)
    if rule is None:
        raise TypeError(f"there is no reference for {type(optimizer).__name__}; give rule=, its step in jax.numpy")
    loss_forward = partial(import_module(f"reference.{loss.operation}").forward, **loss.hyperparameters)
    shapes = {name: array.shape for name, array in network.named_parameters().items()}
    stands = places(network)

    def take_step(
        x: Any, target: Any, parameters: Any, state: Any, step: Any, hyperparameters: Any, carried: Any
    ) -> Any:
        named = {name: parameters[start:stop].reshape(shapes[name]) for name, start, stop in stands}

        def loss_of(values: Any) -> Any:
            y, after = forward(x, {**values, **carried})
            return loss_forward(y, target=target), after

        by_name, after = jax.grad(loss_of, has_aux=True)(named)
        gradients = jnp.concatenate([by_name[name].ravel() for name in shapes])
        moved, state = rule(parameters, gradients, state, step, **hyperparameters)
        return gradients, moved, state, {k: a for k, a in after.items() if jnp.issubdtype(a.dtype, jnp.floating)}

    return take_step


def without_state(reference: Callable[..., Any]) -> Callable[..., Any]:
    """A reference that is given, of a network that carries nothing."""
    return lambda x, values: (reference(x, **values), {})


def carrying(network: Layer) -> Callable[..., Any] | None:
    """The network's reference with what it carries on, or None where it brings none."""
    try:
        program = described(network)
    except NotImplementedError:
        return None
    return lambda x, values: carried(x, values, stages=program)


def places(network: Layer) -> list[tuple[str, int, int]]:
    """Every parameter's name, and where it starts and stops in the flat vector."""
    stands, start = [], 0
    for name, array in network.named_parameters().items():
        stands.append((name, start, start + array.size))
        start += array.size
    return stands


def arguments_of(optimizer: Optimizer, step: Step) -> tuple[Any, ...]:
    """What `step_in_jax` takes, from a step of ours: our place, our batch. The scalars are float64, as ours are."""
    state = step.state or {name: np.zeros_like(step.parameters) for name in optimizer.state_names}
    hyperparameters = {k: np.float64(v) for k, v in optimizer.hyperparameters().items()}
    steps = np.float64(optimizer.steps)
    return step.images, step.target, step.parameters, state, steps, hyperparameters, dict(step.carried)


# ---------------------------------------------------------------------- let go


class Drift(NamedTuple):
    """Two trainings from one start with the same batches, ours and JAX's, each following its own numbers."""

    dtype: np.dtype
    distance: list[float]  # by step: ‖P_ours - P_jax‖ / ‖P_ours‖
    our_loss: list[float]  # by step, on the batch before its update
    our_parameters: Array  # at the end
    their_parameters: Array


def drift(network: Layer, loss: Any, optimizer: Optimizer, images: Array, labels: Array, **arguments: Any) -> Drift:
    """Train `network` as `fit` does, and beside it the same network in JAX, never brought back together."""
    take_step = jax.jit(step_in_jax(network, loss, optimizer))
    theirs, state = network.parameters, {name: np.zeros_like(network.parameters) for name in optimizer.state_names}
    distance: list[float] = []

    def follow(step: Step) -> None:
        nonlocal theirs, state
        x, target, _, _, number, hyperparameters, held = arguments_of(optimizer, step)
        with double_precision():
            _, moved, state, _ = take_step(x, target, theirs, state, number, hyperparameters, held)
            theirs = np.asarray(moved, network.dtype)
            state = {name: np.asarray(array, network.dtype) for name, array in state.items()}
        gap = np.linalg.norm(step.updated.astype(np.float64) - theirs)
        distance.append(float(gap / np.linalg.norm(step.updated)))

    history = fit(network, loss, optimizer, images, labels, after_step=follow, **arguments)
    return Drift(network.dtype, distance, history.step_loss, network.parameters, theirs)
