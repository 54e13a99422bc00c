"""One name for the functions that NumPy and JAX share: JAX's where an operand is JAX's, else NumPy's.

    from crosscheck.rounding.arrays import xp
    xp.abs(x)

So what is written once is traced where a program is compiled, and computed at once where it is interpreted (`numeric`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


class Either:
    """NumPy or jax.numpy, whichever the operands need."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        near, far = getattr(np, name), getattr(jnp, name)

        def function(*operands: Any, **more: Any) -> Any:
            return (far if any(isinstance(a, jax.Array) for a in operands) else near)(*operands, **more)

        setattr(self, name, function)
        return function


xp = Either()


def dtype_of(atom: Any) -> Any:
    """Of a variable or a literal of a jaxpr."""
    return atom.aval.dtype


def zeros_of(atom: Any) -> np.ndarray:
    """An array like what a variable of a jaxpr holds."""
    return np.zeros(atom.aval.shape, atom.aval.dtype)
