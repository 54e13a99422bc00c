"""Counterfactual autodiff: the backward pass as a list of steps, each of which can be made to do
something else.

A forward f is a list of primitive steps. Its backward pass visits them in reverse; at each it reads
the operands that the forward left (the residuals) and turns the gradient that arrives at the step's
output into one for each operand:

    ḡ_x = s · pull(step; residuals)(ḡ_y) + injected                                (1)

with s = 1 and nothing injected. A mistaken derivation is, nearly always, (1) with something
switched at one step: a path left out (s = 0), taken twice or with the wrong sign (s = 2, -1), the
wrong array read (another residual: flipped filters, a mask taken from somewhere else), or another
rule altogether (s = 0 and the rule's result injected: a derivative left out, every entry of a
window rewarded instead of its winner). So the backward is compiled once with residuals, s and
injections as arguments, and a counterfactual is a change of numbers, made in NumPy.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from crosscheck.traces.fingerprint import key_of
from crosscheck.traces.pointwise import at_point
from crosscheck.traces.precision import double_precision
from crosscheck.traces.programs import Programs
from crosscheck.traces.scans import scan_sizes
from crosscheck.traces.sources import Source, function_name, source_of, sources_in
from crosscheck.traces.stepwise import MANY_STEPS, StepByStep, Switched, zeros
from crosscheck.traces.walk import evaluate, inner_jaxpr

Array = np.ndarray
Arrays = dict[str, Array]
Edge = tuple[int, int]  # (step, operand): one way on which a gradient travels back

# A scan of so many equations in all its turns, and no more, is written out: then a turn is steps like others. Each step
# costs some 30 ms of compilation.
MOST_WRITTEN_OUT = 150

# A call with a derivative rule of its own is one step where it is an elementwise function of one
# operand: its own rule says what happens at a kink (ReLU at 0), the steps inside would say
# something else.
CUSTOM = frozenset(["custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"])


class Step(NamedTuple):
    """One primitive equation of the forward, calls inlined.

    `reads` and `writes` are places in the list of values; `active` the operands on which a gradient
    travels back; `within` the name of the innermost function that the step was traced in ("relu"),
    or ""; `source` where the user's code made it; `turn` in which turn of the scan around it, of how many.
    """

    name: str
    within: str
    eqn: core.JaxprEqn
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    active: tuple[int, ...]
    source: Source | None = None
    turn: tuple[int, int] | None = None


class Pulled(NamedTuple):
    """A backward pass: a gradient per input, and what arrived at the output of each step (None where nothing did; of
    a step with several outputs, one for each of those that move).
    """

    gradients: Arrays
    arriving: list[Any]


def is_float(aval: Any) -> bool:
    """Real or complex."""
    return jnp.issubdtype(aval.dtype, jnp.inexact)


class Tape:
    """The steps of one forward at fixed shapes, and the two compiled programs: values forward,
    gradients back.

    Args:
        closed: the forward's jaxpr, one argument per name.
        names: the arguments, in order.
        wrt: those to differentiate.
        whole_calls: keep every call with its own derivative rule as one step, whatever it does.
    """

    def __init__(
        self,
        closed: core.ClosedJaxpr,
        names: tuple[str, ...],
        wrt: tuple[str, ...],
        *,
        whole_calls: bool = False,
    ) -> None:
        self.names, self.wrt = names, wrt
        self.whole_calls = whole_calls
        self.steps: list[Step] = []
        self.avals: list[Any] = []  # of every value
        self.constants: dict[int, Any] = {}
        self.moves: list[bool] = []  # does the value depend on a differentiated input
        self.inputs = {
            name: self.value(v.aval, name in wrt and is_float(v.aval))
            for name, v in zip(names, closed.jaxpr.invars, strict=True)
        }
        outs = self.flatten(closed.jaxpr, closed.consts, [self.inputs[n] for n in names], "", None)
        self.output = outs[0]
        self.edges: list[Edge] = [(k, i) for k, step in enumerate(self.steps) for i in step.active]
        self.number = {edge: n for n, edge in enumerate(self.edges)}
        moving = {r for step in self.steps if step.active for r in step.reads if not self.moves[r]}
        # What does not move and is read by a step that does: masks, counts, constants.
        self.fixed = sorted(place for place in moving if getattr(self.avals[place].dtype, "kind", "") in "bf")
        self.untouched = [zeros(self.avals[place]) for place in self.fixed]
        self.sloped = [k for k, step in enumerate(self.steps) if self.is_elementwise(step)]
        self.no_slopes = [zeros(self.avals[self.steps[k].writes[0]]) for k in self.sloped]
        self.compiled_run: Callable[..., Any] = jax.jit(self.trace_run)
        self.compiled_pull: Callable[..., Any] = jax.jit(self.trace_pull)
        self.pull_by: Callable[..., tuple[list[Any], list[Any]]] = self.pull_as_one
        self.stepwise, self.pieces = len(self.steps) > MANY_STEPS, 1  # how many programs are compiled for it
        if self.stepwise:
            by_steps = StepByStep(self, as_function, pull_back)
            self.pieces = len(set(by_steps.kinds))
            self.compiled_run, self.pull_by = by_steps.run, by_steps.pull
        self.programs: dict[Any, Callable[..., Any]] = {}  # further compiled pieces of the same forward
        self.nothing: list[Any] | None = None

    # ------------------------------------------------------------------ the steps

    def value(self, aval: Any, moves: bool) -> int:
        self.avals.append(aval)
        self.moves.append(moves)
        return len(self.avals) - 1

    def constant(self, aval: Any, value: Any) -> int:
        place = self.value(aval, False)
        self.constants[place] = value
        return place

    def flatten(
        self, jaxpr: core.Jaxpr, consts: list[Any], places: list[int], within: str, source: Source | None
    ) -> list[int]:
        env: dict[Any, int] = dict(zip(jaxpr.invars, places, strict=True))
        for var, value in zip(jaxpr.constvars, consts, strict=True):
            env[var] = self.constant(var.aval, value)

        def read(atom: Any) -> int:
            return self.constant(atom.aval, atom.val) if isinstance(atom, core.Literal) else env[atom]

        for eqn in jaxpr.eqns:
            reads = [read(atom) for atom in eqn.invars]
            inner, here = inner_jaxpr(eqn), source_of(eqn) or source
            if inner is not None and not self.whole(eqn):
                name = str(eqn.params.get("name", within))
                writes = self.flatten(inner[0], inner[1], reads, name, here)
            elif eqn.primitive.name == "scan" and equations(eqn) <= MOST_WRITTEN_OUT:
                writes = self.written_out(eqn, reads, within, here)
            else:
                active = tuple(i for i, r in enumerate(reads) if self.moves[r] and is_float(self.avals[r]))
                writes = [self.value(v.aval, bool(active) and is_float(v.aval)) for v in eqn.outvars]
                name = within or function_name(eqn)
                self.steps.append(Step(eqn.primitive.name, name, eqn, tuple(reads), tuple(writes), active, here))
            env.update(zip(eqn.outvars, writes, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def written_out(self, eqn: core.JaxprEqn, reads: list[int], within: str, source: Source | None) -> list[int]:
        """A scan written out: the steps of every turn, one after another."""
        body, length = eqn.params["jaxpr"], eqn.params["length"]
        first, carried = scan_sizes(eqn.params)
        fixed, carry, rows = reads[:first], reads[first : first + carried], reads[first + carried :]
        written: list[list[int]] = [[] for _ in body.out_avals[carried:]]
        for t in reversed(range(length)) if eqn.params["reverse"] else range(length):
            before = len(self.steps)
            row = [self.traced(lambda xs, t=t: xs[t], [place], within, source)[0] for place in rows]
            outs = self.flatten(body.jaxpr, body.consts, [*fixed, *carry, *row], within, source)
            self.steps[before:] = [s._replace(turn=s.turn or (t, length)) for s in self.steps[before:]]
            carry = outs[:carried]
            for made, out in zip(written, outs[carried:], strict=True):
                made.append(out)
        if eqn.params["reverse"]:
            written = [made[::-1] for made in written]
        stacked = [self.traced(lambda *ys: jnp.stack(ys), made, within, source)[0] for made in written]
        return [*carry, *stacked]

    def traced(self, function: Callable[..., Any], reads: list[int], within: str, source: Source | None) -> list[int]:
        """The steps of a function of values; `source` is where they are said to be written."""
        closed = jax.make_jaxpr(function)(*[self.avals[place] for place in reads])
        before = len(self.steps)
        outs = self.flatten(closed.jaxpr, closed.consts, reads, within, source)
        self.steps[before:] = [step._replace(within=within, source=source) for step in self.steps[before:]]
        return outs

    def whole(self, eqn: core.JaxprEqn) -> bool:
        if eqn.primitive.name not in CUSTOM:
            return False
        if self.whole_calls:
            return True
        outs: list[Any] = [v.aval for v in eqn.outvars]
        moving: list[Any] = [v.aval for v in eqn.invars if not isinstance(v, core.Literal)]
        return len(moving) == len(outs) == 1 and moving[0].shape == outs[0].shape

    def is_elementwise(self, step: Step) -> bool:
        """Does it write one array of the shape of the one operand that moves?"""
        if len(step.active) != 1 or len(step.writes) != 1:
            return False
        read, written = self.avals[step.reads[step.active[0]]], self.avals[step.writes[0]]
        return read.shape == written.shape and read.dtype == written.dtype

    # ------------------------------------------------------------------ the two programs

    def trace_run(
        self, inputs: list[Any], constants: list[Any], changed: Any = None, others: Sequence[Any] = ()
    ) -> list[Any]:
        """Every value; where `changed`, that of `fixed` replaced by its other."""
        values: list[Any] = [None] * len(self.avals)
        number = {place: n for n, place in enumerate(self.fixed)} if changed is not None else {}

        def write(place: int, value: Any) -> None:
            if place in number:
                assert changed is not None
                value = jnp.where(changed[number[place]], others[number[place]], value)
            values[place] = value

        for name, value in zip(self.names, inputs, strict=True):
            write(self.inputs[name], value)
        for place, value in zip(self.constants, constants, strict=True):
            write(place, value)
        for step in self.steps:
            outs = as_function(step.eqn)(*[values[r] for r in step.reads])
            for place, out in zip(step.writes, outs, strict=True):
                write(place, out)
        return values

    def trace_pull(
        self, residuals: list[list[Any]], v: Any, scales: Any, injected: list[Any], given: Any, slopes: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        arrived: dict[int, Any] = {self.output: v}
        arriving: list[Any] = [None] * len(self.steps)
        sloped = {k: n for n, k in enumerate(self.sloped)}
        for k in reversed(range(len(self.steps))):
            step = self.steps[k]
            moving = [w for w in step.writes if self.moves[w]]
            if not step.active or not any(w in arrived for w in moving):
                continue
            g = [arrived[w] if w in arrived else zeros(self.avals[w]) for w in moving]
            arriving[k] = g[0] if len(g) == 1 else g
            for i, pulled in zip(step.active, pull_back(step, residuals[k], g, moving), strict=True):
                edge = self.number[k, i]
                if k in sloped:
                    pulled = jnp.where(given[sloped[k]], slopes[sloped[k]] * g[0], pulled)
                back = scales[edge] * pulled + injected[edge]  # (1)
                place = step.reads[i]
                arrived[place] = arrived[place] + back if place in arrived else back
        return [arrived.get(self.inputs[n], zeros(self.avals[self.inputs[n]])) for n in self.wrt], arriving

    def closing_over(self, consts: list[Any]) -> Tape:
        """The same tape of a forward that closes over other numbers of these shapes; what is compiled is shared."""
        other = copy.copy(self)
        values = [*consts, *list(self.constants.values())[len(consts) :]]  # its own are the first that were placed
        other.constants = dict(zip(self.constants, values, strict=True))
        return other

    # ------------------------------------------------------------------ running them

    def run(self, inputs: Mapping[str, Any], fixed: Mapping[int, Any] | None = None) -> list[Any]:
        """Every value of the forward at `inputs`, in the order of `avals`.

        Args:
            inputs: by name.
            fixed: by place, what one of `self.fixed` is replaced by.
        """
        with double_precision():
            changed, others = np.zeros(len(self.fixed), bool), list(self.untouched)
            for place, value in (fixed or {}).items():
                n = self.fixed.index(place)
                changed[n], others[n] = True, self.shaped(value, self.avals[place])
            values = [inputs[n] for n in self.names]
            return self.compiled_run(values, list(self.constants.values()), changed, others)

    def pull(
        self,
        values: list[Any],
        v: Any,
        *,
        scales: Mapping[Edge, float] | None = None,
        injected: Mapping[Edge, Any] | None = None,
        residuals: Mapping[Edge, Any] | None = None,
        slopes: Mapping[int, Any] | None = None,
    ) -> Pulled:
        """The backward pass from the cotangent `v` at the forward's `values`, with switches.

        Args:
            scales: by edge, what multiplies the gradient there; 1 elsewhere.
            injected: by edge, what is added to it; an array of the operand's shape.
            residuals: by (step, operand), what the backward reads instead of the forward's operand.
            slopes: by elementwise step (`sloped`), what what arrives is multiplied with instead of the derivative.
        """
        with double_precision():
            read = [[values[r] for r in step.reads] for step in self.steps]
            for (k, i), value in (residuals or {}).items():
                read[k][i] = self.shaped(value, self.operand((k, i)))
            switched = Switched(
                dict(scales or {}),
                {edge: self.shaped(value, self.operand(edge)) for edge, value in (injected or {}).items()},
                {k: self.shaped(slope, self.avals[self.steps[k].writes[0]]) for k, slope in (slopes or {}).items()},
            )
            v = self.shaped(v, self.avals[self.output])
            gradients, arriving = self.pull_by(read, v, switched)
            named = {n: np.asarray(g) for n, g in zip(self.wrt, gradients, strict=True)}
            return Pulled(named, [tuple(a) if isinstance(a, list) else a for a in arriving])

    def pull_as_one(self, read: list[list[Any]], v: Any, switched: Switched) -> tuple[list[Any], list[Any]]:
        """By the one compiled program, whose switches are all arguments."""
        if self.nothing is None:
            self.nothing = [jax.device_put(zeros(self.operand(edge))) for edge in self.edges]
        factors, added = np.ones(len(self.edges)), list(self.nothing)
        for edge, scale in switched.scales.items():
            factors[self.number[edge]] = scale
        for edge, value in switched.injected.items():
            added[self.number[edge]] = value
        given, others = np.zeros(len(self.sloped), bool), list(self.no_slopes)
        for k, slope in switched.slopes.items():
            n = self.sloped.index(k)
            given[n], others[n] = True, slope
        return self.compiled_pull(read, v, factors, added, given, others)

    def operand(self, edge: Edge) -> Any:
        """The shape and dtype of what a step reads there."""
        step, i = edge
        return self.avals[self.steps[step].reads[i]]

    @staticmethod
    def shaped(value: Any, aval: Any) -> Array:
        """`value` in the shape and dtype that the program was compiled for, so that it is never compiled again."""
        array = np.asarray(value, aval.dtype)
        if array.shape != aval.shape:
            raise ValueError(f"shape {array.shape} where the tape has {aval.shape}")
        return array

    def junctions(self) -> list[Edge]:
        """The edges where paths part or meet: cutting any other edge is cutting one of these."""
        readers: dict[int, int] = {}
        for k, i in self.edges:
            place = self.steps[k].reads[i]
            readers[place] = readers.get(place, 0) + 1
        return [(k, i) for k, i in self.edges if len(self.steps[k].active) > 1 or readers[self.steps[k].reads[i]] > 1]


def equations(eqn: core.JaxprEqn) -> int:
    """How many equations a scan runs through, loops inside it included."""
    return eqn.params["length"] * sum(
        equations(inner) if inner.primitive.name == "scan" else 1 for inner in eqn.params["jaxpr"].jaxpr.eqns
    )


def as_function(eqn: core.JaxprEqn) -> Callable[..., list[Any]]:
    """One equation as a function of its operands, with the derivative rule it brings along."""
    if eqn.primitive.name not in CUSTOM:
        return lambda *operands: evaluate(eqn, operands)
    places = {id(a): a for a in eqn.invars if not isinstance(a, core.Literal)}
    called = inner_jaxpr(eqn)
    assert called is not None
    single = called[0].replace(constvars=[], invars=list(places.values()), outvars=list(eqn.outvars), eqns=[eqn])
    function = core.jaxpr_as_fun(core.ClosedJaxpr(single, []))
    order = [None if isinstance(a, core.Literal) else id(a) for a in eqn.invars]

    def call(*operands: Any) -> list[Any]:
        given = {key: x for key, x in zip(order, operands, strict=True) if key is not None}
        return list(function(*[given[key] for key in places]))

    return call


def pull_back(step: Step, residuals: list[Any], g: list[Any], moving: list[int]) -> tuple[Any, ...]:
    """The gradients of the active operands of one step, from those of its outputs that move."""
    function = as_function(step.eqn)

    def forward(*active: Any) -> list[Any]:
        operands = list(residuals)
        for i, x in zip(step.active, active, strict=True):
            operands[i] = x
        outs = function(*operands)
        return [out for place, out in zip(step.writes, outs, strict=True) if place in moving]

    outs, pull = jax.vjp(forward, *[jnp.asarray(residuals[i]) for i in step.active])
    # What arrives may be wider than a float32 step inside, or real where the step is complex.
    return pull([jnp.asarray(a, out.dtype) for a, out in zip(g, outs, strict=True)])


TAPES: Programs[Tape] = Programs(32)


def record(
    reference: Callable[..., Any],
    inputs: Mapping[str, Array],
    wrt: tuple[str, ...],
    *,
    whole_calls: bool = False,
) -> Tape:
    """The tape of `reference(**inputs)` at these shapes; the same trace of the same lines gives the same tape."""
    names = tuple(inputs)
    here = at_point(reference, inputs)
    with double_precision():
        closed = jax.make_jaxpr(lambda *a: here(**dict(zip(names, a, strict=True))))(*inputs.values())
        key = (key_of(closed), sources_in(closed.jaxpr), names, wrt, whole_calls)
        return TAPES.get(key, lambda: Tape(closed, names, wrt, whole_calls=whole_calls)).closing_over(closed.consts)
