"""The linear layer: every output is a weighted sum of every input, plus a bias.

    Y[b,o] = Σ_d X[b,d] · W[d,o] + bias[o]                                     (1)

Nudge X, W and the bias by Ẋ, Ẇ, ḃ. To first order the output moves by

    Ẏ[b,o] = Σ_d Ẋ[b,d] · W[d,o] + Σ_d X[b,d] · Ẇ[d,o] + ḃ[o]                  (2)

and the loss by Σ_{b,o} G[b,o] · Ẏ[b,o], where G = ∂L/∂Y arrives from the next layer. Whatever multiplies a nudge is the
gradient there:

    ∂L/∂X[b,d]  = Σ_o G[b,o] · W[d,o]                                          (3)
    ∂L/∂W[d,o]  = Σ_b X[b,d] · G[b,o]                                          (4)
    ∂L/∂bias[o] = Σ_b G[b,o]                                                   (5)

A fully connected layer is a linear layer and an activation after it; then G in (3) to (5) is the gradient at the
pre-activation, ∂L/∂Z = ∂L/∂H ⊙ φ'(Z): the factor that the lecture's "dense to flatten" leaves out.

Letters: X input; Y output; W weights; G = ∂L/∂Y; L loss; b sample; d input; o output of the layer; a dot marks a
nudge.

Source: the lecture, "CNN Layer Types and Their Gradients".
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage
from manual.weights import Activation, as_activation, he_normal, stages_of

Array = np.ndarray


class Saved(NamedTuple):
    """What the backward pass needs."""

    x: Array  # (B, D), for (4)
    weights: Array  # (D, O), for (3)


def forward(x: Array, weights: Array, biases: Array) -> tuple[Array, Saved]:
    """The weighted sums (1).

    Args:
        x: (B, D); float32, float64 or complex128, as weights and biases.
        weights: (D, O).
        biases: (O,).

    Raises:
        ValueError: shapes that do not fit.
    """
    checks.rank(x, "x", "B D")
    checks.rank(weights, "weights", "D O")
    checks.same_shape(biases, (weights.shape[1],), "biases", "one bias per output")
    if x.shape[1] != weights.shape[0]:
        raise ValueError(f"x has {x.shape[1]} features (shape {x.shape}); the weights take {weights.shape[0]}")
    return x @ weights + biases, Saved(x, weights)  # (1)


def tangent(nudge_x: Array, nudge_weights: Array, nudge_biases: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ, Ẇ, ḃ, the shapes of x, weights and biases. Raises ValueError for another shape."""
    x, weights = saved
    biases = (nudge_biases, weights.shape[1:])
    checks.nudges(x=(nudge_x, x.shape), weights=(nudge_weights, weights.shape), biases=biases)
    return nudge_x @ weights + x @ nudge_weights + nudge_biases  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array, Array, Array]:
    """∂L/∂x, ∂L/∂weights, ∂L/∂biases from G = grad_output (B, O).

    Raises:
        ValueError: grad_output has another shape than y.
    """
    g, (x, weights) = grad_output, saved
    checks.same_shape(g, (x.shape[0], weights.shape[1]), "grad_output", "the output")
    # (3), by rows or by columns: in the layout that x has in memory
    grad_x = (weights @ g.T).T if x.flags.f_contiguous else g @ weights.T
    grad_weights = x.T @ g  # (4)
    grad_biases = g.sum(axis=0)  # (5)
    return grad_x, grad_weights, grad_biases


class FullyConnectedLayer(Layer):
    """The lecture's dense layer: linear, then an activation.

    Args:
        input_size, output_size: D and O.
        activation: an activation layer (or its class); None: none.
        dtype: float64 or float32.
        rng: a Generator or a seed; the weights are drawn from it, normal with variance 2 / D; the biases start at zero.

    Attributes:
        weights (D, O) and biases (O,), gettable and settable.

    Raises:
        TypeError: a size that is not an integer, another dtype, an activation that is none.
        ValueError: a size below 1.
    """

    parameter_names = ("weights", "biases")
    weights: Array
    biases: Array

    def __init__(
        self,
        input_size: int,
        output_size: int,
        activation: Activation = None,
        *,
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        super().__init__(dtype=dtype)
        self.input_size = checks.integer(input_size, "input_size", 1)
        self.output_size = checks.integer(output_size, "output_size", 1)
        self.activation = as_activation(activation, self.dtype)
        self.weights = he_normal(rng, (self.input_size, self.output_size), fan_in=self.input_size)
        self.biases = np.zeros(self.output_size)

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("linear", ("weights", "biases"), {}), *stages_of(self.activation))


class LinearLayer(FullyConnectedLayer):
    """The lecture's linear layer: a fully connected one without an activation.

    Arguments, attributes and errors are those of `FullyConnectedLayer`.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        super().__init__(input_size, output_size, None, dtype=dtype, rng=rng)
