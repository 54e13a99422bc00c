"""An embedding by indexing.

    Y[…] = T[X[…]]

Its gradient is JAX's transpose of the lookup, a scatter that adds. The padding index stands for a row of zeros.

Source: Y. Bengio, R. Ducharme, P. Vincent, C. Jauvin, JMLR 3 (2003) 1137-1155.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, table: ArrayLike, *, padding_index: int | None = None) -> jax.Array:
    """Look up rows of a table.

    x: integers of any shape.  table: (V, D), float32 or float64; the result has the shape of x and D behind it.
    """
    x, table = jnp.asarray(x), jnp.asarray(table)
    rows = table[x]
    return rows if padding_index is None else jnp.where((x == padding_index)[..., None], 0, rows)
