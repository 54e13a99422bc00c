"""Dropout with a mask from SplitMix64, in the integer arithmetic of `jax.lax`.

    Y = K ⊙ X / (1 − rate)

K is a constant: it depends on the seed and the number of an entry alone.

Source: N. Srivastava et al., JMLR 15 (2014) 1929-1958; G. Steele, D. Lea, C. Flood, OOPSLA 2014.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]

STEP = 11400714819323198485  # 2⁶⁴ over the golden ratio, odd
MIXES = ((30, 13787848793156543929), (27, 10723151780598845931))


@double_precision()
def forward(x: ArrayLike, *, seed: ArrayLike, rate: float, training: bool = True) -> tuple[jax.Array, tuple[jax.Array]]:
    """Drop a share of the entries of x and grow the rest; return that, and the seed afterwards.

    x: any shape, float32 or float64; the result has its shape and dtype.  seed: (1,), 64 bits.
    """
    x, seed = jnp.asarray(x), jnp.asarray(seed, jnp.uint64)
    if not training:
        return x, (seed,)
    numbers = jax.lax.iota(jnp.uint64, x.size)
    bits = seed + jnp.uint64(STEP) * (numbers + jnp.uint64(1))
    for shift, factor in MIXES:
        bits = jnp.uint64(factor) * jax.lax.bitwise_xor(bits, jax.lax.shift_right_logical(bits, jnp.uint64(shift)))
    bits = jax.lax.bitwise_xor(bits, jax.lax.shift_right_logical(bits, jnp.uint64(31)))
    dropped = jax.lax.shift_right_logical(bits, jnp.uint64(11)) < jnp.uint64(-int(-rate * 2**53 // 1))
    y = jnp.where(dropped.reshape(x.shape), jnp.zeros_like(x), x / (1 - rate))
    return y, (seed + jnp.uint64(x.size) * jnp.uint64(STEP),)
