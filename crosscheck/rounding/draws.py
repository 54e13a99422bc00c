"""Random signs from a counter: what replaces every rounding in a perturbed copy of a program.

A generator that is split at every equation rules the compilation (23 s instead of 0.8 for an attention layer). Here an
equation has a number, an entry has a number, and a hash of both is 32 bits: one sign for each of up to 32 copies. The
sign over √3 has the variance of a rounding error that is uniform in (-u|y|, u|y|), and the same error is drawn wherever
the same number is asked for.

Everything is arithmetic modulo 2^32, on words that may be traced; what does not depend on the program's inputs is done
with Python's integers, so that it is not compiled.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from crosscheck.rounding.arrays import xp

COPIES = 32  # that one hash has bits for
SPREAD = 1 / math.sqrt(3)  # the standard deviation of a number uniform in (-1, 1)
STRIDE = 0x9E3779B1  # odd, near 2^32 over the golden ratio: consecutive counters fall far apart
WORD = 0xFFFFFFFF


def mixed(x: Any) -> Any:
    """A bijection of 32-bit words whose every output bit depends on every input bit (C. Wellons, hash-prospector)."""
    if isinstance(x, int):
        x = (x ^ x >> 16) * 0x21F0AAAD & WORD
        x = (x ^ x >> 15) * 0x735A2D97 & WORD
        return x ^ x >> 15
    x = (x ^ (x >> 16)) * np.uint32(0x21F0AAAD)
    x = (x ^ (x >> 15)) * np.uint32(0x735A2D97)
    return x ^ (x >> 15)


def keyed(number: Any, part: int) -> Any:
    """A word for the number of an equation, or of a step of a loop, and of a part of it."""
    if isinstance(number, int):
        return mixed(mixed(number * STRIDE & WORD) + part & WORD)
    return mixed(mixed(number * np.uint32(STRIDE)) + np.uint32(part))


def sum_of(*words: Any) -> Any:
    """Words added modulo 2^32."""
    static = sum(w for w in words if isinstance(w, int)) & WORD
    traced = [w for w in words if not isinstance(w, int)]
    return sum(traced[1:], traced[0]) + np.uint32(static) if traced else static


def entries(shape: tuple[int, ...], interpreted: bool = False) -> Any:
    """One word an entry, for all that has this shape."""
    numbers = np.arange(math.prod(shape), dtype=np.uint32) if interpreted else lax.iota(jnp.uint32, math.prod(shape))
    return mixed(numbers.reshape(shape) * np.uint32(STRIDE))


@functools.cache
def strengths(copies: int) -> np.ndarray:
    """How strongly each copy is perturbed, from half to all of the amplitude.

    Copies of one strength would take two values where one rounding rules, and of a function that has turned round in
    between (sin of a phase that is lost) both may lie beside the truth.
    """
    return np.linspace(0.5, 1.0, copies) if copies > 1 else np.ones(1)


@functools.cache
def levels(bits: int) -> np.ndarray:
    """2^bits signed strengths with mean square 1: so many random bits say which."""
    half = 2 ** (bits - 1)
    sizes = 0.5 + np.arange(half) / (half - 1) if half > 1 else np.ones(1)
    sizes = sizes / np.sqrt(np.mean(sizes**2))
    return np.concatenate([-sizes, sizes])


def signs(bits: Any, copies: int, dtype: Any) -> Any:
    """± strength/√3 from the bits of every word, one for each copy, with the copies' axis first.

    Two roundings of one size cancel in every copy where their draws are alike or opposite in every copy: then σ says 0
    of a sum that is not. With fewer copies each therefore takes more of the word's bits, for a size beside the sign,
    and the probability stays 2⁻³¹.
    """
    shape = (copies, *jnp.shape(bits))
    each = min(COPIES // copies, 4)
    if isinstance(bits, jax.Array):
        places = lax.broadcasted_iota(jnp.uint32, shape, 0)
        size = lax.broadcast_in_dim(jnp.asarray(SPREAD * strengths(copies), dtype), shape, (0,))
        word = lax.shift_left(lax.broadcast(bits, (copies,)), places * np.uint32(each))
    else:
        ahead = (copies, *(1,) * np.ndim(bits))
        size = (SPREAD * strengths(copies)).astype(dtype).reshape(ahead)
        word = np.asarray(bits) << np.arange(0, each * copies, each, dtype=np.uint32).reshape(ahead)
    table = levels(each)[2 ** (each - 1) :].astype(dtype)
    if each > 1:  # the sizes are evenly spaced: no table is read
        level = (word << np.uint32(1)) >> np.uint32(COPIES - each + 1)
        size = size * (table[0] + (table[1] - table[0]) * level.astype(dtype))
    up = word >= np.uint32(1 << 31)
    return lax.select(up, size, -size) if isinstance(bits, jax.Array) else np.where(up, size, -size)


def words_of_values(seed: Any, values: Any) -> Any:
    """One word an entry that depends on the seed and the number's absolute value alone."""
    wide = xp.abs(values).astype(np.float64)
    if isinstance(seed, jax.Array) or isinstance(wide, jax.Array):
        halves = lax.bitcast_convert_type(jnp.asarray(wide), jnp.uint32)
    else:
        halves = np.asarray(wide)[..., None].view(np.uint32)
    return mixed(mixed(halves[..., 0] + seed) + halves[..., 1])
