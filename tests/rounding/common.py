"""How the tests ask for roundings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from crosscheck.rounding import Roundings, roundings

# (x₀ + x₁) - x₂ is 2^-54 where (x₁ - x₂) + x₀ is 0 or of another sign: a cancelling zero.
NEAR = (0.1, 0.2, 0.3)


def rounded(f: Callable[..., Any], *args: Any, **options: Any) -> Roundings:
    with jax.enable_x64(True):
        closed = jax.make_jaxpr(f)(*args)
    return roundings(closed, args, **options)


def zero(x: Any) -> Any:
    """A number that cancels to a rounding error."""
    return (x[0] + x[1]) - x[2]
