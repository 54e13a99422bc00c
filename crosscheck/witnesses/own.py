"""How the hand-written code rounds, by its own program: the backward's own operations, each with a random rounding.

The reference's roundings say how the reference's formula rounds. Another formula for the same gradient may lose what
that one keeps: 1 + tanh(a) at a = -20 is a few units of 2^-53, or nothing, where 2/(1 + e^-2a) has all digits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from crosscheck.floats import DOUBLE, UNIT
from crosscheck.operation import OUTPUT, Array, Arrays, Operation
from crosscheck.rounding import roundings
from crosscheck.traces.precision import double_precision


class OwnRounding(NamedTuple):
    """The standard deviation of every gradient's rounding, by name; and whether some of it is that of a format coarser
    than float64, which the code keeps to whatever it is given."""

    sigma: Arrays
    coarse: bool = False


def program_rounding(operation: Operation, cotangent: Array, comparisons: int, t: float, seed: int) -> OwnRounding:
    """By the operation's program; nothing where that is not to be had.

    Args:
        operation: at float64.
        cotangent: of its output.
        comparisons, t: of the whole check; the standard deviations are as if they had the degrees of freedom of t.
        seed: of the roundings.
    """
    program = None if operation.own_program is None else operation.own_program(operation.inputs, cotangent)
    if program is None:
        return OwnRounding({})
    try:
        with double_precision():
            values = {**operation.inputs, OUTPUT: cotangent}
            closed = jax.make_jaxpr(lambda values: program(**values))(values)
            found = roundings(closed, jax.tree.leaves(values), comparisons=comparisons, seed=seed)
    except Exception:  # recorded code that JAX does not take: nobody is accused by it, and nobody excused
        return OwnRounding({})
    sigma = np.nan_to_num(found.outputs[0].sigma * found.t / t, nan=0.0, posinf=0.0)
    sizes = [operation.inputs[k].size for k in operation.wrt]
    if sum(sizes) != sigma.size:  # some gradient has the wrong shape
        return OwnRounding({})
    parts = np.split(sigma, np.cumsum(sizes)[:-1])
    shaped = {k: part.reshape(operation.inputs[k].shape) for k, part in zip(operation.wrt, parts, strict=True)}
    return OwnRounding(shaped, any(is_coarse(v) for eqn in closed.jaxpr.eqns for v in eqn.outvars))


def is_coarse(atom: Any) -> bool:
    dtype = atom.aval.dtype
    return bool(jnp.issubdtype(dtype, jnp.floating)) and float(jnp.finfo(dtype).eps) / 2 > UNIT[DOUBLE]
