"""S, the sum of the absolute terms that were added up into an entry, for the operations of PyTorch as they come.

The rules are those of `crosscheck.rounding.terms`: sums add the S of their terms, products multiply them, what moves
entries moves S, and an entry that is known stands for itself. Without S nobody knows what a zero that is left of terms
that cancel is small against: the gradient of a bias before a batch norm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crosscheck.rounding.terms import KNOWN
from crosscheck.torch.needs import pytorch
from crosscheck.torch.sizes import flat, is_float, operands


def carried(name: str, kind: str, func: Any, args: Any, kwargs: Any, outs: list[Any], known: Mapping[Any, Any]) -> Any:
    """S of every output of one operation; None for |y|, and of what nothing is known.

    Args:
        known: S of tensors that were added up, as `standing` reads it.
    """
    given = list(operands(args))
    has = any(known.get(a) is not None for a in given)
    adds = kind in ("sums", "contracts") or name in ("add", "sub", "rsub")
    if func._schema.is_mutable or not any(map(is_float, outs)) or not (has or adds):
        return [None] * len(outs)
    if any(a.dtype.is_complex for a in given):
        return [None] * len(outs)
    sums = standing_for(args, known)
    if name in ("add", "sub", "rsub", "mul", "div"):
        sums = [abs(a) if isinstance(a, (int, float)) else a for a in sums]
    if name in ("add", "sub", "rsub"):
        a, b = sums[0], sums[1]
        return [a + abs(kwargs.get("alpha", 1)) * b]
    if name == "mul":
        return [sums[0] * sums[1]]
    if name == "div" and not kwargs:
        divisor = args[1].abs() if is_float(args[1]) else sums[1]
        return [pytorch().nan_to_num(sums[0] / divisor)]
    if kind in ("sums", "contracts", "moves", "") or func.is_view:
        return [out.abs() if is_float(out) else None for out in flat(func(*sums, **kwargs))]
    return [None] * len(outs)


def standing(value: Any, terms: Any, amplitude: float) -> Any:
    """S as the next operation reads it: of an entry that is lost among its terms they, of a known one itself."""
    size = value.abs()
    return pytorch().where(KNOWN * size < amplitude * terms, terms, size)


def standing_for(given: Any, known: Mapping[Any, Any]) -> Any:
    """Arguments with S in the place of their floats."""
    if isinstance(given, (list, tuple)):
        return type(given)(standing_for(a, known) for a in given)
    if not is_float(given):
        return given
    found = known.get(given)
    return given.abs() if found is None else found
