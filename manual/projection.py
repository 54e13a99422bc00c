"""A projection: the linear layer at every place of a sequence, or of anything whose last axis holds features.

    Y[…,o] = Σ_d X[…,d] · W[d,o] + bias[o]                                     (1)

The weights are shared over all places before the last axis. Nudge X, W and the bias by Ẋ, Ẇ, ḃ:

    Ẏ[…,o] = Σ_d ( Ẋ[…,d]·W[d,o] + X[…,d]·Ẇ[d,o] ) + ḃ[o]                      (2)

With G = ∂L/∂Y from the next layer

    ∂L/∂X[…,d]  = Σ_o G[…,o] · W[d,o]                                          (3)
    ∂L/∂W[d,o]  = Σ_… X[…,d] · G[…,o]                                          (4)
    ∂L/∂bias[o] = Σ_… G[…,o]                                                   (5)

Letters: X input; Y output; W weights; b the bias; G = ∂L/∂Y; L loss; d input feature; o output feature; a dot marks a
nudge.

Source: A. Vaswani et al., *Attention is all you need*, arXiv 1706.03762.
"""

from typing import NamedTuple

import numpy as np

from manual import checks

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    x: Array
    weights: Array


def forward(x: Array, weights: Array, biases: Array) -> tuple[Array, Saved]:
    """The weighted sums (1).

    Args:
        x: (..., D); float32, float64 or complex128, as weights and biases.
        weights: (D, O).
        biases: (O,).

    Raises:
        ValueError: shapes that do not fit.
    """
    checks.rank(weights, "weights", "D O")
    checks.same_shape(biases, (weights.shape[1],), "biases", "one bias per output")
    if x.ndim < 2 or x.shape[-1] != weights.shape[0]:
        raise ValueError(f"x has shape {x.shape}; the weights take {weights.shape[0]} features along its last axis")
    return x @ weights + biases, Saved(x, weights)  # (1)


def tangent(nudge_x: Array, nudge_weights: Array, nudge_biases: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ, Ẇ, ḃ, the shapes of x, weights and biases. Raises ValueError for another shape."""
    x, weights = saved
    biases = (nudge_biases, weights.shape[1:])
    checks.nudges(x=(nudge_x, x.shape), weights=(nudge_weights, weights.shape), biases=biases)
    return nudge_x @ weights + x @ nudge_weights + nudge_biases  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array, Array, Array]:
    """∂L/∂x, ∂L/∂weights, ∂L/∂biases from G = grad_output (..., O). Raises ValueError for another shape."""
    g, (x, weights) = grad_output, saved
    checks.same_shape(g, (*x.shape[:-1], weights.shape[1]), "grad_output", "the output")
    rows, arriving = x.reshape(-1, weights.shape[0]), g.reshape(-1, weights.shape[1])
    return g @ weights.T, rows.T @ arriving, arriving.sum(0)  # (3), (4), (5)
