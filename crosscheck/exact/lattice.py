"""Exact arithmetic by proof: every value of a jaxpr as an integer times a power of two.

A float64 sum or product is exact, in any order, as long as everything that is added is a multiple of one 2^-q and the
sum of the absolute terms stays below 2^(53-q). Whether that holds for a reference and its VJP is read off the jaxpr,
in two walks:

`Lattice`, once and without numbers, writes every value as (integer) · multiple · 2^-q, polynomial of known degree in
every input:

    y = a + b        q = max(qa, qb)    multiple = gcd      degree = max
    y = a · b, Σ ab  q = qa + qb        multiple = product  degree = sum
    y = a / (m 2^e)  q = qa + e         multiple / m, for an odd m that divides it
    y = a selected, moved, compared, maximised: that of the candidates

A primitive that is no polynomial (exp, sqrt), a constant with many binary digits (0.1), or a division by a variable
ends it with `NotPolynomial`, whose message names the reason. An odd divisor that does not divide ends it with
`Indivisible`: all inputs times that divisor will pass.

`Terms`, compiled and at a point, returns for every equation that adds or multiplies max Σ|terms|. If each times its
2^q is below 2^53, every partial sum at that point was exact.

(The bound is the one for error-free sums in S. M. Rump, T. Ogita and S. Oishi, SIAM J. Sci. Comput. 31 (2008) 189.)
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from crosscheck.traces.tape import is_float
from crosscheck.traces.walk import evaluate

Array = np.ndarray

# Binary digits of a constant's odd part above which it is no dyadic number that somebody wrote down (0.1 has 52).
DIGITS = 20
# The granularity of zero: finer than nothing.
NOWHERE = -2000


class NotPolynomial(Exception):
    """The reference or its VJP is not piecewise polynomial with dyadic coefficients; the message says why."""


class Indivisible(NotPolynomial):
    """A division by an odd number of something that is not known to be its multiple; `missing` is what it lacks."""

    def __init__(self, divisor: int, missing: int) -> None:
        super().__init__(f"it divides by {divisor}, which is no power of two")
        self.missing = missing


class Note(NamedTuple):
    """Value = integer · multiple · 2^-q, a polynomial of `degree[i]` in the entries of input i inside a cell."""

    q: int
    degree: tuple[int, ...]
    multiple: int = 1  # odd, or 0 for a value that is zero everywhere
    uniform: float | None = None  # the number, where every entry is one known number


class Row(NamedTuple):
    """One counted equation: what `Terms` measures is to be multiplied by `scale` and compared with 2^53."""

    q: int
    degree: tuple[int, ...]
    digits: int  # of the format that the equation computes in: 53 or fewer


def odd_part(a: Array) -> tuple[Array, Array]:
    """(m, e) with a = m · 2^e and m an odd integer, entry by entry; (0, 0) for zero."""
    fraction, exponent = np.frexp(a)
    mantissa = (fraction * 2.0**53).astype(np.int64)
    lowest = mantissa & -mantissa
    trailing = np.frexp(np.where(lowest == 0, 1, lowest).astype(np.float64))[1] - 1
    shifted = mantissa >> trailing
    return shifted, np.where(mantissa == 0, 0, exponent.astype(np.int64) - 53 + trailing)


def grain(value: Any) -> tuple[int, int]:
    """(q, multiple) of an array of numbers: the coarsest lattice that holds them all.

    Raises NotPolynomial for NaN and for numbers with more than `DIGITS` binary digits.
    """
    a = np.asarray(value, np.float64).ravel()
    if np.isnan(a).any():
        raise NotPolynomial("it has the constant nan")
    a = a[np.isfinite(a) & (a != 0)]  # an infinity only ever loses a comparison; outputs are checked to be finite
    if a.size == 0:
        return NOWHERE, 0
    odd, exponent = odd_part(a)
    long = np.abs(odd) >= 2**DIGITS
    if long.any():
        raise NotPolynomial(f"its constant {a[long][0]:.6g} is not dyadic")
    q = int(-exponent.min())
    shift = exponent + q
    if shift.max() + DIGITS > 62:
        return q, 1
    return q, int(np.gcd.reduce(np.abs(odd) << shift))


def digits(aval: Any) -> int:
    """Binary digits of a floating format: 53 for float64."""
    return int(jnp.finfo(aval.dtype).nmant) + 1


# ---------------------------------------------------------------------- what the primitives do to the lattice

# The result's entries are entries of the first operand.
MOVED = {
    *(
        "reshape",
        "transpose",
        "broadcast_in_dim",
        "slice",
        "squeeze",
        "rev",
        "expand_dims",
        "split",
    ),
    *("copy", "copy_p", "gather", "dynamic_slice", "device_put", "optimization_barrier"),
    *("reduce_max", "reduce_min", "reduce_window_max", "reduce_window_min", "cummax", "cummin"),
    *("select_and_gather_add", "stop_gradient", "neg", "abs", "real"),
}
# The result's entries are entries of any floating operand.
MIXED = {
    *("concatenate", "pad", "max", "min", "clamp", "select_n", "dynamic_update_slice", "scatter"),
}
ADDED = {"add", "sub", "add_any"}
SUMMED = {"reduce_sum", "cumsum", "reduce_window_sum", "select_and_scatter_add"}
SCATTERED = {"scatter-add", "scatter_add"}
PRODUCTS = {"dot_general", "conv_general_dilated"}
MULTIPLIED = PRODUCTS | {"mul"}
# Integers, whatever the operands: no derivative passes.
STEPS = {"sign", "floor", "ceil", "round", "iota"}
# Decisions: what makes a polynomial piecewise.
DECISIONS = {
    *("max", "min", "clamp", "gt", "lt", "ge", "le", "eq", "ne", "sign", "abs", "sort"),
    *("floor", "ceil", "round", "argmax", "argmin", "reduce_max", "reduce_min", "cummax", "cummin"),
    *("reduce_window_max", "reduce_window_min", "select_and_scatter_add", "select_and_gather_add"),
}
COUNTED = ADDED | SUMMED | SCATTERED | MULTIPLIED | {"integer_pow", "square", "div", "convert_element_type"}


def is_counted(eqn: core.JaxprEqn) -> bool:
    """Whether an equation makes larger numbers, so that the budget has to look at it."""
    return eqn.primitive.name in COUNTED and is_float(eqn.outvars[0].aval)


class Lattice:
    """The walk without numbers. `rows` collects a `Row` per counted equation, in order.

    Values are None throughout: only the notes matter. `inputs` is the number of inputs that degrees are counted in;
    `counts` collects the rows that divide by a count, which is exact where that count is 1 only.
    """

    def __init__(self, inputs: int) -> None:
        self.flat = (0,) * inputs
        self.rows: list[Row] = []
        self.counts: set[int] = set()
        self.kinks = False

    def constant(self, value: Any) -> Note:
        if jnp.issubdtype(jnp.result_type(value), jax.dtypes.extended):  # a key of random numbers
            return Note(0, self.flat, 1)
        if not jnp.issubdtype(jnp.result_type(value), jnp.floating):
            same = np.unique(np.asarray(value)) if np.size(value) <= 4096 else np.zeros(2)
            known = float(same[0]) if same.size == 1 and same.dtype.kind in "biu" else None
            return Note(0, self.flat, 1, known)
        q, multiple = grain(value)
        a = np.asarray(value)
        same = a.size > 0 and bool((a == a.flat[0]).all())
        return Note(q, self.flat, multiple, float(a.flat[0]) if same else None)

    def equation(self, eqn: core.JaxprEqn, values: list[Any], notes: list[Note]) -> tuple[list[Any], list[Note]]:
        name = eqn.primitive.name
        self.kinks |= name in DECISIONS and any(is_float(v.aval) for v in eqn.invars)
        outs = [self.rule(eqn, name, i, notes) for i in range(len(eqn.outvars))]
        if is_counted(eqn):
            self.rows.append(Row(outs[0].q, outs[0].degree, digits(eqn.outvars[0].aval)))
        return [None] * len(outs), outs

    def rule(self, eqn: core.JaxprEqn, name: str, place: int, notes: list[Note]) -> Note:
        """The note of the `place`-th output."""
        known = notes[0].uniform if len(notes) == 1 else None
        if not is_float(eqn.outvars[place].aval):
            return Note(
                0,
                self.flat,
                1,
                known if name in ("convert_element_type", "broadcast_in_dim") else None,
            )
        floats = [n for n, v in zip(notes, eqn.invars, strict=True) if is_float(v.aval)]
        if name in STEPS:
            return Note(0, self.flat)
        if name == "convert_element_type":
            return notes[0] if floats else self.integer(notes[0])
        if name == "sort":
            return notes[place]
        if name in MOVED:
            return notes[0]._replace(uniform=-known if name == "neg" and known is not None else known)
        if name in MIXED | ADDED | SCATTERED:
            return self.joined(floats)
        if name in SUMMED:
            return notes[0]._replace(uniform=None)
        if name in MULTIPLIED:
            return self.product(notes[0], notes[1])
        if name in ("integer_pow", "square"):
            power = 2 if name == "square" else eqn.params["y"]
            if power < 0:
                raise NotPolynomial("it divides by a variable")
            n = notes[0]
            q = max(NOWHERE, n.q * power)
            return Note(q, tuple(power * d for d in n.degree), n.multiple**power)
        if name == "div":
            return self.quotient(notes[0], notes[1])
        raise NotPolynomial(f"{name} is no polynomial")

    def integer(self, note: Note) -> Note:
        if note.uniform is None:
            return Note(0, self.flat)
        q, multiple = grain(note.uniform)
        return Note(q, self.flat, multiple, note.uniform)

    def joined(self, notes: Sequence[Note]) -> Note:
        return Note(
            max(n.q for n in notes),
            tuple(max(d) for d in zip(*(n.degree for n in notes), strict=True)),
            math.gcd(*(n.multiple for n in notes)),
        )

    def product(self, a: Note, b: Note) -> Note:
        degree = tuple(i + j for i, j in zip(a.degree, b.degree, strict=True))
        return Note(max(NOWHERE, a.q + b.q), degree, a.multiple * b.multiple)

    def quotient(self, a: Note, b: Note) -> Note:
        if b.uniform is None:
            if any(b.degree) or b.q > 0:
                raise NotPolynomial("it divides by a variable")
            self.counts.add(len(self.rows))  # of tied maxima, say
            return a._replace(uniform=None)
        if not (math.isfinite(b.uniform) and b.uniform):
            raise NotPolynomial(f"it divides by {b.uniform}")
        odd, exponent = odd_part(np.array(b.uniform))
        m = abs(int(odd))
        if m >= 2**DIGITS:
            raise NotPolynomial(f"it divides by {b.uniform:.6g}, which is not dyadic")
        if a.multiple % m:
            raise Indivisible(m, m // math.gcd(m, a.multiple))
        return Note(max(NOWHERE, a.q + int(exponent)), a.degree, a.multiple // m)


# ---------------------------------------------------------------------- at a point


class Terms:
    """The walk with numbers, to be compiled. Notes are the input's number where a value is that input rearranged.

    `sums` collects max Σ|terms| of every counted equation, in the order of `Lattice.rows`; `beside` what an input is
    added to, as (input, sign, root mean square), so that a bias can be drawn that turns units off.

    Args:
        counts: `Lattice.counts` of the same jaxpr.
        other_ties: break every tie between equals the other way.
        coarse: bound the sums of products by n · max|a| · max|b| instead of evaluating them.
    """

    def __init__(self, counts: Collection[int], *, other_ties: bool = False, coarse: bool = False) -> None:
        self.counts = counts
        self.coarse = coarse
        self.other_ties = other_ties
        self.sums: list[Any] = []
        self.beside: list[tuple[int, int, Any]] = []

    def constant(self, value: Any) -> int | None:
        return None

    def equation(
        self, eqn: core.JaxprEqn, values: list[Any], notes: list[int | None]
    ) -> tuple[list[Any], list[int | None]]:
        name = eqn.primitive.name
        if name == "div" and is_float(eqn.invars[1].aval):
            values = [values[0], entry_by_entry(*values)]
        outs = self.decided(eqn, values) if self.other_ties else evaluate(eqn, values)
        if is_counted(eqn):
            self.sums.append(self.magnitude(eqn, values, outs[0]))
        if name in ("add", "sub") and (notes[0] is None) != (notes[1] is None):
            place = 0 if notes[1] is None else 1
            other = values[1 - place]
            if jnp.size(other) > 0:
                sign = -1 if name == "sub" and place == 1 else 1
                self.beside.append((notes[place], sign, jnp.sqrt(jnp.mean(jnp.square(other)))))  # pyright: ignore[reportArgumentType]
        moved = name in ("reshape", "broadcast_in_dim", "expand_dims", "squeeze", "transpose")
        return outs, [notes[0] if moved else None] * len(outs)

    def magnitude(self, eqn: core.JaxprEqn, x: list[Any], y: Any) -> Any:
        """max Σ|terms|, ∞ where the equation is not exact at all."""
        name = eqn.primitive.name
        if name in ADDED:
            terms = jnp.abs(x[0]) + jnp.abs(x[1])
        elif name in PRODUCTS and self.coarse:
            terms = terms_summed(eqn) * jnp.max(jnp.abs(x[0])) * jnp.max(jnp.abs(x[1]))
        elif name in PRODUCTS:
            terms = evaluate(eqn, [jnp.abs(x[0]), jnp.abs(x[1])])[0]
        elif name in SUMMED:
            terms = evaluate(eqn, [jnp.abs(x[0]), *x[1:]])[0]
        elif name in SCATTERED:
            terms = evaluate(eqn, [jnp.abs(x[0]), x[1], jnp.abs(x[2])])[0]
        elif len(self.sums) in self.counts:
            terms = jnp.where(x[1] == 1, jnp.abs(y), jnp.inf)
        else:
            terms = jnp.abs(y)
        # An infinity that was put there (the start of a maximum) is exact; a NaN never is.
        terms = jnp.where(jnp.isnan(terms), jnp.inf, jnp.where(jnp.isinf(y), 0.0, terms))
        return jnp.max(terms, initial=0.0).astype(jnp.float64)

    def decided(self, eqn: core.JaxprEqn, x: list[Any]) -> list[Any]:
        """The equation with ties broken the other way."""
        name = eqn.primitive.name
        swapped = {"gt": jnp.greater_equal, "ge": jnp.greater, "lt": jnp.less_equal, "le": jnp.less}
        if name in swapped and is_float(eqn.invars[0].aval):
            return [swapped[name](x[0], x[1])]
        if name == "sign" and is_float(eqn.invars[0].aval):
            return [jnp.where(x[0] == 0, 1.0, evaluate(eqn, x)[0])]
        if name in ("argmax", "argmin"):
            axis = eqn.params["axes"][0]
            last = evaluate(eqn, [lax.rev(x[0], (axis,))])[0]
            return [x[0].shape[axis] - 1 - last]
        if name == "select_and_scatter_add":
            return [last_winner(eqn, x[0], x[1])]
        return evaluate(eqn, x)


def shape_of(atom: Any) -> tuple[int, ...]:
    return atom.aval.shape


def terms_summed(eqn: core.JaxprEqn) -> int:
    """How many products an entry of a `dot_general` or a convolution adds, at most."""
    p = eqn.params
    if eqn.primitive.name == "dot_general":
        return math.prod(shape_of(eqn.invars[0])[i] for i in p["dimension_numbers"][0][0])
    return math.prod(shape_of(eqn.invars[1])[i] for i in p["dimension_numbers"].rhs_spec[1:])


def entry_by_entry(x: Any, divisor: Any) -> Any:
    """A divisor of which XLA does not know that all its entries are one number c.

    Else it multiplies by 1/c, and adds the product unrounded: 10/5 - 2 is not zero then.
    """
    return jnp.where(x == x, divisor, jnp.ones_like(divisor))


def last_winner(eqn: core.JaxprEqn, source: Any, operand: Any) -> Any:
    """`select_and_scatter_add` in which the last of equal entries wins: everything turned round, and back."""
    p = dict(eqn.params)
    axes = tuple(range(operand.ndim))
    kept, padding, unreached = [], [], []
    for n, k, s, w, (low, _) in zip(
        operand.shape,
        source.shape,
        p["window_strides"],
        p["window_dimensions"],
        p["padding"],
        strict=True,
    ):
        reach = (k - 1) * s + w - low  # where the last window ends
        kept.append(min(n, reach))
        padding.append((max(0, reach - n), low))
        unreached.append((0, max(0, n - reach), 0))
    p["padding"] = tuple(padding)
    cut = lax.slice(operand, (0,) * operand.ndim, kept)
    turned = eqn.primitive.bind(lax.rev(source, axes), lax.rev(cut, axes), **p)
    return lax.pad(lax.rev(turned, axes), jnp.zeros((), source.dtype), unreached)


def budget(rows: Sequence[Row], sums: Array) -> Array:
    """Σ|terms|·2^q of every row, in units where 2^53 is the limit whatever the row's format."""
    scale = np.array([math.ldexp(1.0, min(r.q + 53 - r.digits, 1000)) for r in rows])
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(sums == 0, 0.0, sums * scale)


def traced_sums(sums: Sequence[Any]) -> Any:
    """The collected scalars as one array, for the compiled program's output."""
    return jnp.stack(list(sums)) if sums else jnp.zeros(0)
