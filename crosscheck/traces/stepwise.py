"""A long tape, run step by step, each compiled once for its kind and shapes.

An unrolled loop of a thousand operations, forward and backward with all its switches, would be compiled for minutes as
one program. A step by itself costs some 0.1 ms instead of 10 µs, which the search's budget counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from crosscheck.traces.fingerprint import fingerprint, key_of_equation
from crosscheck.traces.pieces import compiled
from crosscheck.traces.walk import inner_jaxpr

# Steps from which on a tape is not compiled as one.
MANY_STEPS = 100


class Switched(NamedTuple):
    """What a backward pass does otherwise, by edge or step: (1) of `tape`, the names of `Tape.pull`."""

    scales: Mapping[tuple[int, int], float]
    injected: Mapping[tuple[int, int], Any]
    slopes: Mapping[int, Any]


class StepByStep:
    """Stands in for the two compiled programs of a tape.

    Args:
        tape: a `tape.Tape`, which makes this.
        forward: an equation as a function of its operands.
        pull: (step, residuals, g, moving) -> the gradients of its active operands.
    """

    def __init__(self, tape: Any, forward: Callable[..., Any], pull: Callable[..., Any]) -> None:
        self.tape, self.forward, self.pull_back = tape, forward, pull
        self.kinds = [self.kind(step) for step in tape.steps]
        self.moving = [[w for w in step.writes if tape.moves[w]] for step in tape.steps]

    def kind(self, step: Any) -> Any:
        """What two steps have in common that one compiled piece serves."""
        tape = self.tape
        shapes = tuple((tape.avals[r].shape, str(tape.avals[r].dtype)) for r in step.reads)
        moving = tuple(tape.moves[w] for w in step.writes)
        called = inner_jaxpr(step.eqn)
        if called is None:
            return key_of_equation(step.eqn), shapes, step.active, moving
        # A call that is a step brings a derivative rule, which cannot be written out: the same on this tape only.
        return id(self), step.name, step.within, fingerprint(called[0]), shapes, step.active, moving

    def run(self, inputs: list[Any], constants: list[Any], changed: Any, others: list[Any]) -> list[Any]:
        """As `Tape.trace_run`."""
        tape = self.tape
        values: list[Any] = [None] * len(tape.avals)
        replaced = {place: others[n] for n, place in enumerate(tape.fixed) if changed[n]}

        def write(place: int, value: Any) -> None:
            values[place] = replaced.get(place, value)

        for name, value in zip(tape.names, inputs, strict=True):
            write(tape.inputs[name], value)
        for place, value in zip(tape.constants, constants, strict=True):
            write(place, value)
        for step, kind in zip(tape.steps, self.kinds, strict=True):
            run = compiled(("step", kind), lambda step=step: jax.jit(self.forward(step.eqn)))
            for place, out in zip(step.writes, run(*[values[r] for r in step.reads]), strict=True):
                write(place, out)
        return values

    def pull(self, residuals: list[list[Any]], v: Any, switched: Switched) -> tuple[list[Any], list[Any]]:
        """As `Tape.trace_pull`; what is not switched costs nothing."""
        tape = self.tape
        arrived: dict[int, Any] = {tape.output: v}
        arriving: list[Any] = [None] * len(tape.steps)
        for k in reversed(range(len(tape.steps))):
            step = tape.steps[k]
            moving = self.moving[k]
            if not step.active or not any(w in arrived for w in moving):
                continue
            g = [arrived[w] if w in arrived else zeros(tape.avals[w]) for w in moving]
            arriving[k] = g[0] if len(g) == 1 else g
            for i, back in zip(step.active, self.pulled(k, moving, residuals[k], g), strict=True):
                edge, place = (k, i), step.reads[i]
                if k in switched.slopes:
                    back = switched.slopes[k] * np.asarray(g[0])
                if edge in switched.scales:
                    back = switched.scales[edge] * np.asarray(back)
                if edge in switched.injected:
                    back = np.asarray(back) + switched.injected[edge]  # (1) of `tape`
                arrived[place] = np.asarray(arrived[place]) + np.asarray(back) if place in arrived else back
        inputs = [tape.inputs[n] for n in tape.wrt]
        return [arrived[p] if p in arrived else zeros(tape.avals[p]) for p in inputs], arriving

    def pulled(self, k: int, moving: list[int], residuals: list[Any], g: list[Any]) -> Any:
        step = self.tape.steps[k]

        def make() -> Callable[..., Any]:
            return jax.jit(lambda residuals, g: self.pull_back(step, residuals, g, moving))

        return compiled(("pull", self.kinds[k]), make)(residuals, g)


def zeros(aval: Any) -> np.ndarray:
    return np.zeros(aval.shape, aval.dtype)
