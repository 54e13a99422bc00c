"""float64 in JAX, without touching the configuration of the process.

JAX turns float64 into float32 unless `jax_enable_x64` is set, and setting it changes what every
other user of JAX in the process gets. `jax.enable_x64(True)` as a context sets it for this thread
and only until the context is left.

`jax.vjp`, `jax.jit`, `jax.make_jaxpr` cast float64 arrays to float32 on the way in, and no function can undo that
from inside. So a transformation, and every call of what it returns, belongs in the context:

    with double_precision():
        y, vjp = jax.vjp(jnp.tanh, x)
        (grad_x,) = vjp(grad_output)

float32 arrays stay float32 in the context. Arrays made in it keep float64 after it is left, but
what is done with them then follows the process again, and even `y == 0.1` rounds both sides to
float32 first: take them out with `numpy.asarray` or `item()`.
"""

from collections.abc import Generator
from contextlib import contextmanager

import jax

__all__ = ["double_precision"]


@contextmanager
def double_precision() -> Generator[None]:
    """Let float64 arrays be float64 in JAX: `with double_precision():`, or as a decorator.

    Holds for the calling thread only, nests, and leaves the setting as it was found, also when an
    exception passes through. Where 64 bits are on already it changes nothing.
    """
    with jax.enable_x64(True):
        yield
