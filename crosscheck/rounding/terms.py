"""S, the sum of the absolute terms that were added up into an entry.

An entry that is a cancelled sum has no digits of its own: only S says how large a mistake would have been. So S is
carried beside the value, with one rule: *an entry that is known is what it is, only one that is lost stands for its
terms*. Without it S would be the worst-case bound again, and grow through whatever iterates.

    S of a + b           S_a + S_b
    S of Σ terms         Σ S of the terms
    S of a · b, a / b    S_a · S_b, (S_a / |b|) · (S_b / |b|)
    S of xⁿ, Π x         S_xⁿ, Π S
    S of f(x)            |y|, or |f'(x)| S_x where that is more
    S of a transform     Σ S over all that it mixes
    what moves entries   moves S

None stands for |y|: a value that has not been added up.
"""

from __future__ import annotations

from typing import Any

from jax.extend import core

from crosscheck.rounding.arrays import xp
from crosscheck.rounding.sizes import absolute_sum, computed, counts, inexact, pushed, unit_of
from crosscheck.traces.primitives import Kind, primitive

# An entry is judged by itself where its rounding is below this share of it (rule 1 of a verdict).
KNOWN = 1e-3


def standing(value: Any, terms: Any, unit: float, amplitude: Any) -> Any:
    """S as the next equation reads it: of an entry that is lost among its terms they, of a known one itself.

    The rounding of a sum is about u S, and `amplitude` times that what two right sums may differ by.
    """
    if terms is None:
        return None
    size = xp.abs(value)
    rounding = xp.abs(amplitude) * unit_of(size.dtype, unit) * terms
    lost = KNOWN * size < rounding
    return xp.where(lost, terms, size)


def carried(eqn: core.JaxprEqn, x: list[Any], y: list[Any], sums: list[Any]) -> list[Any]:
    """S of the outputs from S of the operands, as `standing` reads it."""
    row = primitive(eqn.primitive.name)
    if not all(inexact(out) for out in y[:1]):
        return [None] * len(y)
    if row.kind in (Kind.SUMS, Kind.CONTRACTS) and eqn.primitive.name != "cumlogsumexp":
        return [added(eqn, x, sums)]
    if row.kind is Kind.ADDS:
        a, b = (xp.abs(v) if s is None else s for v, s in zip(x, sums, strict=True))
        return [a + b]
    if eqn.primitive.name in ("real", "imag"):
        return [xp.abs(x[0]) if sums[0] is None else sums[0]]
    if all(s is None for s in sums):
        return [None] * len(y)
    rule = RULES.get(row.kind)
    return [None] * len(y) if rule is None else rule(eqn, x, y, sums)


def added(eqn: core.JaxprEqn, x: list[Any], sums: list[Any]) -> Any:
    operands = [v if s is None or not counts(eqn, i, v) else s for i, (v, s) in enumerate(zip(x, sums, strict=True))]
    return absolute_sum(eqn, operands)


def moved(eqn: core.JaxprEqn, x: list[Any], y: list[Any], sums: list[Any]) -> list[Any]:
    name = eqn.primitive.name
    operands = [
        v if not inexact(v) else xp.abs(v) if s is None else s.astype(xp.abs(v).dtype)
        for v, s in zip(x, sums, strict=True)
    ]
    if name in ("neg", "conj", "abs"):
        return operands[:1]
    if name == "complex":
        return [operands[0] + operands[1]]
    if name in ("convert_element_type", "reduce_precision"):
        return [operands[0].astype(xp.abs(y[0]).dtype) if inexact(y[0]) and inexact(x[0]) else None]
    # What is rearranged keeps its equation's type: of sizes that of complex entries, with nothing in their second part.
    return [xp.real(out) if inexact(out) else None for out in computed(eqn, operands)]


def selected(eqn: core.JaxprEqn, x: list[Any], y: list[Any], sums: list[Any]) -> list[Any]:
    """Of a choice entry by entry: S of what was chosen. Other winners have been compared, and stand for themselves."""
    name = eqn.primitive.name
    if name in ("select_n", "abs"):
        return moved(eqn, x, y, sums)
    if name not in ("max", "min", "clamp"):
        return [None] * len(y)
    chosen = xp.abs(y[0])
    for v, s in zip(x, sums, strict=True):
        if s is not None:
            chosen = xp.where(v == y[0], xp.maximum(chosen, s), chosen)
    return [chosen]


def multiplied(eqn: core.JaxprEqn, x: list[Any], y: list[Any], sums: list[Any]) -> list[Any]:
    a, b = (xp.abs(v) if s is None else s for v, s in zip(x, sums, strict=True))
    return [a * b]


def divided(eqn: core.JaxprEqn, x: list[Any], y: list[Any], sums: list[Any]) -> list[Any]:
    above = xp.abs(y[0]) if sums[0] is None else sums[0] / xp.abs(x[1])
    out = above if sums[1] is None else above * (sums[1] / xp.abs(x[1]))
    return [xp.where(xp.isnan(out), xp.abs(y[0]), out)]


def factors(eqn: core.JaxprEqn, x: list[Any], y: list[Any], sums: list[Any]) -> list[Any]:
    """A product of many entries, or of an entry with itself: the slope at a zero says nothing of it."""
    return [xp.maximum(xp.abs(y[0]), xp.abs(computed(eqn, [sums[0].astype(x[0].dtype)])[0]))]


def transformed(eqn: core.JaxprEqn, x: list[Any], y: list[Any], sums: list[Any]) -> list[Any]:
    axes = tuple(range(-len(eqn.params["fft_lengths"]), 0))
    total = xp.sum(sums[0], axis=axes, keepdims=True)
    return [xp.broadcast_to(total, y[0].shape)]


def through(eqn: core.JaxprEqn, x: list[Any], y: list[Any], sums: list[Any]) -> list[Any]:
    """A function: its slope times S."""
    if eqn.primitive.name == "square" or (eqn.primitive.name == "integer_pow" and eqn.params["y"] > 0):
        return factors(eqn, x, y, sums)
    out = xp.abs(y[0])
    tangents = [xp.zeros_like(v) if s is None else s.astype(v.dtype) for v, s in zip(x, sums, strict=True)]
    try:
        slope = xp.abs(pushed(eqn, x, tangents))
    except (NotImplementedError, TypeError, ValueError):  # no derivative in some operand
        return [out]
    return [xp.where(xp.isfinite(slope), xp.maximum(out, slope), out)]


RULES = {
    Kind.MOVES: moved,
    Kind.CASTS: moved,
    Kind.SELECTS: selected,
    Kind.MULTIPLIES: multiplied,
    Kind.DIVIDES: divided,
    Kind.FUNCTION: through,
    Kind.PRODUCTS: lambda eqn, x, y, sums: factors(eqn, x, y, sums) if len(x) == 1 else [None],
    Kind.FOURIER: transformed,
}
