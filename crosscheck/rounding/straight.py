"""A long program alone, laid out once as a list of steps and then run many times.

The witnesses that ask a reference at point after point want nothing but its values. An unrolled loop of a thousand
turns has some thousands of equations on few numbers each: to look each up again, and to hand it to a compiled function,
takes ten times as long as to compute it. So calls are opened, places are numbered, and every equation becomes one
function: of NumPy (`rules`) where its numbers are few, compiled alone where they are many or NumPy has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import jax
import numpy as np
from jax.extend import core

from crosscheck.rounding.arrays import dtype_of
from crosscheck.rounding.loops import LOOPS
from crosscheck.rounding.reading import call
from crosscheck.rounding.rules import ENTRYWISE, WHOLE
from crosscheck.rounding.sizes import computed
from crosscheck.traces.pieces import Keys, compiled

Computation = Callable[[list[Any]], Sequence[Any]]

# Bytes of the largest operand or result up to which NumPy is asked: below, a compiled function costs more to call
# than the numbers cost to compute.
FEW = 2**16


@dataclass
class Laid:
    """The steps of one program.

    Args:
        values: by place, None where nothing is known before a run.
        steps: (function, places read, places written, places not read again).
    """

    values: list[Any] = field(default_factory=list)
    steps: list[tuple[Computation, list[int], list[int], list[int]]] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    constants: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def place(self, value: Any = None) -> int:
        self.values.append(value)
        return len(self.values) - 1

    def __call__(self, consts: Sequence[Any], flat: Sequence[Any]) -> list[Any]:
        values = list(self.values)
        for places, given in ((self.constants, consts), (self.inputs, flat)):
            for place, value in zip(places, given, strict=True):
                values[place] = value
        with np.errstate(all="ignore"):
            for function, read, written, last in self.steps:
                outs = function([values[i] for i in read])
                for place, out in zip(written, outs, strict=True):
                    values[place] = out
                for place in last:
                    values[place] = None
        return [values[i] for i in self.outputs]


LAID_OUT: WeakKeyDictionary[core.Jaxpr, Laid] = WeakKeyDictionary()


def straight(jaxpr: core.Jaxpr, consts: Sequence[Any], flat: Sequence[Any]) -> list[Any]:
    """The outputs of `jaxpr`."""
    layout = LAID_OUT.get(jaxpr)
    if layout is None:
        layout = LAID_OUT[jaxpr] = laid_out(jaxpr)
    return layout(consts, flat)


def laid_out(jaxpr: core.Jaxpr) -> Laid:
    layout = Laid()
    layout.constants = [layout.place() for _ in jaxpr.constvars]
    layout.inputs = [layout.place() for _ in jaxpr.invars]
    layout.outputs = lay(layout, jaxpr, layout.constants, layout.inputs, Keys(jaxpr))
    kept = {*layout.outputs, *(i for i, value in enumerate(layout.values) if value is not None)}
    for number in range(len(layout.steps) - 1, -1, -1):
        function, read, written, _ = layout.steps[number]
        last = [i for i in {*read, *written} if i not in kept]
        kept.update(last)
        layout.steps[number] = function, read, written, last
    return layout


def lay(layout: Laid, jaxpr: core.Jaxpr, consts: Sequence[int], inputs: Sequence[int], key: Keys) -> list[int]:
    """The places of the outputs of one program, the steps of what it calls among its own."""
    known: dict[Any, int] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *inputs], strict=True))

    def read(atom: Any) -> int:
        if isinstance(atom, core.Literal):
            return layout.place(np.asarray(atom.val, dtype_of(atom)))
        return known[atom]

    for eqn in jaxpr.eqns:
        ins = [read(atom) for atom in eqn.invars]
        called = call(eqn, ins)
        if called is not None:
            inner, given, ins = called
            outs = lay(layout, inner, [layout.place(np.asarray(c)) for c in given], ins, key)
        else:
            outs = [layout.place() for _ in eqn.outvars]
            layout.steps.append((step_of(eqn, key), ins, outs, []))
        known.update(zip(eqn.outvars, outs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def step_of(eqn: core.JaxprEqn, key: Keys) -> Computation:
    """One equation as a function of its operands."""
    name, atoms = eqn.primitive.name, [*eqn.invars, *eqn.outvars]
    few = all(isinstance(dtype_of(v), np.dtype) and v.aval.size * dtype_of(v).itemsize <= FEW for v in atoms)
    rule = ENTRYWISE.get(name) or WHOLE.get(name)
    if few and rule is not None and name not in LOOPS:
        params, dtypes, several = eqn.params, [dtype_of(v) for v in eqn.outvars], eqn.primitive.multiple_results

        def by_numpy(values: list[Any]) -> Sequence[Any]:
            found = rule(params, [np.asarray(v) for v in values])
            return [np.asarray(a, d) for a, d in zip(found if several else (found,), dtypes, strict=True)]

        return by_numpy
    made: list[Callable[..., Any]] = []

    def by_itself(values: list[Any]) -> Sequence[Any]:
        if not made:
            shapes = tuple((v.shape, v.dtype) for v in values)
            made.append(compiled(("plain equation", key(eqn), shapes), lambda: jax.jit(partial(computed, eqn))))
        return made[0](values)

    return by_itself
