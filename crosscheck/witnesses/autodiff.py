"""The autodiff witness: `jax.vjp` of the reference, with the standard deviation of its rounding beside every number.

The reference is traced afresh for every check (so a closure that changed is seen); the compiled program is reused
while the trace is the same, whatever function object it came from. One program gives the output, the gradients and,
where there is a forward mode, both sides of

    ⟨v, J u⟩ = ⟨Jᵀ v, u⟩                                                                            (1)

for one random direction u: forward mode on the left, reverse mode on the right. If they differ by more than rounding
allows, a derivative in the reference is wrong. Values are those of the plain jitted program, bit for bit; how far they
may be from the truth is what random roundings make of it (`crosscheck.rounding`). Where a gradient is NaN, a branch
that was not taken is looked for (`untaken`).
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
from crosscheck.floats import UNIT, root_mean_square
from crosscheck.operation import OUTPUT
from crosscheck.rounding import Rounded, Roundings, long, plain, roundings
from crosscheck.traces.once import derived, forward_program
from crosscheck.traces.paths import reached
from crosscheck.traces.pointwise import at_point
from crosscheck.traces.precision import double_precision
from crosscheck.traces.reversing import vjp_program
from crosscheck.traces.walk import inner_jaxpr
from crosscheck.witnesses.foreign import Foreign
from crosscheck.witnesses.untaken import read_as_zero

Array = np.ndarray
Arrays = dict[str, Array]

FORWARD, REVERSE = "forward mode", "reverse mode"
# Forward mode checks JAX, not the user: it is not asked at points with more entries than this.
ADJOINT_ENTRIES = 2**17
# Nor of a program whose backward pass alone has more equations than this: it doubles them.
ADJOINT_EQUATIONS = 2000
# Where nothing at all is known of the rounding of a hand-written code, it is taken to be this many times autodiff's.
ASSUMED = 8.0


class Autodiff(NamedTuple):
    """What the reference says at one point.

    Args:
        output, gradients: with σ of code that computes in the precision that was asked for.
        adjoint: both sides of (1), compared; None without a forward mode.
        roundings: how σ was had.
        pathless: the inputs that no cotangent reaches, as the trace shows: their gradient is zero everywhere.
    """

    output: Estimate
    gradients: dict[str, Estimate]
    adjoint: Pair | None
    roundings: Roundings
    pathless: frozenset[str] = frozenset()

    @property
    def t(self) -> float:
        return self.roundings.t

    def allowed(self, name: str) -> Array:
        """How far a hand-written code may be off of whose rounding nothing is known but that it is of this kind."""
        found = self.output if name == OUTPUT else self.gradients[name]
        assert found.sigma is not None
        return allowance([found.sigma, ASSUMED * found.sigma], [found.bound], self.t)


def autodiff(
    reference: Callable[..., Any],
    inputs: Arrays,
    wrt: tuple[str, ...],
    cotangent: Array,
    dtype: np.dtype,
    *,
    seed: int = 0,
    both_modes: bool = True,
) -> Autodiff:
    """Value and VJP of `reference` in float64, with σ for code that computes in `dtype`; and (1), if `both_modes`."""
    if isinstance(reference, Foreign):
        output, gradients, found, pathless = reference.estimated(doubled(inputs), wrt, cotangent, dtype, seed)
        return Autodiff(output, gradients, None, found, pathless)
    with double_precision():
        inputs = doubled(inputs)
        v = cotangent.astype(np.float64)
        values, constants = split(inputs, wrt)
        here = at_point(reference, inputs)
        reverse, both = trace(here, values, constants, v, forward_mode=both_modes)
        arrives = reached(reverse.jaxpr, [False] * (len(reverse.jaxpr.invars) - 1) + [True])[1:]
        flat = [*jax.tree.leaves(values), *jax.tree.leaves(constants), v]
        known = run(reverse, flat)
        lost = [int(np.isnan(g).sum()) for g in known[1:]]
        if any(lost):
            reverse, both = read_as_zero(here, values, constants, v), None
            known = run(reverse, flat)
            lost = [n - int(np.isnan(g).sum()) for n, g in zip(lost, known[1:], strict=True)]
        if both is not None:
            rng = np.random.default_rng([seed, 4])
            flat += [rng.normal(size=values[k].shape) * typical(values[k]) for k in sorted(values)]
        found = roundings(both or reverse, flat, unit=UNIT[dtype], seed=seed, values=known)
    counts = [0, *lost, 0, 0]
    outputs = [estimate(AUTODIFF, out, n, found.coarsens) for out, n in zip(found.outputs, counts, strict=False)]
    adjoint = None
    if both is not None:
        *outputs, along, against = outputs
        if along.speaks() and against.speaks():
            adjoint = compare(named(along, FORWARD), named(against, REVERSE), found.t)
    pathless = frozenset(k for k, is_reached in zip(sorted(wrt), arrives, strict=True) if not is_reached)
    return Autodiff(outputs[0], dict(zip(sorted(wrt), outputs[1:], strict=True)), adjoint, found, pathless)


def plain_gradients(
    reference: Callable[..., Any], inputs: Arrays, wrt: tuple[str, ...], v: Array
) -> tuple[Array, Arrays]:
    """Output and gradients of the reference in float64, without a word about rounding."""
    if isinstance(reference, Foreign):
        return reference.plain(doubled(inputs), wrt, v)
    with double_precision():
        inputs = doubled(inputs)
        values, constants = split(inputs, wrt)
        closed, _ = trace(at_point(reference, inputs), values, constants, v, forward_mode=False)
        y, *gradients = run(closed, [*jax.tree.leaves(values), *jax.tree.leaves(constants), v])
    return y, dict(zip(sorted(wrt), gradients, strict=True))


def plain_output(reference: Callable[..., Any], inputs: Arrays, wrt: tuple[str, ...], shape: tuple[int, ...]) -> Array:
    """Output alone: of a long program the VJP takes longer to trace than the values to compute."""
    if isinstance(reference, Foreign):
        return plain_gradients(reference, inputs, wrt, np.zeros(shape))[0]
    with double_precision():
        wide = doubled(inputs)
        here = at_point(reference, wide)
        closed = forward_program(here, wide)
        if long(closed):
            return run(closed, jax.tree.leaves(wide))[0]
    return plain_gradients(reference, inputs, wrt, np.zeros(shape))[0]  # compiled as one, and wanted next


def doubled(inputs: Arrays) -> Arrays:
    return {k: a.astype(np.float64) if a.dtype.kind == "f" else a for k, a in inputs.items()}


def run(closed: core.ClosedJaxpr, flat: list[Any]) -> list[Array]:
    """The outputs of a program as it is, compiled as one where it is short, and once."""
    return [np.asarray(a) for a in plain(closed, list(closed.consts), flat)]


def estimate(witness: str, out: Rounded, untaken: int, coarse: bool) -> Estimate:
    value = np.asarray(out.value)
    nothing = np.zeros(value.shape)
    notes = {"untaken": untaken, "coarse": coarse}
    return Estimate(witness, value, nothing, out.sigma, out.terms, out.entrywise, excuse=out.excuse, notes=notes)


def named(found: Estimate, witness: str) -> Estimate:
    return Estimate(witness, found.value, found.bound, found.sigma, excuse=found.excuse)


# ---------------------------------------------------------------------- traces


def split(inputs: Arrays, wrt: tuple[str, ...]) -> tuple[Arrays, Arrays]:
    """The inputs that are differentiated and the others; both flatten by sorted name."""
    return {k: inputs[k] for k in wrt}, {k: a for k, a in inputs.items() if k not in wrt}


def trace(
    reference: Callable[..., Any], values: Arrays, constants: Arrays, v: Array, *, forward_mode: bool = True
) -> tuple[core.ClosedJaxpr, core.ClosedJaxpr | None]:
    """The jaxpr of `(values, constants, v) -> (y, gradients)`, and where it can be had that of
    `(values, constants, v, u) -> (y, gradients, both sides of (1))`."""

    def forward_and_vjp(values: Any, constants: Any, v: Any) -> Any:
        y, pull = jax.vjp(lambda d: reference(**d, **constants), values)
        return y, pull(jnp.asarray(v).astype(y.dtype).reshape(y.shape))[0]

    def with_adjoint(values: Any, constants: Any, v: Any, u: Any) -> Any:
        # One linear map for both modes: traced apart, everything before it would stand there twice.
        y, push = jax.linearize(lambda d: reference(**d, **constants), values)
        moved = push(u)
        (gradients,) = jax.linear_transpose(push, values)(jnp.asarray(v).astype(y.dtype).reshape(y.shape))
        along = jnp.sum(jnp.asarray(v).astype(y.dtype).reshape(y.shape) * moved)
        against = sum(jnp.sum(gradients[k] * u[k]) for k in values)
        return y, gradients, along, against

    def both_modes() -> core.ClosedJaxpr | None:
        try:
            traced = jax.make_jaxpr(with_adjoint)(values, constants, v, values)
        except TypeError:  # a custom_vjp has no forward mode
            return None
        return None if meets(traced.jaxpr, REVERSE_ONLY) else traced

    def reverse_mode() -> core.ClosedJaxpr:
        inputs = {**values, **constants}
        forward = forward_program(reference, inputs)
        if long(forward) and len(forward.jaxpr.outvars) == 1:
            places = dict(zip(sorted(inputs), forward.jaxpr.invars, strict=True))
            ordered = forward.jaxpr.replace(invars=[*(places[k] for k in [*sorted(values), *sorted(constants)])])
            asked = [True] * len(values) + [False] * len(constants)
            written = vjp_program(forward.replace(jaxpr=ordered), asked, jax.ShapeDtypeStruct(v.shape, v.dtype))
            if written is not None:
                return written
        return jax.make_jaxpr(forward_and_vjp)(*given)

    given = values, constants, v
    reverse = derived(reference, "reverse mode", given, reverse_mode)
    large = sum(a.size for a in values.values()) > ADJOINT_ENTRIES or len(reverse.jaxpr.eqns) > ADJOINT_EQUATIONS
    if not forward_mode or large:
        return reverse, None
    return reverse, derived(reference, "both modes", given, both_modes)


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
    return root_mean_square(a) or 1.0


def output_shape(reference: Callable[..., Any], inputs: Arrays) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of the reference's output, without computing it."""
    if isinstance(reference, Foreign):
        return reference.shape(inputs)
    with double_precision():
        try:
            here = at_point(reference, inputs)
            out = jax.eval_shape(lambda d: here(**d), inputs)
        except jax.errors.TracerArrayConversionError as error:
            raise TypeError("the reference hands its arrays to NumPy; it must be written in jax.numpy") from error
    if not isinstance(out, jax.ShapeDtypeStruct):
        raise TypeError(f"the reference returned a {type(out).__name__}; it must return one array")
    return tuple(out.shape), np.dtype(out.dtype)
