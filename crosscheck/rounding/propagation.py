"""How the errors of the operands spread: for every primitive, E of the outputs from E of the inputs.

    rule(eqn, x, y, E) -> E of the outputs

linear in E and without the rounding of the operation itself (`rounding_local`): Ea + Eb for a sum, |a|·Eb + |b|·Ea
for a product, |f'(x)|·Ex for a function, and for a rearrangement the rearrangement of E. The same rules spread flips.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from crosscheck.rounding.planes import fill, is_float, total
from crosscheck.traces.walk import evaluate

Rule = Callable[[core.JaxprEqn, list[Any], list[Any], list[Any]], list[Any]]

# The error of a rearrangement is the rearrangement of the error.
STRUCTURAL = frozenset(
    [
        "reshape",
        "transpose",
        "broadcast_in_dim",
        "slice",
        "squeeze",
        "rev",
        "expand_dims",
        "copy",
        "copy_p",
        "concatenate",
        "real",
        "imag",
        "reduce_precision",
        "device_put",
        "stop_gradient",
        "optimization_barrier",
        "split",
        "neg",
        "abs",
        "conj",
        "pvary",
    ]
)
# Piecewise constant: no error passes.
CONSTANT = frozenset(
    [
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "sign",
        "argmax",
        "argmin",
        "iota",
        "and",
        "or",
        "not",
        "xor",
        "floor",
        "ceil",
        "round",
        "is_finite",
        "eq_to",
        "le_to",
        "lt_to",
        "reduce_or",
        "reduce_and",
        "population_count",
        "clz",
        "shift_left",
        "shift_right_logical",
        "random_bits",
        "random_seed",
        "random_wrap",
        "random_unwrap",
    ]
)
# Smooth elementwise functions: condition number from the primitive's own derivative.
ELEMENTWISE = frozenset(
    [
        "integer_pow",
        "exp",
        "exp2",
        "log",
        "log1p",
        "expm1",
        "tanh",
        "logistic",
        "sqrt",
        "rsqrt",
        "cbrt",
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "asinh",
        "acosh",
        "atanh",
        "erf",
        "erfc",
        "erf_inv",
        "pow",
        "square",
        "one_minus_square",  # from JAX 0.12 on, in the derivative of tanh
        "atan2",
        "lgamma",
        "digamma",
    ]
)


def structural(eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
    if eqn.primitive.name in ("neg", "abs"):
        return [errors[0]]
    return evaluate(eqn, [e if is_float(v) else v for v, e in zip(x, fill(x, errors), strict=True)])


def convert(eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
    return [errors[0].astype(y[0].dtype) if is_float(y[0]) and errors[0] is not None else None]


def indexed(eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
    return evaluate(eqn, [fill(x[:1], errors[:1])[0], *x[1:]])


def linear_sum(eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
    out = total(*[e for e in errors if e is not None])
    return [jnp.broadcast_to(out, y[0].shape)]


def multiply(eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
    terms = [None if e is None else finite(jnp.abs(other) * e) for e, other in zip(errors, (x[1], x[0]), strict=True)]
    return [total(*terms)]


def divide(eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
    numerator = None if errors[0] is None else errors[0] / jnp.abs(x[1])
    denominator = None if errors[1] is None else jnp.abs(y[0]) * errors[1] / jnp.abs(x[1])
    return [total(numerator, denominator)]


def finite(error: Any) -> Any:
    """0 · ∞ is 0 here: an infinite bound on a factor that is multiplied by an exact zero says nothing."""
    return jnp.where(jnp.isnan(error), 0.0, error)


def maximum(eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
    filled = fill([jnp.broadcast_to(v, y[0].shape) for v in x], errors)
    won = [jnp.where(y[0] == v, e, 0.0) for v, e in zip(x, filled, strict=True)]
    return [jnp.maximum(*won)]


def clamp(eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
    filled = fill([jnp.broadcast_to(v, y[0].shape) for v in x], errors)
    won = [jnp.where(y[0] == v, e, 0.0) for v, e in zip(x, filled, strict=True)]
    return [jnp.maximum(jnp.maximum(won[0], won[1]), won[2])]


def select(eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
    return evaluate(eqn, [x[0], *fill(x[1:], errors[1:])])


def sum_over(eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
    return evaluate(eqn, errors)


def reduce_extreme(eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
    return [jnp.max(errors[0], axis=eqn.params["axes"], initial=0.0)]


def bilinear(eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
    left = None if errors[0] is None else evaluate(eqn, [errors[0], jnp.abs(x[1])])[0]
    right = None if errors[1] is None else evaluate(eqn, [jnp.abs(x[0]), errors[1]])[0]
    return [total(left, right)]


def window_extreme(eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
    p = eqn.params
    return [
        lax.reduce_window(
            errors[0],
            -jnp.inf,
            lax.max,
            p["window_dimensions"],
            p["window_strides"],
            p["padding"],
            p.get("base_dilation"),
            p.get("window_dilation"),
        )
    ]


def scatter_add(eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
    operand, updates = fill([x[0], x[2]], [errors[0], errors[2]])
    return evaluate(eqn, [operand, x[1], updates])


def update_slice(eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
    operand, update = fill(x[:2], errors[:2])
    return evaluate(eqn, [operand, update, *x[2:]])


def select_and_scatter(eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
    return evaluate(eqn, [fill(x[:1], errors[:1])[0], x[1]])


def select_and_gather(eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
    return evaluate(eqn, [fill(x[:1], errors[:1])[0], x[1]])


def elementwise(eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
    primals = tuple(jnp.asarray(v) for v in x)
    out = None
    for i, error in enumerate(errors):
        if error is None or not is_float(x[i]):
            continue
        tangents = tuple(
            (jnp.ones_like(v) if j == i else jnp.zeros_like(v)) if is_float(v) else np.zeros(v.shape, jax.dtypes.float0)
            for j, v in enumerate(primals)
        )
        slope = jax.jvp(lambda *a: evaluate(eqn, a)[0], primals, tangents)[1]
        out = total(out, finite(jnp.abs(slope) * error))
    return [out]


RULES: dict[str, Rule] = {
    **dict.fromkeys(STRUCTURAL, structural),
    **dict.fromkeys(ELEMENTWISE, elementwise),
    **dict.fromkeys(CONSTANT, lambda eqn, x, y, errors: [None] * len(y)),
    "convert_element_type": convert,
    "gather": indexed,
    "dynamic_slice": indexed,
    "pad": structural,
    "add": linear_sum,
    "add_any": linear_sum,
    "sub": linear_sum,
    "mul": multiply,
    "div": divide,
    "max": maximum,
    "min": maximum,
    "clamp": clamp,
    "select_n": select,
    "reduce_sum": sum_over,
    "cumsum": sum_over,
    "reduce_window_sum": sum_over,
    "reduce_max": reduce_extreme,
    "reduce_min": reduce_extreme,
    "dot_general": bilinear,
    "conv_general_dilated": bilinear,
    "reduce_window_max": window_extreme,
    "reduce_window_min": window_extreme,
    "scatter-add": scatter_add,
    "scatter_add": scatter_add,
    "scatter": scatter_add,
    "dynamic_update_slice": update_slice,
    "select_and_scatter_add": select_and_scatter,
    "select_and_gather_add": select_and_gather,
}
