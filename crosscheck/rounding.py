"""Running error analysis: beside every value of a jaxpr, a bound on its rounding error.

To first order in the unit roundoff u, a computed value differs from the exact one by at most u·E, where E
follows from the errors of the operands and the rounding of the operation itself:

    y = a + b        E = Ea + Eb + |y|
    y = a · b        E = |a|·Eb + |b|·Ea + |y|
    y = Σ a·b        E = Σ |a|·(Eb + depth·|b|) + Σ Ea·|b|         depth(n) = 1 + √n
    y = f(x)         E = |f'(x)|·Ex + 2·|y|

(N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., 2002, sections 3.1 and 3.3; the √n of
sums is the probabilistic bound of N. J. Higham and T. Mary, SIAM J. Sci. Comput. 41 (2019) A2815.) A value that is
a pure rearrangement of exact inputs has E = 0, and there two witnesses must be equal.

Three planes travel together. E is the rounding. `flip` bounds the change of a value if a comparison that is within
rounding of a tie (a ReLU's x > 0, a pool's winner) had gone the other way; it excuses a difference only as
"undecided", never as agreement. `uncertain` marks those comparisons while they are still booleans.

Everything is evaluated in float64; `unit` says in which arithmetic the judged code ran (2^-53 or 2^-24).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from crosscheck.walk import evaluate, walk

# Two estimates of one quantity, each computed backward stably, differ by at most AGREEMENT·u·E: each owns half.
# E is first order and its √n is a probabilistic bound; over 33,600 healthy gradients the largest difference was 3.5 u·E
# (NumPy's and XLA's tanh are a few ulp apart), everything without tanh stayed below 1.5.
AGREEMENT = 8.0
# The same where a primitive without a rule was met and its spread was estimated instead of derived.
AGREEMENT_WEAK = 64.0
# A comparison is uncertain where its operands are closer than this many u·(Ea + Eb).
UNCERTAIN = 4.0


class Note(NamedTuple):
    """The planes beside one value; None stands for zero everywhere."""

    error: Any = None
    flip: Any = None
    uncertain: Any = None


EXACT = Note()

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
COMPARISONS = frozenset(["eq", "ne", "lt", "le", "gt", "ge"])
BOOLEAN_STRUCTURE = frozenset(
    [
        "and",
        "or",
        "not",
        "xor",
        "reshape",
        "broadcast_in_dim",
        "squeeze",
        "expand_dims",
        "slice",
        "transpose",
        "rev",
        "copy",
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
        "atan2",
        "lgamma",
        "digamma",
    ]
)


def depth(n: float) -> float:
    """How many roundings a sum of n terms counts for: 1 + √n."""
    return 1.0 + math.sqrt(max(n, 1.0))


def is_float(value: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(value), jnp.floating)


def total(*terms: Any) -> Any:
    """The sum of the terms that are not None, or None."""
    present = [t for t in terms if t is not None]
    return sum(present[1:], present[0]) if present else None


class Rounding:
    """The algebra of running error analysis, to be walked over a traced forward and its VJP.

    `weak` collects the primitives for which no rule exists and a spread was estimated; it is filled while tracing.
    """

    def __init__(self, unit: float, tiny: float) -> None:
        self.unit = unit
        # XLA flushes subnormals to zero and NumPy does not: an absolute error of `tiny` per operation, in units of u.
        self.eta = tiny / unit
        self.weak: set[str] = set()

    def constant(self, value: Any) -> Note:
        """Constants are exact in float64; in float32 they are rounded unless they happen to be representable."""
        if self.unit == 2.0**-53 or not is_float(value):
            return EXACT
        if isinstance(value, jax.Array):
            value = jnp.asarray(value)
            return Note(jnp.abs(value - value.astype(jnp.float32).astype(value.dtype)) / self.unit)
        single = np.asarray(value, np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            lost = np.abs(single - single.astype(np.float32)) / self.unit
        lost = np.where(np.isfinite(lost), lost, 0.0)
        return Note(jnp.asarray(lost)) if lost.any() else EXACT

    # ------------------------------------------------------------------ one equation

    def equation(self, eqn: core.JaxprEqn, values: list[Any], notes: list[Note]) -> tuple[list[Any], list[Note]]:
        name = eqn.primitive.name
        if name in LOOPS:
            return LOOPS[name](self, eqn, values, notes)
        outs = evaluate(eqn, values)
        if not any(is_float(out) for out in outs):
            return outs, [Note(uncertain=self.uncertainty(eqn, values, notes))] * len(outs)
        if name in CONSTANT:
            return outs, [EXACT] * len(outs)
        errors = [n.error for n in notes]
        flips = [n.flip for n in notes]
        rule = RULES.get(name)
        if rule is None:
            self.weak.add(name)
            rule = self.unknown
            out_errors = self.unknown_with_rounding(eqn, values, outs, errors)
        else:
            seeds, rounding = ROUNDED.get(name, no_rounding)(self, eqn, values, outs)
            seeded = [total(e, s) for e, s in zip(errors, seeds, strict=True)]
            carried = rule(eqn, values, outs, seeded) if any_present(seeded) else [None] * len(outs)
            out_errors = [total(c, r) for c, r in zip(carried, rounding, strict=True)]
        out_flips = rule(eqn, values, outs, flips) if any_present(flips) else [None] * len(outs)
        out_flips = [total(f, g) for f, g in zip(out_flips, self.flips(eqn, values, outs, notes), strict=True)]
        return outs, [
            Note(e, f) if is_float(out) else EXACT for out, e, f in zip(outs, out_errors, out_flips, strict=True)
        ]

    # ------------------------------------------------------------------ comparisons within rounding

    def uncertainty(self, eqn: core.JaxprEqn, x: list[Any], notes: list[Note]) -> Any:
        """Where a boolean result could be the other one in another correct evaluation."""
        name = eqn.primitive.name
        if name in COMPARISONS and is_float(x[0]):
            if eqn.invars[0] is eqn.invars[1] or all(n.error is None for n in notes):
                return None  # x == x is a test for NaN; exact operands compare exactly
            gap = jnp.abs(x[0] - x[1])
            slack = UNCERTAIN * self.unit * total(*[n.error for n in notes])
            close = (gap <= slack) & (slack > 0)
            # Equality at exactly equal operands is the same variable seen twice (a maximum and its winner).
            return close & (gap > 0) if name in ("eq", "ne") else close
        if name == "convert_element_type" and notes[0].uncertain is not None:
            return notes[0].uncertain  # a branch's index, made of a boolean
        if name in BOOLEAN_STRUCTURE and any(n.uncertain is not None for n in notes):
            masks = [
                jnp.zeros(jnp.shape(v), bool) if n.uncertain is None else n.uncertain
                for v, n in zip(x, notes, strict=True)
            ]
            if name in ("and", "or", "xor", "not"):
                out = masks[0]
                for mask in masks[1:]:
                    out = out | mask
                return out
            return evaluate(eqn, masks)[0]
        return None

    def flips(self, eqn: core.JaxprEqn, x: list[Any], y: list[Any], notes: list[Note]) -> list[Any]:
        """The change of the result, in units of u, if the uncertain comparisons had gone the other way."""
        name = eqn.primitive.name
        if name == "select_n" and notes[0].uncertain is not None:
            spread = jnp.max(jnp.stack(x[1:]), 0) - jnp.min(jnp.stack(x[1:]), 0)
            return [jnp.where(notes[0].uncertain, spread, 0.0) / self.unit]
        if name == "convert_element_type" and notes[0].uncertain is not None:
            return [notes[0].uncertain.astype(y[0].dtype) / self.unit]
        if name == "select_and_scatter_add" and notes[1].error is not None:
            source, operand = x
            sign = jnp.where(jnp.arange(operand.size).reshape(operand.shape) * 40503 % 65536 > 32768, 1.0, -1.0)
            nudge = UNCERTAIN * self.unit * notes[1].error * sign
            moved = [jnp.abs(evaluate(eqn, [source, operand + s * nudge])[0] - y[0]) for s in (1.0, -1.0)]
            return [(moved[0] + moved[1]) / self.unit]
        return [None] * len(y)

    # ------------------------------------------------------------------ primitives without a rule

    def unknown(self, eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
        """Spread the errors of the inputs by the primitive's own derivative, with four sign patterns."""
        worst: list[Any] = [None] * len(y)
        for draw in range(4):
            tangents = []
            for value, error in zip(x, errors, strict=True):
                shape = jnp.shape(value)
                if not is_float(value):
                    tangents.append(np.zeros(shape, jax.dtypes.float0))
                    continue
                order = jnp.arange(math.prod(shape)).reshape(shape)
                sign = jnp.where((order * 2654435761 + draw * 318211) // (1 << (7 + draw)) % 2 == 0, 1.0, -1.0)
                tangents.append(sign * (0.0 if error is None else error))
            primals = tuple(jnp.asarray(v) for v in x)
            tangents = tuple(
                t if t.dtype == jax.dtypes.float0 else jnp.asarray(t, p.dtype)
                for t, p in zip(tangents, primals, strict=True)
            )
            moved = jax.jvp(lambda *a: evaluate(eqn, a), primals, tangents)[1]
            for i, (out, move) in enumerate(zip(y, moved, strict=True)):
                if is_float(out):
                    worst[i] = jnp.abs(move) if worst[i] is None else jnp.maximum(worst[i], jnp.abs(move))
        return [None if w is None else 3.0 * w for w in worst]

    def unknown_with_rounding(self, eqn: core.JaxprEqn, x: list[Any], y: list[Any], errors: list[Any]) -> list[Any]:
        """Assume the primitive backward stable: one more unit of every input, two of every output."""
        inputs = [total(e, jnp.abs(v)) if is_float(v) else None for v, e in zip(x, errors, strict=True)]
        try:
            spread = self.unknown(eqn, x, y, inputs)
        except (NotImplementedError, TypeError):  # no derivative either: nothing is known
            spread = [jnp.full_like(out, jnp.inf) if is_float(out) else None for out in y]
        return [None if s is None else s + 2.0 * jnp.abs(out) + self.eta for s, out in zip(spread, y, strict=True)]


def any_present(items: list[Any]) -> bool:
    return any(item is not None for item in items)


# ---------------------------------------------------------------------- rules: how errors of operands spread
# rule(eqn, x, y, E) -> E of the outputs, linear in E, without the rounding of the operation itself.

Rule = Callable[[core.JaxprEqn, list[Any], list[Any], list[Any]], list[Any]]


def fill(x: list[Any], errors: list[Any]) -> list[Any]:
    """Zeros for the operands without an error."""
    return [
        jnp.zeros_like(v) if e is None else jnp.broadcast_to(e, jnp.shape(v)) for v, e in zip(x, errors, strict=True)
    ]


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


# ---------------------------------------------------------------------- the operation's own rounding
# ROUNDED[name](algebra, eqn, x, y) -> (extra error to seed on each input, rounding of each output). A sum's roundings
# are seeded on its terms (backward error), so that one product spreads them together with the errors that arrived.

Rounded = Callable[[Rounding, core.JaxprEqn, list[Any], list[Any]], tuple[list[Any], list[Any]]]


def no_rounding(a: Rounding, eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> tuple[list[Any], list[Any]]:
    return [None] * len(x), [None] * len(y)


def once(a: Rounding, eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> tuple[list[Any], list[Any]]:
    return [None] * len(x), [jnp.abs(y[0])]


def once_underflowing(a: Rounding, eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> tuple[list[Any], list[Any]]:
    return [None] * len(x), [jnp.abs(y[0]) + a.eta]


def twice_underflowing(a: Rounding, eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> tuple[list[Any], list[Any]]:
    return [None] * len(x), [2.0 * jnp.abs(y[0]) + a.eta]


def narrowed(a: Rounding, eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> tuple[list[Any], list[Any]]:
    """A conversion rounds where the new format is coarser than the arithmetic of the walk."""
    if is_float(x[0]) and is_float(y[0]):
        coarse = float(jnp.finfo(y[0].dtype).eps) / 2
        if coarse > float(jnp.finfo(jnp.result_type(x[0])).eps) / 2:
            return [None], [jnp.abs(y[0]) * (coarse / a.unit)]
    return [None], [None]


def summed(a: Rounding, eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> tuple[list[Any], list[Any]]:
    p = eqn.params
    if "window_dimensions" in p:
        n = math.prod(p["window_dimensions"])
    elif "axes" in p:
        n = math.prod(x[0].shape[i] for i in p["axes"])
    else:
        n = x[0].shape[p["axis"]]
    return [depth(n) * jnp.abs(x[0]) if n > 1 else None], [None]


def contracted(a: Rounding, eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> tuple[list[Any], list[Any]]:
    p = eqn.params
    if eqn.primitive.name == "dot_general":
        n = math.prod(x[0].shape[i] for i in p["dimension_numbers"][0][0])
    else:
        n = math.prod(x[1].shape[i] for i in p["dimension_numbers"].rhs_spec[1:])
    return [None, depth(n) * jnp.abs(x[1])], [float(n) * a.eta]


def scattered(a: Rounding, eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> tuple[list[Any], list[Any]]:
    return [jnp.abs(x[0]), None, 2.0 * jnp.abs(x[2])], [None]


def scattered_to_winner(a: Rounding, eqn: core.JaxprEqn, x: list[Any], y: list[Any]) -> tuple[list[Any], list[Any]]:
    return [depth(math.prod(eqn.params["window_dimensions"])) * jnp.abs(x[0]), None], [None]


ROUNDED: dict[str, Rounded] = {
    **dict.fromkeys(ELEMENTWISE, twice_underflowing),
    "add": once,
    "add_any": once,
    "sub": once,
    "mul": once_underflowing,
    "div": once_underflowing,
    "convert_element_type": narrowed,
    "reduce_sum": summed,
    "cumsum": summed,
    "reduce_window_sum": summed,
    "dot_general": contracted,
    "conv_general_dilated": contracted,
    "scatter-add": scattered,
    "scatter_add": scattered,
    "select_and_scatter_add": scattered_to_winner,
}


# ---------------------------------------------------------------------- loops and branches: the planes join the carry


def dense(value: Any, note: Note) -> tuple[Any, Any]:
    """Error and flip as arrays, so that they can travel through a loop."""
    if not is_float(value):
        return None, None
    zero = jnp.zeros_like(value)
    return (
        zero if note.error is None else jnp.broadcast_to(note.error, zero.shape),
        zero if note.flip is None else jnp.broadcast_to(note.flip, zero.shape),
    )


def inside(a: Rounding, closed: core.ClosedJaxpr, values: Any, planes: Any) -> tuple[list[Any], list[Any]]:
    notes = [Note(*p) for p in planes]
    outs, out_notes = walk(closed.jaxpr, closed.consts, list(values), notes, a)
    return outs, [dense(o, n) for o, n in zip(outs, out_notes, strict=True)]


def cond_rule(a: Rounding, eqn: core.JaxprEqn, x: list[Any], notes: list[Note]) -> tuple[list[Any], list[Note]]:
    planes = [dense(v, n) for v, n in zip(x[1:], notes[1:], strict=True)]
    branches = [
        lambda values, planes, closed=closed: inside(a, closed, values, planes) for closed in eqn.params["branches"]
    ]
    outs, out_planes = lax.switch(x[0], branches, x[1:], planes)
    if notes[0].uncertain is not None:  # the other branch may be anything: no disagreement counts here
        either = jnp.where(jnp.any(notes[0].uncertain), jnp.inf, 0.0)
        out_planes = [(e, None if f is None else f + either) for e, f in out_planes]
    return outs, [Note(*p) for p in out_planes]


def scan_rule(a: Rounding, eqn: core.JaxprEqn, x: list[Any], notes: list[Note]) -> tuple[list[Any], list[Note]]:
    p = eqn.params
    first, second = p["num_consts"], p["num_consts"] + p["num_carry"]
    planes = [dense(v, n) for v, n in zip(x, notes, strict=True)]

    def step(carry: Any, xs: Any) -> Any:
        outs, out_planes = inside(a, p["jaxpr"], x[:first] + carry[0] + xs[0], planes[:first] + carry[1] + xs[1])
        k = p["num_carry"]
        return (outs[:k], out_planes[:k]), (outs[k:], out_planes[k:])

    carry, ys = lax.scan(
        step,
        ([jnp.asarray(v) for v in x[first:second]], planes[first:second]),
        (x[second:], planes[second:]),
        length=p["length"],
        reverse=p["reverse"],
    )
    return carry[0] + ys[0], [Note(*q) for q in carry[1] + ys[1]]


def while_rule(a: Rounding, eqn: core.JaxprEqn, x: list[Any], notes: list[Note]) -> tuple[list[Any], list[Note]]:
    p = eqn.params
    k, m = p["cond_nconsts"], p["body_nconsts"]
    planes = [dense(v, n) for v, n in zip(x, notes, strict=True)]
    test = p["cond_jaxpr"]

    def keep_going(carry: Any) -> Any:
        return core.jaxpr_as_fun(test)(*x[:k], *carry[0])[0]

    def body(carry: Any) -> Any:
        return inside(a, p["body_jaxpr"], x[k : k + m] + carry[0], planes[k : k + m] + carry[1])

    start = ([jnp.asarray(v) for v in x[k + m :]], planes[k + m :])
    outs, out_planes = lax.while_loop(keep_going, body, start)
    return outs, [Note(*q) for q in out_planes]


LOOPS: dict[str, Callable[..., tuple[list[Any], list[Note]]]] = {
    "cond": cond_rule,
    "scan": scan_rule,
    "while": while_rule,
}
