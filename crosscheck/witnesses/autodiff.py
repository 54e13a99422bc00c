"""The autodiff witness: `jax.vjp` of the reference, with the standard deviation of its rounding beside every number.

The reference is traced afresh for every check (so a closure that changed is seen); the compiled program is reused
while the trace is the same, whatever function object it came from. One program gives the output, the gradients and,
where there is a forward mode, both sides of

    ⟨v, J u⟩ = ⟨Jᵀ v, u⟩                                                                            (1)

for one random direction u: forward mode on the left, reverse mode on the right. If they differ by more than rounding
allows, a derivative in the reference is wrong. Values are those of the plain jitted program, bit for bit; how far they
may be from the truth is what random roundings make of it (`crosscheck.rounding`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from crosscheck.evidence.estimate import AUTODIFF, Estimate
from crosscheck.evidence.pair import Pair, allowance, compare
from crosscheck.floats import UNIT
from crosscheck.operation import OUTPUT
from crosscheck.rounding import Rounded, Roundings, roundings
from crosscheck.traces.fingerprint import key_of
from crosscheck.traces.pointwise import at_point
from crosscheck.traces.precision import double_precision
from crosscheck.traces.programs import Programs
from crosscheck.traces.walk import inner_jaxpr

Array = np.ndarray
Arrays = dict[str, Array]
Reference = Callable[..., Any]

FORWARD, REVERSE = "forward mode", "reverse mode"
# Forward mode checks JAX, not the user: it is not asked at points with more entries than this.
ADJOINT_ENTRIES = 2**17
# Where nothing at all is known of the rounding of a hand-written code, it is taken to be this many times autodiff's.
ASSUMED = 8.0


class Autodiff(NamedTuple):
    """What the reference says at one point.

    Args:
        output, gradients: with σ of code that computes in the precision that was asked for.
        adjoint: both sides of (1), compared; None without a forward mode.
        roundings: how σ was had.
    """

    output: Estimate
    gradients: dict[str, Estimate]
    adjoint: Pair | None
    roundings: Roundings

    @property
    def t(self) -> float:
        return self.roundings.t

    def allowed(self, name: str) -> Array:
        """How far a hand-written code may be off of whose rounding nothing is known but that it is of this kind."""
        found = self.output if name == OUTPUT else self.gradients[name]
        assert found.sigma is not None
        return allowance([found.sigma, ASSUMED * found.sigma], [found.bound], self.t)


def autodiff(
    reference: Reference,
    inputs: Arrays,
    wrt: tuple[str, ...],
    cotangent: Array,
    dtype: np.dtype,
    *,
    seed: int = 0,
) -> Autodiff:
    """Value and VJP of `reference` in float64, with σ for code that computes in `dtype`."""
    with double_precision():
        inputs = {k: a.astype(np.float64) if a.dtype.kind == "f" else a for k, a in inputs.items()}
        v = cotangent.astype(np.float64)
        values, constants = split(inputs, wrt)
        closed, both = trace(at_point(reference, inputs), values, constants, v)
        flat = [*jax.tree.leaves(values), *jax.tree.leaves(constants), v]
        if both:
            rng = np.random.default_rng([seed, 4])
            flat += [rng.normal(size=values[k].shape) * typical(values[k]) for k in sorted(values)]
        found = roundings(closed, flat, unit=UNIT[dtype], seed=seed)
    outputs = [estimate(AUTODIFF, out) for out in found.outputs]
    adjoint = None
    if both:
        *outputs, along, against = outputs
        if along.speaks() and against.speaks():
            adjoint = compare(named(along, FORWARD), named(against, REVERSE), found.t)
    return Autodiff(outputs[0], dict(zip(sorted(wrt), outputs[1:], strict=True)), adjoint, found)


def plain_gradients(reference: Reference, inputs: Arrays, wrt: tuple[str, ...], v: Array) -> tuple[Array, Arrays]:
    """Output and gradients of the reference in float64, without a word about rounding."""
    with double_precision():
        inputs = {k: a.astype(np.float64) if a.dtype.kind == "f" else a for k, a in inputs.items()}
        values, constants = split(inputs, wrt)
        closed, _ = trace(at_point(reference, inputs), values, constants, v, forward_mode=False)
        run = PLAIN.get(key_of(closed), lambda: jitted(closed.jaxpr))
        out = run(list(closed.consts), [*jax.tree.leaves(values), *jax.tree.leaves(constants), v])
        y, *gradients = [np.asarray(a) for a in out]
    return y, dict(zip(sorted(wrt), gradients, strict=True))


PLAIN: Programs[Callable[..., Any]] = Programs(64)


def jitted(jaxpr: core.Jaxpr) -> Callable[..., Any]:
    return jax.jit(lambda consts, flat: core.jaxpr_as_fun(core.ClosedJaxpr(jaxpr, consts))(*flat))


def estimate(witness: str, out: Rounded) -> Estimate:
    value = np.asarray(out.value)
    nothing = np.zeros(value.shape)
    return Estimate(witness, value, nothing, out.sigma, out.terms, out.entrywise, excuse=out.excuse)


def named(found: Estimate, witness: str) -> Estimate:
    return Estimate(witness, found.value, found.bound, found.sigma, excuse=found.excuse)


# ---------------------------------------------------------------------- traces


def split(inputs: Arrays, wrt: tuple[str, ...]) -> tuple[Arrays, Arrays]:
    """The inputs that are differentiated and the others; both flatten by sorted name."""
    return {k: inputs[k] for k in wrt}, {k: a for k, a in inputs.items() if k not in wrt}


def trace(
    reference: Reference, values: Arrays, constants: Arrays, v: Array, *, forward_mode: bool = True
) -> tuple[core.ClosedJaxpr, bool]:
    """The jaxpr of `(values, constants, v[, u]) -> (y, gradients[, both sides of (1)])`, and whether it has (1)."""

    def forward_and_vjp(values: Any, constants: Any, v: Any) -> Any:
        y, pull = jax.vjp(lambda d: reference(**d, **constants), values)
        return y, pull(jnp.asarray(v).astype(y.dtype).reshape(y.shape))[0]

    def with_adjoint(values: Any, constants: Any, v: Any, u: Any) -> Any:
        y, gradients = forward_and_vjp(values, constants, v)
        _, moved = jax.jvp(lambda d: reference(**d, **constants), (values,), (u,))
        along = jnp.sum(jnp.asarray(v).astype(y.dtype).reshape(y.shape) * moved)
        against = sum(jnp.sum(gradients[k] * u[k]) for k in values)
        return y, gradients, along, against

    plain = jax.make_jaxpr(forward_and_vjp)(values, constants, v)
    if not forward_mode or sum(a.size for a in values.values()) > ADJOINT_ENTRIES:
        return plain, False
    try:
        traced = jax.make_jaxpr(with_adjoint)(values, constants, v, values)
    except TypeError:  # a custom_vjp has no forward mode
        return plain, False
    return (plain, False) if meets(traced.jaxpr, REVERSE_ONLY) else (traced, True)


# What JAX leaves in the trace of a forward derivative that goes through a custom_vjp: it fails when it is run.
REVERSE_ONLY = frozenset(["custom_lin", "custom_vjp_call", "custom_vjp_call_jaxpr"])


def meets(jaxpr: core.Jaxpr, names: frozenset[str]) -> bool:
    """Whether a primitive of these names is in `jaxpr` or in what it calls."""
    for eqn in jaxpr.eqns:
        inner = inner_jaxpr(eqn)
        if eqn.primitive.name in names or (inner is not None and meets(inner[0], names)):
            return True
    return False


def typical(a: Array) -> float:
    """The root mean square, 1 for an array of zeros: so that no input drowns the others in a sum over all."""
    largest = float(np.max(np.abs(a), initial=0.0))
    return largest * float(np.sqrt(np.mean((a / largest) ** 2))) if largest > 0 else 1.0


def output_shape(reference: Reference, inputs: Arrays) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of the reference's output, without computing it."""
    with double_precision():
        try:
            here = at_point(reference, inputs)
            out = jax.eval_shape(lambda d: here(**d), inputs)
        except jax.errors.TracerArrayConversionError as error:
            raise TypeError("the reference hands its arrays to NumPy; it must be written in jax.numpy") from error
    if not isinstance(out, jax.ShapeDtypeStruct):
        raise TypeError(f"the reference returned a {type(out).__name__}; it must return one array")
    return tuple(out.shape), np.dtype(out.dtype)
