"""Primitives in NumPy: a small program's copies cost less to interpret than to compile.

XLA compiles a small program in seconds and runs it in microseconds. Of the copies nobody wants the bits, only the
spread, so where the numbers are few the equations are interpreted, each primitive by the NumPy function that does the
same (`rules`). What has none is compiled alone, once for its shapes.

    outputs(eqn, x)                     the outputs at NumPy operands
    outputs_of_copies(eqn, x, copies)   the same for every copy: entry by entry at once, the rest one copy after another
    derivative(eqn, x, tangents)        the derivative along tangents
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.extend import core

from crosscheck.rounding.arrays import dtype_of
from crosscheck.rounding.moves import MOVES
from crosscheck.rounding.rules import ENTRYWISE, REDUCTIONS, SLOPES, WHOLE, product_of_arrays
from crosscheck.traces.fingerprint import key_of_equation
from crosscheck.traces.pieces import compiled
from crosscheck.traces.walk import evaluate

AnyArray = Any


def all_numpy(values: Sequence[Any]) -> bool:
    """Whether all operands are NumPy's."""
    return all(isinstance(v, (np.ndarray, np.generic)) for v in values)


def outputs(eqn: core.JaxprEqn, values: Sequence[AnyArray]) -> list[AnyArray]:
    """The outputs of one equation at NumPy operands, in the dtypes that it says."""
    name = eqn.primitive.name
    with np.errstate(all="ignore"):
        if name in ENTRYWISE:
            found = ENTRYWISE[name](eqn.params, values)
        elif name in WHOLE:
            found = WHOLE[name](eqn.params, values)
        else:
            # Constants of a program that is being traced come here, too.
            return [out if isinstance(out, Tracer) else np.asarray(out) for out in evaluate(eqn, values)]
    outs = list(found) if eqn.primitive.multiple_results else [found]
    return [np.asarray(out, dtype_of(v)) for out, v in zip(outs, eqn.outvars, strict=True)]


def outputs_of_copies(
    eqn: core.JaxprEqn, values: Sequence[AnyArray], copies: Sequence[AnyArray | None]
) -> list[AnyArray]:
    """The equation at every copy's operands, the copies' axis first."""
    name = eqn.primitive.name
    if name in ENTRYWISE:
        axes = max(np.ndim(v) for v in values)
        given = [v if c is None else in_front(c, axes) for v, c in zip(values, copies, strict=True)]
        return outputs(eqn, given)
    count = next(len(c) for c in copies if c is not None)
    together = at_once(eqn, values, copies, count)
    if together is not None:
        return together
    if name not in WHOLE:
        return alone(eqn, [v if c is None else c for v, c in zip(values, copies, strict=True)], copies)
    outs = [outputs(eqn, [v if c is None else c[k] for v, c in zip(values, copies, strict=True)]) for k in range(count)]
    return [np.stack(parts) for parts in zip(*outs, strict=True)]


def at_once(
    eqn: core.JaxprEqn, values: Sequence[AnyArray], copies: Sequence[AnyArray | None], count: int
) -> list[AnyArray] | None:
    """What rearranges, adds up along axes or contracts, of all copies in one call; None for anything else."""
    name, params = eqn.primitive.name, eqn.params
    given = [v if c is None else c for v, c in zip(values, copies, strict=True)]
    with np.errstate(all="ignore"):
        if name in MOVES:
            every = [
                np.broadcast_to(v, (count, *v.shape)) if c is None else c for v, c in zip(given, copies, strict=True)
            ]
            outs = MOVES[name](params, every, 1)
        elif name in REDUCTIONS and params["axes"]:
            outs = [REDUCTIONS[name].reduce(given[0], axis=tuple(axis + 1 for axis in params["axes"]))]
        elif name == "dot_general":
            left, right = ("" if c is None else "Z" for c in copies)
            outs = [product_of_arrays(params, given, (left, right))]
        else:
            return None
    return [np.asarray(out, dtype_of(v)) for out, v in zip(outs, eqn.outvars, strict=True)]


def in_front(copies: AnyArray, axes: int) -> AnyArray:
    """Copies of a number beside those of an array: their axis stays the first."""
    missing = axes + 1 - copies.ndim
    return copies.reshape(copies.shape[0], *(1,) * missing, *copies.shape[1:]) if missing else copies


def derivative(eqn: core.JaxprEqn, values: Sequence[AnyArray], tangents: Sequence[AnyArray]) -> AnyArray:
    """J t of the first output."""
    name = eqn.primitive.name
    if name in SLOPES and len(values) == 1:
        with np.errstate(all="ignore"):
            slope = SLOPES[name](eqn.params, values[0])
            return np.where(tangents[0] == 0, 0.0, slope * tangents[0])

    def along(values: list[Any], tangents: list[Any]) -> Any:
        moving = [
            np.zeros(jnp.shape(v), jax.dtypes.float0) if not jnp.issubdtype(jnp.result_type(v), jnp.inexact) else t
            for v, t in zip(values, tangents, strict=True)
        ]
        return jax.jvp(lambda *a: evaluate(eqn, a)[0], tuple(values), tuple(moving))[1]

    key = ("along", key_of_equation(eqn), shapes(values))
    return np.asarray(compiled(key, lambda: jax.jit(along))(list(values), list(tangents)))


# ---------------------------------------------------------------------- one primitive compiled alone


def alone(eqn: core.JaxprEqn, values: Sequence[Any], copies: Sequence[Any]) -> list[AnyArray]:
    """The outputs of all copies at once, by XLA."""
    axes = tuple(None if c is None else 0 for c in copies)

    def make() -> Callable[..., Any]:
        return jax.jit(lambda v: jax.vmap(lambda *a: evaluate(eqn, a), in_axes=axes)(*v))

    def one_by_one() -> Callable[..., Any]:
        fixed = [a is None for a in axes]

        def run(v: list[Any]) -> Any:
            moving = [a for a, f in zip(v, fixed, strict=True) if not f]

            def one(given: list[Any]) -> list[Any]:
                left = iter(given)
                return evaluate(eqn, [a if f else next(left) for a, f in zip(v, fixed, strict=True)])

            return lax.map(one, moving)

        return jax.jit(run)

    key = ("alone", key_of_equation(eqn), shapes(values), axes)
    try:
        out = compiled(key, make)(list(values))
    except NotImplementedError:  # no rule for batches
        out = compiled((*key, "one by one"), one_by_one)(list(values))
    return [np.asarray(a) for a in out]


def shapes(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple((np.shape(v), str(np.result_type(v))) for v in values)
