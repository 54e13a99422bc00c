"""The autodiff witness: `jax.vjp` of the reference, with a derived error bound beside every number.

The reference is traced afresh for every check (so a closure that changed is seen); the compiled program is reused
while the trace is the same, whatever function object it came from. One program gives values and bounds: the values
are those of the plain jitted VJP, bit for bit.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from crosscheck.estimate import AUTODIFF, Estimate
from crosscheck.rounding import AGREEMENT, AGREEMENT_WEAK, EXACT, Rounding
from crosscheck.walk import inner_jaxpr, walk
from reference.precision import double_precision

Array = np.ndarray
Reference = Callable[..., Any]

UNIT = {np.dtype(np.float64): 2.0**-53, np.dtype(np.float32): 2.0**-24}


class Autodiff(NamedTuple):
    """What the reference says at one point; bounds already hold the agreement factor's half for one witness."""

    output: Estimate
    gradients: dict[str, Estimate]
    adjoint: Adjoint | None  # None where the reference has no forward mode
    weak: frozenset[str]  # primitives whose error was estimated by their derivative instead of derived


class Adjoint(NamedTuple):
    """Forward mode at the same point: ⟨v, J u⟩ for one random direction u, which must equal ⟨Jᵀv, u⟩."""

    direction: dict[str, Array]
    value: float
    bound: float

    def disagreement(self, gradients: dict[str, Array], bounds: dict[str, Array]) -> float:
        """|⟨v, J u⟩ - ⟨g, u⟩| as a share of what rounding allows; above 1 the gradient is not the adjoint of J."""
        total, allowed = 0.0, self.bound
        unit = 2.0**-53
        for name, u in self.direction.items():
            terms = gradients[name] * u
            total += float(terms.sum())
            allowed += float(np.sum(bounds[name] * np.abs(u)))
            allowed += 4 * unit * (1 + terms.size**0.5) * float(np.abs(terms).sum())
        gap = abs(self.value - total)
        return 0.0 if gap == 0 else gap / allowed if allowed > 0 else np.inf


class Program(NamedTuple):
    compiled: Callable[..., Any]
    weak: set[str]


PROGRAMS: OrderedDict[Any, Program] = OrderedDict()
PROGRAM_LIMIT = 256
PROGRAMS_LOCK = threading.Lock()  # several cases may be checked at once


def trace(
    reference: Reference, inputs: dict[str, Array], wrt: tuple[str, ...], cotangent: Array, forward_mode: bool
) -> core.ClosedJaxpr:
    """The jaxpr of `(inputs by name, the rest by name, cotangent, direction) -> (y, gradients, ⟨v, J u⟩)`."""

    def forward_and_vjp(values: dict[str, Any], constants: dict[str, Any], v: Any, u: Any) -> Any:
        def function(d: dict[str, Any]) -> Any:
            return reference(**d, **constants)

        y, pull = jax.vjp(function, values)
        v = jnp.asarray(v).astype(y.dtype).reshape(y.shape)
        if not forward_mode:
            return y, pull(v)[0]
        return y, pull(v)[0], jnp.sum(v * jax.jvp(function, (values,), (u,))[1])

    values = {k: inputs[k] for k in wrt}
    constants = {k: a for k, a in inputs.items() if k not in wrt}
    return jax.make_jaxpr(forward_and_vjp)(values, constants, cotangent, values)


def fingerprint(jaxpr: core.Jaxpr) -> tuple[Any, ...]:
    """The trace as a key: its text, and the exact literals, which the text may shorten."""
    literals: list[Any] = []

    def collect(j: core.Jaxpr) -> None:
        for eqn in j.eqns:
            for atom in eqn.invars:
                if isinstance(atom, core.Literal):
                    literals.append((str(atom.aval), np.asarray(atom.val).tobytes()))
            inner = inner_jaxpr(eqn)
            if inner is not None:
                collect(inner[0])

    collect(jaxpr)
    return str(jaxpr), tuple(literals)


def program(closed: core.ClosedJaxpr, unit: float, tiny: float) -> Program:
    """The compiled walk of `closed`, from the cache if the same trace was seen before."""
    key = (fingerprint(closed.jaxpr), unit, tuple((np.shape(c), str(jnp.result_type(c))) for c in closed.consts))
    with PROGRAMS_LOCK:
        if key in PROGRAMS:
            PROGRAMS.move_to_end(key)
            return PROGRAMS[key]
    weak: set[str] = set()
    jaxpr = closed.jaxpr

    def run(consts: list[Any], flat: list[Any]) -> Any:
        algebra = Rounding(unit, tiny)
        values, notes = walk(jaxpr, consts, flat, [EXACT] * len(flat), algebra)
        weak.update(algebra.weak)
        zeros = [jnp.zeros_like(v) for v in values]
        errors = [z if n.error is None else n.error for z, n in zip(zeros, notes, strict=True)]
        flips = [z if n.flip is None else n.flip for z, n in zip(zeros, notes, strict=True)]
        return values, errors, flips

    made = Program(jax.jit(run), weak)
    with PROGRAMS_LOCK:
        PROGRAMS[key] = made
        while len(PROGRAMS) > PROGRAM_LIMIT:
            PROGRAMS.popitem(last=False)
    return made


def output_shape(reference: Reference, inputs: dict[str, Array]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of the reference's output, without computing it."""
    with double_precision():
        out = jax.eval_shape(lambda d: reference(**d), inputs)
    return tuple(out.shape), np.dtype(out.dtype)


def autodiff(
    reference: Reference,
    inputs: dict[str, Array],
    wrt: tuple[str, ...],
    cotangent: Array,
    dtype: np.dtype,
) -> Autodiff:
    """Value and VJP of `reference` in float64, with bounds for code that computes in `dtype`.

    Each bound is half of what two witnesses may differ by: u·E times `AGREEMENT`/2, for both sides the same.
    """
    unit, tiny = UNIT[dtype], float(np.finfo(dtype).tiny)
    names = sorted(wrt)  # the order of jax.tree.flatten
    with double_precision():
        inputs = {k: a.astype(np.float64) if a.dtype.kind == "f" else a for k, a in inputs.items()}
        v = cotangent.astype(np.float64)
        try:
            closed = trace(reference, inputs, wrt, v, forward_mode=True)
        except TypeError:  # a custom_vjp without a forward mode; another TypeError comes back from the next line
            closed = trace(reference, inputs, wrt, v, forward_mode=False)
        compiled, weak = program(closed, unit, tiny)
        rng = np.random.default_rng(0)
        u = {k: rng.normal(size=inputs[k].shape) * typical(inputs[k]) for k in names}
        flat = [inputs[k] for k in names] + [inputs[k] for k in sorted(set(inputs) - set(wrt))]
        out = compiled(list(closed.consts), [*flat, v, *u.values()])
        values, errors, flips = jax.tree.map(np.asarray, out)
    share = (AGREEMENT_WEAK if weak else AGREEMENT) / 2 * unit
    estimates = [
        Estimate(AUTODIFF, value, share * error, excuse=2 * share * flip)
        for value, error, flip in zip(values, errors, flips, strict=True)
    ]
    adjoint = None
    if len(estimates) > 1 + len(names):
        last = estimates.pop()
        allowed = float(last.bound) + (0.0 if last.excuse is None else float(last.excuse))
        adjoint = Adjoint(u, float(last.value), allowed)
    return Autodiff(estimates[0], dict(zip(names, estimates[1:], strict=True)), adjoint, frozenset(weak))


def typical(a: Array) -> float:
    """The root mean square, 1 for an array of zeros: so that no input drowns the others in a sum over all."""
    return float(np.sqrt(np.mean(a**2))) if a.size and a.any() else 1.0
