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

Per primitive, `rounding_propagation` says how the errors of the operands spread, `rounding_local` what the operation
itself rounds, `rounding_control` how loops and branches carry the planes; here the walk puts them together.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from crosscheck.floats import DOUBLE, UNIT
from crosscheck.rounding.control import LOOPS
from crosscheck.rounding.local import ROUNDED, no_rounding
from crosscheck.rounding.planes import EXACT, Note, any_present, is_float, total
from crosscheck.rounding.propagation import CONSTANT, RULES
from crosscheck.traces.walk import evaluate

# Two estimates of one quantity, each computed backward stably, differ by at most AGREEMENT·u·E: each owns half.
# E is first order and its √n is a probabilistic bound; over 33,600 healthy gradients the largest difference was 3.5 u·E
# (NumPy's and XLA's tanh are a few ulp apart), everything without tanh stayed below 1.5.
AGREEMENT = 8.0
# The same where a primitive without a rule was met and its spread was estimated instead of derived.
AGREEMENT_WEAK = 64.0
# A comparison is uncertain where its operands are closer than this many u·(Ea + Eb).
UNCERTAIN = 4.0

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
        if self.unit == UNIT[DOUBLE] or not is_float(value):
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
