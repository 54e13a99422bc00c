"""Random signs from a counter: what replaces every rounding in a perturbed copy of a program.

A generator that is split at every equation rules the compilation (23 s instead of 0.8 for an attention layer). Here an
equation has a number, an entry has a number, and a hash of both is 32 bits: one sign for each of up to 32 copies. The
sign over √3 has the variance of a rounding error that is uniform in (-u|y|, u|y|), and the same error is drawn wherever
the same number is asked for.

Works on NumPy's arrays and on JAX's, traced or not: everything is arithmetic modulo 2^32.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

COPIES = 32  # that one hash has bits for
SPREAD = 1 / math.sqrt(3)  # the standard deviation of a number uniform in (-1, 1)
STRIDE = np.uint32(0x9E3779B1)  # odd, near 2^32 over the golden ratio: consecutive counters fall far apart


def mixed(x: Any) -> Any:
    """A bijection of 32-bit words whose every output bit depends on every input bit (C. Wellons, hash-prospector)."""
    x = (x ^ (x >> 16)) * np.uint32(0x21F0AAAD)
    x = (x ^ (x >> 15)) * np.uint32(0x735A2D97)
    return x ^ (x >> 15)


def keyed(seed: Any, *counters: Any) -> Any:
    """A word for a seed and the numbers of an equation, of a step of a loop, of a part."""
    word = jnp.asarray(seed, jnp.uint32)
    for counter in counters:
        word = mixed(word + jnp.asarray(counter, jnp.uint32) * STRIDE + np.uint32(1))
    return word


def words(key: Any, shape: tuple[int, ...]) -> Any:
    """One word an entry."""
    entries = jnp.arange(math.prod(shape), dtype=jnp.uint32).reshape(shape)
    return mixed(mixed(entries * STRIDE) + key)


def signs(bits: Any, copies: int, dtype: Any) -> Any:
    """±1/√3 from the lowest bits of every word, one for each copy, with the copies' axis first."""
    places = jnp.arange(copies, dtype=jnp.uint32).reshape(copies, *(1,) * jnp.ndim(bits))
    return jnp.where((bits >> places) & 1 == 1, SPREAD, -SPREAD).astype(dtype)


def words_of_values(seed: Any, values: Any) -> Any:
    """One word an entry that depends on the seed and the number's absolute value alone."""
    halves = lax.bitcast_convert_type(jnp.abs(values).astype(jnp.float64), jnp.uint32)
    return mixed(mixed(halves[..., 0] + seed) + halves[..., 1])
