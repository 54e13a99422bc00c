"""The autodiff witness: `jax.vjp` of the reference, with a derived error bound beside every number.

The reference is traced afresh for every check (so a closure that changed is seen); the compiled program is reused
while the trace is the same, whatever function object it came from. One program gives values and bounds: the values
are those of the plain jitted VJP, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from crosscheck.evidence.estimate import AUTODIFF, Estimate
from crosscheck.floats import DOUBLE, SINGLE, UNIT
from crosscheck.rounding.algebra import AGREEMENT, AGREEMENT_WEAK, Rounding
from crosscheck.rounding.planes import EXACT
from crosscheck.traces.fingerprint import key_of
from crosscheck.traces.precision import double_precision
from crosscheck.traces.programs import Programs
from crosscheck.traces.walk import inner_jaxpr, walk

Array = np.ndarray
Reference = Callable[..., Any]


class Autodiff(NamedTuple):
    """What the reference says at one point; bounds already hold the agreement factor's half for one witness."""

    output: Estimate
    gradients: dict[str, Estimate]
    adjoint: Adjoint | None  # None where the reference has no forward mode, or is too large to ask for it
    weak: frozenset[str]  # primitives whose error was estimated by their derivative instead of derived

    def in_double(self) -> Autodiff:
        """The same with the bounds of float64 arithmetic, from one that was made with those of float32."""
        ratio = UNIT[DOUBLE] / UNIT[SINGLE]

        def narrowed(e: Estimate) -> Estimate:
            return Estimate(e.witness, e.value, e.bound * ratio, e.decided, e.excuse)

        return self._replace(
            output=narrowed(self.output), gradients={k: narrowed(g) for k, g in self.gradients.items()}
        )


class Adjoint(NamedTuple):
    """Forward mode at the same point: ⟨v, J u⟩ for one random direction u, which must equal ⟨Jᵀv, u⟩."""

    direction: dict[str, Array]
    value: float

    def disagreement(self, gradients: dict[str, Array], bounds: dict[str, Array]) -> float:
        """|⟨v, J u⟩ - ⟨g, u⟩| as a share of what rounding allows; above 1 the gradient is not the adjoint of J.

        Both sides sum the same products v·J·u, in another order, so the errors of g, weighted by u, bound either
        side's.
        """
        total, allowed = 0.0, 0.0
        unit = UNIT[DOUBLE]
        for name, u in self.direction.items():
            terms = gradients[name] * u
            total += float(terms.sum())
            allowed += 2 * float(np.sum(bounds[name] * np.abs(u)))
            allowed += 8 * unit * (1 + terms.size**0.5) * float(np.abs(terms).sum())
        gap = abs(self.value - total)
        return 0.0 if gap == 0 else gap / allowed if allowed > 0 else np.inf


class Program(NamedTuple):
    """A compiled forward and VJP with bounds, and the primitives whose bound is only estimated."""

    run: Callable[..., Any]
    weak: set[str]


PROGRAMS: Programs[Program] = Programs(256)

# Forward mode checks JAX, not the user: it is not asked at points with more entries than this.
ADJOINT_ENTRIES = 2**17


def split(inputs: dict[str, Array], wrt: tuple[str, ...]) -> tuple[dict[str, Array], dict[str, Array]]:
    """The inputs that are differentiated and the others; both flatten by sorted name."""
    return {k: inputs[k] for k in wrt}, {k: a for k, a in inputs.items() if k not in wrt}


def trace(reference: Reference, inputs: dict[str, Array], wrt: tuple[str, ...], cotangent: Array) -> core.ClosedJaxpr:
    """The jaxpr of `(differentiated by name, the rest by name, cotangent) -> (y, gradients)`."""

    def forward_and_vjp(values: dict[str, Any], constants: dict[str, Any], v: Any) -> Any:
        y, pull = jax.vjp(lambda d: reference(**d, **constants), values)
        return y, pull(jnp.asarray(v).astype(y.dtype).reshape(y.shape))[0]

    return jax.make_jaxpr(forward_and_vjp)(*split(inputs, wrt), cotangent)


def trace_forward_mode(
    reference: Reference, inputs: dict[str, Array], wrt: tuple[str, ...], cotangent: Array
) -> core.ClosedJaxpr | None:
    """The jaxpr of `(differentiated, the rest, cotangent, direction) -> ⟨v, J u⟩`; None without a forward mode."""

    def along(values: dict[str, Any], constants: dict[str, Any], v: Any, u: dict[str, Any]) -> Any:
        y, moved = jax.jvp(lambda d: reference(**d, **constants), (values,), (u,))
        return jnp.sum(jnp.asarray(v).astype(y.dtype).reshape(y.shape) * moved)

    if sum(a.size for a in inputs.values()) > ADJOINT_ENTRIES:
        return None
    values, constants = split(inputs, wrt)
    try:
        traced = jax.make_jaxpr(along)(values, constants, cotangent, values)
    except TypeError:  # a custom_vjp has no forward mode
        return None
    return None if meets(traced.jaxpr, REVERSE_ONLY) else traced


# What JAX leaves in the trace of a forward derivative that goes through a custom_vjp: it fails when it is run.
REVERSE_ONLY = frozenset(["custom_lin", "custom_vjp_call", "custom_vjp_call_jaxpr"])


def meets(jaxpr: core.Jaxpr, names: frozenset[str]) -> bool:
    """Whether a primitive of these names is in `jaxpr` or in what it calls."""
    for eqn in jaxpr.eqns:
        inner = inner_jaxpr(eqn)
        if eqn.primitive.name in names or (inner is not None and meets(inner[0], names)):
            return True
    return False


def program(closed: core.ClosedJaxpr, tangent: core.ClosedJaxpr | None, unit: float, tiny: float) -> Program:
    """The compiled walk of `closed`, and `tangent` beside it, from the cache if the same traces were seen before."""
    key = (key_of(closed), None if tangent is None else key_of(tangent), unit)
    return PROGRAMS.get(key, lambda: compiled(closed.jaxpr, None if tangent is None else tangent.jaxpr, unit, tiny))


def compiled(jaxpr: core.Jaxpr, forward_jaxpr: core.Jaxpr | None, unit: float, tiny: float) -> Program:
    weak: set[str] = set()

    def run(consts: list[Any], flat: list[Any], tangent_consts: list[Any], directions: list[Any]) -> Any:
        algebra = Rounding(unit, tiny)
        values, notes = walk(jaxpr, consts, flat, [EXACT] * len(flat), algebra)
        weak.update(algebra.weak)
        along = None
        if forward_jaxpr is not None:
            moved = core.ClosedJaxpr(forward_jaxpr, tangent_consts)
            along = core.jaxpr_as_fun(moved)(*flat, *directions)[0]
        return values, [n.error for n in notes], [n.flip for n in notes], along

    return Program(jax.jit(run), weak)


def output_shape(reference: Reference, inputs: dict[str, Array]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of the reference's output, without computing it."""
    with double_precision():
        try:
            out = jax.eval_shape(lambda d: reference(**d), inputs)
        except jax.errors.TracerArrayConversionError as error:
            raise TypeError("the reference hands its arrays to NumPy; it must be written in jax.numpy") from error
    if not isinstance(out, jax.ShapeDtypeStruct):
        raise TypeError(f"the reference returned a {type(out).__name__}; it must return one array")
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
        closed = trace(reference, inputs, wrt, v)
        tangent = trace_forward_mode(reference, inputs, wrt, v)
        run, weak = program(closed, tangent, unit, tiny)
        flat = [inputs[k] for k in names] + [inputs[k] for k in sorted(set(inputs) - set(wrt))]
        u: dict[str, Array] = {}
        if tangent is not None:
            rng = np.random.default_rng(0)
            u = {k: rng.normal(size=inputs[k].shape) * typical(inputs[k]) for k in names}
        tangent_consts = [] if tangent is None else list(tangent.consts)
        out = run(list(closed.consts), [*flat, v], tangent_consts, list(u.values()))
        values, errors, flips, along = jax.tree.map(np.asarray, out)
    share = (AGREEMENT_WEAK if weak else AGREEMENT) / 2 * unit
    estimates = [
        Estimate(
            AUTODIFF,
            value,
            np.zeros(value.shape) if error is None else share * error,
            excuse=None if flip is None else 2 * share * flip,
        )
        for value, error, flip in zip(values, errors, flips, strict=True)
    ]
    adjoint = None if along is None else Adjoint(u, float(along))
    return Autodiff(estimates[0], dict(zip(names, estimates[1:], strict=True)), adjoint, frozenset(weak))


def typical(a: Array) -> float:
    """The root mean square, 1 for an array of zeros: so that no input drowns the others in a sum over all."""
    return float(np.sqrt(np.mean(a**2))) if a.size and a.any() else 1.0
