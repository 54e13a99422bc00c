"""The linear layer by `jax.lax.dot_general`.

    Y[b,o] = Σ_d X[b,d] · W[d,o] + bias[o]

Source: the lecture, "LinearLayer : Linear transformation gradients"; W is (in, out), as in its
chain rule ∂L/∂H = ∂L/∂Y · Wᵀ. `Precision.HIGHEST` because an accelerator would otherwise multiply
float32 with fewer bits; on a CPU it changes nothing.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from reference.precision import double_precision

__all__ = ["forward"]


@double_precision()
def forward(x: ArrayLike, weights: ArrayLike, biases: ArrayLike) -> jax.Array:
    """Multiply every sample by the weights and add the biases.

    x: (B, D).  weights: (D, O).  biases: (O,).  All of one dtype, float32 or float64; the result
    is (B, O) of that dtype.

    Raises TypeError or ValueError, JAX's own, where the shapes do not fit.
    """
    x, weights, biases = jnp.asarray(x), jnp.asarray(weights), jnp.asarray(biases)
    y = jax.lax.dot_general(
        x,
        weights,
        dimension_numbers=(((1,), (0,)), ((), ())),
        precision=jax.lax.Precision.HIGHEST,
    )
    # Reshaped to the outputs that the weights give, so biases of shape (1,) are not spread out.
    return y + biases.reshape(1, weights.shape[1])
